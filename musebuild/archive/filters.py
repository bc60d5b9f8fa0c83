"""`archive_filter` of the settings → a query of the form or of the TAP service. Pure."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from musebuild.archive.model import Window
from musebuild.errors import UsageError
from musebuild.index.columns import NIGHT_END
from musebuild.settings.nearest import did_you_mean


@dataclass(frozen=True, slots=True)
class FilterName:
    """A name that people's settings have, and what the TAP service calls it."""

    meaning: str
    columns: tuple[str, ...] = ()
    """Columns of the TAP table `ist.muse`, the first that it has is used."""
    kind: Literal["text", "number", "time", "place", "output"] = "text"


NAMES: dict[str, FilterName] = {
    "obs_targ_name": FilterName("target as in the observation block (OBS TARG NAME)", ("target",)),
    "target": FilterName("target; ESO's form takes it for a name to resolve", ("target",)),
    "object": FilterName("OBJECT of the header", ("object",)),
    "prog_id": FilterName("programme, such as 60.A-9100(G); without run: all runs", ("prog_id",)),
    "pi_coi": FilterName("principal or co-investigator", ("pi_coi",)),
    "prog_title": FilterName("title of the programme", ("prog_title",)),
    "ob_id": FilterName("number of the observation block", ("ob_id",), "number"),
    "obs_name": FilterName("name of the observation block", ("ob_name", "obs_name")),
    "ins_mode": FilterName("WFM-NOAO-N, WFM-AO-E, NFM-AO-N, …", ("ins_mode",)),
    "night": FilterName("a night, 2017-06-15", (), "time"),
    "stime": FilterName("from this date on", (), "time"),
    "starttime": FilterName("… and this hour (UT; 12)", (), "time"),
    "etime": FilterName("up to this date", (), "time"),
    "endtime": FilterName("… and this hour (UT; 12)", (), "time"),
    "dp_id": FilterName("name of the frame, MUSE.2017-06-16T01:34:56.867", ("dp_id",)),
    "dp_cat": FilterName("SCIENCE, CALIB or ACQUISITION (SCIENCE)", ("dp_cat",)),
    "dp_type": FilterName("ESO DPR TYPE", ("dp_type",)),
    "dp_tech": FilterName("ESO DPR TECH", ("dp_tech",)),
    "tpl_id": FilterName("template", ("tpl_id",)),
    "tpl_name": FilterName("name of the template", ("tpl_name",)),
    "tpl_nexp": FilterName("exposures of the template", ("tpl_nexp",), "number"),
    "tpl_start": FilterName("start of the template (TPL START)", ("tpl_start",)),
    "exptime": FilterName("exposure time [s]: 600, > 100, 100..900", ("exposure",), "number"),
    "rel_date": FilterName("date of the release", ("release_date",)),
    "night_flag": FilterName("DAY, NIGHT or TWILIGHT", ("night_flag",)),
    "airmass": FilterName("airmass at the start", ("tel_airm_start",), "number"),
    "coord1": FilterName("right ascension", (), "place"),
    "coord2": FilterName("declination", (), "place"),
    "box": FilterName("size of the box around it, 00 10 00", (), "place"),
    "coord_sys": FilterName("eq or gal", (), "place"),
    "format": FilterName("sexagesimal or decimal", (), "place"),
    "resolver": FilterName("who resolves `target`: simbad, ned, none", (), "output"),
}
"""Names of the fields of ESO's MUSE form that settings use, and where the TAP service has them."""

TIMES = frozenset(name for name, known in NAMES.items() if known.kind == "time")
FORM_HOUR = 12
"""Hour of `stime` and `etime` where the settings give none, as on ESO's form."""
_OPERATORS = re.compile(
    r"(<=|>=|!=|=|<|>|not like |not in |not between |like |between |in )", re.IGNORECASE
)


