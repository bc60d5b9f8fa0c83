"""Fields: exposures whose footprints on the sky overlap, one with the next. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import product
from math import asin, atan2, cos, degrees, floor, hypot, isfinite, radians, sin, sqrt, tan

from musebuild.index.model import RawFrame
from musebuild.settings.sky import separation

Vector = tuple[float, float, float]
Cell = tuple[int, int, int]

SIDES = {"NFM": 7.5}
"""Field mode → side of the square field [arcsec]."""
WIDE = 60.0
"""The same of the wide field, and of a mode that is not known."""
TOUCH = 0.5
"""Arcsec between two edges that still touch: headers tell a position to some tenths."""
FAR = 600.0
"""Arcsec between exposures that no cube is meant to span: at 0.2 arcsec it would take hundreds of
gigabytes. Mosaics with gaps are smaller."""
SHOWN = 3
"""Exposures that one message names."""


@dataclass(frozen=True, slots=True)
class Footprint:
    """The square that an exposure covers, as vectors of length one."""

    centre: Vector
    right: Vector
    """Along one of its sides."""
    up: Vector
    """Along the other."""
    side: float
    """Arcsec."""

    def corners(self) -> list[Vector]:
        """The corners, in turn (of any length)."""
        half = tan(radians(self.side / 7200))
        return [
            _sum(self.centre, _scaled(self.right, x * half), _scaled(self.up, y * half))
            for x, y in ((-1, -1), (1, -1), (1, 1), (-1, 1))
        ]


def _sum(*vectors: Vector) -> Vector:
    x, y, z = map(sum, zip(*vectors, strict=True))
    return x, y, z


def _scaled(vector: Vector, by: float) -> Vector:
    x, y, z = vector
    return x * by, y * by, z * by


def _dot(a: Vector, b: Vector) -> float:
    return a[0] * b[0] + a[1] * b[1] + a[2] * b[2]


def _axes(ra: float, dec: float) -> tuple[Vector, Vector]:
    """East and north at a place [rad]."""
    east = (-sin(ra), cos(ra), 0.0)
    return east, (-sin(dec) * cos(ra), -sin(dec) * sin(ra), cos(dec))


def is_placed(frame: RawFrame) -> bool:
    """Whether the header says where an exposure looks. A damaged card may hold a text."""
    return all(isinstance(v, int | float) and isfinite(v) for v in (frame.ra, frame.dec))


def footprint(frame: RawFrame) -> Footprint:
    """The square that an exposure covers, from RA, DEC and INS DROT POSANG.

    Parameters
    ----------
    frame : RawFrame
        With coordinates. Without a position angle it stands upright. The angle on the sky is
        -POSANG, as the pipeline takes it where the rotator follows the sky.
    """
    ra, dec = radians(frame.ra or 0.0), radians(frame.dec or 0.0)
    centre = (cos(dec) * cos(ra), cos(dec) * sin(ra), sin(dec))
    east, north = _axes(ra, dec)
    known = isinstance(frame.posang, int | float) and isfinite(frame.posang)
    angle = radians(-(frame.posang or 0.0)) if known else 0.0
    return Footprint(
        centre,
        _sum(_scaled(east, cos(angle)), _scaled(north, -sin(angle))),
        _sum(_scaled(east, sin(angle)), _scaled(north, cos(angle))),
        SIDES.get(frame.field, WIDE),
    )


def overlap(a: Footprint, b: Footprint) -> bool:
    """Whether two footprints overlap or touch."""
    away = _away(a, b)
    sides = (a.side + b.side) / 2
    if away <= sides:
        return True
    if away > sides * sqrt(2) + TOUCH:
        return False
    return not (_parted(a, b) or _parted(b, a))


def _away(a: Footprint, b: Footprint) -> float:
    """Arcsec between two centres that are near."""
    (x1, y1, z1), (x2, y2, z2) = a.centre, b.centre
    return degrees(hypot(x1 - x2, y1 - y2, z1 - z2)) * 3600


def _parted(a: Footprint, b: Footprint) -> bool:
    """Whether a line along a side of the first parts them, in the plane that touches its centre."""
    reach = radians((a.side / 2 + TOUCH) / 3600)
    places = [(corner, _dot(corner, a.centre)) for corner in b.corners()]
    for axis in (a.right, a.up):
        along = [_dot(corner, axis) / depth for corner, depth in places]
        if min(along) > reach or max(along) < -reach:
            return True
    return False


def connected(prints: Sequence[Footprint]) -> list[list[int]]:
    """Footprints that overlap, one with the next.

    Parameters
    ----------
    prints : sequence of Footprint
        In any order.

    Returns
    -------
    list of list of int
        Places in the sequence: each set ascends, and so do the first of each.
    """
    if all(_away(prints[0], other) <= (prints[0].side + other.side) / 2 for other in prints):
        # So it is nearly always.
        return [list(range(len(prints)))] if prints else []
    # Cells of space rather than of coordinates: they know neither poles nor 24 h.
    size = radians((max((one.side for one in prints), default=WIDE) * sqrt(2) + TOUCH) / 3600)
    cells: dict[Cell, list[int]] = defaultdict(list)
    places: list[Cell] = []
    for number, one in enumerate(prints):
        x, y, z = one.centre
        places.append((floor(x / size), floor(y / size), floor(z / size)))
        cells[places[-1]].append(number)

    @cache
    def around(place: Cell) -> list[Cell]:
        x, y, z = place
        near = ((x + i, y + j, z + k) for i, j, k in product((-1, 0, 1), repeat=3))
        return [cell for cell in near if cell in cells]

    found: list[list[int]] = []
    seen: set[int] = set()
    for start in range(len(prints)):
        if start in seen:
            continue
        group = [start]
        seen.add(start)
        for member in group:
            for cell in around(places[member]):
                rest = []
                for other in cells[cell]:
                    if other in seen:
                        continue
                    if overlap(prints[member], prints[other]):
                        seen.add(other)
                        group.append(other)
                    else:
                        rest.append(other)
                cells[cell] = rest
        found.append(sorted(group))
    return found


def fields(frames: Iterable[RawFrame]) -> list[list[RawFrame]]:
    """Exposures whose footprints overlap, one with the next; without those of unknown position.

    Each field, and the fields, are sorted by time.
    """
    placed = sorted(filter(is_placed, frames), key=lambda frame: (frame.mjd_obs, frame.name))
    groups = connected([footprint(frame) for frame in placed])
    return [[placed[number] for number in group] for group in groups]


def extent(frames: Sequence[RawFrame]) -> tuple[float, float, float, float]:
    """Middle and size of a field.

    Parameters
    ----------
    frames : sequence of RawFrame
        Of one field, with coordinates.

    Returns
    -------
    ra, dec : float
        Of the mean of the exposures [deg].
    east, north : float
        Between its outermost edges [arcsec].
    """
    prints = [footprint(frame) for frame in frames]
    x, y, z = _sum(*(one.centre for one in prints))
    length = sqrt(x * x + y * y + z * z)
    ra, dec = atan2(y, x), asin(z / length)
    middle = (x / length, y / length, z / length)
    corners = [corner for one in prints for corner in one.corners()]
    sizes = []
    for axis in _axes(ra, dec):
        along = [_dot(corner, axis) / _dot(corner, middle) for corner in corners]
        sizes.append(degrees(max(along) - min(along)) * 3600)
    return degrees(ra) % 360, degrees(dec), sizes[0], sizes[1]


def field_name(frame: RawFrame, digits: int = 0) -> str:
    """Name of the field that begins with an exposure: `J141226.21-440902.0`, cut off, not rounded.

    Parameters
    ----------
    frame : RawFrame
        With coordinates.
    digits : int
        Decimals of the seconds of time; of those of arc there is one less.
    """
    return "J" + _sexagesimal((frame.ra or 0.0) % 360 / 15, digits) + (
        "-" if (frame.dec or 0.0) < 0 else "+"
    ) + _sexagesimal(abs(frame.dec or 0.0), max(digits - 1, 0))  # fmt: skip


def _sexagesimal(value: float, digits: int) -> str:
    # A little more, since 15.0 may be stored as 14.999999999.
    units = floor(value * 3600 * 10**digits + 1e-5)
    whole, rest = divmod(units, 10**digits)
    minutes, seconds = divmod(whole, 60)
    text = f"{minutes // 60:02d}{minutes % 60:02d}{seconds:02d}"
    return f"{text}.{rest:0{digits}d}" if digits else text


def field_names(groups: Sequence[Sequence[RawFrame]]) -> list[str]:
    """Names of fields by their first exposures, with as many decimals as tell each from the others.

    An exposure that is taken later changes no name.
    """
    found = []
    for group in groups:
        for digits in range(4):
            name = field_name(group[0], digits)
            if sum(field_name(other[0], digits) == name for other in groups) == 1:
                break
        found.append(name)
    return found


def distance(a: RawFrame, b: RawFrame) -> float:
    """Arcsec between the centres of two exposures; nought where one has no coordinates."""
    if not (is_placed(a) and is_placed(b)):
        return 0.0
    return 3600 * separation(a.ra or 0.0, a.dec or 0.0, b.ra or 0.0, b.dec or 0.0)


def apart(frames: Sequence[RawFrame], limit: float) -> tuple[list[str], float]:
    """Exposures that no chain of neighbours joins to the others.

    Parameters
    ----------
    frames : sequence of RawFrame
        The exposures.
    limit : float
        Arcsec from one to the next in a chain; nought: their footprints must overlap.

    Returns
    -------
    names : list of str
        Those outside of the largest group, which are few; empty where all are joined.
    away : float
        Arcsec from the first of these to the nearest of the largest group.
    """
    groups: list[list[RawFrame]] = []
    for field in fields(frames):
        near = [
            group
            for group in groups
            if limit and any(distance(a, b) < limit for a in group for b in field)
        ]
        groups = [group for group in groups if group not in near]
        groups.append([frame for group in (*near, field) for frame in group])
    if len(groups) < 2:
        return [], 0.0
    main = max(groups, key=len)
    outside = [frame for group in groups if group is not main for frame in group]
    return [frame.name for frame in outside], min(distance(outside[0], f) for f in main)


def scattered(recipe: str, frames: Sequence[RawFrame]) -> str:
    """Why a recipe cannot work on exposures that lie apart; empty where it can.

    An alignment needs sources in common. A cube of exposures far apart would not fit in memory.
    """
    limits = {"muse_exp_align": 0.0, "muse_exp_combine": FAR}
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
