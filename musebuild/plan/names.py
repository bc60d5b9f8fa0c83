"""Names, patterns and groups of tasks → invocations."""

from __future__ import annotations

import fnmatch
from collections.abc import Collection, Iterable, Sequence

from musebuild.errors import UsageError
from musebuild.index.dates import When, check_range, matches
from musebuild.plan.causes import folded
from musebuild.plan.model import LeftOut, Plan
from musebuild.plan.parts import label_of
from musebuild.settings.nearest import nearest

MOST_CAUSES = 5
"""Causes that one message names."""


def _is_pattern(name: str) -> bool:
    return any(c in name for c in "*?[")


def matching(plan: Plan, name: str) -> list[str]:
    """Invocations that a name, group or pattern stands for, in the order of the plan."""
    found: set[str] = set()
    if _is_pattern(name):
        found = set(fnmatch.filter(plan.invocations, name))
        for group in fnmatch.filter(plan.groups, name):
            found.update(plan.groups[group])
    else:
        if name in plan.invocations:
            found.add(name)
        found.update(plan.groups.get(name, ()))
    if not found:
        found = _dated(plan, name)
    return [invocation for invocation in plan.invocations if invocation in found]


def _dated(plan: Plan, text: str) -> set[str]:
    """Invocations of a date: an exposure, a month, a range, … (`musebuild.index.dates`)."""
    check_range(text)
    return {
        name
        for name, made in plan.invocations.items()
        if made.night and matches(text, When(made.label, made.night, made.run, made.label))
    }


def select(plan: Plan, names: Sequence[str]) -> tuple[str, ...]:
    """Invocations that names, groups and patterns stand for.

    Parameters
    ----------
    plan : Plan
        The plan.
    names : sequence of str
        Tasks (`muse_bias:2017-06-16T10:40:27`, with or without `.ifu07`), blocks, datasets,
        nights, `calib`, `science`, patterns with `*`, `?`, `[…]`, or dates (exposures, months,
        ranges).

    Returns
    -------
    tuple of str
        In the order of the plan.

    Raises
    ------
    UsageError
        A name stands for nothing; the message has the nearest names.
    """
    found: set[str] = set()
    for name in names:
        some = matching(plan, name)
        if not some:
            raise _unknown(plan, name)
        found.update(some)
    return tuple(name for name in plan.invocations if name in found)


def _unknown(plan: Plan, name: str) -> UsageError:
    lost = [left for left in concerned(plan.left_out, [name], ()) if not left.note]
    if lost:
        causes = folded(lost)
        told = [
            f"{cause.title}" + (f"\n  hint: {cause.hints[0]}" if cause.hints else "")
            for cause in causes[:MOST_CAUSES]
        ]
        more = len(causes) - len(told)
        told += [f"… and {more} more cause{'s' * (more > 1)}"] if more else []
        return UsageError(
            f"{name} is left out of the plan",
            why="\n".join(told),
            remedy="`musebuild check` tells all causes, and what each stops",
        )
    tasks = dict.fromkeys([*plan.groups, *plan.invocations])
    near = nearest(name.replace("*", "").replace("?", ""), tasks)
    what = "no task or group matches" if _is_pattern(name) else "there is no task or group"
    return UsageError(
        f"{what} {name}",
        why=f"did you mean {' or '.join(near)}?" if near else None,
        remedy="`doit list` shows the tasks",
    )


def stopped(left_out: Iterable[LeftOut], units: Collection[str]) -> frozenset[str]:
    """Units of which something that was asked for cannot be done: all, where it is of no one.

    Parameters
    ----------
    left_out : iterable of LeftOut
        What is left out of that which was asked for.
    units : collection of str
        Those that the plan has: datasets, or the parts of one.
    """
    errors = [left for left in left_out if left.blocks_others]
    if any(not left.dataset for left in errors):
        return frozenset(units)
    whole = {left.dataset for left in errors if not left.part}
    found = whole | {label_of(left.dataset, left.part) for left in errors}
    parts = {unit for unit in units for name in whole if unit.startswith(f"{name}.")}
    return frozenset(found & {*units} | parts)


def concerned(
    left_out: Iterable[LeftOut], names: Sequence[str], datasets: Collection[str]
) -> list[LeftOut]:
    """What is left out of that which names stand for; without names all of it.

    Parameters
    ----------
    left_out : iterable of LeftOut
        Of the plan.
    names : sequence of str
        As given to `select`.
    datasets : collection of str
        A dataset's name concerns all of it that cannot be done though it should be.
    """
    return [
        left
        for left in left_out
        if not names or any(_concerns(left, name, datasets) for name in names)
    ]


def _concerns(left: LeftOut, name: str, datasets: Collection[str]) -> bool:
    block, _, label = left.name.partition(":")
    if name in datasets and left.error and not left.dataset:
        return True
    if left.error and left.dataset and name in (left.dataset, label_of(left.dataset, left.part)):
        return True
    return (
        name in (left.name, block)
        or name.startswith(f"{left.name}.")
        or fnmatch.fnmatchcase(left.name, name)
        or (left.error and name == "science")
        or bool(left.night and matches(name, When(label, left.night, left.run, label)))
    )


def closure(plan: Plan, names: Iterable[str]) -> tuple[str, ...]:
    """Invocations and everything that they need, in the order of the plan."""
    found: set[str] = set()
    waiting = list(names)
    while waiting:
        name = waiting.pop()
        if name in found:
            continue
        found.add(name)
        waiting.extend(other for other in plan.invocations[name].needs if other not in found)
    return tuple(name for name in plan.invocations if name in found)
