"""Whether a database of ours is sound: its header, pages, tables, and every row of them.

Asked when something failed that damage may explain: all of the file is read.
"""

from __future__ import annotations

import json
import re
import sqlite3
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from musebuild.errors import UNFORESEEN
from musebuild.index.database import (
    APPLICATION_ID,
    MAGIC,
    Connection,
    Migration,
    is_newer,
    known_migrations,
)
from musebuild.index.row_checks import require_checks, require_sound

DAMAGE = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB})
"""Errors of SQLite that say so."""
ELSE = frozenset(
    {
        sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_FULL, sqlite3.SQLITE_NOMEM,
        sqlite3.SQLITE_INTERRUPT, sqlite3.SQLITE_PERM, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_AUTH,
    }
)  # fmt: skip
"""Errors of SQLite that have another cause: a lock, a full disk, one that cannot be read."""
TEXTS = {
    "records": ("call", "inputs"),
    "digests": ("digest",),
    "vanished": ("row",),
}
"""Columns that hold JSON."""
ALWAYS = {
    "flags": ("flag", "value"),
    "digests": ("path", "size", "mtime_ns", "ctime_ns", "hashed_ns", "digest"),
    "used_files": ("kind", "category"),
    "vanished": ("date", "row"),
    "meta": ("value",),
    "manifests": ("task", "recipe", "made", "seconds"),
    "products": ("category", "name", "object", "digest", "size"),
    "placed": ("task", "object", "device", "inode", "size", "mtime_ns"),
    "tasks": ("key", "recipe", "outcome", "date"),
    "builds": ("started", "settings", "command", "status"),
    "events": ("build", "task", "key", "outcome", "date"),
    "records": ("date", "call", "inputs"),
    "associations": ("key", "tag", "kind", "source"),
    "raw": ("filename", "name", "category", "is_raw", "night", "size", "mtime_ns"),
    "weather_lines": ("path",),
    "other_files": ("number",),
    "integrity": ("size", "mtime_ns", "status"),
}
"""Columns that are never empty, besides those of the keys."""
FROM_HEADERS = ("raw", "qa_", "qc_")
"""Tables that keep the text of a malformed card where a number should be begin so."""
_KINDS: Mapping[str, tuple[type, ...]] = {
    "TEXT": (str,),
    "BLOB": (bytes,),
    "INTEGER": (int, float),
    "REAL": (int, float),
    "FLOAT": (int, float),
}
_QUOTES = re.compile(r"[\s\[\]\"`]+")


def code_of(error: BaseException) -> int:
    """What kind of an error of SQLite it is; 0: none that it names."""
    return int(getattr(error, "sqlite_errorcode", 0) or 0) & 0xFF


def says_damage(error: BaseException | None) -> bool:
    """Whether an error, or what caused it, says that the database is damaged."""
    while error is not None:
        if code_of(error) in DAMAGE:
            return True
        error = error.__cause__
    return False


def may_be_damage(error: BaseException | None) -> bool:
    """Whether an error, or what caused it, may come from a damaged database.

    What people are told with a cause of its own does not, nor what the system refuses.
    """
    first = error
    while error is not None:
        if isinstance(error, sqlite3.Error):
            return code_of(error) not in ELSE
        error = error.__cause__
    return isinstance(first, UNFORESEEN)


def header_is_sound(path: Path) -> bool:
    """Whether the first bytes of a file are those of a database that we write.

    SQLite takes some of them as a wish: one that is only read, say.
    """
    with path.open("rb") as file:
        header = file.read(100)
    size = int.from_bytes(header[16:18], "big")
    return (
        len(header) == 100
        and header.startswith(MAGIC)
        and (size == 1 or (size >= 512 and size & (size - 1) == 0))
        and header[18] in (1, 2)
        and header[19] in (1, 2)
        and header[21:24] == b"\x40\x20\x20"
        and int.from_bytes(header[44:48], "big") in (0, 1, 2, 3, 4)
        and int.from_bytes(header[56:60], "big") in (0, 1)
        and int.from_bytes(header[68:72], "big") == APPLICATION_ID
        and not header[72:92].strip(b"\0")
    )


