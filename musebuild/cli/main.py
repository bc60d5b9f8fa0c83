"""The `musebuild` command."""

from __future__ import annotations

import difflib
import getopt
import sys
from collections.abc import Callable, Iterable, Sequence
from importlib import import_module
from typing import TYPE_CHECKING, Any

from doit.cmd_base import Command, TaskLoader2
from doit.cmd_help import Help
from doit.cmdparse import CmdOption
from doit.doit_cmd import DoitMain
from doit.task import Task

from musebuild import __version__
from musebuild.cli.base import PROJECT, BaseCommand, reader_has_left
from musebuild.errors import MusebuildError

if TYPE_CHECKING:
    from musebuild.workers.executor import Executor

HELP = {"--help", "-h"}
LIKE = 0.75
"""How like a command a word must be to be taken for a slip; names of tasks are not."""
CONFIG = ("pyproject.toml", "doit.cfg")
"""Files with defaults of options, as doit reads them (`[run]`, `[tool.doit.commands.run]`)."""

COMMANDS = {
    "run": "build:RunCommand",
    "list": "list:ListCommand",
    "info": "info:InfoCommand",
    "status": "status:StatusCommand",
    "why": "why:WhyCommand",
    "plan": "plan:PlanCommand",
    "diff": "diff:DiffCommand",
    "alignment": "alignment:AlignmentCommand",
    "associations": "associations:AssociationsCommand",
    "provenance": "provenance:ProvenanceCommand",
    "info-raw": "info_raw:InfoRawCommand",
    "info-exp": "info_exp:InfoExpCommand",
    "info-warnings": "info_warnings:InfoWarningsCommand",
    "lock": "lock:LockCommand",
    "reproduce": "lock:ReproduceCommand",
    "clean": "clean:CleanCommand",
    "forget": "clean:ForgetCommand",
    "log": "log:LogCommand",
    "check": "check:CheckCommand",
    "check-integrity": "integrity:CheckIntegrityCommand",
    "settings": "settings:SettingsCommand",
    "cache": "cache:CacheCommand",
    "qc": "qc:QcCommand",
    "ingest": "ingest:IngestCommand",
    "flag": "flag:FlagCommand",
    "adopt": "adopt:AdoptCommand",
    "init": "init:InitCommand",
    "simulate": "simulate:SimulateCommand",
    "retrieve": "retrieve:RetrieveCommand",
    "demo": "demo:DemoCommand",
}
"""Command → its module and class. A module is imported when its command is called: an empty
build must not wait for what other commands need."""


def load_commands(names: Iterable[str]) -> tuple[type[Command], ...]:
    """Classes of commands."""
    found: list[type[Command]] = []
    for name in names:
        module, _, cls = COMMANDS[name].partition(":")
        found.append(getattr(import_module(f"musebuild.cli.{module}"), cls))
    return tuple(found)


class _NoLoader(TaskLoader2):  # type: ignore[misc]
    """Our commands make their own tasks, from the plan."""

    # doit would look for them before the command, and knows no lists there: `in_order` does.
    cmd_options = ()

    def load_doit_config(self) -> dict[str, Any]:
        """Nothing: the settings say it all."""
        return {}

    def load_tasks(self, cmd: Any, pos_args: Sequence[str]) -> list[Task]:
        """Nothing."""
        return []


class HelpCommand(Help):  # type: ignore[misc]
    """doit's help, about musebuild."""

    name = "help"

    def parse_execute(self, in_args: Sequence[str]) -> int:
        """doit's own, but a reader that has seen enough is no error."""
        try:
            status = int(super().parse_execute(in_args) or 0)
            sys.stdout.flush()
        except BrokenPipeError:
            return reader_has_left()
        return status

    def print_usage(self, cmds: Any) -> None:
        """Print the commands."""
        print("musebuild: make for VLT/MUSE data reduction\n")
        print("In a project folder `doit` is the same program; without a command it builds.\n")
        for name in sorted(cmds):
            print(f"  musebuild {name:<16} {cmds[name].doc_purpose}")
        print("\n  musebuild help COMMAND   options of a command")


