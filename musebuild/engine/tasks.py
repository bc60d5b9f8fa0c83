"""Invocations that need work → doit tasks; what is up to date never becomes one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from musebuild.plan.model import Invocation, Plan
from musebuild.recipes.model import Recipe

if TYPE_CHECKING:
    from doit.task import Task


class Plugins:
    """The recipe that each invocation calls, as the pipeline knows it: one for each block.

    Parameters
    ----------
    plan : Plan
        Invocations; one of each block is looked at.
    catalogue : mapping
        Recipes by name.
    """

    def __init__(self, plan: Plan, catalogue: Mapping[str, Recipe]) -> None:
        self._plan = plan
        self._catalogue = catalogue
        self._known: dict[str, str] = {}

    def of(self, name: str) -> str:
        """The recipe of an invocation."""
        block = name.partition(":")[0]
        if block not in self._known:
            recipe = self._plan.invocations[name].recipe
            self._known[block] = self._catalogue[recipe].plugin
        return self._known[block]


def longest_paths(
    needs: Mapping[str, Iterable[str]], seconds: Mapping[str, float]
) -> dict[str, float]:
    """Time from the start of each invocation to the end of what waits longest for it.

    What is first on the longest path should start first: a build cannot end before it does.

    Parameters
    ----------
    needs : mapping
        Invocation that must run → those whose products it takes; each after what it needs.
    seconds : mapping
        Invocation → how long it is expected to take.

    Returns
    -------
    dict
        Invocation → seconds.
    """
    after: dict[str, float] = {}
    for name in reversed(list(needs)):
        own = seconds[name] + after.get(name, 0.0)
        for needed in needs[name]:
            after[needed] = max(after.get(needed, 0.0), own)
    return {name: seconds[name] + after.get(name, 0.0) for name in needs}


def describe(invocation: Invocation) -> str:
    """One line on an invocation."""
    count = sum(1 for w in invocation.inputs if w.kind == "raw" and w.tag != "ILLUM")
    products = "products" if invocation.inputs else "the settings"
    frames = f"{count} raw frame{'s' if count != 1 else ''}" if count else products
    night = f", night {invocation.night}" if invocation.night else ""
    return f"{invocation.recipe} on {frames}{night}"


def make_tasks(plan: Plan, needs: Mapping[str, Iterable[str]]) -> list[Task]:
    """One doit task for each invocation that is to do, in the given order.

    Parameters
    ----------
    plan : Plan
        The plan.
    needs : mapping
        Invocation → those to do whose products it takes.
    """
    # Here, since an empty build needs none of doit.
    from doit.task import Task

    return [
        Task(
            name,
            None,
            task_dep=list(needed),
            doc=describe(plan.invocations[name]),
            meta={"invocation": name},
        )
        for name, needed in needs.items()
    ]
