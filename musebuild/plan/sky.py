"""The sky of exposures of empty sky, for exposures that have none of their own. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from musebuild.index.model import RawFrame
from musebuild.plan.fields import distance
from musebuild.recipes.model import Recipe
from musebuild.settings.model import Block

SUBTRACT = "subtract-model"
"""The skymethod of the pipeline that takes a sky measured elsewhere."""
SKY = ("SKY_LINES", "SKY_CONTINUUM")
"""What is measured on a sky exposure, and belongs together."""


def from_exposures(block: Block) -> bool:
    """Whether a block takes its sky from sky exposures (`sky: exposures`)."""
    return bool(block.extra.get("sky"))


def contradiction(block: Block, recipe: Recipe) -> tuple[tuple[str, ...], str, str] | None:
    """What contradicts `sky: exposures` of a block.

    Parameters
    ----------
    block : Block
    recipe : Recipe
        That of the block.

    Returns
    -------
    tuple or None
        Keys below the block, what is wrong, and what mends it.
    """
    if not from_exposures(block):
        return None
    name = f"recipes.{block.name}"
    if not any(SUBTRACT in need.when.get("skymethod", ()) for need in recipe.needs):
        return (
            ("sky",),
            f"{name}.sky: {recipe.name} subtracts no sky",
            f"take {name}.sky out, or give it to a block of muse_scipost",
        )
    asked = block.params.get("skymethod", SUBTRACT)
    if asked != SUBTRACT:
        return (
            ("params", "skymethod"),
            f"{name}.params.skymethod: `sky: exposures` goes with {SUBTRACT}, not with {asked}",
            f"set {name}.params.skymethod: {SUBTRACT}, or take {name}.sky out",
        )
    without = sorted(block.frames.exclude & set(SKY))
    if without:
        return (
            ("frames", "exclude"),
            f"{name}.frames.exclude: `sky: exposures` takes {' and '.join(without)}",
            f"take {' and '.join(without)} out of {name}.frames.exclude, or take {name}.sky out",
        )
    return None


class Apart:
    """How far sky exposures lie from others.

    Parameters
    ----------
    raw : mapping
        Category → usable raw frames.
    """

    def __init__(self, raw: Mapping[str, Iterable[RawFrame]]) -> None:
        self._raw = raw
        self._by_date: dict[str, RawFrame] | None = None

    def told(self, date: str, dates: Iterable[str]) -> str:
        """The distance on the sky of one exposure from another, for people.

        Parameters
        ----------
        date : str
            DATE-OBS of the sky exposure.
        dates : iterable of str
            DATE-OBS of what needs it; the first counts.

        Returns
        -------
        str
            `2.5' away`; empty where coordinates are not known.
        """
        if self._by_date is None:
            frames = [frame for name in ("SKY", "OBJECT") for frame in self._raw.get(name, ())]
            self._by_date = {frame.date_obs: frame for frame in frames}
        there = self._by_date.get(date)
        here = self._by_date.get(next(iter(dates), ""))
        if there is None or here is None or None in (there.ra, there.dec, here.ra, here.dec):
            return ""
        arcsec = distance(there, here)
        return f"{arcsec / 60:.1f}\u2032 away" if arcsec >= 60 else f"{arcsec:.0f}\u2033 away"
