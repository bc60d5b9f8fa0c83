"""Tables by which exposures may be selected, and their columns."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from musebuild.index import qa, qc
from musebuild.index.columns import COLUMNS, column_of
from musebuild.index.flags import FIELDS, known_flags
from musebuild.index.model import QA_REDUCED
from musebuild.settings.conditions import ConditionError, SqlCondition, make_condition
from musebuild.settings.model import Settings
from musebuild.settings.nearest import nearest

GTO_LOGS: Mapping[str, str] = {
    "name": "raw.name",
    "night": "raw.night",
    "run": "raw.run",
    "OBJECT": "raw.OBJECT",
    "OBS_START": "raw.OBS_START",
    "rank": "ranked.rank",
    "comment": "said.comment",
    "date": "said.date",
    "author": "said.author",
}
"""Column of the view → where it comes from."""
GTO_LOGS_VIEW = f"""CREATE VIEW gto_logs AS
    SELECT {", ".join(f"{source} AS {name}" for name, source in GTO_LOGS.items())}
    FROM raw
    LEFT JOIN observing_ranks AS ranked ON ranked.obs_start = substr(raw.OBS_START, 1, 19)
    LEFT JOIN observing_comments AS said
        ON said.exposure = raw.name OR said.obs_start = substr(raw.OBS_START, 1, 19)
    WHERE raw.is_raw = 1 AND (ranked.rank IS NOT NULL OR said.comment IS NOT NULL)"""
RANGES = tuple(
    f"{what}_{end}"
    for what in ("seeing", "humidity", "wind", "temperature")
    for end in ("min", "max")
)
"""Columns of what a night log says of a whole night."""
WEATHER: Mapping[str, str] = {
    "name": "raw.name",
    "night": "raw.night",
    "OBJECT": "raw.OBJECT",
    "date": "seen.date",
    "conditions": "seen.conditions",
    "comment": "seen.comment",
    **{name: f"log.{name}" for name in RANGES},
    "grade": "log.grade",
    "night_comment": "log.comment",
}
"""Column of the view → where it comes from."""
WEATHER_VIEW = f"""CREATE VIEW weather AS
    SELECT {", ".join(f"{source} AS {name}" for name, source in WEATHER.items())}
    FROM raw
    LEFT JOIN weather_logs AS log ON log.exposure = raw.name
    LEFT JOIN weather_lines AS seen ON seen.rowid = (
        SELECT line.rowid FROM weather_lines AS line
        WHERE line.night = raw.night AND line.date <= raw.DATE_OBS
        ORDER BY line.date DESC LIMIT 1)
    WHERE raw.is_raw = 1 AND (log.path IS NOT NULL OR seen.date IS NOT NULL)"""

OBSERVING_LOG = ("exposure", *list(GTO_LOGS)[1:4], "rank", "comment", "date", "author", "path")
WEATHER_LOGS = ("exposure", "night", "obs_start", *RANGES, "comment", "grade", "problem", "path")
"""Columns of tables of ours that hold the same by exposure."""

MADE: Mapping[str, str] = {
    "recipe_name": "TEXT",
    "DPR_TYPE": "TEXT",
    "filename": "TEXT",
    "date_run": "TEXT",
    "runtime": "REAL",
    "nbwarn": "INTEGER",
}
"""What `reduced` tells of a product besides what the header of its exposure does."""
_OF_A_FILE = ("path", "filename", "size", "mtime_ns", "inode", "ctime_ns", "date_import")
OF_EXPOSURE = tuple(
    name
    for name in COLUMNS
    if name not in (*_OF_A_FILE, *MADE, "category", "is_raw", "lamps", "channels")
)
"""Columns of `raw` that `reduced` has too."""
REDUCED = "reduced"
FLAGS = "flags"
_OF_VERSION = re.compile(r"flags_\w+")


@dataclass(frozen=True, slots=True)
class Table:
    """A table that the index itself fills."""

    columns: Callable[[Settings], Iterable[str]]
    exposure: str = "name"
    """Its column with the name of the exposure."""
    place: str = ""
    """The table or view in the database; empty: it has the same name."""
    reads: tuple[str, ...] = ()
    """Tables that a view reads."""


def raw_columns(settings: Settings) -> tuple[str, ...]:
    """Columns of the table of raw frames, with those of `additional_keywords`."""
    return tuple(dict.fromkeys([*COLUMNS, *map(column_of, settings.additional_keywords)]))


def flag_columns(settings: Settings) -> tuple[str, ...]:
    """Columns of the flags: what is said of each, and each flag by its name, with its value."""
    return (*FIELDS, "name", *known_flags(settings.flags))


_WEATHER = Table(
    lambda settings: WEATHER, place="weather", reads=("raw", "weather_logs", "weather_lines")
)
_OF_LOGS = ("raw", "observing_ranks", "observing_comments")
TABLES: Mapping[str, Table] = {
    "raw": Table(raw_columns),
    "qa_raw": Table(lambda settings: qa.RAW_COLUMNS),
    FLAGS: Table(flag_columns, exposure="exposure"),
    "gto_logs": Table(lambda settings: GTO_LOGS, reads=_OF_LOGS),
    "observing_log": Table(lambda settings: OBSERVING_LOG, exposure="exposure", reads=_OF_LOGS),
    "weather": _WEATHER,
    "weather_conditions": _WEATHER,
    "weather_logs": Table(lambda settings: WEATHER_LOGS, exposure="exposure"),
}
"""By name; MuseRed's `weather_conditions` is `weather`, in which each exposure finds its own."""


def is_later(table: str) -> bool:
    """Whether a build itself fills a table, so that what it selects is not known before."""
    return table in (QA_REDUCED, REDUCED) or table.startswith(qc.PREFIX)


def table_of(name: str) -> Table | None:
    """A table that is known before a build; None: there is none.

    MuseRed has a table of flags for each version (`flags_0_1`); here a project has one set.
    """
    return TABLES.get(FLAGS if _OF_VERSION.fullmatch(name) else name)


def table_names(categories: Iterable[str] = ()) -> tuple[str, ...]:
    """Names of all tables that may be asked, for messages and to find the nearest.

    Parameters
    ----------
    categories : iterable of str
        Of products, each of which may have a table of quality parameters.
    """
    return (*TABLES, QA_REDUCED, REDUCED, *(f"{qc.PREFIX}{one}" for one in sorted(categories)))


def columns_of_table(table: str, settings: Settings) -> tuple[str, ...] | None:
    """Columns of a table; None: they grow with what headers hold (`qc_*`), or there is none."""
    if table == QA_REDUCED:
        return qa.SELECTABLE
    if table == REDUCED:
        return (*OF_EXPOSURE, *MADE)
    known = table_of(table)
    return tuple(known.columns(settings)) if known is not None else None


def condition_on(given: str | Mapping[str, Any], table: str, settings: Settings) -> SqlCondition:
    """A condition of the settings on one of these tables.

    Raises
    ------
    ConditionError
        It cannot be used, or names a column that there is not.
    """
    made = make_condition(given, table, columns_of_table(table, settings))
    if table.startswith(qc.PREFIX):
        fixed = {name.casefold() for name in qc.FIXED}
        for name in sorted(made.columns):
            if name.casefold() not in fixed and not name.upper().startswith("QC_"):
                raise ConditionError(
                    f"the table {table} has no column {name}",
                    allowed=f"{', '.join(qc.FIXED)}, and QC_… as the headers have them",
                    near=tuple(nearest(name, qc.FIXED)),
                )
    return made
