"""A build on the terminal: who refuses, and who reports."""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Iterator, Sequence
from typing import TYPE_CHECKING, Any, TextIO

from musebuild.engine.project import Project
from musebuild.plan.model import Invocation, LeftOut
from musebuild.report.causes import notes_text
from musebuild.report.summary import ahead_text, summary_text

if TYPE_CHECKING:
    from musebuild.engine.build_state import Build
    from musebuild.engine.view import View

FOR_PEOPLE = ("console", "quiet")
"""Reporters that tell of a build as it goes; the others are doit's own, or for programs."""


class Terminal:
    """What a build tells, and what it refuses, on a terminal or in a file.

    Parameters
    ----------
    out : file
        Where the reporter writes.
    reporter : str
        Name of the reporter.
    log_level : str
        Least level of the recipes' messages that are shown live (INFO, …); empty: none.
    """

    # What refuses and reports is imported where it is used: an empty build needs none of it.

    def __init__(self, out: TextIO, reporter: str = "console", log_level: str = "") -> None:
        self._out = out
        self._reporter = reporter
        self._log_level = log_level

    @property
    def needs_all(self) -> bool:
        """Reporters of doit's own are told of all tasks at the start."""
        return self._reporter not in FOR_PEOPLE

    def begins(self, view: View) -> None:
        """Tell what becomes of the files that are there."""
        if self._reporter == "console" and view.balance:
            self._out.write(f"{view.balance}\n")
            self._out.flush()

    def refuse(
        self, project: Project, pending: Sequence[Invocation], later: Collection[str]
    ) -> None:
        """Refuse mistakes in the settings, and files of others in the way."""
        from musebuild.check.everything import refuse_mistakes
        from musebuild.engine.adopt import refuse_foreign

        refuse_mistakes(project, pending, later)
        refuse_foreign(project, pending)

    def refuse_more(self, project: Project, pending: Sequence[Invocation]) -> None:
        """Refuse what depends on the invocations themselves."""
        from musebuild.check.bands import refuse_bands
        from musebuild.engine.adopt import refuse_foreign

        refuse_bands(pending, project.settings)
        refuse_foreign(project, pending)

    def tell_left_out(self, left_out: Sequence[LeftOut], *, goes_on: bool) -> bool:
        """Tell what cannot be done; where nothing goes on, the summary does."""
        text = ahead_text(left_out)
        blocked = any(left.blocks_others for left in left_out)
        if (goes_on or not blocked) and not self.needs_all:
            self._out.write("".join(f"{line}\n" for line in notes_text(left_out)) + text)
        return blocked

    @contextlib.contextmanager
    def reporting(self, build: Build) -> Iterator[Any]:
        """Give the reporter of a build."""
        from musebuild.cli.reporting import Reporting

        with Reporting(self._reporter, self._out, build, self._log_level) as reporting:
            yield reporting.reporter

    def ended(self, build: Build) -> None:
        """Put the summary at the end of the build's log."""
        from musebuild.cli.reporting import end_build_log

        end_build_log(build, summary_text(build.summary))
