"""Whether exposures show the same part of the sky. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from math import asin, cos, degrees, radians, sin, sqrt

from musebuild.index.model import RawFrame

DIAGONALS = {"NFM": 12.0}
"""Field → arcsec between two centres at which fields of it cannot overlap, however rotated."""
WIDE = 90.0
"""The same of the wide field, which is 60 x 60 arcsec."""
FAR = 600.0
"""Arcsec between exposures that no cube is meant to span: at 0.2 arcsec it would take hundreds of
gigabytes. Mosaics with gaps are smaller."""
SHOWN = 3
"""Exposures that one message names."""


def distance(a: RawFrame, b: RawFrame) -> float:
    """Arcsec between the centres of two exposures; nought where one has no coordinates."""
    if a.ra is None or a.dec is None or b.ra is None or b.dec is None:
        return 0.0
    ra1, dec1, ra2, dec2 = map(radians, (a.ra, a.dec, b.ra, b.dec))
    half = sin((dec1 - dec2) / 2) ** 2 + cos(dec1) * cos(dec2) * sin((ra1 - ra2) / 2) ** 2
    return degrees(2 * asin(min(1.0, sqrt(half)))) * 3600


def reach(frames: Iterable[RawFrame]) -> float:
    """Arcsec between two centres at which these exposures cannot overlap."""
    return max((DIAGONALS.get(frame.ins_mode[:3], WIDE) for frame in frames), default=WIDE)


def apart(frames: Sequence[RawFrame], limit: float) -> tuple[list[str], float]:
    """Exposures that no chain of neighbours joins to the others.

    Parameters
    ----------
    frames : sequence of RawFrame
        The exposures.
    limit : float
        Arcsec from one to the next in a chain.

    Returns
    -------
    names : list of str
        Those outside of the largest group, which are few; empty where all are joined.
    away : float
        Arcsec from the first of these to the nearest of the largest group.
    """
    rest = list(frames)
    groups: list[list[RawFrame]] = []
    while rest:
        group = [rest.pop(0)]
        for member in group:
            left: list[RawFrame] = []
            for other in rest:
                (group if distance(member, other) < limit else left).append(other)
            rest = left
        groups.append(group)
    if len(groups) < 2:
        return [], 0.0
    main = max(groups, key=len)
    outside = [frame for group in groups if group is not main for frame in group]
    return [frame.name for frame in outside], min(distance(outside[0], f) for f in main)


def scattered(recipe: str, frames: Sequence[RawFrame]) -> str:
    """Why a recipe cannot work on exposures that lie apart; empty where it can.

    An alignment needs sources in common. A cube of exposures far apart would not fit in memory.
    """
    limits = {"muse_exp_align": reach(frames), "muse_exp_combine": FAR}
    if recipe not in limits:
        return ""
    names, away = apart(frames, limits[recipe])
    if not names:
        return ""
    more = len(names) - SHOWN
    shown = ", ".join(names[:SHOWN]) + (f" and {more} more" if more > 0 else "")
    lie = "lies" if len(names) == 1 else "lie"
    return f"{shown} {lie} {told(away)} from the others: there is no overlap"


def told(arcsec: float) -> str:
    """A distance for people."""
    if arcsec < 120:
        return f"{arcsec:.0f} arcsec"
    return f"{arcsec / 60:.1f} arcmin" if arcsec < 7200 else f"{arcsec / 3600:.1f} degrees"
