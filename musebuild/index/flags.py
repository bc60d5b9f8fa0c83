"""Flags that people put on exposures, with author, date and reason."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from sqlite_utils import Database

from musebuild.errors import UsageError
from musebuild.index.database import transaction
from musebuild.index.meta import GROW
from musebuild.settings.nearest import did_you_mean

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


@dataclass(frozen=True, slots=True)
class Flag:
    """A flag of one exposure."""

    exposure: str
    """Its name: `2017-06-16T01:34:56.867`."""
    flag: str
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
) -> int:
    """Put a flag on exposures; one that has it already keeps author, date and reason.

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

    Returns
    -------
    int
        How many exposures did not have it before.
    """
    date = date or dt.datetime.now(dt.UTC).isoformat(timespec="seconds")
    with transaction(db) as connection:
        before = connection.total_changes
        connection.executemany(
            "INSERT OR IGNORE INTO flags (exposure, flag, author, date, reason) VALUES (?,?,?,?,?)",
            [(exposure, flag, author, date, reason) for exposure in exposures],
        )
        changed = connection.total_changes - before
        if changed:
            connection.execute(GROW)
    return changed


def remove_flags(db: Database, exposures: Iterable[str], flags: Iterable[str]) -> int:
    """Take flags away from exposures; how many were there."""
    flags = list(flags)
    with transaction(db) as connection:
        before = connection.total_changes
        connection.executemany(
            "DELETE FROM flags WHERE exposure = ? AND flag = ?",
            [(exposure, flag) for exposure in exposures for flag in flags],
        )
        changed = connection.total_changes - before
        if changed:
            connection.execute(GROW)
    return changed


def all_flags(db: Database) -> list[Flag]:
    """Every flag, by exposure and name."""
    rows = db.execute(
        "SELECT exposure, flag, author, date, reason FROM flags ORDER BY exposure, flag"
    )
    return [Flag(*row) for row in rows]


def flags_by_exposure(db: Database) -> dict[str, tuple[str, ...]]:
    """Exposure → its flags, sorted; an exposure without flags is missing."""
    found: dict[str, tuple[str, ...]] = {}
    for exposure, flag in db.execute("SELECT exposure, flag FROM flags ORDER BY exposure, flag"):
        found[exposure] = (*found.get(exposure, ()), flag)
    return found
