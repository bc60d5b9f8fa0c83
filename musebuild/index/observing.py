"""Ranks and comments that observers gave, from the databases of muselog (`GTO_logs`)."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Sequence
from pathlib import Path

from musebuild.index.columns import exposure_name
from musebuild.index.database import Connection, transaction
from musebuild.index.meta import GROW
from musebuild.index.whole_numbers import moment
from musebuild.settings.model import Settings

RANKS = {2: "A", 3: "B", 4: "C", 5: "D", 6: "X", 7: "a", 8: "b"}
"""`flag` of the table OBflags → rank of the observation block."""


def log_paths(settings: Settings) -> list[Path]:
    """The databases that the settings name."""
    named = (settings.tree.get("GTO_logs") or {}).get("db") or []
    texts = [named] if isinstance(named, str) else named
    return [settings.folder / Path(text).expanduser() for text in texts]


def _identity(path: Path) -> tuple[int, int, int]:
    try:
        status = os.stat(path)
    except OSError:
        return -1, 0, 0
    return status.st_size, moment(status.st_mtime_ns), moment(status.st_ctime_ns)


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
        row[0]: row[1:]
        for row in connection.execute("SELECT path, size, mtime_ns, ctime_ns FROM observing_logs")
    }
    gone = sorted(known.keys() - found.keys())
    fresh = sorted(path for path, identity in found.items() if known.get(path) != identity)
    if not gone and not fresh:
        return 0
    with transaction(connection):
        connection.execute(GROW)
        for path in (*gone, *fresh):
            for name in ("observing_logs", "observing_ranks", "observing_comments"):
                connection.db.table(name).delete_where("path = ?", [path])
        for path in fresh:
            problems = [] if found[path][0] >= 0 else ["there is no such file"]
            if not problems:
                _copy(connection, path, problems)
            size, mtime_ns, ctime_ns = found[path]
            problem = "; ".join(problems) or None
            connection.db.table("observing_logs").insert(
                {
                    "path": path,
                    "size": size,
                    "mtime_ns": mtime_ns,
                    "ctime_ns": ctime_ns,
                    "problem": problem,
                }
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

    connection.db.table("observing_ranks").insert_all(
        {"path": path, "obs_start": _second(start), "rank": _rank(flag)}
        for start, flag in rows("OBstart, flag", "OBflags")
    )
    comments = connection.db.table("observing_comments")
    said = ("comment", "date", "author")
    comments.insert_all(
        {"path": path, "obs_start": _second(start), **dict(zip(said, rest, strict=True))}
        for start, *rest in rows("OBstart, comment, date, author", "OBcomments")
    )
    comments.insert_all(
        {"path": path, "exposure": _exposure(str(arcfile)), **dict(zip(said, rest, strict=True))}
        for arcfile, *rest in rows("arcfile, comment, date, author", "fcomments")
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
