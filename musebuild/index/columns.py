"""Columns of the table of raw frames, from the headers and from the settings. Pure."""

from __future__ import annotations

import datetime as dt
import math
import re
from collections.abc import Iterable, Mapping
from functools import cache
from typing import Any

from musebuild.fits.classify import classify
from musebuild.fits.headers import FrameHeaders
from musebuild.index.whole_numbers import MOST
from musebuild.settings.model import Settings
from musebuild.settings.path_names import ROOM, part_for, shown, why_no_part, why_pattern
from musebuild.settings.sky import within

NIGHT_END = dt.timedelta(hours=20, minutes=40)
"""A night runs to 20:40 UT of the next day: earlier than that belongs to the night before."""
MJD_ZERO = dt.datetime(1858, 11, 17)
MJDS = (-678_574.0, 2_973_483.0)
"""Modified Julian dates of the years 1 to 9999."""

KEYWORDS: dict[str, str] = {
    "OBJECT": "TEXT",
    "DATE-OBS": "TEXT",
    "MJD-OBS": "REAL",
    "ARCFILE": "TEXT",
    "EXPTIME": "REAL",
    "ORIGFILE": "TEXT",
    "RA": "REAL",
    "DEC": "REAL",
    "TELESCOP": "TEXT",
    "INSTRUME": "TEXT",
    "ESO DET BINX": "INTEGER",
    "ESO DET BINY": "INTEGER",
    "ESO DET READ CURID": "TEXT",
    "ESO DET READ CURNAME": "TEXT",
    "ESO DPR CATG": "TEXT",
    "ESO DPR TECH": "TEXT",
    "ESO DPR TYPE": "TEXT",
    "ESO INS DROT POSANG": "REAL",
    "ESO INS MODE": "TEXT",
    "ESO INS OPTI1 NAME": "TEXT",
    "ESO INS OPTI2 NAME": "TEXT",
    "ESO INS TEMP4 VAL": "REAL",
    "ESO INS TEMP7 VAL": "REAL",
    "ESO INS TEMP11 VAL": "REAL",
    "ESO OBS ID": "INTEGER",
    "ESO OBS NAME": "TEXT",
    "ESO OBS OBSERVER": "TEXT",
    "ESO OBS START": "TEXT",
    "ESO OBS TARG NAME": "TEXT",
    "ESO OCS SGS AG FWHMX MED": "REAL",
    "ESO OCS SGS AG FWHMX RMS": "REAL",
    "ESO OCS SGS AG FWHMY MED": "REAL",
    "ESO OCS SGS AG FWHMY RMS": "REAL",
    "ESO OCS SGS FWHM MED": "REAL",
    "ESO OCS SGS FWHM RMS": "REAL",
    "ESO PRO CATG": "TEXT",
    "ESO PRO DATANCOM": "INTEGER",
    "ESO TEL AIRM END": "REAL",
    "ESO TEL AIRM START": "REAL",
    "ESO TEL AMBI WINDDIR": "REAL",
    "ESO TEL AMBI WINDSP": "REAL",
    "ESO TEL MOON DEC": "REAL",
    "ESO TEL MOON RA": "REAL",
    "ESO TPL ID": "TEXT",
    "ESO TPL START": "TEXT",
}
"""Keywords of raw frames that are kept, and the type of their column."""


_OF_LAMPS = {
    what: [(n, f"ESO INS {what}{n} NAME", f"ESO INS {what}{n} ST") for n in range(1, 10)]
    for what in ("LAMP", "SHUT")
}
LAMP_KEYWORDS = tuple(word for some in _OF_LAMPS.values() for _, *pair in some for word in pair)
"""Keywords that tell which arc lamps shine: lamps that are on, and shutters that are open."""
ARC_LAMPS = {3: "Ne", 4: "Xe", 5: "HgCd"}
"""Arc lamps by the number of their lamp and of their shutter, where no name is given."""
_LAMP_NAMES = {name.upper(): name for name in ARC_LAMPS.values()}
_LAMP_PREFIX = re.compile(r"CU-(LAMP|SHUT)-", re.IGNORECASE)
_ON = frozenset({"T", "TRUE", "1", "1.0", "ON", "OPEN"})


@cache
def column_of(keyword: str) -> str:
    """Name of a keyword's column: `ESO DPR TYPE` → `DPR_TYPE`, `DATE-OBS` → `DATE_OBS`."""
    return re.sub(r"[ -]", "_", keyword.strip().upper().removeprefix("ESO "))


