"""Tables of what is wanted from the archive; docs/retrieve.md tells what they mean."""

from __future__ import annotations

from typing import TYPE_CHECKING

from musebuild.index.database import Migration

if TYPE_CHECKING:
    from sqlite_utils import Database


def _create(database: Database) -> None:
    for statement in (
        """CREATE TABLE archive_frames (
            dp_id TEXT PRIMARY KEY, kind TEXT, category TEXT, object TEXT, ins_mode TEXT,
            night TEXT, tpl_start TEXT, size INTEGER, release_date TEXT, state TEXT,
            problem TEXT, file TEXT, asked TEXT, ended TEXT)""",
        """CREATE TABLE archive_wanted (
            purpose TEXT, dp_id TEXT, PRIMARY KEY (purpose, dp_id))""",
        """CREATE TABLE archive_associated (
            purpose TEXT, dp_id TEXT, date TEXT, complete INTEGER,
            PRIMARY KEY (purpose, dp_id))""",
    ):
        database.execute(statement)


ARCHIVE_MIGRATIONS = (Migration("archive-1", _create),)
