"""Stops what would take frames that builds used and that cannot be read any more. Pure.

The plan is made as if they were there, so that nothing is made of fewer frames than before, or of
others; then all that takes them is left out, with what needs it. The rest goes on.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from pathlib import PurePath

from musebuild.index.model import Loss
from musebuild.plan.causes import joined
from musebuild.plan.model import Cause, Invocation, LeftOut, Plan

REMEDY = "bring back what is missing, or do without it from now on: `doit --without-vanished`"
MOST_NAMED = 2
"""Files of a folder that are named."""


def stop(plan: Plan, lost: Iterable[Loss], folder: str = "") -> Plan:
    """The plan without what would take files that cannot be read any more.

    Parameters
    ----------
    plan : Plan
        Made as if they were there.
    lost : iterable of Loss
        What cannot be read.
    folder : str
        Paths below it are told from there.
    """
    told = told_losses(lost, f"{folder}/")
    causes = {path: Cause(text, REMEDY, "vanished") for path, text in told.items()}
    reasons: dict[str, tuple[Cause, ...]] = {}
    """Stopped invocation → what it lacks itself, and what those that it needs lack."""
    for name, invocation in plan.invocations.items():
        own = [
            causes[wanted.path]
            for wanted in invocation.inputs
            if wanted.kind != "product" and wanted.path in causes
        ]
        above = [reasons[other] for other in invocation.needs if other in reasons]
        if own or above:
            reasons[name] = joined([own, *above])
    if not reasons:
        return plan
    default = frozenset(plan.default)
    tasks: dict[str, LeftOut] = {}
    for name, stopping in reasons.items():
        left = _left(plan.invocations[name], stopping, needed=name in default)
        tasks.setdefault(left.name, left)
    groups = _rest(plan.groups, reasons)
    return replace(
        plan,
        invocations={n: one for n, one in plan.invocations.items() if n not in reasons},
        default=tuple(name for name in plan.default if name not in reasons),
        groups=groups,
        units=tuple(unit for unit in plan.units if unit in groups),
        left_out=(*tasks.values(), *plan.left_out),
    )


def _left(invocation: Invocation, causes: tuple[Cause, ...], *, needed: bool) -> LeftOut:
    return LeftOut(
        invocation.task,
        causes,
        # What nothing asks for keeps nobody from anything.
        error=needed,
        dataset=invocation.dataset,
        night=invocation.night,
        run=invocation.run,
        vanished=True,
    )


def _rest(
    groups: Mapping[str, tuple[str, ...]], stopped: Collection[str]
) -> dict[str, tuple[str, ...]]:
    rest = {
        name: tuple(one for one in members if one not in stopped)
        for name, members in groups.items()
    }
    return {name: members for name, members in rest.items() if members}


def told_losses(lost: Iterable[Loss], below: str = "/") -> dict[str, str]:
    """Path → the cause of its loss, in the same words for all of one cause.

    A folder or link that is in the way is told once for all files below it; files that are gone
    from a folder that can be read are told together.
    """
    groups: dict[tuple[str, str], list[str]] = defaultdict(list)
    for one in lost:
        if one.where == one.path:
            # Alike files of one folder.
            groups[str(PurePath(one.path).parent), one.why].append(one.path)
        else:
            groups[one.where, f"\0{one.why}"].append(one.path)
    found: dict[str, str] = {}
    for (whole, why), paths in groups.items():
        number, folder = len(paths), whole.removeprefix(below)
        if why.startswith("\0"):
            used = "1 frame" if number == 1 else f"{number} frames"
            was = "was" if number == 1 else "were"
            text = f"{folder} {why[1:]}: {used} of it {was} used"
        elif number == 1:
            text = f"{paths[0].removeprefix(below)} {why}"
        else:
            names = [PurePath(path).name for path in sorted(paths)]
            more = number - MOST_NAMED
            told = ", ".join(names[:MOST_NAMED]) + (f" and {more} more" if more > 0 else "")
            text = f"{number} frames of {folder} {_plural(why)}: {told}"
        found.update(dict.fromkeys(paths, text))
    return found


def _plural(why: str) -> str:
    return f"are{why[2:]}" if why.startswith("is ") else why
