"""`musebuild run`, which is what plain `doit` does."""

from __future__ import annotations

import gc
import math
import sys
import time
from collections.abc import Callable, Collection
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from doit.cmd_run import opt_always, opt_continue, opt_num_process, opt_outfile, opt_single

from musebuild.cli.base import BaseCommand, ProjectCommand
from musebuild.engine.options import BuildOptions
from musebuild.engine.probe import ProjectWorld, without_collector
from musebuild.engine.project import Project
from musebuild.engine.remembered import is_remembered, recall
from musebuild.engine.settled import Settled
from musebuild.engine.summary import BuildSummary
from musebuild.errors import UsageError
from musebuild.report.lines import ahead_text, summary_text
from musebuild.report.spans import count

if TYPE_CHECKING:
    from musebuild.engine.build import Build
    from musebuild.workers.executor import Executor

REPORTER_NAMES = ("console", "live", "quiet", "json", "zero", "executed-only", "error-only")
"""Keys of `musebuild.cli.reporting.REPORTERS`, which an empty build does not load."""


def build(
    project: Project,
    names: list[str],
    options: BuildOptions,
    out: TextIO,
    reporter: str = "console",
    log_level: str = "",
    *,
    make_executor: Callable[[], Executor] | None = None,
) -> BuildSummary:
    """Build what names stand for.

    Parameters
    ----------
    project : Project
        The project.
    names : list of str
        Tasks, groups, patterns; none: the plan's default.
    options : BuildOptions
        From the command line.
    out : file
        Where the reporter writes.
    reporter : str
        Name of the reporter.
    log_level : str
        Least level of the recipes' messages that are shown live (INFO, …); empty: none.
    make_executor : callable, optional
        Makes the executor that carries out recipes; None: worker processes on this machine.

    Returns
    -------
    BuildSummary
        What became of it.
    """
    began = time.monotonic()
    usual = not (options.always or options.single) and reporter in ("console", "quiet")
    with without_collector():
        known = recall(project, names) if usual else None
    if isinstance(known, Settled):
        project.require_writable()
        return settled_summary(project, known, time.monotonic() - began)
    # Here, since an empty build needs none of it.
    from musebuild.check.whole import refuse_mistakes
    from musebuild.cli.reporting import Reporting, end_build_log
    from musebuild.engine.adopt import refuse_foreign
    from musebuild.engine.build import Build
    from musebuild.engine.dispatch import GrowingDispatcher
    from musebuild.engine.run import BuildRunner
    from musebuild.engine.survey import AHEAD
    from musebuild.workers.executor import LocalExecutor

    remember = usual and not names and is_remembered(project.settings)
    with without_collector():
        current = Build(project, names, options, rest=known, remember=remember)
    try:
        # Reporters of doit's own are told of all tasks at the start.
        with without_collector():
            current.look_ahead(AHEAD if usual else math.inf)
        survey = current.survey
        if usual and not remember and not survey.needs:
            current.settle(names)
        # What there is now stays to the end: nobody need look through it again and again.
        gc.freeze()
        if survey.needs:
            pending = [current.plan.invocations[name] for name in survey.needs]
            later = () if survey.over else {name.partition(":")[0] for name in current.names}
            refuse_mistakes(project, pending, later)
            refuse_foreign(project, pending)
            if ahead := ahead_text(current.summary.left_out):
                # Known before the first recipe, and told then: hours of recipes may follow.
                if not options.keep_going:
                    current.look_ahead()
                    current.summary.refused = len(survey.needs)
                    return current.summary
                if reporter in ("console", "quiet"):
                    out.write(ahead)
            current.begin()
        if survey.needs or reporter not in ("console", "quiet"):
            executor = (make_executor or LocalExecutor)()
            try:
                with Reporting(reporter, out, current, log_level) as reporting:
                    runner = BuildRunner(
                        current, executor, reporting.reporter, partial(_refuse, current)
                    )
                    runner.run_all(GrowingDispatcher())
            finally:
                executor.close()
    finally:
        current.summary.seconds = time.monotonic() - began
        current.finish()
        if current.number:
            end_build_log(current, summary_text(current.summary))
    return current.summary


def _refuse(build: Build, names: Collection[str]) -> None:
    """Refuse what was found while others run; its blocks were looked at before.

    Raises
    ------
    MusebuildError
        Names what is in the way.
    """
    from musebuild.check.bands import refuse_bands
    from musebuild.engine.adopt import refuse_foreign

    pending = [build.plan.invocations[name] for name in names]
    refuse_bands(pending, build.project.settings)
    refuse_foreign(build.project, pending)


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


def settled_summary(project: Project, settled: Settled, seconds: float) -> BuildSummary:
    """The summary of a build that is known to have nothing to do."""
    return BuildSummary(
        up_to_date=settled.tasks,
        saved_seconds=settled.saved_seconds,
        left_out=list(settled.left_out),
        problems=list(settled.problems),
        results=str(project.reduced),
        seconds=seconds,
    )


def log_level(given: str | None, *, verbose: bool) -> str:
    """Level of the recipes' messages on the terminal: `cpl.msg`, and at least INFO if verbose."""
    level = {"warn": "WARNING", "off": "", None: ""}.get(given, str(given).upper())
    if not verbose or level == "DEBUG":
        return level
    return "INFO"


