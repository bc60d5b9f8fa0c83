"""All commands: what each is for, and where it lives.

A module is imported when its command is called: an empty build must not wait for what other
commands need.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

import click

from musebuild import __version__
from musebuild.cli import of_musered
from musebuild.cli.command import CONTEXT, HELP, Call, Command, Group, Kind, read_words
from musebuild.cli.doit_config import read_defaults
from musebuild.cli.opening import OPTIONS
from musebuild.cli.task_names import complete_names
from musebuild.errors import UsageError
from musebuild.settings.nearest import did_you_mean

SECTIONS: Mapping[str, Mapping[str, tuple[str, str]]] = {
    "Start": {
        "init": ("init:init", "make a project folder with settings.yml to edit"),
        "demo": ("demo:demo", "simulate a night and reduce it to a data cube"),
        "simulate": (
            "simulate:simulate_night",
            "simulate a MUSE night: raw frames and static calibrations",
        ),
        "retrieve": (
            "retrieve:retrieve",
            "fetch frames and calibrations from the ESO archive",
        ),
        "adopt": (
            "adopt:adopt_project",
            "take over a project of MuseRed, with its flags",
        ),
    },
    "Build": {
        "check": ("check:check", "find what is wrong with the project before anything runs"),
        "list": ("list:list_tasks", "what is to do: a row for each block, opened by name"),
        "status": ("status:status", "what is done and running, and what the rest will take"),
        "run": ("run:run", "build what is not up to date"),
        "clean": ("clean:clean", "remove products from the reduced tree; the cache keeps them"),
        "forget": ("clean:forget", "forget tasks, so that they run again in spite of the cache"),
    },
    "Look": {
        "info": ("info:info", "the project at a glance, or all about tasks"),
        "info-raw": ("info_raw:info_raw", "raw frames whose headers say KEY:VALUE"),
        "info-exp": ("info_exp:info_exp", "the reduction log of an exposure"),
        "info-warnings": (
            "info_warnings:info_warnings",
            "warnings of the recipes that made the products",
        ),
        "log": ("log:log", "show the log of a task's recipe"),
        "qc": ("qc:qc", "quality-control parameters of products"),
        "alignment": ("alignment:alignment", "offsets between exposures, and pictures of them"),
    },
    "Explain": {
        "why": ("why:why", "why a task ran, will run, or will not"),
        "associations": (
            "associations:associations",
            "which calibrations are used for what, and how well they match",
        ),
        "provenance": (
            "provenance:provenance",
            "where a product comes from, down to the raw frames",
        ),
        "plan": ("plan:plan", "the plan as a graph: JSON, dot, Mermaid, HTML"),
        "diff": ("diff:diff", "compare two versions, settings, ledgers or lock files"),
        "settings": (
            "settings:settings",
            "the settings in full, and where each value comes from",
        ),
    },
    "Choose and keep": {
        "flag": ("flag:flag", "flag exposures"),
        "lock": (
            "lock:lock",
            "pin it all in settings.lock: inputs, software, products",
        ),
        "reproduce": (
            "lock:reproduce",
            "rebuild from a lock file and compare the products",
        ),
        "cache": ("cache:cache", "look after the store"),
        "ingest": (
            "ingest:ingest",
            "read new raw frames, weather and observing logs now",
        ),
        "check-integrity": (
            "check_integrity:check_integrity",
            "verify the FITS check sums of raw frames",
        ),
    },
    "Help": {
        "help": ("commands:help_on", "help on a command, or all commands"),
        "completion": (
            "completion:completion",
            "completion of commands and tasks in a shell: bash, zsh, fish",
        ),
    },
}
COMMANDS = {name: entry for section in SECTIONS.values() for name, entry in section.items()}
OF_DOIT = {
    "ignore": "leave it out in the settings (frames, exclude_flags), or name the tasks to build",
    "dumpdb": "musebuild keeps its memory in musebuild.db: sqlite-utils tables musebuild.db",
    "strace": "musebuild associations TASK",
    "tabcompletion": "musebuild completion bash, zsh or fish",
    "reset-dep": "musebuild cache rebuild",
}
"""doit's commands that make no sense here, and what does."""
LIKE = 0.75
"""How like a command a word must be to be taken for a slip; names of tasks are not."""