class MusebuildMain(DoitMain):  # type: ignore[misc]
    """doit's main program with our commands."""

    BIN_NAME = "musebuild"

    def __init__(self, names: Iterable[str] = COMMANDS) -> None:
        self.DOIT_CMDS = (HelpCommand, *load_commands(names))
        super().__init__(_NoLoader(), config_filenames=CONFIG)
        # A project's doit.cfg names us as its loader, which is what brought us here.
        self.config.pop("LOADER", None)
        self.config["GLOBAL"].pop("loader", None)

    @staticmethod
    def print_version() -> None:
        """Print our version."""
        print(f"musebuild {__version__}")

    def process_args(self, cmd_args: Sequence[str]) -> list[str]:
        """Arguments as they are: `KEY=VALUE` belongs to `--set`."""
        return list(cmd_args)


def needed(arguments: Sequence[str]) -> list[str]:
    """Commands that a command line may mean; all of them for help."""
    if not {"help", *HELP}.isdisjoint(arguments):
        return list(COMMANDS)
    return [name for name in COMMANDS if name == "run" or name in arguments]


def in_order(arguments: Sequence[str]) -> list[str]:
    """Arguments with the options of a project behind the command that they stand before.

    Examples
    --------
    >>> in_order(["-d", "here", "--set", "version=2", "list", "--status"])
    ['list', '-d', 'here', '--set', 'version=2', '--status']
    """
    if not HELP.isdisjoint(arguments[:1]):
        return ["help", *arguments[1:]]
    if arguments and arguments[0] in COMMANDS and not HELP.isdisjoint(arguments[1:]):
        return ["help", arguments[0]]
    options = [CmdOption(option) for option in PROJECT]
    short = "".join(f"{option.short}:" for option in options if option.short)
    try:
        _, rest = getopt.getopt(list(arguments), short, [f"{o.long}=" for o in options])
    except getopt.GetoptError:
        return list(arguments)
    if not rest or rest[0] not in COMMANDS:
        return list(arguments)
    before = arguments[: len(arguments) - len(rest)]
    return [rest[0], *before, *rest[1:]]


def mistyped(arguments: Sequence[str]) -> str:
    """The command that a first word which is none may mean; empty where none comes near.

    Examples
    --------
    >>> mistyped(["chek", "--strict"])
    'check'
    >>> mistyped(["muse_flat"])
    ''
    """
    word = next(iter(arguments), "")
    if word.startswith("-") or word in COMMANDS:
        return ""
    return next(iter(difflib.get_close_matches(word, COMMANDS, n=1, cutoff=LIKE)), "")


def main(
    arguments: Sequence[str],
    *,
    moved: bool = False,
    executor: Callable[[], Executor] | None = None,
) -> int:
    """Run a command.

    Parameters
    ----------
    arguments : sequence of str
        Without the program's name.
    moved : bool
        Whether doit changed to the project's folder already.
    executor : callable, optional
        Makes the executor that carries out recipes; None: worker processes on this machine.

    Returns
    -------
    int
        Exit status: 0 done, 1 a part failed, 2 or 3 bad input, 130 stopped by Ctrl-C.
    """
    BaseCommand.moved = moved
    BaseCommand.executor = executor
    BaseCommand.meant = mistyped(arguments)
    try:
        return int(MusebuildMain(needed(arguments)).run(in_order(arguments)) or 0)
    except MusebuildError as error:
        sys.stderr.write(f"ERROR: {error}\n")
        return error.exit_status
    except KeyboardInterrupt:
        sys.stderr.write("stopped\n")
        return 130
    except BrokenPipeError:
        return reader_has_left()


def console() -> None:
    """Entry point of the `musebuild` command."""
    sys.exit(main(sys.argv[1:]))
