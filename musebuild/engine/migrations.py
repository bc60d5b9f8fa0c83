"""The table of the plan cache, step by step; and all steps of a project's database."""

from __future__ import annotations

from typing import TYPE_CHECKING

from musebuild.archive.migrations import ARCHIVE_MIGRATIONS
from musebuild.cache.migrations import CACHE_MIGRATIONS
from musebuild.index.database import Migration
from musebuild.index.migrations import INDEX_MIGRATIONS

if TYPE_CHECKING:
    from sqlite_utils import Database


def _create(database: Database) -> None:
    database.execute("DROP TABLE IF EXISTS settled")
    database.execute(
        """CREATE TABLE plan_cache (
            piece INTEGER PRIMARY KEY, block TEXT, size INTEGER, "call" TEXT, same BLOB,
            files BLOB, seconds BLOB, paths BLOB, identities BLOB, found_check INTEGER,
            needs BLOB, entries TEXT, entries_check INTEGER, made BLOB, made_check INTEGER,
            invocations BLOB, invocations_check INTEGER)"""
    )


PLAN_CACHE_MIGRATIONS = (Migration("plan-cache-1", _create),)
MIGRATIONS = (
    *INDEX_MIGRATIONS,
    *CACHE_MIGRATIONS,
    *ARCHIVE_MIGRATIONS,
    *PLAN_CACHE_MIGRATIONS,
)
"""All that a project's database goes through, whoever opens it."""
