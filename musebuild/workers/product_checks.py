"""What a recipe made, looked at before any of it is believed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from astropy.io import fits

from musebuild.errors import FrameError
from musebuild.fits.blocks import open_frame, parse, units
from musebuild.fits.headers import read_headers
from musebuild.recipes.model import ProductRule, RecipeOutcome
from musebuild.settings.path_names import ENDINGS


def is_frame(path: Path) -> bool:
    """Whether a product is a FITS file, by its name; a Python recipe may also make a plot."""
    return path.name.lower().endswith(ENDINGS)


def filter_name(path: Path) -> str:
    """Filter of an image (DRS MUSE FILTER NAME); empty where it has none."""
    return str(read_headers(path).primary.get("ESO DRS MUSE FILTER NAME") or "")


def table_rows(path: Path) -> int | None:
    """Rows of the tables in a frame; None where it holds none.

    A pixel table may also be a set of images of one column each, of NAXIS2 rows.
    """
    rows: list[int] = []
    with open_frame(path) as file:
        for unit in units(file, path):
            header = parse(unit.header)
            if header.get("XTENSION") == "BINTABLE" or (
                unit.index and header.get("NAXIS1") == 1 and header.get("NAXIS") == 2
            ):
                rows.append(int(str(header.get("NAXIS2") or 0)))
    return max(rows) if rows else None


def incomplete_rows(path: Path) -> list[int]:
    """Rows (counted from 1) of a frame's tables that hold NaN in some column."""
    found: set[int] = set()
    with fits.open(path) as hdus:
        for hdu in hdus:
            if not isinstance(hdu, fits.BinTableHDU):
                continue
            for name in hdu.columns.names:
                values = np.asarray(hdu.data[name])
                if values.dtype.kind == "f":
                    bad = np.isnan(values).reshape(len(values), -1).any(axis=1)
                    found.update(int(row) + 1 for row in np.flatnonzero(bad))
    return sorted(found)


def check_products(outcome: RecipeOutcome, expected: Sequence[ProductRule]) -> RecipeOutcome:
    """A recipe's outcome, or its failure: a product is missing, empty or cannot be read.

    Parameters
    ----------
    outcome : RecipeOutcome
        Of a recipe that says it succeeded.
    expected : sequence of ProductRule
        What it makes with its parameters.
    """
    made: dict[str, list[Path]] = {}
    for category, name in outcome.products:
        made.setdefault(category, []).append(Path(name))
    if not made:
        return _failed(outcome, "the recipe returned 0, but made no product", "missing")
    for rule in expected:
        if rule.category not in made and not rule.optional:
            message = (
                f"the recipe returned 0, but made no {rule.category} "
                f"(it made {', '.join(sorted(made))})"
            )
            return _failed(outcome, message, "missing")
    warnings = list(outcome.warnings)
    rules = {rule.category: rule for rule in expected}
    for category, paths in made.items():
        for path in filter(is_frame, paths):
            try:
                rows = table_rows(path)
            except FrameError as error:
                message = f"the product {path.name} cannot be read: {error.what}"
                return _failed(outcome, message, "missing")
            wanted = rules.get(category)
            if wanted and rows is not None and rows < wanted.min_rows:
                message = (
                    f"the recipe returned 0, but its {category} has no rows: "
                    "what it was to measure was not found"
                )
                return _failed(outcome, message, "empty")
            if wanted and wanted.complete and (bad := incomplete_rows(path)):
                numbers = ", ".join(map(str, bad[:12]))
                warnings.append(
                    f"{path.name}: {len(bad)} of {rows} rows hold NaN ({numbers}): "
                    "what they stand for was not found, though the recipe returned 0"
                )
    return replace(outcome, warnings=tuple(warnings))


def _failed(outcome: RecipeOutcome, message: str, kind: str) -> RecipeOutcome:
    """The failure of a recipe that said it succeeded."""
    return RecipeOutcome(outcome.products, failure=message, warnings=outcome.warnings, kind=kind)