COLUMNS: dict[str, str] = {
    "path": "TEXT",
    "filename": "TEXT",
    "name": "TEXT",
    "category": "TEXT",
    "reason": "TEXT",
    "is_raw": "INTEGER",
    "night": "TEXT",
    "run": "TEXT",
    "OBJECT_ORIG": "TEXT",
    "lamps": "TEXT",
    "channels": "TEXT",
    "cards": "TEXT",
    "date_import": "TEXT",
    "size": "INTEGER",
    "mtime_ns": "INTEGER",
    "inode": "INTEGER",
    "ctime_ns": "INTEGER",
} | {column_of(keyword): kind for keyword, kind in KEYWORDS.items()}

_EXPOSURE = re.compile(
    r"MUSE\.(\d{4}-\d\d-\d\dT)(\d\d)[:_](\d\d)[:_](\d\d(?:\.\d+)?)\b", re.IGNORECASE
)
_CONVERT = {"TEXT": str, "REAL": float, "INTEGER": int}


def exposure_name(filename: str, date_obs: str, arcfile: str = "") -> str:
    """Name of an exposure: the date in the archive's name of its file, else DATE-OBS.

    The file itself may have another name, or one that a system without colons could take.
    """
    for name in (filename, arcfile):
        match = _EXPOSURE.search(name)
        if match:
            return f"{match[1]}{match[2]}:{match[3]}:{match[4]}"
    return date_obs


def night_of(moment: dt.datetime) -> dt.date:
    """The night that a moment (UT) belongs to.

    Examples
    --------
    >>> night_of(dt.datetime(2017, 6, 16, 10, 40))
    datetime.date(2017, 6, 15)
    """
    return (moment - NIGHT_END).date()


def moment_of(primary: Mapping[str, Any]) -> dt.datetime | None:
    """When a frame was taken (UT): DATE-OBS, else MJD-OBS."""
    text = str(primary.get("DATE-OBS") or "").strip()
    try:
        moment = dt.datetime.fromisoformat(text)
        return moment.replace(tzinfo=None)
    except ValueError:
        pass
    try:
        return MJD_ZERO + dt.timedelta(days=float(primary["MJD-OBS"]))
    except (KeyError, TypeError, ValueError, OverflowError):
        return None


def _no_number(primary: Mapping[str, Any]) -> str:
    """Which card holds a number that cannot be; empty: none. A text counts as unknown."""
    for keyword, kind in KEYWORDS.items():
        value = primary.get(keyword)
        if kind == "TEXT" or value is None or value == "":
            continue
        try:
            number = float(value)
        except (TypeError, ValueError):
            continue
        whole = kind == "INTEGER" or isinstance(value, int)
        if not abs(number) < (MOST if whole else math.inf):
            return f"its {keyword} is no number that can be: {value}"
        if keyword == "MJD-OBS" and not MJDS[0] < number < MJDS[1]:
            return f"its {keyword} is no date: {value}"
    return ""


def _typed(value: Any, kind: str) -> Any:
    if value is None or value == "":
        return None
    try:
        return _CONVERT[kind](value)
    except (TypeError, ValueError):
        # A malformed card keeps its text: SQLite takes it, and people see it.
        return str(value)


def lamps_of(primary: Mapping[str, Any]) -> tuple[str, ...]:
    """Lamps whose light comes in: `Ne`, `Xe`, `HgCd`.

    A lamp is on (INS LAMPn ST) and its shutter open (INS SHUTn ST); where a header has shutters of
    lamps, one without shutter is shut, as for the pipeline. Where only one of both is given, it
    counts alone.
    """
    lamps, shutters = (_states(primary, what) for what in ("LAMP", "SHUT"))
    if not shutters:
        return tuple(name for name, on in lamps.items() if on)
    return tuple(name for name, opened in shutters.items() if opened and lamps.get(name, True))


def _states(primary: Mapping[str, Any], what: str) -> dict[str, bool]:
    """Lamp → whether it, or its shutter, lets light through."""
    found: dict[str, bool] = {}
    for number, name_keyword, state_keyword in _OF_LAMPS[what]:
        state = primary.get(state_keyword)
        if state is None:
            continue
        name = str(primary.get(name_keyword) or "").strip()
        prefix = _LAMP_PREFIX.match(name)
        lamp = name[prefix.end() :] if prefix else "" if name else ARC_LAMPS.get(number, "")
        if lamp:
            lamp = _LAMP_NAMES.get(lamp.upper(), lamp)
            found[lamp] = found.get(lamp, False) or str(state).strip().upper() in _ON
    return found


