"""The table of the plan cache, step by step."""

from __future__ import annotations

from typing import TYPE_CHECKING

from musebuild.index.database import Migration

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
