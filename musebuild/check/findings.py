"""What a check looked at, besides what it has to say against it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from musebuild.index.model import RawFrame
from musebuild.plan.balance import Balance
from musebuild.plan.model import Plan
from musebuild.settings.model import Settings


@dataclass(slots=True)
class Findings:
    """What was found, and what was not checked."""

    balances: list[Balance] = field(default_factory=list)
    """What becomes of the files that are there."""
    planned: str = ""
    """Numbers of the plan, for people; empty: nothing could be planned."""
    settings: Settings | None = None
    """Of the plan: without what has a mistake."""
    unchecked: list[str] = field(default_factory=list)
    """What was not checked, and why."""


def planned_line(plan: Plan, frames: Sequence[RawFrame]) -> str:
    """`2 datasets, 34 exposures, 3 nights, 1148 recipes planned`."""
    used = [frame for frame in frames if frame.is_raw and not frame.excluded]
    exposures = {frame.name for frame in used if frame.category == "OBJECT"}
    datasets = {one.dataset for one in plan.invocations.values()}
    datasets |= {left.dataset for left in plan.left_out}
    numbers = {
        "dataset": len(datasets - {""}),
        "exposure": len(exposures),
        "night": len({frame.night for frame in used}),
        "recipe": len(plan.invocations),
    }
    told = ", ".join(f"{number} {noun}{'s' * (number != 1)}" for noun, number in numbers.items())
    return f"{told} planned"