def optics_of(mode: str, filtered: str = "", scale: str = "") -> tuple[str, str, bool | None]:
    """Field mode, wavelength range and adaptive optics of a frame.

    Parameters
    ----------
    mode : str
        INS MODE: `WFM-NOAO-N`, `NFM-AO-N`.
    filtered : str
        INS OPTI1 NAME, the filter of order separation; the blue one is that of the nominal range
        (so in muse.oca of the DRS).
    scale : str
        INS OPTI2 NAME, the optics of the spatial scale.

    Returns
    -------
    str
        `WFM` or `NFM`; empty where neither keyword tells.
    str
        `nominal` or `extended`; empty where neither keyword tells.
    bool or None
        Whether adaptive optics were in use.

    Examples
    --------
    >>> optics_of("WFM-AO-E")
    ('WFM', 'extended', True)
    """
    words = mode.upper().split("-")
    fields = [word for word in (scale.strip().upper()[:3], *words) if word in ("WFM", "NFM")]
    if filtered.strip():
        wavelengths = "nominal" if filtered.strip().startswith("Blue") else "extended"
    else:
        wavelengths = {"N": "nominal", "E": "extended"}.get(words[-1].strip(), "")
    adaptive = None if "AO" not in words and "NOAO" not in words else "AO" in words
    return fields[0] if fields else "", wavelengths, adaptive


def row_of(
    path: str, headers: FrameHeaders, additional: Iterable[str] = ()
) -> dict[str, Any] | str:
    """The row of a frame, as far as its headers tell.

    Parameters
    ----------
    path : str
        Absolute path.
    headers : FrameHeaders
        Its headers.
    additional : iterable of str
        More keywords to keep.

    Returns
    -------
    dict or str
        A string says why the file cannot be used.
    """
    primary = headers.primary
    filename = path.rpartition("/")[2]
    found = classify(primary)
    category = found.category
    moment = moment_of(primary)
    if moment is None:
        if not category:
            return "it has neither DATE-OBS nor a category (ESO DPR TYPE, ESO PRO CATG)"
        if not primary.get("ESO PRO CATG"):
            return "it has no DATE-OBS, so that its night is unknown"
    if reason := _no_number(primary):
        return reason
    try:
        night = night_of(moment).isoformat() if moment else ""
    except OverflowError:
        return f"its DATE-OBS is no date of an observation: {primary.get('DATE-OBS')}"
    row: dict[str, Any] = {
        column_of(keyword): _typed(primary.get(keyword), kind) for keyword, kind in KEYWORDS.items()
    }
    for keyword in additional:
        name = column_of(keyword)
        if name not in COLUMNS:
            value = primary.get(keyword.strip().upper())
            row[name] = value if value is None else str(value)
    date_obs = row["DATE_OBS"] or (moment.isoformat() if moment else "")
    mjd = row["MJD_OBS"]
    if not isinstance(mjd, float):
        mjd = (moment - MJD_ZERO) / dt.timedelta(days=1) if moment else None
    name = exposure_name(filename, date_obs, str(row["ARCFILE"] or ""))
    # They become names of folders.
    for keyword, text in (("DATE-OBS", name), ("ESO TPL START", row["TPL_START"])):
        if text and (reason := why_no_part(text, ROOM) or why_pattern(text)):
            return f"its {keyword} is {shown(text)}, which cannot be a folder's name: {reason}"
    return row | {
        "path": path,
        "filename": filename,
        "name": name,
        "category": category,
        "reason": found.reason,
        "is_raw": int(not primary.get("ESO PRO CATG")),
        "night": night,
        "DATE_OBS": date_obs,
        "MJD_OBS": mjd,
        "OBJECT_ORIG": row["OBJECT"],
        "lamps": ",".join(lamps_of(primary)),
        "channels": ",".join(str(channel) for channel in headers.channels),
        "cards": headers.digest,
    }


def datasets_of(
    name: str, settings: Settings, category: str = "", ra: Any = None, dec: Any = None
) -> list[str]:
    """Datasets of the settings that take an exposure, by OBJECT and by where it points.

    Parameters
    ----------
    name : str
        OBJECT.
    settings : Settings
        The datasets.
    category : str
        Only science exposures (OBJECT) are taken by position.
    ra, dec : float, optional
        Where it points [deg].
    """
    return [
        dataset.name
        for dataset in settings.datasets.values()
        if (
            name in dataset.objects
            if dataset.position is None
            else category == "OBJECT"
            and name in (dataset.objects or (name,))
            and within(dataset.position, ra, dec)
        )
    ]


def dataset_of(
    name: str, settings: Settings, category: str = "", ra: Any = None, dec: Any = None
) -> str:
    """The first dataset that takes an exposure; where none does, OBJECT or a name made of it.

    Empty where the settings have a dataset of that name which does not take it. Parameters as for
    `datasets_of`.
    """
    found = datasets_of(name, settings, category, ra, dec)
    return found[0] if found else "" if name in settings.datasets else part_for(name)


def by_position(settings: Settings) -> bool:
    """Whether the dataset of an exposure depends on where it points."""
    return any(dataset.position is not None for dataset in settings.datasets.values())


def run_of(night: str, settings: Settings) -> str:
    """Run that a night belongs to: the first that holds it; empty where none does."""
    if not night:
        return ""
    date = dt.date.fromisoformat(night)
    return next((name for name, span in settings.runs.items() if date in span), "")
