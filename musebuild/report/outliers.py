"""Values of quality control that lie far from the others, by sigma clipping."""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from astropy.stats import mad_std, sigma_clip
from numpy.typing import NDArray

from musebuild.report.qc import Parameters
from musebuild.report.tables import Rows

SIGMA = 5.0
"""A table has thousands of values: at 3 σ dozens of them lie outside by chance."""
MAXITERS = 10
LEAST = 5
"""Of fewer values none can be told to be the odd one."""
MEAN_TO_SIGMA = 1.2533
"""√(π/2): mean absolute deviation → σ of a normal distribution."""
COLUMNS = (
    "category",
    "task",
    "name",
    "night",
    "ifu",
    "INS_MODE",
    "product",
    "hdu",
    "parameter",
    "value",
    "median",
    "scatter",
    "deviation",
)
SHOWN = (
    "task",
    "ifu",
    "parameter",
    "value",
    "median",
    "scatter",
    "deviation",
)
"""What people see; `--format csv` has it all."""

_NUMBER = re.compile(r"_(\d{4})(?:-\d\d)?\.fits")
"""`IMAGE_FOV_0002.fits` is in another band than `IMAGE_FOV_0001.fits`."""

Values = NDArray[np.float64]


def scatter_of(values: Any, axis: int | None = None) -> Any:
    """Robust σ: from the median absolute deviation, NaN left out.

    Where more than half of the values are the same it is nought, and any other value would lie
    infinitely far away; there the mean absolute deviation about the median takes its place.

    Parameters
    ----------
    values : array
        Any shape.
    axis : int, optional
        Along which; default: all.

    Returns
    -------
    array or float
        In the unit of the values.
    """
    spread = np.asarray(mad_std(values, axis=axis, ignore_nan=True))
    centre = np.nanmedian(values, axis=axis, keepdims=True)
    mean = MEAN_TO_SIGMA * np.nanmean(np.abs(values - centre), axis=axis)
    return np.where(spread > 0, spread, mean)


@dataclass(frozen=True, slots=True)
class Clipped:
    """What clipping found, for each column of an array."""

    outside: NDArray[np.bool_]
    """Shape of the array: what lies outside."""
    median: Values
    """Of what is left, one for each column."""
    scatter: Values


def clip(values: Values, sigma: float = SIGMA, maxiters: int | None = MAXITERS) -> Clipped:
    """Clip each column of an array about its median.

    Parameters
    ----------
    values : array, shape (rows, columns)
        NaN where there is none. A column with fewer than `LEAST` values is left alone.
    sigma : float
        How many σ (of the median absolute deviation) may be between.
    maxiters : int or None
        Rounds; None: until nothing more is clipped.
    """
    with warnings.catch_warnings():
        # Empty columns, and NaN, which are no values.
        warnings.simplefilter("ignore")
        kept = np.ma.getmaskarray(
            sigma_clip(
                values,
                sigma=sigma,
                maxiters=maxiters,
                cenfunc="median",
                stdfunc=scatter_of,
                axis=0,
            )
        )
        finite = np.isfinite(values)
        outside = kept & finite & (finite.sum(axis=0) >= LEAST)
        left = np.where(outside | ~finite, np.nan, values)
        return Clipped(outside, np.nanmedian(left, axis=0), scatter_of(left, axis=0))


@dataclass(frozen=True, slots=True)
class Outliers:
    """What lies far from the others in one category's table, or in several."""

    rows: tuple[dict[str, Any], ...]
    """With `COLUMNS`; the furthest first."""
    looked_at: int = 0
    """Values."""
    too_few: int = 0
    """Parameters of an IFU that have fewer than `LEAST` values, which cannot be judged."""

    def table(self, columns: Sequence[str] = COLUMNS) -> Rows:
        """All of them."""
        return Rows.of(self.rows, columns)

    def exposures(self, known: Iterable[str]) -> dict[str, list[str]]:
        """Exposure → what is far from the others in it, for people.

        Parameters
        ----------
        known : iterable of str
            Names of exposures: what is named otherwise is no exposure.
        """
        names = set(known)
        found: dict[str, list[str]] = {}
        for row in self.rows:
            if row["name"] in names:
                ifu = "" if row["ifu"] is None else f" of IFU {row['ifu']}"
                told = f"{row['parameter']}{ifu} is {row['value']:.6g}, not {row['median']:.6g}"
                found.setdefault(row["name"], []).append(told)
        return found


def find_outliers(
    found: Parameters, sigma: float = SIGMA, maxiters: int | None = MAXITERS
) -> Outliers:
    """Values far from those of the other products, for each IFU on its own.

    The same parameter of the same block, IFU, extension, number (of images in several bands) and
    instrument mode is compared.

    Parameters
    ----------
    found : Parameters
        Of one category. Texts are left out.
    sigma, maxiters
        As of `clip`.
    """
    first = len(found.fixed)
    task, name, product, ifu, mode, hdu, extname = map(
        found.fixed.index, ("task", "name", "product", "ifu", "INS_MODE", "hdu", "extname")
    )
    groups: dict[tuple[Any, ...], list[tuple[Any, ...]]] = {}
    for row in found.rows:
        # Of `qa_raw` there is no block: the exposure stands alone, and holds a colon as well.
        block = row[task].partition(":")[0] if row[task] != row[name] else ""
        numbered = _NUMBER.search(row[product] or "")
        like = (block, numbered and numbered[1], row[ifu], row[mode], row[extname] or row[hdu])
        groups.setdefault(like, []).append(row)
    rows: list[dict[str, Any]] = []
    looked_at = too_few = 0
    for members in groups.values():
        values = np.array(
            [[_number(value) for value in row[first:]] for row in members], dtype=np.float64
        ).reshape(len(members), len(found.names))
        number = np.isfinite(values).sum(axis=0)
        looked_at += int(number.sum())
        too_few += int(((number > 0) & (number < LEAST)).sum())
        clipped = clip(values, sigma, maxiters)
        for place, column in np.argwhere(clipped.outside):
            about = dict(zip(found.fixed, members[place][:first], strict=True))
            median, scatter = float(clipped.median[column]), float(clipped.scatter[column])
            value = float(values[place, column])
            rows.append(
                {
                    **{name: about.get(name) for name in COLUMNS},
                    "category": found.category,
                    "parameter": found.names[column],
                    "value": value,
                    "median": median,
                    "scatter": scatter,
                    # All others are the same: no number says how far it is.
                    "deviation": (value - median) / scatter if scatter > 0 else None,
                }
            )
    return Outliers(tuple(sorted(rows, key=_furthest)), looked_at, too_few)


def _number(value: Any) -> float:
    return float(value) if isinstance(value, int | float) else np.nan


def _furthest(row: dict[str, Any]) -> tuple[Any, ...]:
    deviation = row["deviation"]
    far = np.inf if deviation is None else abs(deviation)
    return -far, row["task"], row["hdu"], row["parameter"]


def together(parts: Iterable[Outliers]) -> Outliers:
    """Outliers of several categories as one."""
    every = list(parts)
    return Outliers(
        tuple(sorted((row for part in every for row in part.rows), key=_furthest)),
        sum(part.looked_at for part in every),
        sum(part.too_few for part in every),
    )
