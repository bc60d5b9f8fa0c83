"""What people wrote into a database of MuseRed: its flags. It is only read."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Collection
from dataclasses import dataclass, field
from pathlib import Path

from musebuild.errors import UsageError

_TABLE = re.compile(r"flags_\w+")


@dataclass(frozen=True, slots=True)
class TheirFlags:
    """Flags of a database of MuseRed."""

    table: str = ""
    """Empty: it holds none."""
    flags: tuple[tuple[str, str, int], ...] = ()
    """Exposure, flag and value, of those that the settings know."""
    unknown: dict[str, int] = field(default_factory=dict)
    """Flag that the settings do not know → exposures that have it."""


def table_of(version: str) -> str:
    """The table of the flags of a version: `flags_0_1`."""
    return f"flags_{version.replace('.', '_')}"


def read_flags(path: Path, version: str, known: Collection[str], *, asked: bool) -> TheirFlags:
    """The flags of one version, or of the only one.

    MuseRed keeps a table for each version: a row for an exposure (`name`), a column of numbers
    for a flag, which is set where the number is above 0.

    Parameters
    ----------
    path : Path
        An SQLite file.
    version : str
        Version of the reduction.
    known : collection of str
        Flags that may be set.
    asked : bool
        Whether the version was asked for, so that no other will do.

    Returns
    -------
    TheirFlags
        Empty where the file is none of MuseRed's, or holds no flags.

    Raises
    ------
    UsageError
        There is no such version, or there are several, and none is of this version.
    """
    try:
        connection = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)
    except sqlite3.Error:
        return TheirFlags()
    try:
        names = [row[0] for row in connection.execute("SELECT name FROM sqlite_master")]
        tables = sorted(name for name in names if _TABLE.fullmatch(name))
        table = table_of(version)
        if table not in tables:
            if asked or len(tables) > 1:
                versions = [name.removeprefix("flags_").replace("_", ".") for name in tables]
                raise UsageError(
                    f"{path.name} holds no flags of version {version}",
                    where=str(path),
                    why=f"it holds those of {' and '.join(versions)}" if versions else None,
                    remedy="name the version whose flags shall be taken over: "
                    "musebuild adopt --flags VERSION"
                    if versions
                    else "leave --flags out",
                )
            if not tables:
                return TheirFlags()
            (table,) = tables
        return _read(connection, table, known)
    except sqlite3.DatabaseError as error:
        raise UsageError(
            f"the flags in {path.name} cannot be read",
            where=str(path),
            why=str(error),
            remedy="mend that file, or move it away to go without its flags",
        ) from error
    finally:
        connection.close()


def _read(connection: sqlite3.Connection, table: str, known: Collection[str]) -> TheirFlags:
    cursor = connection.execute(f"SELECT * FROM {table}")
    columns = [column[0] for column in cursor.description]
    if "name" not in columns:
        return TheirFlags()
    at = columns.index("name")
    found: list[tuple[str, str, int]] = []
    unknown: dict[str, int] = {}
    for row in cursor:
        for column, value in zip(columns, row, strict=True):
            if column in ("id", "name") or not isinstance(value, int | float) or value <= 0:
                continue
            if not isinstance(row[at], str) or not row[at]:
                continue
            if column in known:
                found.append((row[at], column, max(1, round(value))))
            else:
                unknown[column] = unknown.get(column, 0) + 1
    return TheirFlags(table, tuple(sorted(found)), unknown)
