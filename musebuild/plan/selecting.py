"""Which exposures of a dataset a combination takes. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from musebuild.index.model import Selected
from musebuild.plan.blocks import PlannedBlock, result_name
from musebuild.plan.made import Made
from musebuild.plan.model import LeftOut

SELECTING = ("select", "names_with_selection", "exclude_flags", "max_exps", "min_exps")
"""Keys of blocks that choose exposures of a combination."""
LATER = ("use_scale", "DPR_TYPE")
"""Keys of blocks that would change what is combined, and that the plan does not know yet."""
SHOWN = 3
"""Reasons that are listed in one message."""


@dataclass(frozen=True, slots=True)
class Choice:
    """What one combination of a block takes."""

    result: str
    """Name of its result."""
    least: int
    """Fewest exposures."""
    most: int | None = None
    flags: bool | frozenset[str] = False
    """Flags whose exposures are left out; True: any."""
    selected: tuple[tuple[str, frozenset[str]], ...] = ()
    """Selections that must all hold: how they are told of, names of exposures."""
    told: str = ""
    """What chooses, for people."""
    problem: str = ""
    """Why it cannot be chosen."""
    remedy: str = ""

    def against(self, exposure: str, flags: Mapping[str, tuple[str, ...]]) -> str:
        """Why an exposure is not taken; empty: it is.

        Parameters
        ----------
        exposure : str
            Its name.
        flags : mapping
            Exposure → its flags.
        """
        has = flags.get(exposure, ())
        bad = [flag for flag in has if self.flags is True or (self.flags and flag in self.flags)]
        if bad:
            return f"flagged {', '.join(bad)}"
        outside = [told for told, exposures in self.selected if exposure not in exposures]
        return f"not selected by {' and '.join(outside)}" if outside else ""

    def choose(
        self, sources: Sequence[Made], flags: Mapping[str, tuple[str, ...]]
    ) -> tuple[list[Made], list[str]]:
        """The exposures that are taken, in the order given, and why each other one is not."""
        notes = []
        taken: list[Made] = []
        for source in sources:
            why = self.against(source.exposure, flags)
            if why:
                notes.append(f"{source.label} is left out: {why}")
            else:
                taken.append(source)
        if self.most is None or len(taken) <= self.most:
            return taken, notes
        order = sorted(taken, key=lambda made: (made.setup.mjd, made.label))
        kept = {made.label for made in order[: self.most]}
        notes += [
            f"{made.label} is left out: max_exps is {self.most}" for made in order[self.most :]
        ]
        return [made for made in taken if made.label in kept], notes


def listed(notes: Sequence[str]) -> str:
    """The first few of the reasons, and how many more there are."""
    more = len(notes) - SHOWN
    shown = [*notes[:SHOWN], *([f"and {more} more"] if more > 0 else [])]
    return "; ".join(shown) or "none is left out"


def _flags(given: Any) -> bool | frozenset[str]:
    if isinstance(given, str):
        return frozenset([given])
    if isinstance(given, Iterable):
        return frozenset(map(str, given))
    return bool(given)


def choices(planned: PlannedBlock, selections: Mapping[str, Selected]) -> list[Choice]:
    """The combinations that a block makes of each dataset.

    Parameters
    ----------
    planned : PlannedBlock
        Of a recipe that works on datasets.
    selections : mapping
        Name of the selection (empty: that of `select`) → exposures.
    """
    extra = planned.block.extra
    used = [key for key in SELECTING if key != "names_with_selection" and extra.get(key)]
    base = Choice(
        result=result_name(planned),
        least=max(planned.recipe.least, extra.get("min_exps") or 0),
        most=extra.get("max_exps"),
        flags=_flags(extra.get("exclude_flags")),
        told=" with ".join(used),
    )
    if extra.get("select"):
        base = _narrowed(base, "select", selections.get(""))
    named = extra.get("names_with_selection")
    if not named:
        return [base]
    return [
        _narrowed(
            replace(base, result=name, told=" with ".join([f"the selection {name}", *used])),
            f"the selection {name}",
            selections.get(name),
        )
        for name in named
    ]


def _narrowed(choice: Choice, told: str, selected: Selected | None) -> Choice:
    if choice.problem:
        return choice
    if selected is None:
        return replace(
            choice,
            problem=f"{told} has no condition that the index was asked for",
            remedy='give it one, such as {raw: "EXPTIME > 100"}',
        )
    if selected.problem:
        return replace(choice, problem=f"{told}: {selected.problem}", remedy=selected.remedy)
    return replace(choice, selected=(*choice.selected, (told, selected.exposures)))


def refused_keys(planned: PlannedBlock) -> LeftOut | None:
    """What is said of a block with keys that cannot be followed; None where all can be."""
    extra = planned.block.extra
    later = [key for key in LATER if extra.get(key)]
    if later:
        return LeftOut(
            planned.name,
            f"musebuild does not know {', '.join(later)} yet",
            f"take it out of recipes.{planned.name} to reduce without a selection",
            error=True,
        )
    other = [key for key in SELECTING if extra.get(key)]
    if other and planned.recipe.group_by != "dataset":
        return LeftOut(
            planned.name,
            f"{', '.join(other)}: exposures are selected for what combines those of a dataset, "
            f"and {planned.recipe.name} does not",
            f"move it from recipes.{planned.name} to the block that combines, or exclude the "
            "exposures altogether with frames.exclude.OBJECT",
            error=True,
        )
    return None
