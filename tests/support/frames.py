"""Tiny frames with the headers of real ones: a night that only the mock runner can reduce."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any
from zlib import crc32

import numpy as np
from astropy.io import fits
from astropy.time import Time

STATICS = (
    "ASTROMETRY_WCS",
    "BADPIX_TABLE",
    "EXTINCT_TABLE",
    "FILTER_LIST",
    "GEOMETRY_TABLE",
    "LINE_CATALOG",
    "SKY_LINES",
    "STD_FLUX_TABLE",
    "VIGNETTING_MASK",
)
DPR = {
    "BIAS": "BIAS",
    "DARK": "DARK",
    "FLAT": "FLAT,LAMP",
    "ARC": "WAVE",
    "SKYFLAT": "FLAT,SKY",
    "ILLUM": "FLAT,LAMP,ILLUM",
    "OBJECT": "OBJECT",
    "STD": "STD",
}


def write_raw(
    folder: Path,
    category: str,
    date: str,
    *,
    tpl: str = "",
    ifus: Iterable[int] = (1, 2),
    mode: str = "WFM-NOAO-N",
    target: str = "",
    lamp: str = "",
    value: int = 0,
    cards: Mapping[str, Any] | None = None,
) -> Path:
    """Write a raw frame; its pixels follow from category, date, IFU and `value`."""
    primary = fits.PrimaryHDU()
    header = primary.header
    header["INSTRUME"] = "MUSE"
    header["OBJECT"] = target or DPR.get(category, category)
    header["DATE-OBS"] = date
    header["MJD-OBS"] = Time(date).mjd
    header["EXPTIME"] = 600.0 if category == "OBJECT" else 1.0
    header["HIERARCH ESO DPR TYPE"] = DPR.get(category, category)
    header["HIERARCH ESO TPL START"] = tpl or date[:19]
    header["HIERARCH ESO INS MODE"] = mode
    header["HIERARCH ESO INS TEMP7 VAL"] = 12.5
    header["HIERARCH ESO DET BINX"] = 1
    header["HIERARCH ESO DET BINY"] = 1
    header["HIERARCH ESO DET READ CURNAME"] = "SCI1.0"
    if lamp:
        header["HIERARCH ESO INS LAMP3 NAME"] = f"CU-LAMP-{lamp}"
        header["HIERARCH ESO INS LAMP3 ST"] = True
    for name, card in (cards or {}).items():
        header[f"HIERARCH {name}" if " " in name else name] = card
    hdus: list[Any] = [primary]
    for ifu in ifus:
        seed = crc32(f"{category} {date} {ifu} {value}".encode())
        data = np.random.default_rng(seed).integers(0, 60000, (4, 6)).astype(np.uint16)
        hdus.append(fits.ImageHDU(data, name=f"CHAN{ifu:02d}"))
    path = folder / f"MUSE.{date}.fits"
    fits.HDUList(hdus).writeto(path, overwrite=True)
    return path


def write_static(folder: Path, category: str, *, value: int = 0, name: str = "") -> Path:
    """Write a static calibration."""
    primary = fits.PrimaryHDU()
    primary.header["INSTRUME"] = "MUSE"
    primary.header["HIERARCH ESO PRO CATG"] = category
    data = np.arange(6, dtype=np.int16) + value
    path = folder / (name or f"{category.lower()}.fits")
    fits.HDUList([primary, fits.ImageHDU(data)]).writeto(path, overwrite=True)
    return path


def mock_night(folder: Path, *, ifus: Iterable[int] = (1, 2), exposures: int = 2) -> Path:
    """Write the raw frames and static calibrations of the night 2017-06-15.

    Parameters
    ----------
    folder : Path
        Gets `raw/` and `calib/`.
    ifus : iterable of int
        IFUs of the frames.
    exposures : int
        Science exposures of FIELD.
    """
    raw, calib = folder / "raw", folder / "calib"
    raw.mkdir(parents=True)
    calib.mkdir()
    ifus = tuple(ifus)

    def sequence(category: str, tpl: str, dates: Iterable[str], **more: Any) -> None:
        for date in dates:
            write_raw(raw, category, date, tpl=tpl, ifus=ifus, **more)

    sequence("SKYFLAT", "2017-06-15T22:04:55", [f"2017-06-15T22:0{n}:05.147" for n in (5, 6, 7)])
    sequence("ILLUM", "2017-06-16T01:24:56", ["2017-06-16T01:25:07.017"])
    for number in range(exposures):
        sequence(
            "OBJECT",
            "2017-06-16T01:34:08",
            [f"2017-06-16T01:{34 + 2 * number}:56.867"],
            target="FIELD",
        )
    sequence("STD", "2017-06-16T09:31:18", ["2017-06-16T09:32:26.112"], target="HD49798")
    sequence("BIAS", "2017-06-16T10:40:27", [f"2017-06-16T10:4{n}:37.154" for n in (0, 1, 2)])
    sequence("FLAT", "2017-06-16T10:48:07", [f"2017-06-16T10:4{n}:17.159" for n in (7, 8, 9)])
    for number, lamp in enumerate(("Ne", "Xe", "HgCd")):
        sequence("ARC", "2017-06-16T10:55:57", [f"2017-06-16T10:5{6 + number}:17.866"], lamp=lamp)
    for category in STATICS:
        write_static(calib, category)
    return folder
