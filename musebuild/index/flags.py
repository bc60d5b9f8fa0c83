"""Flags that people put on exposures, with author, date and reason."""

from __future__ import annotations

import contextlib
import csv
import datetime as dt
import io
import os
import sqlite3
from collections.abc import Iterable, Mapping
from dataclasses import asdict, astuple, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from musebuild.errors import UsageError
from musebuild.index.database import Connection, transaction
from musebuild.index.meta import GROW, meta, set_meta
from musebuild.settings.nearest import did_you_mean
from musebuild.settings.own_files import create, read_own

if TYPE_CHECKING:
    from sqlite_utils import Database

PREDEFINED: dict[str, str] = {
    "BAD_CENTERING": "the target is not where it should be in the field",
    "BAD_IMAQUALITY": "bad image quality",
    "BAD_SKY_FLUX": "the sky is too bright, or varied",
    "BAD_SKY_SUB": "the sky subtraction left residuals",
    "BAD_SLICE": "one or more slices are bad",
    "IMPHOT_BAD_SCALE": "imphot found a flux scale that cannot be",
    "IMPHOT_HIGH_BKG": "imphot found a high background",
    "IMPHOT_OUTLIER_OFFSET": "imphot found an offset far from the others'",
    "SATELLITE": "a satellite or an aeroplane crossed the field",
    "SHORT_EXPTIME": "the exposure was cut short",
    "SLICE_GRADIENT": "a gradient along the slices",
}
"""Flags that every project knows, and what they mean."""


FIELDS = ("exposure", "flag", "value", "author", "date", "reason")


@dataclass(frozen=True, slots=True)
class Flag:
    """A flag of one exposure."""

    exposure: str
    """Its name: `2017-06-16T01:34:56.867`."""
    flag: str
    value: int
    """1, or more where there are degrees; an exposure that is not flagged has none."""
    author: str
    date: str
    """When it was set (UTC, ISO 8601)."""
    reason: str


def known_flags(more: Mapping[str, str] | None = None) -> dict[str, str]:
    """All flags that may be set, by name, with their meaning.

    Parameters
    ----------
    more : mapping, optional
        `flags` of the settings: name → meaning.
    """
    return PREDEFINED | dict(more or {})


def check_flags(flags: Iterable[str], known: Mapping[str, str]) -> None:
    """Refuse flags that are not known.

    Raises
    ------
    UsageError
        Names the nearest ones.
    """
    for flag in flags:
        if flag not in known:
            raise UsageError(
                f"there is no flag {flag}",
                why=did_you_mean(flag, known) or f"known are {', '.join(sorted(known))}",
                remedy="`musebuild flag list` shows the flags; a new one goes under `flags:` in "
                f"the settings, with what it means\nflags:\n  {flag}: what it means",
            )


def add_flag(
    db: Database,
    exposures: Iterable[str],
    flag: str,
    *,
    author: str,
    reason: str = "",
    date: str = "",
    value: int | None = None,
) -> int:
    """Put a flag on exposures; one that has it already keeps value, author, date and reason.

    Where another value is given, it is set, with who says so and why.

    Parameters
    ----------
    db : Database
        Opened with `INDEX_MIGRATIONS`.
    exposures : iterable of str
        Names.
    flag : str
        Of `known_flags`.
    author, reason : str
        Who set it, and why.
    date : str
        UTC, ISO 8601; default: now.
    value : int, optional
        1 or more. Default: 1, or what it was.

    Returns
    -------
    int
        How many exposures did not have it before, or had it with another value.
    """
    date = date or dt.datetime.now(dt.UTC).isoformat(timespec="seconds")
    exposures = list(exposures)
    with transaction(db.conn) as connection:
        before = connection.total_changes
        if value is not None:
            for exposure in exposures:
                db.table("flags").delete_where(
                    "exposure = ? AND flag = ? AND value != ?", [exposure, flag, value]
                )
        again = connection.total_changes - before
        db.table("flags").insert_all(
            (
                asdict(Flag(exposure, flag, value or 1, author, date, reason))
                for exposure in exposures
            ),
            ignore=True,
        )
        changed = connection.total_changes - before - again
        if changed:
            connection.execute(GROW)
            _copy(db)
    return changed


