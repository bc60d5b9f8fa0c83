"""Who tells of a build, and where: the terminal, a file, the build's own log."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TextIO

from doit.reporter import ErrorOnlyReporter, ExecutedOnlyReporter, JsonReporter, ZeroReporter

from musebuild.engine.build_state import Build
from musebuild.engine.project import Project
from musebuild.report.lines import LineReporter, LogTail, QuietReporter, TeeReporter
from musebuild.report.live import LiveReporter
from musebuild.settings.own_files import make_below, open_own

REPORTERS = {
    "console": LineReporter,
    "live": LiveReporter,
    "quiet": QuietReporter,
    "json": JsonReporter,
    "zero": ZeroReporter,
    "executed-only": ExecutedOnlyReporter,
    "error-only": ErrorOnlyReporter,
}


def log_folder(project: Project) -> Path:
    """Where the logs of builds go: `cpl.log_dir`, else `logs` in the reduced tree."""
    return project.settings.cpl.log_dir or project.reduced / "logs"


def build_log(project: Project, number: int) -> Path:
    """The log of one build."""
    return log_folder(project) / f"build-{number:04d}.log"


def _appending(path: Path, flags: int = 0) -> TextIO:
    return open(open_own(path, os.O_WRONLY | os.O_APPEND | flags), "a", encoding="utf-8")


class Reporting:
    """The reporters of one build, from its start to its end.

    Parameters
    ----------
    name : str
        Of `REPORTERS`; `console` is the live display where `out` is a terminal.
    out : file
        Where it writes.
    build : Build
        What is reported.
    log_level : str
        Least level of the recipes' messages that are shown live; empty: none.
    """

    def __init__(self, name: str, out: TextIO, build: Build, log_level: str) -> None:
        if name == "console" and out.isatty():
            name = "live"
        self._shown: Any = REPORTERS[name](
            out,
            {
                "seconds": build.project.ledger.seconds() if name == "live" else {},
                "workers": build.workers,
                "memory": build.machine.memory,
            },
        )
        self._stack = contextlib.ExitStack()
        self._build = build
        self._log_level = log_level
        self.reporter: Any = self._shown

    def __enter__(self) -> Self:
        if isinstance(self._shown, LineReporter):
            # The display leaves the terminal as it was, whatever happens.
            self._stack.callback(self._shown.complete_run)
            if self._log_level:
                self._shown.tail = LogTail(self._shown.write, self._log_level)
                self._stack.callback(self._shown.tail.close)
        if self._build.number:
            # A log that cannot be written must not keep anybody from reducing data.
            with contextlib.suppress(OSError):
                path = build_log(self._build.project, self._build.number)
                if path.parent == self._build.project.reduced / "logs":
                    make_below(self._build.project.reduced, "logs")
                path.parent.mkdir(parents=True, exist_ok=True)
                stream = self._stack.enter_context(_appending(path, os.O_CREAT))
                self.reporter = TeeReporter([self._shown, LineReporter(stream)])
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stack.close()


def end_build_log(build: Build, summary: str) -> None:
    """Put a build's summary at the end of its log."""
    with contextlib.suppress(OSError):
        path = build_log(build.project, build.number)
        with _appending(path) as stream:
            stream.write(f"doit: {build.options.command}\n{summary}")