@dataclass(frozen=True, slots=True)
class TapQuery:
    """What goes to `query_instrument` of an astroquery that asks the TAP service."""

    conditions: Mapping[str, str] = field(default_factory=dict)
    """Column → condition in ADQL."""
    cone: Mapping[str, float] = field(default_factory=dict)
    """cone_ra, cone_dec, cone_radius [deg]."""


def check_names(
    filters: Iterable[str], offered: Iterable[str], *, where: str | None = None
) -> None:
    """Refuse names that neither the archive nor people's settings know.

    ESO's form passes over a name that it does not know, and would answer with everything.

    Parameters
    ----------
    filters : iterable of str
        Names as in the settings.
    offered : iterable of str
        Names that the archive itself offers now.

    Raises
    ------
    UsageError
        With the nearest names and all that are known.
    """
    known = {*NAMES, *offered}
    for name in filters:
        if name not in known:
            raise UsageError(
                f"archive_filter has {name}, which the archive cannot be asked for",
                where=where,
                why=f"known are {', '.join(sorted(known))}",
                remedy=did_you_mean(name, known)
                or "`musebuild retrieve --help-query` tells what each means",
            )


def _day(name: str, value: Any) -> dt.date:
    if isinstance(value, dt.datetime):
        return value.date()
    if isinstance(value, dt.date):
        return value
    try:
        return dt.date.fromisoformat(str(value).strip())
    except ValueError:
        raise UsageError(
            f"{name} {value} is no date", remedy=f"write it like {name}: 2017-06-15"
        ) from None


def _hour(name: str, value: Any) -> int:
    text = str(value).strip()
    if not text.isdigit() or int(text) > 24:
        raise UsageError(f"{name} {value} is no hour", remedy="write an hour from 0 to 24 (UT)")
    return int(text)


def nights(first: dt.date | None, last: dt.date | None) -> Window:
    """The span of time of nights, both ends included; a night runs to 20:40 UT of the next day."""
    start = dt.datetime.combine(first, dt.time()) + NIGHT_END if first else None
    end = dt.datetime.combine(last, dt.time()) + NIGHT_END if last else None
    return Window(start, end + dt.timedelta(days=1) if end else None)


def window_of(filters: Mapping[str, Any]) -> Window:
    """The span of time that `night`, `stime`, `etime` (with their hours) leave.

    Raises
    ------
    UsageError
        A date or hour that is none, or dates reversed.
    """
    window = Window()
    if (night := filters.get("night")) is not None:
        first, _, last = str(night).partition("..")
        window &= nights(_day("night", first), _day("night", last or first))
    for day_name, hour_name in (("stime", "starttime"), ("etime", "endtime")):
        if (value := filters.get(day_name)) is None:
            continue
        hours = _hour(hour_name, filters.get(hour_name, FORM_HOUR))
        moment = dt.datetime.combine(_day(day_name, value), dt.time()) + dt.timedelta(hours=hours)
        window &= Window(moment, None) if day_name == "stime" else Window(None, moment)
    if window.start and window.end and window.end <= window.start:
        raise UsageError(
            f"archive_filter ends ({window.end}) before it begins ({window.start})",
            remedy="exchange stime and etime",
        )
    return window


def _plain(value: Any) -> str:
    return value.isoformat() if isinstance(value, dt.date) else str(value)