def remove_flags(db: Database, exposures: Iterable[str], flags: Iterable[str]) -> int:
    """Take flags away from exposures; how many were there."""
    flags = list(flags)
    with transaction(db.conn) as connection:
        before = connection.total_changes
        for exposure in exposures:
            for flag in flags:
                db.table("flags").delete_where("exposure = ? AND flag = ?", [exposure, flag])
        changed = connection.total_changes - before
        if changed:
            connection.execute(GROW)
            _copy(db)
    return changed


def copy_path(connection: sqlite3.Connection) -> Path | None:
    """The file beside the database that holds a copy of the flags (`musebuild.flags.csv`).

    Everything else in the database can be made anew; what people said cannot.
    """
    file = connection.execute("PRAGMA database_list").fetchone()[2]
    return Path(file).with_suffix(".flags.csv") if file else None


def _copy(db: Database) -> None:
    """Write the copy, all or nothing; within the transaction, so that no two do at once."""
    path = copy_path(db.conn)
    if path is None:
        return
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    # The flags themselves are set: a folder that cannot be written costs the copy only.
    with contextlib.suppress(OSError):
        with open(create(beside), "w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(FIELDS)
            writer.writerows(astuple(flag) for flag in all_flags(db))
        os.replace(beside, path)


def recover_flags(connection: Connection) -> int:
    """Take flags from the copy into a database that was made anew; how many there were.

    Parameters
    ----------
    connection : Connection
        Opened with `INDEX_MIGRATIONS`. One that had its chance is left as it is.
    """
    if meta(connection, "flags"):
        return 0
    path = copy_path(connection)
    rows: list[dict[str, str | int]] = []
    if path is not None:
        with (
            contextlib.suppress(OSError, csv.Error, UnicodeDecodeError),
            io.StringIO(read_own(path).decode("utf-8"), newline="") as file,
        ):
            rows = [
                {name: row.get(name) or "" for name in FIELDS} | {"value": _value(row)}
                for row in csv.DictReader(file)
                if row.get("exposure") and row.get("flag") and FIELDS[-1] in row
            ]
    with transaction(connection):
        set_meta(connection, "flags", "known")
        if rows:
            connection.db.table("flags").insert_all(rows, ignore=True)
            connection.execute(GROW)
    return len(rows)


def _value(row: Mapping[str, str | None]) -> int:
    """Of a row of the copy; one of an earlier musebuild has none."""
    text = row.get("value") or ""
    return int(text) if text.isdecimal() and len(text) < 19 and int(text) > 0 else 1


def all_flags(db: Database) -> list[Flag]:
    """Every flag, by exposure and name."""
    rows = db.table("flags").rows_where(select=", ".join(FIELDS), order_by="exposure, flag")
    return [Flag(**row) for row in rows]


def flags_by_exposure(connection: sqlite3.Connection) -> dict[str, tuple[str, ...]]:
    """Exposure → its flags, sorted; an exposure without flags is missing."""
    found: dict[str, tuple[str, ...]] = {}
    for exposure, flag in connection.execute(
        "SELECT exposure, flag FROM flags ORDER BY exposure, flag"
    ):
        found[exposure] = (*found.get(exposure, ()), flag)
    return found


def flag_values(connection: sqlite3.Connection) -> dict[str, dict[str, int]]:
    """Exposure → its flags, sorted, with their values; an exposure without flags is missing."""
    found: dict[str, dict[str, int]] = {}
    for exposure, flag, value in connection.execute(
        "SELECT exposure, flag, value FROM flags ORDER BY exposure, flag"
    ):
        found.setdefault(exposure, {})[flag] = value
    return found
