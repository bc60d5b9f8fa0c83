"""Checksums of the rows on which plans and keys rest: a bit that has turned is noticed.

SQLite notices damage of its own structure only. A letter that turned in a digest or in the mode of
a frame would give another result that looks right.
"""

from __future__ import annotations

import json
import sqlite3
import struct
import zlib
from collections.abc import Iterator, Sequence
from typing import Any

CHECKED = (
    "meta",
    "raw",
    "digests",
    "qa_raw",
    "flags",
    "weather_logs",
    "weather_lines",
    "observing_ranks",
    "observing_comments",
    "integrity",
    "used_files",
    "vanished",
)
"""Tables whose rows have one."""
CHECK = "row_check"
"""Its column; NULL from when a row is written until its transaction ends."""
SCHEMA = "schema"
"""Name in `meta` of the checksums of tables, views and indexes."""
SMALL = 32 << 20
"""Bytes of a database that is read as a whole before a plan is made of it."""


def damaged(why: str) -> sqlite3.DatabaseError:
    """The error of SQLite that says that a database is damaged."""
    error = sqlite3.DatabaseError(f"the database is damaged: {why}")
    error.sqlite_errorcode = sqlite3.SQLITE_CORRUPT
    return error


def check_of(values: Sequence[Any]) -> int:
    """Checksum of the other values of a row, in the order of its columns."""
    end = len(values)
    # Columns that are added later stand behind the others.
    while end and values[end - 1] is None:
        end -= 1
    numbers: list[float] = []
    texts: list[str] = []
    for value in values[:end]:
        if type(value) is float:
            # Their bits: to write them as text takes ten times as long.
            numbers.append(value)
            texts.append("\2")
        else:
            texts.append(value if type(value) is str else "\1" if value is None else repr(value))
    text = zlib.crc32("\0".join(texts).encode("utf-8", "surrogatepass"))
    return zlib.crc32(struct.pack(f"<{len(numbers)}d", *numbers), text)


def require_check(values: Sequence[Any], check: int | None, table: str) -> None:
    """Raise the error of a damaged database where a row is not as it was written."""
    if check is not None and check != check_of(values):
        raise damaged(f"a row of {table} is not as it was written")


def columns_checked(connection: sqlite3.Connection, table: str) -> list[str]:
    """Columns of a table, that of the checksum last; none where it has no checksums."""
    rows = connection.execute("SELECT name FROM pragma_table_info(?) ORDER BY cid", [table])
    names = [str(name) for (name,) in rows]
    return [*(name for name in names if name != CHECK), CHECK] if CHECK in names else []


def _rows(connection: sqlite3.Connection, table: str, where: str) -> Iterator[tuple[Any, ...]]:
    if names := columns_checked(connection, table):
        listed = ", ".join(f'"{name}"' for name in names)
        yield from connection.execute(f"SELECT rowid, {listed} FROM {table} WHERE {where}")


def seal(connection: sqlite3.Connection) -> None:
    """Give what was written its checksums, as the last step of a transaction."""
    for table in CHECKED:
        try:
            # An index holds these alone.
            new = connection.execute(
                f"SELECT 1 FROM {table} WHERE {CHECK} IS NULL LIMIT 1"
            ).fetchone()
        except sqlite3.OperationalError as error:
            if "no such" in str(error):
                # Tables of before checksums, or not made yet.
                continue
            raise
        if new is not None:
            connection.executemany(
                f"UPDATE {table} SET {CHECK} = ? WHERE rowid = ?",
                [
                    (check_of(values), rowid)
                    for rowid, *values, _ in _rows(connection, table, f"{CHECK} IS NULL")
                ],
            )


def _schema(connection: sqlite3.Connection) -> dict[str, int]:
    rows = connection.execute(
        "SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL AND name NOT LIKE 'qc^_%' "
        "ESCAPE '^' AND tbl_name NOT LIKE 'qc^_%' ESCAPE '^'"
    )
    return {str(name): zlib.crc32(str(sql).encode()) for name, sql in rows}


def seal_schema(connection: sqlite3.Connection) -> None:
    """Remember checksums of tables, views and indexes, in the transaction that changes them."""
    made = _schema(connection)
    if made.keys() & {"meta"} and columns_checked(connection, "meta"):
        connection.execute(
            "INSERT OR REPLACE INTO meta (name, value) VALUES (?, ?)", [SCHEMA, json.dumps(made)]
        )


def require_checks(connection: sqlite3.Connection, table: str) -> None:
    """Raise the error of a damaged database where a row of a table is not as it was written."""
    for _, *values, check in _rows(connection, table, "1"):
        require_check(values, check, table)


def require_sound(connection: sqlite3.Connection) -> None:
    """Raise the error of a damaged database where what a plan rests on is not as it was written."""
    for table in CHECKED:
        # Of digests each is compared when it is used: most are not.
        if table != "digests":
            require_checks(connection, table)
    known = connection.execute("SELECT value FROM meta WHERE name = ?", [SCHEMA]).fetchone()
    # People may add tables and views of their own.
    if known and not json.loads(known[0]).items() <= _schema(connection).items():
        raise damaged("a table or view is not as it was made")
    ((pages,),) = connection.execute("PRAGMA page_count").fetchall()
    ((size,),) = connection.execute("PRAGMA page_size").fetchall()
    if pages * size < SMALL:
        (said,) = connection.execute("PRAGMA integrity_check(1)").fetchone()
        if said != "ok":
            raise damaged(said)
