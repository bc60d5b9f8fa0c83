"""How two frames differ: which HDUs, which cards, how many values, how much."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from astropy.io import fits

from musebuild.errors import FrameError
from musebuild.fits.digest import content_cards

ROWS = 1 << 22
"""Values of an array that are compared at once, to hold little in memory."""


@dataclass(frozen=True, slots=True)
class CardDifference:
    """A header card that differs; None: one of the two has none."""

    keyword: str
    first: Any
    second: Any


@dataclass(frozen=True, slots=True)
class HduDifference:
    """How an HDU differs."""

    name: str
    kind: str
    """`cards or data`; `missing`: the second frame has it not; `added`: the first has it not;
    `shape`: of another shape or type."""
    cards: tuple[CardDifference, ...] = ()
    differing: int = 0
    """Pixels, or values of a table, that differ."""
    total: int = 0
    largest: float = 0.0
    """Largest absolute difference of two finite values."""
    columns: tuple[str, ...] = ()
    """Of a table: columns that differ."""
    note: str = ""


@dataclass(frozen=True, slots=True)
class ArrayDifference:
    """How two arrays differ."""

    differing: int
    """Values that differ."""
    largest: float
    """Largest absolute difference of two finite values."""
    rms: float
    """Root mean square of the differences where both are finite."""


def named_hdus(hdus: Any) -> dict[str, Any]:
    """HDUs by their names; the first is PRIMARY, and what has none is `#3`."""
    named: dict[str, Any] = {}
    for number, hdu in enumerate(hdus):
        name = "PRIMARY" if number == 0 else hdu.name or f"#{number}"
        named[name if name not in named else f"{name}#{number}"] = hdu
    return named


def _cards(header: Any) -> dict[str, list[Any]]:
    kept: dict[str, list[Any]] = {}
    raw = b"".join(content_cards(header.tostring(endcard=False, padding=False).encode("latin-1")))
    for card in fits.Header.fromstring(raw.decode("latin-1")).cards:
        kept.setdefault(card.keyword, []).append(card.value)
    return kept


def _card_differences(first: Any, second: Any) -> tuple[CardDifference, ...]:
    ours, theirs = _cards(first), _cards(second)
    found = []
    for keyword in dict.fromkeys([*ours, *theirs]):
        a, b = ours.get(keyword), theirs.get(keyword)
        if a != b:
            found.append(CardDifference(keyword, _one(a), _one(b)))
    return tuple(found)


def _one(values: list[Any] | None) -> Any:
    if values is None:
        return None
    return values[0] if len(values) == 1 else values


def array_difference(first: Any, second: Any) -> ArrayDifference:
    """How two arrays of one shape differ; NaN is equal to NaN."""
    a, b = np.ravel(first), np.ravel(second)
    differing, number, square, largest = 0, 0, 0.0, 0.0
    for start in range(0, a.size, ROWS):
        x, y = a[start : start + ROWS], b[start : start + ROWS]
        if x.dtype.kind == "O":
            differing += sum(not np.array_equal(p, q) for p, q in zip(x, y, strict=True))
            continue
        unequal = x != y
        if x.dtype.kind == "f":
            unequal &= ~(np.isnan(x) & np.isnan(y))
        differing += int(np.count_nonzero(unequal))
        if is_numeric(x):
            with np.errstate(invalid="ignore", over="ignore"):
                size = np.asarray(x, dtype=np.float64) - np.asarray(y, dtype=np.float64)
            size = np.abs(size[np.isfinite(size)])
            number += size.size
            square += float(np.square(size).sum())
            largest = max(largest, float(size.max(initial=0.0)))
    return ArrayDifference(differing, largest, math.sqrt(square / number) if number else 0.0)


def is_numeric(array: Any) -> bool:
    """Whether an array holds numbers or truth values."""
    return np.asarray(array).dtype.kind in "biuf"


def arrays_of(hdu: Any) -> dict[str, Any]:
    """The image of an HDU, under no name, or the columns of its table; empty without data."""
    if hdu.data is None:
        return {}
    if hdu.data.dtype.names:
        return {column: np.asarray(hdu.data[column]) for column in hdu.data.dtype.names}
    return {"": hdu.data}


def _hdu(name: str, first: Any, second: Any) -> HduDifference | None:
    cards = _card_differences(first.header, second.header)
    a, b = first.data, second.data
    shapes = [None if d is None else f"{d.shape} of {np.dtype(d.dtype)}" for d in (a, b)]
    if shapes[0] != shapes[1]:
        return HduDifference(name, "shape", cards, note=f"{shapes[0]} and {shapes[1]}")
    theirs = arrays_of(second)
    ours = arrays_of(first)
    found = {column: array_difference(array, theirs[column]) for column, array in ours.items()}
    differing = sum(one.differing for one in found.values())
    if not cards and not differing:
        return None
    return HduDifference(
        name,
        "cards or data",
        cards,
        differing,
        sum(array.size for array in ours.values()),
        max((one.largest for one in found.values()), default=0.0),
        tuple(column for column, one in found.items() if column and one.differing),
    )


@contextlib.contextmanager
def both_open(first: Path, second: Path) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
    """The HDUs of two frames, by name.

    Raises
    ------
    FrameError
        One of them cannot be read; also where that is noticed later.
    """
    try:
        with fits.open(first, memmap=True) as ours, fits.open(second, memmap=True) as theirs:
            yield named_hdus(ours), named_hdus(theirs)
    except (OSError, ValueError, TypeError) as error:
        raise FrameError(
            f"{first.name} cannot be compared with {second}",
            where=str(first),
            why=str(error),
            remedy="look at both files with `fitsverify`",
        ) from error


def compare_frames(first: Path, second: Path) -> list[HduDifference]:
    """How two frames differ in content; cards that do not count are left out.

    Parameters
    ----------
    first, second : Path
        FITS files.

    Returns
    -------
    list of HduDifference
        Empty: the same content.

    Raises
    ------
    FrameError
        One of them cannot be read.
    """
    with both_open(first, second) as (ours, theirs):
        return list(_differences(ours, theirs))


def _differences(ours: dict[str, Any], theirs: dict[str, Any]) -> Iterable[HduDifference]:
    for name in dict.fromkeys([*ours, *theirs]):
        if name not in theirs:
            yield HduDifference(name, "missing")
        elif name not in ours:
            yield HduDifference(name, "added")
        elif (found := _hdu(name, ours[name], theirs[name])) is not None:
            yield found
