"""Tables of the ledger, step by step."""

from __future__ import annotations

from typing import TYPE_CHECKING

from musebuild.index.database import Migration

if TYPE_CHECKING:
    from sqlite_utils import Database


def _create(database: Database) -> None:
    for statement in (
        """CREATE TABLE manifests (
            key TEXT PRIMARY KEY, task TEXT, recipe TEXT, made TEXT, seconds REAL,
            cpu_seconds REAL, peak_memory INTEGER, input_bytes INTEGER, warnings INTEGER,
            host TEXT)""",
        """CREATE TABLE products (
            key TEXT, position INTEGER, category TEXT, name TEXT, object TEXT, digest TEXT,
            size INTEGER, filter TEXT, PRIMARY KEY (key, position))""",
        """CREATE TABLE placed (
            path TEXT PRIMARY KEY, task TEXT, object TEXT, device INTEGER, inode INTEGER,
            size INTEGER, mtime_ns INTEGER)""",
        "CREATE INDEX placed_task ON placed (task)",
        "CREATE TABLE forgotten (key TEXT PRIMARY KEY, date TEXT)",
        """CREATE TABLE tasks (
            task TEXT PRIMARY KEY, key TEXT, recipe TEXT, outcome TEXT, date TEXT, log TEXT,
            reason TEXT)""",
        """CREATE TABLE builds (
            id INTEGER PRIMARY KEY, started TEXT, ended TEXT, settings TEXT, command TEXT,
            host TEXT, status TEXT)""",
        """CREATE TABLE events (
            id INTEGER PRIMARY KEY, build INTEGER, task TEXT, key TEXT, outcome TEXT,
            reason TEXT, seconds REAL, date TEXT, log TEXT)""",
        "CREATE INDEX events_task ON events (task)",
        "CREATE TABLE settled (fingerprint TEXT PRIMARY KEY, date TEXT, found TEXT)",
    ):
        database.execute(statement)


def _count_up_to_date(database: Database) -> None:
    database.execute("ALTER TABLE builds ADD COLUMN up_to_date INTEGER DEFAULT 0")


def _records(database: Database) -> None:
    database.execute(
        """CREATE TABLE records (
            task TEXT, key TEXT, date TEXT, call TEXT, inputs TEXT, PRIMARY KEY (task, key))"""
    )
    database.execute("CREATE INDEX products_digest ON products (digest)")


def _associations(database: Database) -> None:
    database.execute(
        """CREATE TABLE associations (
            task TEXT, position INTEGER, key TEXT, tag TEXT, kind TEXT, source TEXT,
            category TEXT, grade TEXT, nights INTEGER, hours REAL, kelvin REAL, note TEXT,
            PRIMARY KEY (task, position))"""
    )
    database.execute("CREATE INDEX associations_source ON associations (source)")


def _settings(database: Database) -> None:
    for column in ("version", "reduced", "used"):
        database.execute(f"ALTER TABLE builds ADD COLUMN {column} TEXT DEFAULT ''")
    database.execute("CREATE TABLE settings_used (digest TEXT PRIMARY KEY, document TEXT)")


def _newest(database: Database) -> None:
    database.execute(
        "CREATE INDEX manifests_newest ON manifests "
        "(recipe, made, seconds, input_bytes, peak_memory)"
    )


def _levels(database: Database) -> None:
    database.execute("ALTER TABLE associations ADD COLUMN level INTEGER")


def _verified(database: Database) -> None:
    database.execute(
        """CREATE TABLE verified (
            path TEXT PRIMARY KEY, object TEXT, device INTEGER, inode INTEGER, size INTEGER,
            mtime_ns INTEGER, ctime_ns INTEGER)"""
    )
    # What we placed before counts as it did then, until it is looked at.
    database.execute(
        "INSERT INTO verified (path, object) "
        "SELECT DISTINCT object, object FROM placed WHERE object <> ''"
    )


CACHE_MIGRATIONS = (
    Migration("cache-1", _create),
    Migration("cache-up-to-date", _count_up_to_date),
    Migration("cache-records", _records),
    Migration("cache-associations", _associations),
    Migration("cache-settings", _settings),
    Migration("cache-newest", _newest),
    Migration("cache-levels", _levels),
    Migration("cache-verified", _verified),
)
