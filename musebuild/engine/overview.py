"""Where a project stands, for lists: what was looked at, and what is known to be as it was."""

from __future__ import annotations

from collections.abc import Callable, Mapping, MutableMapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from musebuild.cache.model import Manifest
from musebuild.engine.forecast import PENDING, Forecast, forecast
from musebuild.engine.planfile import DAMAGE, PlanFile
from musebuild.engine.probe import ProjectWorld, without_collector
from musebuild.engine.project import Project
from musebuild.engine.remembered import MARK, Rest, place_of, recall
from musebuild.engine.resolve import Resolution, State
from musebuild.engine.settled import Settled
from musebuild.index.meta import meta
from musebuild.plan.model import LeftOut, Plan
from musebuild.plan.names import closure, concerned, select

T = TypeVar("T")
KeptLine = tuple[str, str, int]
"""Task, what it is, number of IFUs."""


@dataclass(frozen=True, slots=True)
class Overview:
    """States of what was looked at, and the lines of all tasks where the rest is known."""

    project: Project
    plan: Plan
    """All that was looked at, and what it takes."""
    names: Sequence[str]
    """What was asked for, as far as it was looked at, in the order of the plan."""
    resolutions: Mapping[str, Resolution]
    """Of all that was looked at, without what is only needed to run it."""
    manifests: Mapping[str, Manifest]
    left_out: Sequence[LeftOut]
    problems: Sequence[str] = ()
    kept: tuple[KeptLine, ...] | None = None
    """Lines of all tasks; None: all was looked at."""
    order: tuple[str, ...] = ()
    """All invocations, where that was asked for."""

    def price(self, workers: int) -> Forecast:
        """What the pending work will take with so many recipes side by side."""
        pending = [name for name, found in self.resolutions.items() if found.state in PENDING]
        return forecast(self.project, self.plan, pending, self.manifests, workers)

    def all_states(self) -> dict[str, Resolution]:
        """States of all invocations; of what is as it was no more than that it is up to date."""
        same = Resolution("", State.UP_TO_DATE)
        return {name: self.resolutions.get(name, same) for name in self.order}


def with_overview(
    project: Project,
    asked: Sequence[str],
    make: Callable[[Overview], T],
    *,
    needed: bool = False,
    named: bool = False,
    everything: bool = False,
    whole: bool = False,
) -> T:
    """Look at a project as closely as is needed, and make something of what is found.

    Parameters
    ----------
    project : Project
        Nothing of it needs to be read yet.
    asked : sequence of str
        Names, groups and patterns; empty: the default of the plan.
    make : callable
        What to make of it; called once more where a kept plan turns out to be damaged.
    needed : bool
        Whether what is needed by what was asked for is asked for, too.
    named : bool
        Whether the names of all invocations are wanted.
    everything : bool
        Whether what nobody asks for is asked for, too.
    whole : bool
        Whether all must be looked at.
    """
    # What is remembered of names is a list without what they need.
    known = None if whole or everything or (asked and needed) else recall(project, asked)
    if isinstance(known, Settled):
        order = _order(project) if named else ()
        if order is not None:
            return make(_of_settled(project, known, () if asked else known.left_out, order))
    elif isinstance(known, Rest):
        try:
            return make(_of_rest(project, known, named=named))
        except DAMAGE:
            # As if there were no file.
            pass
        finally:
            known.kept.close()
    return make(_in_full(project, asked, needed=needed, everything=everything))


def _of_settled(
    project: Project, known: Settled, left_out: Sequence[LeftOut], order: tuple[str, ...]
) -> Overview:
    problems = [*known.problems, *known.file_problems]
    plan = Plan({}, (), {}, known.left_out)
    return Overview(project, plan, (), {}, {}, left_out, problems, known.lines, order)


def _order(project: Project) -> tuple[str, ...] | None:
    """The names of all invocations, from the kept plan that was just found to hold."""
    try:
        with place_of(project).open("rb") as file:
            kept = PlanFile(file)
            if kept.head["mark"] != meta(project.connection, MARK):
                return None
            return _names_of(kept)
    except DAMAGE:
        return None


def _names_of(kept: PlanFile) -> tuple[str, ...]:
    return tuple(name for block in kept.blocks.values() for name in kept.names(block))


def _of_rest(project: Project, rest: Rest, *, named: bool) -> Overview:
    names = tuple(rest.names)
    settled = rest.settled
    return Overview(
        project,
        rest.plan,
        names,
        _survey(ProjectWorld(project), names, rest.plan, rest.manifests),
        rest.manifests,
        settled.left_out,
        [*settled.problems, *settled.file_problems],
        tuple(rest.kept.part(rest.kept.head["lines"])),
        _names_of(rest.kept) if named else (),
    )


def _in_full(project: Project, asked: Sequence[str], *, needed: bool, everything: bool) -> Overview:
    problems = [str(problem) for problem in project.scan_report.problems]
    plan = project.plan
    project.let_go()
    names = select(plan, asked) if asked else plan.default
    if everything:
        names = tuple(plan.invocations)
    looked = closure(plan, names)
    manifests: dict[str, Manifest] = {}
    resolutions = _survey(ProjectWorld(project), looked, plan, manifests)
    left_out: Sequence[LeftOut] = () if asked else plan.left_out
    if needed:
        names = looked
        left_out = concerned(plan.left_out, asked, project.settings.datasets)
    problems += project.files.problems
    return Overview(project, plan, names, resolutions, manifests, left_out, problems, order=looked)


def _survey(
    world: ProjectWorld, names: Sequence[str], plan: Plan, manifests: MutableMapping[str, Manifest]
) -> dict[str, Resolution]:
    found: dict[str, Resolution] = {}
    with without_collector():
        for resolution in world.survey(names, plan, manifests):
            # What it made is among the manifests.
            found[resolution.name] = replace(resolution, manifest=None)
    if any(resolution.state is State.RUN for resolution in found.values()):
        return with_failures(found, world.project.ledger.tasks())
    return found


def with_failures(
    resolutions: Mapping[str, Resolution], history: Mapping[str, Mapping[str, Any]]
) -> dict[str, Resolution]:
    """States in which what would run, and failed at its last attempt, is told apart.

    Parameters
    ----------
    resolutions : mapping
        State of each invocation.
    history : mapping
        `Ledger.tasks()`. An attempt with another key says nothing about the next.
    """
    found = dict(resolutions)
    for name, resolution in resolutions.items():
        last = history.get(name)
        if (
            last is not None
            and resolution.state is State.RUN
            and last["outcome"] == "failed"
            and last["key"] == resolution.key
        ):
            reason = f"failed on {last['date']}: {last['reason']}"
            found[name] = replace(resolution, state=State.FAILED, reason=reason)
    return found
