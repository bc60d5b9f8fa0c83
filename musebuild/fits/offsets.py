"""Lists of offsets between exposures, as the pipeline writes and reads them."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

OFFSET_LIST = "OFFSET_LIST"
"""Category of a list of offsets."""
COLUMNS = ("DATE_OBS", "RA_OFFSET", "DEC_OFFSET")
"""Columns that every list has."""


@dataclass(frozen=True, slots=True)
class Offset:
    """One row of an OFFSET_LIST."""

    date_obs: str
    """DATE-OBS of the exposure, by which the pipeline finds its row."""
    ra: float
    """RA_OFFSET [deg]: subtracted from right ascensions; not multiplied by cos(declination)."""
    dec: float
    """DEC_OFFSET [deg]: subtracted from declinations."""
    scale: float | None = None
    """FLUX_SCALE: fluxes are multiplied by it; None: they stay as they are."""


def read_offsets(path: Path) -> tuple[Offset, ...] | None:
    """The rows of an OFFSET_LIST, in the order of the file.

    Parameters
    ----------
    path : Path
        The file.

    Returns
    -------
    tuple of Offset, or None
        None: it holds no table with the columns DATE_OBS, RA_OFFSET and DEC_OFFSET.
    """
    # Here, since every build imports this module, and few read a list.
    import numpy as np
    from astropy.io import fits

    try:
        with warnings.catch_warnings(), fits.open(path) as hdus:
            warnings.simplefilter("ignore")
            for hdu in hdus[1:]:
                if not isinstance(hdu, fits.BinTableHDU | fits.TableHDU):
                    continue
                names = set(hdu.columns.names)
                if not names.issuperset(COLUMNS):
                    continue
                table: Any = hdu.data
                scales = table["FLUX_SCALE"] if "FLUX_SCALE" in names else None
                return tuple(
                    Offset(
                        str(date).strip(),
                        float(ra),
                        float(dec),
                        None if scales is None or not np.isfinite(scales[i]) else float(scales[i]),
                    )
                    for i, (date, ra, dec) in enumerate(
                        zip(*(table[name] for name in COLUMNS), strict=True)
                    )
                )
    # What astropy raises on damaged cards is of any kind.
    except Exception:
        return None
    return None


def listed_exposures(path: Path) -> tuple[str, ...] | None:
    """DATE-OBS of the exposures of an OFFSET_LIST; None where it is no such list."""
    rows = read_offsets(path)
    return None if rows is None else tuple(row.date_obs for row in rows)
