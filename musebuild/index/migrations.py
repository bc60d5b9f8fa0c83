"""Tables of the index, step by step."""

from __future__ import annotations

from sqlite_utils import Database

from musebuild.index.columns import COLUMNS
from musebuild.index.database import Migration


def _create(database: Database) -> None:
    columns = ", ".join(f'"{name}" {kind}' for name, kind in COLUMNS.items())
    for statement in (
        f"CREATE TABLE raw ({columns}, PRIMARY KEY (path))",
        "CREATE INDEX raw_night ON raw (night)",
        """CREATE TABLE bad_files (
            path TEXT PRIMARY KEY, size INTEGER, mtime_ns INTEGER, message TEXT, remedy TEXT)""",
        """CREATE TABLE digests (
            path TEXT PRIMARY KEY, device INTEGER, inode INTEGER, size INTEGER,
            mtime_ns INTEGER, ctime_ns INTEGER, hashed_ns INTEGER, digest TEXT)""",
        "CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT)",
    ):
        database.execute(statement)


def _people(database: Database) -> None:
    for statement in (
        """CREATE TABLE flags (
            exposure TEXT, flag TEXT, author TEXT, date TEXT, reason TEXT,
            PRIMARY KEY (exposure, flag))""",
        "CREATE INDEX flags_flag ON flags (flag)",
    ):
        database.execute(statement)


INDEX_MIGRATIONS = (Migration("index-1", _create), Migration("index-2", _people))
