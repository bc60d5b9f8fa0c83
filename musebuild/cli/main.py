"""The `musebuild` command."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any

from doit.cmd_base import TaskLoader2
from doit.cmd_help import Help
from doit.doit_cmd import DoitMain
from doit.task import Task

from musebuild import __version__
from musebuild.cli.base import PROJECT, BaseCommand, reader_has_left
from musebuild.cli.build import RunCommand
from musebuild.cli.cache import CacheCommand
from musebuild.cli.check import CheckCommand
from musebuild.cli.demo import DemoCommand
from musebuild.cli.flag import FlagCommand
from musebuild.cli.info import InfoCommand
from musebuild.cli.info_exp import InfoExpCommand
from musebuild.cli.info_raw import InfoRawCommand
from musebuild.cli.info_warnings import InfoWarningsCommand
from musebuild.cli.ingest import IngestCommand
from musebuild.cli.init import InitCommand
from musebuild.cli.integrity import CheckIntegrityCommand
from musebuild.cli.lock import LockCommand, ReproduceCommand
from musebuild.cli.log import LogCommand
from musebuild.cli.look import ListCommand
from musebuild.cli.plan import PlanCommand
from musebuild.cli.provenance import ProvenanceCommand
from musebuild.cli.qc import QcCommand
from musebuild.cli.retrieve import RetrieveCommand
from musebuild.cli.settings import SettingsCommand
from musebuild.cli.simulate import SimulateCommand
from musebuild.cli.status import StatusCommand
from musebuild.cli.tidy import CleanCommand, ForgetCommand
from musebuild.cli.why import WhyCommand
from musebuild.errors import MusebuildError

CONFIG = ("pyproject.toml", "doit.cfg")
"""Files with defaults of options, as doit reads them (`[run]`, `[tool.doit.commands.run]`)."""


class _NoLoader(TaskLoader2):  # type: ignore[misc]
    """Our commands make their own tasks, from the plan."""

    # So that they may stand before the command, as doit's own may: `doit -d DIR list`.
    cmd_options = PROJECT

    def load_doit_config(self) -> dict[str, Any]:
        """Nothing: the settings say it all."""
        return {}

    def load_tasks(self, cmd: Any, pos_args: Sequence[str]) -> list[Task]:
        """Nothing."""
        return []


class HelpCommand(Help):  # type: ignore[misc]
    """doit's help, about musebuild."""

    name = "help"

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
    DOIT_CMDS = (
        HelpCommand,
        RunCommand,
        ListCommand,
        InfoCommand,
        StatusCommand,
        WhyCommand,
        PlanCommand,
        ProvenanceCommand,
        InfoRawCommand,
        InfoExpCommand,
        InfoWarningsCommand,
        LockCommand,
        ReproduceCommand,
        CleanCommand,
        ForgetCommand,
        LogCommand,
        CheckCommand,
        CheckIntegrityCommand,
        SettingsCommand,
        CacheCommand,
        QcCommand,
        IngestCommand,
        FlagCommand,
        InitCommand,
        SimulateCommand,
        RetrieveCommand,
        DemoCommand,
    )

    def __init__(self) -> None:
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


def main(arguments: Sequence[str], *, moved: bool = False) -> int:
    """Run a command.

    Parameters
    ----------
    arguments : sequence of str
        Without the program's name.
    moved : bool
        Whether doit changed to the project's folder already.

    Returns
    -------
    int
        Exit status: 0 done, 1 a part failed, 2 or 3 bad input, 130 stopped by Ctrl-C.
    """
    BaseCommand.moved = moved
    try:
        return int(MusebuildMain().run(list(arguments)) or 0)
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
