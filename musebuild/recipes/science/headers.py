"""The header of what was made of several exposures: what is true of all of them, and their sum."""

from __future__ import annotations

import logging
import re
from collections.abc import Sequence
from pathlib import Path

from astropy.io import fits

LOG = logging.getLogger(__name__)
SECONDS = 86400.0
"""Of a day."""
OF_A_FILE = ("CHECKSUM", "DATASUM", "DATAMD5", "PIPEFILE", "DATE", "ARCFILE", "ORIGFILE")
"""Cards that hold for one file, and for none that is made of it."""
DATES = ("DATE-OBS", "MJD-OBS")
"""Of the exposure that comes first."""
MEANS = ("ESO DRS MUSE PIXTABLE RVCORR",)
"""Of which the mean stands for all: the velocity that was taken off the wavelengths."""
_NUMBERED = re.compile(r"(PROV|OBID)\d+")
COMMENTARY = ("COMMENT", "HISTORY", "")


def combined_header(files: Sequence[Path], *, in_one_place: bool = True) -> fits.Header:
    """The primary header of a combination of exposures.

    A card stays where all exposures have it with one value. What is of one exposure only (OBS
    NAME, airmass, seeing) would be read as that of the whole, and goes. Besides, as ESO's standard
    for science data products names them: DATE-OBS and MJD-OBS of the first exposure, MJD-END of
    the last, TEXPTIME (the sum of EXPTIME) and EXPTIME (the same), NCOMBINE, PROVi (ARCFILE of
    each exposure, by date; DATE-OBS where it has none), OBIDi.

    Parameters
    ----------
    files : sequence of Path
        One for each exposure, in any order.
    in_one_place : bool
        Whether the exposures show one place. In a mosaic no place has the sum of their times:
        there is no EXPTIME.
    """
    headers = sorted(
        (fits.getheader(path) for path in files), key=lambda h: (str(h.get("DATE-OBS", "")), len(h))
    )
    header = _common(headers)
    _times(header, headers, in_one_place=in_one_place)
    for key in MEANS:
        values = [_number(one, key) for one in headers]
        there = [value for value in values if value is not None]
        if len(there) == len(headers):
            header[key] = sum(there) / len(there)
    for key in [key for key in header if _NUMBERED.fullmatch(key)]:
        del header[key]
    header["NCOMBINE"] = (len(headers), "number of exposures combined")
    for number, one in enumerate(headers, 1):
        origin = one.get("ARCFILE") or one.get("DATE-OBS")
        if origin:
            header[f"PROV{number}"] = (str(origin), "exposure that went in")
    blocks = dict.fromkeys(one["ESO OBS ID"] for one in headers if "ESO OBS ID" in one)
    for number, block in enumerate(blocks, 1):
        header[f"OBID{number}"] = (block, "observation block")
    return header


def _common(headers: Sequence[fits.Header]) -> fits.Header:
    """The cards that all headers have with one value, as the first has them."""
    first = headers[0]
    found = first.copy()
    for key in dict.fromkeys(first.keys()):
        values = [_value(one, key) for one in headers]
        if key in OF_A_FILE or any(value != values[0] for value in values[1:]):
            found.remove(key, ignore_missing=True, remove_all=True)
    return found


def _value(header: fits.Header, key: str) -> object:
    if key in COMMENTARY:
        return list(map(str, header[key])) if key in header else None
    value = header.get(key)
    # A card without a value is none of the others' either.
    return None if isinstance(value, fits.card.Undefined) else value


def _times(header: fits.Header, headers: Sequence[fits.Header], *, in_one_place: bool) -> None:
    first = headers[0]
    for key in DATES:
        if key in first:
            header[key] = (first[key], "of the first exposure")
    ends = [
        _number(one, "MJD-END") or start + (_number(one, "EXPTIME") or 0.0) / SECONDS
        for one in headers
        if (start := _number(one, "MJD-OBS")) is not None
    ]
    header.remove("MJD-END", ignore_missing=True)
    if len(ends) == len(headers):
        header["MJD-END"] = (max(ends), "end of the last exposure")
    # A mosaic, made before, has only the sum.
    times = [_number(one, "EXPTIME") or _number(one, "TEXPTIME") for one in headers]
    for key in ("EXPTIME", "TEXPTIME"):
        header.remove(key, ignore_missing=True)
    lacking = [str(one.get("DATE-OBS")) for one, t in zip(headers, times, strict=True) if t is None]
    if lacking:
        LOG.warning("no EXPTIME is written: there is none of %s", ", ".join(lacking))
        return
    total = sum(time for time in times if time is not None)
    if in_one_place:
        header["EXPTIME"] = (total, "[s] sum of the exposures")
    header["TEXPTIME"] = (total, "[s] sum of the exposures")


def _number(header: fits.Header, key: str) -> float | None:
    value = header.get(key)
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None
