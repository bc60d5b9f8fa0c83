"""How two frames differ: which HDUs, which cards, how many values, how much."""

from __future__ import annotations

from collections.abc import Iterable
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


def array_difference(first: Any, second: Any) -> tuple[int, float]:
    """How many values differ, and by how much at most; NaN is equal to NaN."""
    a, b = np.ravel(first), np.ravel(second)
    differing, largest = 0, 0.0
    for start in range(0, a.size, ROWS):
        x, y = a[start : start + ROWS], b[start : start + ROWS]
        unequal = x != y
        if x.dtype.kind in "fc":
            unequal &= ~(np.isnan(x) & np.isnan(y))
        differing += int(np.count_nonzero(unequal))
        if x.dtype.kind in "biufc" and unequal.any():
            with np.errstate(invalid="ignore", over="ignore"):
                size = np.abs(x[unequal].astype(np.float64) - y[unequal].astype(np.float64))
            finite = size[np.isfinite(size)]
            largest = max(largest, float(finite.max())) if finite.size else largest
    return differing, largest


def _hdu(name: str, first: Any, second: Any) -> HduDifference | None:
    cards = _card_differences(first.header, second.header)
    a, b = first.data, second.data
    if (a is None) != (b is None) or (
        a is not None and (a.shape != b.shape or np.dtype(a.dtype) != np.dtype(b.dtype))
    ):
        shapes = [None if d is None else f"{d.shape} of {d.dtype}" for d in (a, b)]
        return HduDifference(name, "shape", cards, note=f"{shapes[0]} and {shapes[1]}")
    differing = total = 0
    largest = 0.0
    columns: list[str] = []
    if a is not None and a.dtype.names:
        for column in a.dtype.names:
            x, y = np.asarray(a[column]), np.asarray(b[column])
            if x.dtype.kind == "O":
                some, most = sum(not np.array_equal(p, q) for p, q in zip(x, y, strict=True)), 0.0
            else:
                some, most = array_difference(x, y)
            total += x.size
            differing += some
            largest = max(largest, most)
            if some:
                columns.append(column)
    elif a is not None:
        total = a.size
        differing, largest = array_difference(a, b)
    if not cards and not differing:
        return None
    return HduDifference(name, "cards or data", cards, differing, total, largest, tuple(columns))


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
    try:
        with fits.open(first, memmap=True) as ours, fits.open(second, memmap=True) as theirs:
            return list(_differences(named_hdus(ours), named_hdus(theirs)))
    except (OSError, ValueError, TypeError) as error:
        raise FrameError(
            f"{first.name} cannot be compared with {second}",
            where=str(first),
            why=str(error),
            remedy="look at both files with `fitsverify`",
        ) from error


def _differences(ours: dict[str, Any], theirs: dict[str, Any]) -> Iterable[HduDifference]:
    for name in dict.fromkeys([*ours, *theirs]):
        if name not in theirs:
            yield HduDifference(name, "missing")
        elif name not in ours:
            yield HduDifference(name, "added")
        elif (found := _hdu(name, ours[name], theirs[name])) is not None:
            yield found