def form_query(filters: Mapping[str, Any], window: Window) -> dict[str, Any]:
    """Fields of ESO's query form.

    The form knows whole hours only: the span is widened to them, and what lies outside of it
    must be sorted out of the answer.
    """
    fields: dict[str, Any] = {
        name: [_plain(item) for item in value] if isinstance(value, list | tuple) else _plain(value)
        for name, value in filters.items()
        if name not in TIMES and value is not None
    }
    if window.start:
        fields["stime"] = window.start.date().isoformat()
        fields["starttime"] = f"{window.start.hour:02d}"
    if window.end:
        whole = window.end.replace(minute=0, second=0, microsecond=0)
        hour = whole.hour + (whole < window.end)
        fields["etime"] = whole.date().isoformat()
        fields["endtime"] = f"{hour:02d}"
    return fields


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _text_condition(name: str, value: Any) -> str:
    if isinstance(value, list | tuple):
        return f"in ({', '.join(_quoted(_plain(item)) for item in value)})"
    text = _plain(value).strip()
    if _OPERATORS.match(text):
        return text
    if "*" in text or "%" in text:
        return f"like {_quoted(text.replace('*', '%'))}"
    if name == "prog_id" and "(" not in text:
        return f"like {_quoted(text + '%')}"
    if name in ("pi_coi", "prog_title"):
        return f"like {_quoted('%' + text + '%')}"
    return f"= {_quoted(text)}"


def _number_condition(name: str, value: Any) -> str:
    text = str(value).strip()
    low, dots, high = text.partition("..")
    try:
        if dots:
            return f"between {float(low):g} and {float(high):g}"
        match = _OPERATORS.match(text)
        operator = match[0].strip() if match else "="
        return f"{operator} {float(text[match.end() :] if match else text):g}"
    except ValueError:
        raise UsageError(
            f"archive_filter: {name} {value} is no number",
            remedy=f"write it like {name}: 600, {name}: '> 100' or {name}: 100..900",
        ) from None


def _cone(filters: Mapping[str, Any]) -> dict[str, float]:
    if filters.get("coord1") is None and filters.get("coord2") is None:
        return {}
    if str(filters.get("coord_sys", "eq")) != "eq":
        raise UsageError(
            "archive_filter: galactic coordinates cannot be asked of the TAP service",
            remedy="write coord1 and coord2 as right ascension and declination, or use "
            "obs_targ_name",
        )
    from astropy.coordinates import Angle

    hours = str(filters.get("format", "sexagesimal")) != "decimal"
    try:
        right = Angle(str(filters["coord1"]), unit="hourangle" if hours else "deg")
        north = Angle(str(filters["coord2"]), unit="deg")
        box = Angle(str(filters.get("box", "00 10 00")), unit="deg")
    except (KeyError, ValueError) as error:
        raise UsageError(
            "archive_filter: coord1, coord2 and box do not make a position",
            why=str(error),
            remedy="write both, such as coord1: 14 22 26, coord2: -44 09 04, box: 00 10 00",
        ) from None
    return {
        "cone_ra": float(right.deg),
        "cone_dec": float(north.deg),
        "cone_radius": float(box.deg) / 2,
    }


def tap_query(filters: Mapping[str, Any], window: Window, columns: Iterable[str]) -> TapQuery:
    """Conditions of the TAP table `ist.muse`.

    Parameters
    ----------
    filters : mapping
        As in the settings: names of the form, or columns of the table itself.
    window : Window
    columns : iterable of str
        Columns that the table has.

    Raises
    ------
    UsageError
        A value of the wrong kind, or a field of the form that the table has no column for.
    """
    have = set(columns)
    conditions: dict[str, str] = {}
    for name, value in filters.items():
        known = NAMES.get(name, FilterName("", (name,)))
        if value is None or known.kind in ("time", "place", "output"):
            continue
        column = next((c for c in (*known.columns, name) if c in have), "")
        if not column:
            raise UsageError(
                f"archive_filter: the TAP service of ESO has no column for {name}",
                why=f"it has {', '.join(sorted(have))}",
                remedy="use another condition, or an astroquery that asks the form (0.4.11)",
            )
        number = known.kind == "number" or isinstance(value, int | float)
        make = _number_condition if number else _text_condition
        conditions[column] = make(name, value)
    start, end = (m.isoformat() if m else None for m in (window.start, window.end))
    if start and end:
        conditions["exp_start"] = f"between '{start}' and '{end}'"
    elif start or end:
        conditions["exp_start"] = f">= '{start}'" if start else f"< '{end}'"
    return TapQuery(conditions, _cone(filters))
