"""A damaged database of the project is set aside and made anew.

All that it says follows from the raw frames and the store, except what people wrote into it:
that is carried over as far as it can be read.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import sqlite3
from collections.abc import Iterator
from pathlib import Path

from musebuild.cache.migrations import CACHE_MIGRATIONS
from musebuild.errors import StoreError
from musebuild.index.database import is_our_database, open_database
from musebuild.index.migrations import INDEX_MIGRATIONS

DAMAGE = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)
PEOPLES = ("flags",)
"""Tables that people wrote."""


def is_damage(error: BaseException | None) -> bool:
    """Whether an error, or what caused it, says that the database is damaged."""
    while error is not None:
        if getattr(error, "sqlite_errorcode", 0) & 0xFF in DAMAGE:
            return True
        error = error.__cause__
    return False


@contextlib.contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Two builds that meet the damage at once must not set each other's work aside."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        with contextlib.suppress(OSError):
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _is_sound(path: Path) -> bool:
    connection = sqlite3.connect(path, timeout=60)
    try:
        return bool(connection.execute("PRAGMA quick_check(1)").fetchone() == ("ok",))
    except sqlite3.DatabaseError:
        return False
    finally:
        connection.close()


def mend_database(path: Path) -> StoreError | None:
    """Set a damaged database aside, and make one with what people wrote.

    Parameters
    ----------
    path : Path
        Of the project's database.

    Returns
    -------
    StoreError or None
        What was done, to be told; None where it was nothing: it is sound, or not ours.

    Raises
    ------
    OSError
        It cannot be moved.
    """
    with _alone(path.parent):
        if not path.exists() or not is_our_database(path) or _is_sound(path):
            return None
        number = 1
        while (aside := path.with_name(f"{path.name}.damaged-{number}")).exists():
            number += 1
        for ending in ("-wal", "-shm", ""):
            with contextlib.suppress(FileNotFoundError):
                Path(f"{path}{ending}").rename(f"{aside}{ending}")
        connection = open_database(path, (*INDEX_MIGRATIONS, *CACHE_MIGRATIONS))
        try:
            lost = tuple(name for name in PEOPLES if not _carry_over(name, aside, connection))
        finally:
            connection.close()
    return StoreError(
        f"The database was damaged. It was moved to {aside.name}, and is made anew",
        where=str(aside),
        why=f"{', '.join(lost)}, which people wrote, cannot be read in it any more"
        if lost
        else None,
        remedy="give what is lost anew (musebuild flag)"
        if lost
        else "nothing to do: all follows from the raw frames and the store",
    )


def _carry_over(table: str, source: Path, target: sqlite3.Connection) -> bool:
    """Copy the rows of a table; whether all could be read."""
    read = sqlite3.connect(source)
    try:
        cursor = read.execute(f"SELECT * FROM {table}")
        names = ", ".join(column[0] for column in cursor.description)
        marks = ", ".join("?" * len(cursor.description))
        for row in cursor:
            target.execute(f"INSERT OR IGNORE INTO {table} ({names}) VALUES ({marks})", row)
        return True
    except sqlite3.DatabaseError as error:
        return "no such table" in str(error)
    finally:
        target.commit()
        read.close()
