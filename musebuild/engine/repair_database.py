"""A damaged database of the project is set aside and made anew.

What it says of frames and products follows from them; what people wrote into it, and what was,
is carried over as far as it is sound.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import sqlite3
from collections.abc import Iterator
from pathlib import Path

from musebuild.engine.migrations import MIGRATIONS
from musebuild.engine.project import Project
from musebuild.errors import UNFORESEEN, MusebuildError
from musebuild.index.database import (
    FOLDER,
    Connection,
    columns_of,
    is_our_database,
    open_database,
    own_path,
    transaction,
)
from musebuild.index.flags import copy_path
from musebuild.index.row_checks import CHECK, CHECKED, check_of
from musebuild.index.soundness import is_sound, may_be_damage, row_test, says_damage
from musebuild.index.vanished import FOLDERS

CARRIED = {
    "flags": "1",
    "forgotten": "1",
    "digests": "1",
    "integrity": "1",
    "used_files": "1",
    "vanished": "1",
    "meta": f"name IN ('{FOLDER}', '{FOLDERS}')",
    "placed": "1",
    "builds": "1",
    "settings_used": "1",
    "tasks": "1",
    "events": "1",
    "records": "1",
    "associations": "1",
    "archive_frames": "1",
    "archive_wanted": "1",
    "archive_associated": "1",
}
"""Tables of which all sound rows are carried over, and which of them: what people said, what took
long to read, what was once. Frames and store tell the rest.
"""
BESIDE = ("-wal", "-journal", "-shm", "")
"""Endings of the files that are one database, the database itself last."""


def mended(project: Project, error: Exception) -> tuple[bool, str | None]:
    """Mend a project's database after an error, if it is damaged.

    Parameters
    ----------
    project : Project
        Closed.
    error : Exception
        What a command ended with.

    Returns
    -------
    bool
        Whether the database was damaged, so that to try again.
    str or None
        What was done, to be told; None where another process had mended it.
    """
    if not may_be_damage(error):
        return False, None
    project = Project(project.settings_path, project.overrides)
    try:
        told = mend_database(own_path(project.settings.db))
        if told:
            project.ledger.rebuild(project.store)
    except (OSError, sqlite3.Error, MusebuildError):
        return False, None
    finally:
        project.close()
    return bool(told) or says_damage(error), told


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


def mend_database(path: Path) -> str | None:
    """Set a damaged database aside, and make one with what people wrote.

    Parameters
    ----------
    path : Path
        Of the project's database.

    Returns
    -------
    str or None
        What was done, to be told; None where it was nothing: it is sound, or not ours.

    Raises
    ------
    OSError
        It cannot be moved.
    """
    with _alone(path.parent):
        if not path.exists() or not is_our_database(path) or is_sound(path, MIGRATIONS):
            return None
        number = 1
        while (aside := path.with_name(f"{path.name}.damaged-{number}")).exists():
            number += 1
        for ending in BESIDE:
            with contextlib.suppress(FileNotFoundError):
                Path(f"{path}{ending}").rename(f"{aside}{ending}")
        connection = open_database(path, MIGRATIONS)
        try:
            lost = _carry_over(aside, connection)
            copy = copy_path(connection)
        finally:
            connection.close()
    told = f"The database was damaged. It was moved to {aside.name}, and is made anew"
    if "flags" in lost and not (copy and copy.exists()):
        told += (
            "\n  why: flags, which people wrote, cannot be read in it any more"
            "\n  hint: give what is lost anew (musebuild flag)"
        )
    return told


def _carry_over(source: Path, target: Connection) -> set[str]:
    """Copy what is sound of some tables; those of which a part is not."""
    lost = set()
    read = sqlite3.connect(source)
    try:
        with transaction(target):
            for table, condition in CARRIED.items():
                names = columns_of(target, table)
                listed = ", ".join(f'"{name}"' for name in names)
                checked = table in CHECKED
                test = row_test(target, table)
                insert = (
                    f"INSERT OR IGNORE INTO {table} ({listed}) "
                    f"VALUES ({', '.join('?' * len(names))})"
                )
                try:
                    for row in read.execute(
                        f"SELECT {listed}{f', {CHECK}' if checked else ''} FROM {table} "
                        f"WHERE {condition}"
                    ):
                        values = row[:-1] if checked else row
                        if test(row) and not (checked and row[-1] not in (None, check_of(values))):
                            target.execute(insert, values)
                        else:
                            lost.add(table)
                except (sqlite3.Error, *UNFORESEEN) as error:
                    if "no such" not in str(error):
                        lost.add(table)
    finally:
        read.close()
    return lost