def is_sound(path: Path, migrations: Sequence[Migration]) -> bool:
    """Whether nothing shows that a database of ours is damaged.

    Parameters
    ----------
    path : Path
        Of the database. One that cannot be read now (a lock, a disk that fails) counts as sound.
    migrations : sequence of Migration
        All that this musebuild knows. One of a newer musebuild is not judged.
    """
    try:
        if not header_is_sound(path):
            return False
    except OSError:
        return True
    connection = sqlite3.connect(path, timeout=60)
    try:
        if connection.execute("PRAGMA integrity_check(1)").fetchone() != ("ok",):
            return False
        known = known_migrations(connection)
        if is_newer(known, migrations):
            return True
        done = [migration for migration in migrations if migration.name in known]
        to_do = [migration for migration in migrations if migration.name not in known]
        require_sound(connection)
        require_checks(connection, "digests")
        return (
            _schema_is_sound(connection, _migrated([], done))
            and _rows_are_sound(connection)
            and bool(_migrated(_schema(connection).values(), to_do))
        )
    except sqlite3.Error as error:
        return code_of(error) in ELSE
    except UNFORESEEN:
        return False
    finally:
        connection.close()


def _migrated(schema: Iterable[str], migrations: Iterable[Migration]) -> Connection:
    """A database in memory with some tables, and those that migrations make of them."""
    made = sqlite3.connect(":memory:", factory=Connection)
    for statement in schema:
        made.execute(statement)
    for migration in migrations:
        migration.apply(made.db)
    return made


def _schema(connection: sqlite3.Connection) -> dict[tuple[str, str], str]:
    """Kind and name of a table, index or view → the statement that makes it."""
    rows = connection.execute(
        "SELECT type, name, sql FROM sqlite_master WHERE name NOT LIKE 'sqlite^_%' ESCAPE '^' "
        "ORDER BY rowid"
    ).fetchall()
    return {(kind, name): sql for kind, name, sql in rows}


def _columns(connection: sqlite3.Connection, table: str) -> list[tuple[Any, ...]]:
    question = "SELECT name, type, pk FROM pragma_table_info(?) ORDER BY cid"
    return connection.execute(question, [table]).fetchall()


def _schema_is_sound(connection: sqlite3.Connection, wanted: sqlite3.Connection) -> bool:
    """Whether all tables, views and indexes are there, as we make them; there may be more."""
    have = _schema(connection)
    for (kind, name), sql in _schema(wanted).items():
        if (kind, name) not in have:
            return False
        if kind == "table":
            columns = _columns(wanted, name)
            if not {*columns} <= {*_columns(connection, name)}:
                return False
        elif _QUOTES.sub(" ", have[kind, name]) != _QUOTES.sub(" ", sql):
            return False
    wanted.close()
    return True


def row_test(connection: sqlite3.Connection, table: str) -> Callable[[Sequence[Any]], bool]:
    """Tells of a row of a table, of all its columns, whether it holds what they are made for."""
    columns = _columns(connection, table)
    names = [name for name, _, _ in columns]
    always = ALWAYS.get(table, ())
    needed = [pk > 0 or name in always for name, _, pk in columns]
    texts = [names.index(name) for name in TEXTS.get(table, ())]
    kinds = [_KINDS.get(kind.upper(), ()) for _, kind, _ in columns]
    if table == "plan_cache":
        # What it holds has checksums.
        kinds = [()] * len(columns)
    elif table.startswith(FROM_HEADERS):
        kinds = [(*kind, str) if kind else () for kind in kinds]

    def is_sound(row: Sequence[Any]) -> bool:
        for value, kind, wanted in zip(row, kinds, needed, strict=True):
            if wanted if value is None else kind and not isinstance(value, kind):
                return False
        try:
            for place in texts:
                json.loads(row[place])
        except ValueError:
            return False
        return True

    return is_sound


def _rows_are_sound(connection: sqlite3.Connection) -> bool:
    """Whether each row can be read, and holds what its columns are made for."""
    tables = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
    for (table,) in tables:
        test = row_test(connection, table)
        if not all(map(test, connection.execute(f'SELECT * FROM "{table}"'))):
            return False
    return True
