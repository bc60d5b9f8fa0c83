"""`musebuild run`, which is what plain `doit` does."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

import click

from musebuild.cli.command import Command, call
from musebuild.cli.front_end import FOR_PEOPLE, Terminal
from musebuild.cli.opening import on_project
from musebuild.cli.options import Number, OneOf, names, switch, workers_option
from musebuild.engine.build import build
from musebuild.engine.options import BuildOptions
from musebuild.errors import UsageError
from musebuild.report.spans import count
from musebuild.report.summary import ahead_text, summary_text

if TYPE_CHECKING:
    from musebuild.engine.project import Project

REPORTER_NAMES = ("console", "live", "quiet", "json", "zero", "executed-only", "error-only")
"""Keys of `musebuild.cli.reporting.REPORTERS`, which an empty build does not load."""


@click.command(cls=Command, example="doit -n 4 muse_scipost", takes="names of tasks")
@names()
@click.option(
    "-a", "--always-execute", "always", is_flag=True, help="Run all of it, up to date or not."
)
@click.option(
    "-c",
    "--continue/--no-continue",
    "keep_going",
    help="Go on after a failure with what does not depend on it.",
)
@switch("-s", "--single", text="Only the named tasks, without what they depend on.")
@workers_option
@click.option(
    "-o",
    "--output-file",
    "outfile",
    metavar="FILE",
    type=click.Path(path_type=Path),
    show_default="the screen",
    help="Report into a file.",
)
@click.option(
    "-r", "--reporter", type=OneOf(REPORTER_NAMES), default="console", help="How it is reported."
)
@switch("-q", "--quiet", text="Tell only of failures, and the summary.")
@switch("--verbose", text="Show the recipes' own messages as they come.")
@click.option(
    "-v",
    "--verbosity",
    type=Number(least=-1),
    metavar="0|1|2",
    default=1,
    help="0: as --quiet; 1: as usual; 2: as --verbose.",
)
@switch("--dry-run", text="Only print what would run, in order, with each set of frames.")
@click.option(
    "--sof",
    metavar="DIR",
    type=click.Path(path_type=Path, file_okay=False),
    help="Run nothing; write the set of frames and the esorex command of each invocation into a "
    "folder.",
)
@switch("--locked", text="Refuse to build unless all is as settings.lock says; compare products.")
@switch(
    "--without-vanished",
    text="Do without frames that earlier builds used and that are gone, from now on.",
)
@switch("--keep-failed", text="Keep the scratch folder of what fails, with a script to repeat it.")
@on_project
def run(
    project: Project,
    names: tuple[str, ...],
    always: bool,
    keep_going: bool,
    single: bool,
    num_process: int,
    outfile: Path | None,
    reporter: str,
    quiet: bool,
    verbose: bool,
    verbosity: int,
    dry_run: bool,
    sof: Path | None,
    locked: bool,
    without_vanished: bool,
    keep_failed: bool,
) -> int:
    """Build what is not up to date.

    Without names: what the datasets of the settings need. Names are those of tasks, groups
    (blocks, datasets, nights), patterns and dates.
    """
    if without_vanished and not dry_run:
        _forget_vanished(project, reporter)
    if dry_run or sof is not None:
        _show_dry_run(project, names, sof, always=always, single=single)
        return 0
    if quiet or verbosity <= 0:
        reporter = "quiet"
    options = BuildOptions(
        workers=num_process,
        always=always,
        single=single,
        keep_going=keep_going,
        keep_failed=keep_failed,
        command=" ".join(["doit", *names]),
    )
    level = log_level(project.settings.cpl.msg, verbose=verbose or verbosity >= 2)
    with ExitStack() as stack:
        out: TextIO = sys.stdout
        if outfile is not None:
            out = stack.enter_context(_opened(outfile))
        wanted = list(names or (refuse_unlocked(project) if locked else ()))
        summary = build(
            project,
            wanted,
            options,
            front_end=Terminal(out, reporter, level),
            executor=call().executor,
        )
        if locked and not summary.exit_status:
            refuse_unlocked(project)
    project.close()
    if reporter in FOR_PEOPLE:
        sys.stdout.write(summary_text(summary))
    elif summary.refused:
        # What a program reads from the other reporters stays clean.
        sys.stderr.write(summary_text(summary))
    if summary.stopped:
        return 130 if summary.stopped == "SIGINT" else 143
    return summary.exit_status


def _forget_vanished(project: Project, reporter: str) -> None:
    gone = project.forget_vanished()
    if gone.losses and reporter in FOR_PEOPLE:
        frames = count(len(gone.losses), "frame")
        sys.stdout.write(f"From now on without {frames} that earlier builds used.\n")


def _opened(path: Path) -> TextIO:
    try:
        return path.open("w", encoding="utf-8")
    except OSError as error:
        raise UsageError(
            f"the output file {path} cannot be written",
            why=error.strerror,
            remedy="name a file in a folder that you can write",
        ) from None


def log_level(given: str | None, *, verbose: bool) -> str:
    """Level of the recipes' messages on the terminal: `cpl.msg`, and at least INFO if verbose."""
    level = {"warn": "WARNING", "off": "", None: ""}.get(given, str(given).upper())
    if not verbose or level == "DEBUG":
        return level
    return "INFO"


def refuse_unlocked(project: Project) -> list[str]:
    """Refuse what is not as the lock file beside the settings says; the names that it locks.

    Raises
    ------
    PlanError
        With all that differs.
    """
    from musebuild.explain.lock import LOCK_NAME, read_lock, refuse_departures

    path = project.settings.folder / LOCK_NAME
    lock = read_lock(path)
    refuse_departures(lock, path, project)
    return list(lock.targets)


def _show_dry_run(
    project: Project, names: Sequence[str], sof: Path | None, *, always: bool, single: bool
) -> None:
    """Say what would run; nothing runs, and nothing is hashed."""
    from musebuild.engine.probe import selection
    from musebuild.engine.view import resolved
    from musebuild.plan.names import closure, concerned
    from musebuild.report.dry_run import dry_run_text, write_sofs

    plan = project.plan
    wanted = selection(project, names)
    needed = closure(plan, wanted)
    left_out = concerned(plan.left_out, names, project.settings.datasets)
    sys.stdout.write(ahead_text(left_out))
    resolutions = resolved(project, needed)
    if sof is not None:
        folder = sof.expanduser()
        written = write_sofs(folder, list(wanted if single else needed), resolutions, project)
        sys.stdout.write(f"{count(len(written) // 2, 'set')} of frames in {folder}\n")
        return
    stale = [name for name in (wanted if single else needed) if always or resolutions[name].stale]
    sys.stdout.write(dry_run_text(stale, resolutions, project))
