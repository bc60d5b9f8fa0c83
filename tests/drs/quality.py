"""Quality control of a reduced simulation, beside that of real nights.

`quality_reference.csv` holds the ranges of the DRS's quality-control keywords over 24 IFUs and
three calibration sequences of a real night of June 2017. A simulated night should fall inside,
but for what the reference and the simulation cannot have in common: there the table names a
reason of `NOT_COMPARED`.
"""

from __future__ import annotations

import csv
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

from astropy.io import fits

REFERENCE = Path(__file__).with_name("quality_reference.csv")
CATEGORY_KEYWORD = "ESO PRO CATG"
NOT_COMPARED = {
    "lines": "the simulated lamps have only lines that stand alone, most of them bright; real "
    "ones have many more that are faint or blended",
    "dusk": "the brightness of the twilight is chance",
    "field": "another field, and the compact geometry lays it out on 75 × 48 spaxels an IFU "
    "instead of 300 × 300 for all",
    "sky": "the brightness of the night sky is that of another night",
}
"""Reasons why a keyword has no range that a simulation should meet."""


@dataclass(frozen=True, slots=True)
class ReferenceRange:
    """The range of one keyword in real products."""

    category: str
    keyword: str
    """May hold `*` for the number of a slice, an IFU or a source."""
    low: float
    high: float
    reason: str = ""
    """Why it cannot be compared; empty where it can."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """A keyword of a product beside its range."""

    category: str
    keyword: str
    value: float
    low: float
    high: float
    reason: str = ""

    @property
    def verdict(self) -> str:
        """`inside`, `outside` or `not compared`."""
        if self.reason:
            return "not compared"
        return "inside" if self.low <= self.value <= self.high else "outside"

    @property
    def ok(self) -> bool:
        """Whether there is nothing to say against it."""
        return self.verdict != "outside"


def reference_ranges() -> tuple[ReferenceRange, ...]:
    """The ranges of the table beside this file."""
    text = REFERENCE.read_text(encoding="utf-8")
    return tuple(
        ReferenceRange(
            row["category"],
            row["keyword"],
            float(row["low"]),
            float(row["high"]),
            NOT_COMPARED[row["not_compared"]] if row["not_compared"] else "",
        )
        for row in csv.DictReader(text.splitlines())
    )


def compare_qc(
    ranges: Iterable[ReferenceRange], headers: Iterable[Mapping[str, object]]
) -> tuple[Comparison, ...]:
    """Compare the quality-control keywords of products with ranges.

    Parameters
    ----------
    ranges : iterable of ReferenceRange
    headers : iterable of mapping
        Headers of products, each with `ESO PRO CATG` and keywords `ESO QC …`. A header without
        a category takes that of the one before: extensions follow their primary header.

    Returns
    -------
    tuple of Comparison
        One for each keyword of the headers that has a range, in the headers' order.
    """
    exact: dict[tuple[str, str], ReferenceRange] = {}
    patterns: list[ReferenceRange] = []
    for one in ranges:
        if "*" in one.keyword:
            patterns.append(one)
        else:
            exact[one.category, one.keyword] = one
    found = []
    category = ""
    for header in headers:
        category = str(header.get(CATEGORY_KEYWORD, category))
        for keyword, value in header.items():
            if not keyword.startswith("ESO QC ") or isinstance(value, bool | str):
                continue
            match = exact.get((category, keyword)) or next(
                (
                    one
                    for one in patterns
                    if one.category == category and fnmatchcase(keyword, one.keyword)
                ),
                None,
            )
            if match is not None and isinstance(value, int | float):
                found.append(
                    Comparison(category, keyword, float(value), match.low, match.high, match.reason)
                )
    return tuple(found)


def product_headers(products: Iterable[Path]) -> list[dict[str, object]]:
    """Headers of products, for `compare_qc`: primary and extensions, in order.

    Parameters
    ----------
    products : iterable of Path
        FITS files of the DRS.
    """
    headers = []
    for product in products:
        with fits.open(product) as hdus:
            headers += [dict(hdu.header.items()) for hdu in hdus]
    return headers


def format_comparisons(comparisons: Sequence[Comparison]) -> str:
    """What is outside, what was not compared and why, and a line that counts, for people.

    Parameters
    ----------
    comparisons : sequence of Comparison

    Returns
    -------
    str
        Lines without a newline at the end.
    """
    outside = [one for one in comparisons if one.verdict == "outside"]
    lines = [
        f"{one.category} {one.keyword.removeprefix('ESO ')} = {one.value:.6g}: outside of "
        f"{one.low:.6g} to {one.high:.6g}, off by {_off(one):.2g} of the range"
        for one in outside
    ]
    for reason in dict.fromkeys(one.reason for one in comparisons if one.reason):
        group = [one for one in comparisons if one.reason == reason]
        lines.append(
            f"not compared, {len(group)} like {group[0].category} "
            f"{group[0].keyword.removeprefix('ESO ')}: {reason}"
        )
    compared = sum(not one.reason for one in comparisons)
    lines.append(
        f"{compared - len(outside)} of {compared} keywords inside the range of real nights"
    )
    return "\n".join(lines)


def _off(one: Comparison) -> float:
    distance = max(one.low - one.value, one.value - one.high)
    width = one.high - one.low
    return distance / width if width else math.inf
