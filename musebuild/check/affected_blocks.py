"""Which blocks a change of settings touches, and which take products of those."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Literal

from musebuild.plan.blocks import PlannedBlock, providers
from musebuild.settings.differences import Difference
from musebuild.settings.model import Settings
from musebuild.settings.resolved import Keys

SELECTING = ("select", "names_with_selection", "exclude_flags")
_EVERY = {"raw_path", "muse_calib_path", "ifus", "frames"}
_SOFTWARE = {"runner", "recipe_path", "drs_version"}


def directly(keys: Keys, blocks: Mapping[str, PlannedBlock]) -> set[str]:
    """Names of the blocks whose invocations or places a key of the settings decides on.

    Parameters
    ----------
    keys : tuple of str
        Of a difference.
    blocks : mapping
        Blocks with their recipes, by name.
    """
    top, *rest = keys
    if top == "recipes" and rest:
        return set(blocks) if rest[0] == "common" else {rest[0]}
    if top in _EVERY or (top == "cpl" and rest and rest[0] in _SOFTWARE):
        return set(blocks)
    if top == "association" and rest[1:] in ([], ["default"]):
        return set(blocks)
    if top in ("static_calib", "association") and rest:
        category = rest[0] if top == "static_calib" else rest[1]
        return {n for n, b in blocks.items() if category in {m.category for m in b.recipe.needs}}
    if top == "datasets" and "archive_filter" not in rest:
        return {n for n, b in blocks.items() if b.recipe.group == "science"}
    if top == "runs":
        return {n for n, b in blocks.items() if b.recipe.group_by == "run" or selects(b)}
    if top == "flags":
        return {n for n, b in blocks.items() if selects(b)}
    return set()


def selects(planned: PlannedBlock) -> bool:
    """Whether a block takes some exposures only."""
    return any(planned.block.extra.get(key) for key in SELECTING)


def meant(
    differences: Iterable[Difference],
    ours: Iterable[PlannedBlock],
    theirs: Iterable[PlannedBlock],
) -> list[Difference]:
    """Differences without those that only say what the name of a block says, too (`recipe:`)."""
    first = {planned.name: planned.recipe.name for planned in ours}
    second = {planned.name: planned.recipe.name for planned in theirs}
    return [
        one
        for one in differences
        if one.keys[0::2] != ("recipes", "recipe")
        or one.keys[1] not in first
        or first[one.keys[1]] != second.get(one.keys[1])
    ]


def touched(
    differences: Iterable[Difference], *plans: tuple[Settings, Iterable[PlannedBlock]]
) -> dict[str, Literal["itself", "below"]]:
    """Blocks that differences touch, in the order of the blocks.

    Parameters
    ----------
    differences : iterable of Difference
        Of two settings.
    *plans : iterable of PlannedBlock
        Each with its blocks.

    Returns
    -------
    dict
        Name → `itself`, or `below`: it takes products of one that is touched.
    """
    wholes = [(settings, {planned.name: planned for planned in plan}) for settings, plan in plans]
    blocks = {name: planned for _, whole in reversed(wholes) for name, planned in whole.items()}
    found: set[str] = set()
    for one in differences:
        found |= directly(one.keys, blocks)
    below = set(found)
    for its_settings, whole in wholes:
        for planned in whole.values():  # each follows those whose products it takes
            if providers(planned, whole, its_settings) & below:
                below.add(planned.name)
    order = [*blocks, *sorted(below - blocks.keys())]
    return {name: "itself" if name in found else "below" for name in order if name in below}
