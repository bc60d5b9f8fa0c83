"""Flux scales and offsets of exposures, from tables."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from astropy.io import fits
from astropy.table import Table

from musebuild.errors import RecipeError

EXPOSURE = ("exposure", "name", "date_obs", "date-obs")
"""Columns of a table of scales that tell the exposure, in any case."""


def from_imphot(
    files: Sequence[Path], bands: Sequence[str], dates: Sequence[str]
) -> tuple[dict[str, float], dict[str, float]]:
    """Scales and offsets that bring exposures to the fluxes of the reference images.

    Image photometry fits MUSE = scale × reference + background in each band. A cube is combined
    as (data + offset) × scale: offset = −mean(background), scale = 1 / mean(scale) over the bands.

    Parameters
    ----------
    files : sequence of Path
        IMPHOT tables, one for each exposure (DATE-OBS of the table or of the file): columns
        `filter`, `scale`, `bg`. Those of other exposures are passed over.
    bands : sequence of str
        Filters to be used; empty: all of each table.
    dates : sequence of str
        DATE-OBS of the exposures that are combined.

    Returns
    -------
    scales, offsets : dict
        By DATE-OBS.

    Raises
    ------
    RecipeError
        An exposure has no table, or two, or a table lacks a band or a column.
    """
    scales: dict[str, float] = {}
    offsets: dict[str, float] = {}
    for path in files:
        date = _date(path)
        if date not in dates:
            continue
        if date in scales:
            raise RecipeError(
                f"there are two IMPHOT tables of {date}",
                where=path.name,
                remedy="take scales from one block: use_scale: {from: BLOCK}",
            )
        table = _table(path, ("filter", "scale", "bg"))
        names = [str(name).strip() for name in table["filter"]]
        lacking = [band for band in bands if band not in names]
        if lacking or not names:
            raise RecipeError(
                f"{path.name} of {date} has no band {', '.join(lacking)}",
                why=f"it has {', '.join(names) or 'none'}",
                remedy="correct use_scale: {bands: […]}",
            )
        rows = [names.index(band) for band in bands or names]
        scale = float(np.mean([float(table["scale"][row]) for row in rows]))
        if not (np.isfinite(scale) and scale > 0):
            raise RecipeError(
                f"the scale of {date} is {scale:g}, which cannot be",
                where=path.name,
                remedy="leave the exposure out (exclude_flags, select), or choose other bands",
            )
        scales[date] = 1 / scale
        offsets[date] = -float(np.mean([float(table["bg"][row]) for row in rows]))
    missing = [date for date in dates if date not in scales]
    if missing:
        raise RecipeError(
            f"there is no IMPHOT table of {', '.join(missing)}",
            remedy="let the block of use_scale make one for each exposure",
        )
    return scales, offsets


def from_table(path: Path, dates: Sequence[str]) -> tuple[dict[str, float], dict[str, float]]:
    """Scales and offsets of a table with one row for each exposure.

    Parameters
    ----------
    path : Path
        A FITS table: the exposure (`name`, `exposure` or `DATE_OBS`), `scale`, and `offset`
        (default 0), in any case. STATPIX of a combination is one. Rows of other exposures are
        passed over.
    dates : sequence of str
        DATE-OBS of the exposures that are combined.

    Raises
    ------
    RecipeError
        An exposure or a column is missing, or an exposure stands there twice.
    """
    table = _table(path, ("scale",))
    columns = {name.lower(): name for name in table.colnames}
    key = next((columns[name] for name in EXPOSURE if name in columns), None)
    if key is None:
        raise RecipeError(
            f"{path.name} does not say which exposure a scale is of",
            why=f"it has the columns {', '.join(table.colnames)}",
            remedy="add a column `name` with the DATE-OBS of each exposure",
        )
    names = [str(name).strip() for name in table[key]]
    for date in dates:
        if names.count(date) != 1:
            raise RecipeError(
                f"{path.name} has {names.count(date)} rows for {date}",
                remedy="give one row for each exposure that is combined",
            )
    rows = {date: names.index(date) for date in dates}
    scales = {date: float(table[columns["scale"]][row]) for date, row in rows.items()}
    if "offset" not in columns:
        return scales, {}
    return scales, {date: float(table[columns["offset"]][row]) for date, row in rows.items()}


def flux_scales(
    imphot: Sequence[Path] | None,
    table: Path | None,
    bands: Sequence[str] | None,
    scales: dict[str, float] | None,
    offsets: dict[str, float] | None,
    dates: Sequence[str],
) -> tuple[dict[str, float] | None, dict[str, float] | None]:
    """Scales and offsets of a combination, from the one place that gives them.

    Raises
    ------
    RecipeError
        Several give them.
    """
    given = [
        name
        for name, one in (
            ("use_scale", imphot),
            ("SCALE_TABLE", table),
            ("scales or flux_offsets", scales or offsets),
        )
        if one
    ]
    if len(given) > 1:
        raise RecipeError(
            f"flux scales are given by {' and '.join(given)}", remedy="give them by one of these"
        )
    if imphot:
        return from_imphot(imphot, bands or (), dates)
    if table is not None:
        return from_table(table, dates)
    return scales, offsets


def _date(path: Path) -> str:
    with fits.open(path) as hdus:
        # A table that astropy wrote has it in its own header.
        dates = [hdu.header.get("DATE-OBS") for hdu in hdus[:2]]
    date = next(filter(None, dates), None)
    if date is None:
        raise RecipeError(
            f"{path.name} has no DATE-OBS, by which its exposure is known",
            remedy="write it into the header, as the exposure has it",
        )
    return str(date).strip()


def _table(path: Path, wanted: Sequence[str]) -> Table:
    try:
        table = Table.read(path, hdu=1)
    except (OSError, ValueError, IndexError, TypeError) as error:
        raise RecipeError(
            f"{path.name} holds no table", why=str(error), remedy="name another file"
        ) from error
    known = {name.lower() for name in table.colnames}
    lacking = [name for name in wanted if name not in known]
    if lacking:
        raise RecipeError(
            f"{path.name} has no column {', '.join(lacking)}",
            why=f"it has {', '.join(table.colnames)}",
            remedy="name another table",
        )
    return table
