"""When exposures were taken, and for how long."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from dataclasses import dataclass

CHUNK = 500
"""Names that are asked for at once: SQLite has a limit."""


@dataclass(frozen=True, slots=True)
class Times:
    """Of one exposure."""

    date_obs: str
    """When it began."""
    mjd_obs: float
    """The same."""
    exptime: float
    """Seconds."""


def times_of(connection: sqlite3.Connection, names: Iterable[str]) -> dict[str, Times]:
    """Times of exposures, by name; what is no exposure, or has no times, is missing."""
    wanted = sorted(set(names))
    found: dict[str, Times] = {}
    for start in range(0, len(wanted), CHUNK):
        some = wanted[start : start + CHUNK]
        for name, date, mjd, seconds in connection.execute(
            "SELECT name, DATE_OBS, MJD_OBS, EXPTIME FROM raw WHERE is_raw = 1 AND name IN "
            f"({', '.join('?' * len(some))})",
            some,
        ):
            # A card that holds a text keeps it.
            if date is not None and isinstance(mjd, float) and isinstance(seconds, float):
                found[name] = Times(str(date), mjd, seconds)
    return found