class RunCommand(ProjectCommand):
    """Build."""

    name = "run"
    doc_purpose = "build what is not up to date"
    doc_usage = "[TASK|GROUP|PATTERN ...]"
    doc_description = None
    cmd_options = (
        opt_always,
        opt_continue,
        opt_single,
        opt_num_process,
        opt_outfile,
        {
            "name": "reporter",
            "short": "r",
            "long": "reporter",
            "type": str,
            "default": "console",
            "choices": tuple((name, "") for name in REPORTER_NAMES),
            "help": "how the build is reported",
        },
        {
            "name": "quiet",
            "short": "q",
            "long": "quiet",
            "type": bool,
            "default": False,
            "help": "tell only of failures, and the summary",
        },
        {
            "name": "verbose",
            "long": "verbose",
            "type": bool,
            "default": False,
            "help": "show the recipes' own messages as they come",
        },
        {
            "name": "verbosity",
            "short": "v",
            "long": "verbosity",
            "type": int,
            "default": 1,
            "help": "0: as --quiet; 1: as usual; 2: as --verbose",
        },
        {
            "name": "dry_run",
            "long": "dry-run",
            "type": bool,
            "default": False,
            "help": "only print what would run, in order, with each set of frames",
        },
        {
            "name": "sof",
            "long": "sof",
            "type": str,
            "default": "",
            "metavar": "DIR",
            "help": "run nothing; write the set of frames and the esorex command of each "
            "invocation into a folder",
        },
        {
            "name": "locked",
            "long": "locked",
            "type": bool,
            "default": False,
            "help": "refuse to build unless all is as settings.lock says, and compare the products",
        },
        {
            "name": "keep_failed",
            "long": "keep-failed",
            "type": bool,
            "default": False,
            "help": "keep the scratch folder of what fails, with a script that repeats it",
        },
    )

    def run(self, params: Any, args: list[str]) -> int:
        """Build; the summary is printed at the end."""
        if params["num_process"] < 0:
            raise UsageError(
                "-n wants the number of recipes side by side", remedy="give 1 or more: -n 2"
            )
        quiet = params["quiet"] or params["verbosity"] <= 0
        verbose = params["verbose"] or params["verbosity"] >= 2
        reporter = "quiet" if quiet else params["reporter"]
        if reporter not in REPORTER_NAMES:
            raise UsageError(
                f"there is no reporter {reporter}", remedy=f"choose of {', '.join(REPORTER_NAMES)}"
            )
        project = self.project(params)
        if params["dry_run"] or params["sof"]:
            return self._drill(project, params, args)
        options = BuildOptions(
            workers=params["num_process"],
            always=params["always"],
            single=params["single"],
            keep_going=params["continue"],
            keep_failed=params["keep_failed"],
            command=" ".join(["doit", *args]),
        )
        out: TextIO = sys.stdout
        opened = isinstance(params["outfile"], str)
        if opened:
            try:
                out = Path(params["outfile"]).open("w", encoding="utf-8")  # noqa: SIM115
            except OSError as error:
                raise UsageError(
                    f"the output file {params['outfile']} cannot be written",
                    why=error.strerror,
                    remedy="name a file in a folder that you can write",
                ) from None
        try:
            level = log_level(project.settings.cpl.msg, verbose=verbose)
            if params["locked"]:
                args = args or refuse_unlocked(project)
            summary = build(
                project, args, options, out, reporter, level, make_executor=BaseCommand.executor
            )
            if params["locked"] and not summary.exit_status:
                refuse_unlocked(project)
        finally:
            project.close()
            if opened:
                out.close()
        if reporter in ("console", "quiet"):
            sys.stdout.write(summary_text(summary))
        elif summary.refused:
            # What a program reads from the other reporters stays clean.
            sys.stderr.write(summary_text(summary))
        if summary.stopped:
            return 130 if summary.stopped == "SIGINT" else 143
        return summary.exit_status

    @staticmethod
    def _drill(project: Project, params: Any, args: list[str]) -> int:
        """Say what would run; nothing runs, and nothing is hashed."""
        from musebuild.engine.build import selection
        from musebuild.plan.names import closure, concerned
        from musebuild.report.dry_run import dry_run_text, write_sofs

        try:
            plan = project.plan
            wanted = selection(project, args)
            needed = closure(plan, wanted)
            left_out = concerned(plan.left_out, args, project.settings.datasets)
            sys.stdout.write(ahead_text(left_out))
            resolutions = ProjectWorld(project).resolve(needed)
            if params["sof"]:
                folder = Path(params["sof"]).expanduser()
                names = list(needed if not params["single"] else wanted)
                written = write_sofs(folder, names, resolutions, project)
                sys.stdout.write(f"{count(len(written) // 2, 'set')} of frames in {folder}\n")
                return 0
            stale = [
                name
                for name in needed
                if (resolutions[name].stale or params["always"])
                and (not params["single"] or name in wanted)
            ]
            sys.stdout.write(dry_run_text(stale, resolutions, project))
        finally:
            project.close()
        return 0
