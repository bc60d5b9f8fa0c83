"""The front door of the engine: builds what names stand for."""

from __future__ import annotations

import contextlib
import math
import time
from collections.abc import Callable, Collection, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol

from musebuild.engine.options import BuildOptions
from musebuild.engine.project import Project
from musebuild.engine.summary import BuildSummary
from musebuild.engine.view import View, look
from musebuild.plan.model import Invocation, LeftOut

if TYPE_CHECKING:
    from musebuild.engine.build_state import Build
    from musebuild.workers.executor import Executor


AHEAD = 0.3
"""Seconds for which a build looks before its first recipe may start: at all of a project of some
nights, so that the longest path through it is known."""


def local_executor() -> Executor:
    """Recipes run as processes of this machine."""
    # Here, since an empty build needs none.
    from musebuild.workers.local import LocalExecutor

    return LocalExecutor()


class FrontEnd(Protocol):
    """What a build needs of those who asked for it, and who stand above the engine."""

    @property
    def needs_all(self) -> bool:
        """Whether its reporter must be told of all tasks at the start, even where none is to do."""

    def begins(self, view: View) -> None:
        """Something was asked for, and is being looked at."""

    def refuse(
        self, project: Project, pending: Sequence[Invocation], later: Collection[str]
    ) -> None:
        """Raise MusebuildError where something of what is pending must not begin.

        `later`: blocks of which more may be pending.
        """

    def refuse_more(self, project: Project, pending: Sequence[Invocation]) -> None:
        """The same for what is found while recipes run; its blocks were looked at before."""

    def tell_left_out(self, left_out: Sequence[LeftOut], *, goes_on: bool) -> bool:
        """Tell what cannot be done before the first recipe starts; whether there is any."""

    def reporting(self, build: Build) -> contextlib.AbstractContextManager[Any]:
        """Gives a reporter of doit's, told more if it has the methods of `BuildReporter`."""

    def ended(self, build: Build) -> None:
        """A build that began has ended, well or not."""


def build(
    project: Project,
    names: Sequence[str],
    options: BuildOptions,
    *,
    front_end: FrontEnd,
    executor: Callable[[], Executor] | None = None,
) -> BuildSummary:
    """Build what names stand for.

    Parameters
    ----------
    project : Project
        The project.
    names : sequence of str
        Tasks, groups, patterns; none: the plan's default.
    options : BuildOptions
        How to build.
    front_end : FrontEnd
        Who refuses, and who reports.
    executor : callable, optional
        Makes what runs recipes; default: processes of this machine.

    Returns
    -------
    BuildSummary
        What became of it.

    Raises
    ------
    MusebuildError
        Something must not begin.
    """
    began = time.monotonic()
    again = options.always or options.single
    # What cannot be done in one dataset does not stop the others.
    sound = not options.keep_going
    whole = again or project.is_pinned
    view = look(project, names, whole=whole, remember=not whole, sound=sound)
    project.require_writable()
    front_end.begins(view)
    if view.over and not front_end.needs_all:
        summary = view.summary()
        summary.seconds = time.monotonic() - began
        return summary
    # Here, since an empty build needs none of it.
    from musebuild.engine.build_state import Build

    current = Build(project, view, options, names)
    try:
        current.look_ahead(math.inf if again or front_end.needs_all else AHEAD)
        if not current.needs or _may_begin(current, front_end):
            _run(current, front_end, executor or local_executor)
    finally:
        current.summary.seconds = time.monotonic() - began
        current.tell_cubes()
        current.finish()
        if current.number:
            front_end.ended(current)
    return current.summary


def _may_begin(current: Build, front_end: FrontEnd) -> bool:
    """Whether nothing is in the way of the first recipe; notes the start."""
    view, summary = current.view, current.summary
    pending = [current.plan.invocations[name] for name in current.needs]
    front_end.refuse(current.project, pending, view.blocks_to_come)
    goes_on = current.options.keep_going or not view.stopped
    # Known before the first recipe, and told then: hours of recipes may follow.
    if front_end.tell_left_out(summary.left_out, goes_on=goes_on) and not goes_on:
        current.look_ahead()
        summary.refused = len(current.needs)
        return False
    current.begin()
    return True


def _run(current: Build, front_end: FrontEnd, make_executor: Callable[[], Executor]) -> None:
    from musebuild.engine.dispatch import GrowingDispatcher
    from musebuild.engine.run import BuildRunner

    if not current.needs and not front_end.needs_all:
        return
    executor = make_executor()
    try:
        with front_end.reporting(current) as reporter:
            refuse = partial(_refuse_more, current, front_end)
            BuildRunner(current, executor, reporter, refuse).run_all(GrowingDispatcher())
    finally:
        executor.close()


def _refuse_more(current: Build, front_end: FrontEnd, names: Collection[str]) -> None:
    pending = [current.plan.invocations[name] for name in names]
    front_end.refuse_more(current.project, pending)
