"""Ranks and comments that observers gave, from the databases of muselog (`GTO_logs`)."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Sequence
from pathlib import Path

from musebuild.index.columns import exposure_name
from musebuild.index.database import Connection, transaction
from musebuild.settings.model import Settings

RANKS = {2: "A", 3: "B", 4: "C", 5: "D", 6: "X", 7: "a", 8: "b"}
"""`flag` of the table OBflags → rank of the observation block."""


def log_paths(settings: Settings) -> list[Path]:
    """The databases that the settings name."""
    named = (settings.tree.get("GTO_logs") or {}).get("db") or []
    texts = [named] if isinstance(named, str) else named
    return [settings.folder / Path(text).expanduser() for text in texts]


def _identity(path: Path) -> tuple[int, int]:
    try:
        status = os.stat(path)
    except OSError:
        return -1, 0
    return status.st_size, status.st_mtime_ns


def update_observing(connection: Connection, settings: Settings) -> int:
    """Bring the tables of ranks and comments up to date with the observers' databases.

    Parameters
    ----------
    connection : Connection
        Opened with `INDEX_MIGRATIONS`.
    settings : Settings
        `GTO_logs`.

    Returns
    -------
    int
        Databases that were read.
    """
    found = {connection.paths.stored(str(path)): _identity(path) for path in log_paths(settings)}
    known = {
        row[0]: (row[1], row[2])
        for row in connection.execute("SELECT path, size, mtime_ns FROM observing_logs")
    }
    gone = sorted(known.keys() - found.keys())
    fresh = sorted(path for path, identity in found.items() if known.get(path) != identity)
    if not gone and not fresh:
        return 0
    with transaction(connection):
        for path in (*gone, *fresh):
            connection.execute("DELETE FROM observing_logs WHERE path = ?", [path])
            connection.execute("DELETE FROM observing_ranks WHERE path = ?", [path])
            connection.execute("DELETE FROM observing_comments WHERE path = ?", [path])
        for path in fresh:
            problems = [] if found[path][0] >= 0 else ["there is no such file"]
            if not problems:
                _copy(connection, path, problems)
            connection.execute(
                "INSERT INTO observing_logs VALUES (?,?,?,?)",
                [path, *found[path], "; ".join(problems) or None],
            )
    return len(fresh)


def _copy(connection: Connection, path: str, problems: list[str]) -> None:
    place = Path(connection.paths.absolute(path))

    def rows(columns: str, table: str) -> Sequence[tuple[object, ...]]:
        try:
            # Theirs is never written.
            with sqlite3.connect(f"{place.as_uri()}?mode=ro", uri=True) as theirs:
                return theirs.execute(f"SELECT {columns} FROM {table}").fetchall()
        except sqlite3.Error as error:
            problems.append(f"{table}: {error}")
            return ()

    connection.executemany(
        "INSERT INTO observing_ranks VALUES (?,?,?)",
        [(path, _second(start), _rank(flag)) for start, flag in rows("OBstart, flag", "OBflags")],
    )
    connection.executemany(
        "INSERT INTO observing_comments VALUES (?,?,?,?,?,?)",
        [
            (path, _second(start), None, comment, date, author)
            for start, comment, date, author in rows("OBstart, comment, date, author", "OBcomments")
        ],
    )
    connection.executemany(
        "INSERT INTO observing_comments VALUES (?,?,?,?,?,?)",
        [
            (path, None, _exposure(str(arcfile)), comment, date, author)
            for arcfile, comment, date, author in rows(
                "arcfile, comment, date, author", "fcomments"
            )
        ],
    )


def _second(start: object) -> str:
    """OBS START as in the headers: to the second."""
    return str(start).replace(" ", "T")[:19]


def _exposure(arcfile: str) -> str:
    name = arcfile.strip()
    return exposure_name(name if ".fits" in name.lower() else f"{name}.fits", name)


def _rank(flag: object) -> str:
    try:
        return RANKS.get(int(str(flag)), str(flag))
    except ValueError:
        return str(flag)
