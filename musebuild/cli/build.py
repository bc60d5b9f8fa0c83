"""`musebuild run`, which is what plain `doit` does."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any, TextIO

from doit.cmd_run import opt_always, opt_continue, opt_num_process, opt_outfile, opt_single

from musebuild.cli.base import BaseCommand, ProjectCommand
from musebuild.cli.front_end import FOR_PEOPLE, Terminal
from musebuild.engine.build import build
from musebuild.engine.options import BuildOptions
from musebuild.engine.probe import ProjectWorld, selection
from musebuild.engine.project import Project
from musebuild.errors import UsageError
from musebuild.report.spans import count
from musebuild.report.summary import ahead_text, summary_text

REPORTER_NAMES = ("console", "live", "quiet", "json", "zero", "executed-only", "error-only")
"""Keys of `musebuild.cli.reporting.REPORTERS`, which an empty build does not load."""


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
                project,
                args,
                options,
                front_end=Terminal(out, reporter, level),
                executor=BaseCommand.executor,
            )
            if params["locked"] and not summary.exit_status:
                refuse_unlocked(project)
        finally:
            project.close()
            if opened:
                out.close()
        if reporter in FOR_PEOPLE:
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
