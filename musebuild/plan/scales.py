"""Where a combination takes flux scales from (`use_scale`). Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from musebuild.cache.model import Input
from musebuild.plan.blocks import PlannedBlock, makes, scale_block
from musebuild.plan.model import Cause, Choosing, LeftOut
from musebuild.plan.planned_task import PlannedTask
from musebuild.settings.nearest import nearest

CATEGORY = "IMPHOT"
BANDS = "scale_bands"
"""Parameter of the recipe with the bands that are used."""


@dataclass(frozen=True, slots=True)
class Scales:
    """Tables of image photometry for a combination."""

    inputs: tuple[Input, ...] = ()
    by_exposure: tuple[tuple[str, str], ...] = ()
    """Exposure and invocation, of tables that are made for each exposure on its own."""
    bands: tuple[str, ...] = ()

    def params(self) -> dict[str, list[str]]:
        """Parameters of the combination."""
        return {BANDS: list(self.bands)} if self.bands else {}

    def chosen(self, choosing: Choosing) -> Choosing:
        """The same choice, in which a candidate's table goes with its exposure."""
        own = dict(self.by_exposure)
        return replace(
            choosing,
            candidates=tuple(
                replace(one, invocations=(*one.invocations, own[one.exposure]))
                if one.exposure in own
                else one
                for one in choosing.candidates
            ),
        )


def refused_scales(
    planned: PlannedBlock, blocks: Mapping[str, PlannedBlock], left_out: Iterable[LeftOut]
) -> LeftOut | None:
    """What is said of a block whose `use_scale` cannot be followed; None where it can be.

    Parameters
    ----------
    planned : PlannedBlock
        The block.
    blocks : mapping
        All that are planned.
    left_out : iterable of LeftOut
        Blocks that are not.
    """
    name = scale_block(planned.block)
    if not name:
        return None

    def refused(reason: str, remedy: str) -> LeftOut:
        where = ("recipes", planned.name, "use_scale")
        return LeftOut.of(planned.name, f"use_scale: {reason}", remedy, where=where, error=True)

    if not any(need.category == CATEGORY for need in planned.recipe.needs):
        return refused(
            f"{planned.recipe.name} takes no flux scales", "combine with mpdaf_combine instead"
        )
    other = "or give the scales by hand: params: {scales: {DATE-OBS: …}}, or in a SCALE_TABLE"
    if name not in blocks:
        off = next((one for one in left_out if one.name == name), None)
        if off is not None:
            return LeftOut(planned.name, off.causes, error=True)
        near = nearest(name, blocks)
        meant = f"; did you mean {' or '.join(near)}?" if near else ""
        return refused(f"there is no block {name}{meant}", f"correct use_scale.from, {other}")
    if not makes(blocks[name].recipe, CATEGORY):
        return refused(f"{name} makes no {CATEGORY}", f"correct use_scale.from, {other}")
    return None


def scales_of(
    planned: PlannedBlock,
    chosen: Sequence[PlannedTask],
    made: Sequence[PlannedTask],
    dataset: str,
    part: str = "",
) -> Scales | Cause:
    """Tables of image photometry of the exposures that are combined.

    Parameters
    ----------
    planned : PlannedBlock
        The block that combines.
    chosen : sequence of PlannedTask
        The exposures.
    made : sequence of PlannedTask
        Tasks of the block that makes the tables.
    dataset, part : str
        Of the combination.
    """
    if not scale_block(planned.block):
        return Scales()
    asked = planned.block.extra["use_scale"]
    given = asked.get("bands") if isinstance(asked, Mapping) else None
    bands = (given,) if isinstance(given, str) else tuple(given or ())
    of_all = [
        one for one in made if not one.exposure and (one.dataset, one.part) == (dataset, part)
    ]
    if of_all:
        inputs = [_input(name, one.date) for one in of_all for name in one.by_ifu.values()]
        return Scales(tuple(inputs), bands=bands)
    own = {one.exposure: one for one in made if CATEGORY in one.categories}
    lacking = [one.label for one in chosen if one.exposure not in own]
    if lacking:
        block = scale_block(planned.block)
        return Cause(
            f"use_scale: {block} makes no {CATEGORY} of {{of}}",
            f"mend recipes.{block}, or take use_scale out of recipes.{planned.name}",
            "category",
            f"{', '.join(lacking[:3])}{' …' if len(lacking) > 3 else ''}",
            CATEGORY,
            planned.name,
            ("recipes", planned.name, "use_scale"),
        )
    pairs = [
        (one.exposure, name, one.date)
        for one in chosen
        for name in own[one.exposure].by_ifu.values()
    ]
    return Scales(
        tuple(_input(name, date) for _, name, date in pairs),
        tuple((exposure, name) for exposure, name, _ in pairs),
        bands,
    )


def _input(invocation: str, date: str) -> Input:
    return Input(CATEGORY, "product", invocation=invocation, category=CATEGORY, order=date)
