"""The front door of the engine: builds what names stand for."""

from __future__ import annotations

import contextlib
import gc
import math
import time
from collections.abc import Callable, Collection, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol

from musebuild.engine.options import BuildOptions
from musebuild.engine.probe import without_collector
from musebuild.engine.project import Project
from musebuild.engine.remembered import is_remembered, recall
from musebuild.engine.settled import Settled
from musebuild.engine.summary import BuildSummary
from musebuild.plan.model import Invocation, LeftOut

if TYPE_CHECKING:
    from musebuild.engine.build_state import Build
    from musebuild.workers.executor import Executor


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
    usual = not (options.always or options.single or front_end.needs_all)
    with without_collector():
        known = recall(project, names) if usual else None
    if isinstance(known, Settled):
        project.require_writable()
        return _settled_summary(project, known, time.monotonic() - began)
    # Here, since an empty build needs none of it.
    from musebuild.engine.build_state import Build
    from musebuild.engine.survey import AHEAD

    remember = usual and not names and is_remembered(project.settings)
    with without_collector():
        current = Build(project, names, options, rest=known, remember=remember)
    try:
        with without_collector():
            current.look_ahead(AHEAD if usual else math.inf)
        if usual and not remember and not current.survey.needs:
            current.settle(names)
        # What there is now stays to the end: nobody need look through it again and again.
        gc.freeze()
        if not current.survey.needs or _may_begin(current, front_end):
            _run(current, front_end, executor or local_executor)
    finally:
        current.summary.seconds = time.monotonic() - began
        current.finish()
        if current.number:
            front_end.ended(current)
    return current.summary


def _may_begin(current: Build, front_end: FrontEnd) -> bool:
    """Whether nothing is in the way of the first recipe; notes the start."""
    survey, summary = current.survey, current.summary
    pending = [current.plan.invocations[name] for name in survey.needs]
    later = () if survey.over else {name.partition(":")[0] for name in current.names}
    front_end.refuse(current.project, pending, later)
    keep_going = current.options.keep_going
    # Known before the first recipe, and told then: hours of recipes may follow.
    if front_end.tell_left_out(summary.left_out, goes_on=keep_going) and not keep_going:
        current.look_ahead()
        summary.refused = len(survey.needs)
        return False
    current.begin()
    return True


def _run(current: Build, front_end: FrontEnd, make_executor: Callable[[], Executor]) -> None:
    from musebuild.engine.dispatch import GrowingDispatcher
    from musebuild.engine.run import BuildRunner

    if not current.survey.needs and not front_end.needs_all:
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


def _settled_summary(project: Project, settled: Settled, seconds: float) -> BuildSummary:
    """The summary of a build that is known to have nothing to do."""
    return BuildSummary(
        up_to_date=settled.tasks,
        saved_seconds=settled.saved_seconds,
        left_out=list(settled.left_out),
        problems=list(settled.problems),
        results=str(project.reduced),
        seconds=seconds,
    )
