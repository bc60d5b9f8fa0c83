"""A copy of a project that knows its files as the first one knew its own."""

from __future__ import annotations

import contextlib
import os
import shutil
import sqlite3
from collections.abc import Iterator
from pathlib import Path

DATABASE = "musebuild.db"


def copy_project(old: Path, new: Path) -> None:
    """Copy a project folder: files, time stamps, hard links, and what is known of them.

    A plain copy has other inodes and change times, so that each of its files is hashed, and each
    product placed, once more.
    """
    known = dict(_copied(old, new))
    with contextlib.closing(sqlite3.connect(new / DATABASE)) as connection, connection:
        tables = [name for (name,) in connection.execute("SELECT name FROM sqlite_master")]
        for table in tables:
            columns = {row[1] for row in connection.execute(f"PRAGMA table_info({table})")}
            if "inode" in columns:
                _rewrite(connection, table, columns, known)


def _copied(old: Path, new: Path) -> Iterator[tuple[int, tuple[os.stat_result, os.stat_result]]]:
    """Copy a tree; inode → the state of a file before, and of its copy."""
    linked: dict[int, Path] = {}
    made: list[tuple[Path, Path]] = []
    for folder, _, files in os.walk(old):
        place = new / Path(folder).relative_to(old)
        place.mkdir(parents=True)
        for name in files:
            source, target = Path(folder, name), place / name
            first = linked.setdefault(source.lstat().st_ino, target)
            if first is not target:
                target.hardlink_to(first)
            else:
                shutil.copy2(source, target, follow_symlinks=False)
                made.append((source, target))
        shutil.copystat(folder, place)
    for source, target in made:
        before = source.lstat()
        yield before.st_ino, (before, target.lstat())


def _rewrite(
    connection: sqlite3.Connection,
    table: str,
    columns: set[str],
    known: dict[int, tuple[os.stat_result, os.stat_result]],
) -> None:
    rows = connection.execute(f"SELECT rowid, inode FROM {table}").fetchall()
    for row, inode in rows:
        if inode not in known:
            continue
        before, now = known[inode]
        later = now.st_ctime_ns - before.st_ctime_ns
        changes = {"inode": str(now.st_ino), "device": str(now.st_dev)}
        changes["ctime_ns"] = f"ctime_ns + {later}"
        # As long after the change as it was before.
        changes["hashed_ns"] = f"hashed_ns + {later}"
        changes["row_check"] = "NULL"
        words = ", ".join(f"{name} = {text}" for name, text in changes.items() if name in columns)
        connection.execute(f"UPDATE {table} SET {words} WHERE rowid = ?", (row,))
