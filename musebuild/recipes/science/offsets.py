"""Lists of offsets that the settings give."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from astropy.io import fits


def exp_align_by_hand(*, offsets: list[dict[str, Any]]) -> dict[str, Path]:
    """Write the offsets of a dataset as the pipeline's table.

    Parameters
    ----------
    offsets : list of dict
        Of each exposure, by time: `DATE_OBS`, `MJD_OBS` [d], `RA_OFFSET` and `DEC_OFFSET` [deg],
        and `FLUX_SCALE`, which is missing where fluxes stay as they are. The plan makes it from
        `offsets` of the block.
    """
    scales = [row.get("FLUX_SCALE", np.nan) for row in offsets]
    dates = [row["DATE_OBS"] for row in offsets]
    width = max(map(len, dates), default=1)
    columns = [
        fits.Column("DATE_OBS", f"{width}A", array=np.array(dates)),
        fits.Column("MJD_OBS", "D", unit="s", array=[row["MJD_OBS"] for row in offsets]),
        *(
            fits.Column(name, "D", unit="deg", array=[row[name] for row in offsets])
            for name in ("RA_OFFSET", "DEC_OFFSET")
        ),
        fits.Column("FLUX_SCALE", "D", array=scales),
    ]
    primary = fits.PrimaryHDU()
    primary.header["INSTRUME"] = "MUSE"
    path = Path("OFFSET_LIST.fits")
    fits.HDUList([primary, fits.BinTableHDU.from_columns(columns)]).writeto(path)
    return {"OFFSET_LIST": path}
