"""Tiny frames with the headers of real ones: a night that only the mock runner can reduce."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any
from zlib import crc32

import numpy as np

from musebuild.fits.tiny import image, primary, write_frame

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
MJD_ZERO = dt.datetime(1858, 11, 17)


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
    header: dict[str, Any] = {
        "INSTRUME": "MUSE",
        "OBJECT": target or DPR.get(category, category),
        "DATE-OBS": date,
        "MJD-OBS": (dt.datetime.fromisoformat(date) - MJD_ZERO) / dt.timedelta(days=1),
        "EXPTIME": 600.0 if category == "OBJECT" else 1.0,
        "ESO DPR TYPE": DPR.get(category, category),
        "ESO TPL START": tpl or date[:19],
        "ESO INS MODE": mode,
        "ESO INS TEMP7 VAL": 12.5,
        "ESO DET BINX": 1,
        "ESO DET BINY": 1,
        "ESO DET READ CURNAME": "SCI1.0",
    }
    if lamp:
        header |= {"ESO INS LAMP3 NAME": f"CU-LAMP-{lamp}", "ESO INS LAMP3 ST": True}
    header |= cards or {}
    hdus = [primary(header)]
    for ifu in ifus:
        seed = crc32(f"{category} {date} {ifu} {value}".encode())
        data = np.random.default_rng(seed).integers(0, 60000, (4, 6)).astype(np.uint16)
        hdus.append(image(data, {"EXTNAME": f"CHAN{ifu:02d}"}))
    path = folder / f"MUSE.{date}.fits"
    write_frame(path, hdus)
    return path


def write_static(folder: Path, category: str, *, value: int = 0, name: str = "") -> Path:
    """Write a static calibration."""
    data = (np.arange(6) + value).astype(np.int16)
    path = folder / (name or f"{category.lower()}.fits")
    write_frame(path, [primary({"INSTRUME": "MUSE", "ESO PRO CATG": category}), image(data)])
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