class Root(Group):
    """The program: without a command it builds."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """All commands, section by section."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """A command; its module is imported."""
        return load_command(cmd_name) if cmd_name in COMMANDS else None

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Parse with the command first."""
        if isinstance(ctx.obj, Call):
            ctx.obj.meant = mistyped(args)
            ctx.obj.config = read_defaults(Path())
        return super().parse_args(ctx, args)

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[Any]:
        """Commands; and what a build takes, which needs none."""
        from click.shell_completion import CompletionItem

        if incomplete.startswith("-"):
            run = load_command("run")
            options = run.shell_complete(click.Context(run, parent=ctx), incomplete)
            return [*super().shell_complete(ctx, incomplete), *options]
        commands = [
            CompletionItem(name, help=purpose)
            for name, (_, purpose) in COMMANDS.items()
            if name.startswith(incomplete)
        ]
        return [*commands, *(complete_names(ctx, None, incomplete) if incomplete else ())]

    def in_order(self, arguments: Sequence[str]) -> list[str]:
        """Arguments with the command in front of the options of a project that it came after.

        Examples
        --------
        >>> root.in_order(["-d", "here", "--set", "version=2", "list", "--status"])
        ['list', '-d', 'here', '--set', 'version=2', '--status']
        >>> root.in_order(["-n", "2", "muse_flat"])
        ['run', '-n', '2', 'muse_flat']
        """
        if arguments and arguments[0] in (*HELP, "--version"):
            return list(arguments)
        words = read_words(arguments, common_options())
        before = 0
        while before < len(words) and words[before][0] in (Kind.OPTION, Kind.VALUE):
            before += 1
        rest = arguments[before:]
        if rest and rest[0] in COMMANDS:
            return [rest[0], *arguments[:before], *rest[1:]]
        if rest and rest[0] in OF_DOIT:
            raise UsageError(
                f"{rest[0]} is a command of doit that musebuild has not",
                remedy=OF_DOIT[rest[0]],
            )
        if rest and rest[0] in of_musered.COMMANDS:
            raise UsageError(
                f"{rest[0]} is a command of MuseRed",
                remedy=f"{of_musered.instead(rest)}\n(docs/from-musered.md has all of them)",
            )
        return ["run", *arguments]

    def collect_usage_pieces(self, ctx: click.Context) -> list[str]:
        """As doit is called."""
        return ["[COMMAND]", "[OPTIONS]", "[TASK|GROUP|PATTERN]..."]

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """All commands with what they are for; nothing is imported."""
        width = max(map(len, COMMANDS))
        for title, commands in SECTIONS.items():
            with formatter.section(title):
                for name, (_, purpose) in commands.items():
                    formatter.write(f"  {name:<{width}}  {purpose}\n")

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Where there is more."""
        formatter.write_paragraph()
        formatter.write(
            "New here? `musebuild demo demo` reduces a simulated night, `musebuild init`\n"
            "starts a project. `musebuild help COMMAND` shows a command's options and an example.\n"
        )


def load_command(name: str) -> click.Command:
    """A command, from its module."""
    module, _, attribute = COMMANDS[name][0].partition(":")
    command = getattr(import_module(f"musebuild.cli.{module}"), attribute)
    assert isinstance(command, click.Command)
    return command


def common_options() -> list[click.Parameter]:
    """The options of a project, which may stand before the command."""

    def nothing() -> None: ...

    made: Any = nothing
    for option in OPTIONS:
        made = option(made)
    return list(made.__click_params__)


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


def show_version(context: click.Context, _: click.Parameter, wanted: bool) -> None:
    """Print the version, and end."""
    if wanted and not context.resilient_parsing:
        click.echo(f"musebuild {__version__}")
        context.exit()


root = Root(
    "musebuild",
    help="""make for VLT/MUSE data reduction.

    In a project folder `doit` is the same program; without a command it builds.
    """,
    params=[
        click.Option(
            ["--version"], is_flag=True, is_eager=True, expose_value=False, callback=show_version
        )
    ],
    context_settings=CONTEXT,
)


@click.command("help", cls=Command, example="musebuild help cache gc")
@click.argument("command", nargs=-1, metavar="[COMMAND]")
def help_on(command: tuple[str, ...]) -> None:
    """Help on a command, or all commands."""
    shown: click.Command = root
    place = click.Context(root, info_name="musebuild", **root.context_settings)
    for name in command:
        if not isinstance(shown, click.Group):
            break
        found = shown.get_command(place, name)
        if found is None:
            known = shown.list_commands(place)
            raise UsageError(
                f"{place.command_path} has no command {name}",
                why=did_you_mean(name, known) or None,
                remedy=f"`{place.command_path} --help` lists them",
            )
        shown = found
        place = click.Context(found, info_name=name, parent=place, **found.context_settings)
    click.echo(shown.get_help(place))
