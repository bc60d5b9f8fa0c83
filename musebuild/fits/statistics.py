"""Statistics of the pixels of two frames, side by side."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from musebuild.fits.compare import ROWS, array_difference, arrays_of, both_open, is_numeric


@dataclass(frozen=True, slots=True)
class Statistics:
    """Statistics of the finite values of an array, in the array's own unit; NaN without any."""

    size: int
    """All values, those that are not finite as well."""
    invalid: int
    """Values that are not finite."""
    mean: float
    median: float
    std: float
    least: float
    most: float


@dataclass(frozen=True, slots=True)
class ArrayPair:
    """An image, or a column of a table, in two frames; None: one of them does not have it."""

    name: str
    """Of the HDU, and of the column: `DATA`, `PIXTABLE.lambda`."""
    first: Statistics | None
    second: Statistics | None
    differing: int | None = None
    """Values that differ; None: of different shapes."""
    largest: float = 0.0
    """Largest absolute difference of two finite values."""
    rms: float = 0.0
    """Root mean square of the differences where both are finite."""


def _pieces(array: Any) -> Iterator[Any]:
    """The finite values of an array, a part at a time, as float64."""
    flat = np.ravel(array)
    for start in range(0, flat.size, ROWS):
        piece = np.asarray(flat[start : start + ROWS], dtype=np.float64)
        yield piece[np.isfinite(piece)]


def _median(array: Any, number: int) -> float:
    """Exact median of `number` finite values; of float32 without a copy of the whole.

    The bits of a float32, with those of negative numbers turned round, sort as the numbers do:
    one pass counts their upper halves, one the lower halves where the middle lies.
    """
    flat = np.ravel(array)
    if flat.dtype.kind != "f" or flat.dtype.itemsize != 4:
        values = np.asarray(flat, dtype=np.float64)
        return float(np.median(values[np.isfinite(values)]))
    low, high = (number - 1) // 2, number // 2
    upper = _counts(flat, None)
    return (_ranked(flat, upper, low) + _ranked(flat, upper, high)) / 2


def _sortable(piece: Any) -> Any:
    piece = np.ascontiguousarray(piece, dtype=np.float32)
    bits = piece[np.isfinite(piece)].view(np.uint32)
    return np.where(bits >> 31, ~bits, bits | np.uint32(0x80000000))


def _counts(flat: Any, within: int | None) -> Any:
    """How often each upper half occurs, or each lower half below one upper half."""
    counts = np.zeros(1 << 16, dtype=np.int64)
    for start in range(0, flat.size, ROWS):
        bits = _sortable(flat[start : start + ROWS])
        halves = bits >> 16 if within is None else bits[bits >> 16 == within] & 0xFFFF
        counts += np.bincount(halves, minlength=1 << 16)
    return counts


def _ranked(flat: Any, upper: Any, rank: int) -> float:
    """The value of a rank, counted from the least."""
    before = np.cumsum(upper)
    high = int(np.searchsorted(before, rank, side="right"))
    rest = rank - (int(before[high - 1]) if high else 0)
    low = int(np.searchsorted(np.cumsum(_counts(flat, high)), rest, side="right"))
    bits = np.uint32(high << 16 | low)
    bits = bits & np.uint32(0x7FFFFFFF) if bits >> 31 else ~bits
    return float(np.array([bits], dtype=np.uint32).view(np.float32)[0])


def statistics_of(array: Any) -> Statistics:
    """Statistics of an array's finite values, in double precision and little memory.

    Parameters
    ----------
    array : ndarray
        Of numbers or truth values, of any shape.
    """
    number, total, least, most = 0, 0.0, math.inf, -math.inf
    for piece in _pieces(array):
        if piece.size:
            number += piece.size
            total += float(piece.sum())
            least, most = min(least, float(piece.min())), max(most, float(piece.max()))
    size = int(np.size(array))
    if not number:
        return Statistics(size, size, *(math.nan,) * 5)
    mean = total / number
    square = sum(float(np.square(piece - mean).sum()) for piece in _pieces(array))
    return Statistics(
        size,
        size - number,
        mean,
        _median(array, number),
        math.sqrt(square / number),
        least,
        most,
    )


def _arrays(hdus: dict[str, Any]) -> dict[str, Any]:
    """The images, and the columns of tables, of a frame that hold numbers."""
    return {
        f"{name}.{column}" if column else name: array
        for name, hdu in hdus.items()
        for column, array in arrays_of(hdu).items()
        if is_numeric(array)
    }


def compare_statistics(first: Path, second: Path) -> list[ArrayPair]:
    """Statistics of the arrays in which two frames differ.

    Parameters
    ----------
    first, second : Path
        FITS files.

    Returns
    -------
    list of ArrayPair
        In the order of the HDUs; arrays that are equal, NaN for NaN, are left out.

    Raises
    ------
    FrameError
        One of them cannot be read.
    """
    with both_open(first, second) as (ours, theirs):
        one, two = _arrays(ours), _arrays(theirs)
        pairs = [_pair(name, one.get(name), two.get(name)) for name in dict.fromkeys([*one, *two])]
    return [pair for pair in pairs if pair is not None]


def _pair(name: str, first: Any, second: Any) -> ArrayPair | None:
    """Two arrays of a name; None where they are equal."""
    found = None
    if first is not None and second is not None and first.shape == second.shape:
        found = array_difference(first, second)
        if not found.differing:
            return None
    return ArrayPair(
        name,
        None if first is None else statistics_of(first),
        None if second is None else statistics_of(second),
        found.differing if found else None,
        found.largest if found else 0.0,
        found.rms if found else 0.0,
    )
