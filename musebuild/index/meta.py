"""Small values that the index remembers, and the number of its generation."""

from __future__ import annotations

import sqlite3

from musebuild.index.row_checks import CHECK, require_check

GROW = (
    "INSERT INTO meta (name, value) VALUES ('generation', '1') ON CONFLICT (name) "
    f"DO UPDATE SET value = CAST(CAST(value AS INTEGER) + 1 AS TEXT), {CHECK} = NULL"
)
"""To be executed in each transaction that changes what a plan follows from."""


def meta(connection: sqlite3.Connection, name: str) -> str:
    """A remembered value; empty where there is none."""
    row = connection.execute(f"SELECT value, {CHECK} FROM meta WHERE name = ?", [name]).fetchone()
    if row is None:
        return ""
    require_check((name, row[0]), row[1], "meta")
    return str(row[0])


def set_meta(connection: sqlite3.Connection, name: str, value: str) -> None:
    """Remember a value, as a part of a transaction."""
    connection.execute("INSERT OR REPLACE INTO meta (name, value) VALUES (?, ?)", [name, value])


def generation(connection: sqlite3.Connection) -> int:
    """A number that grows with every change of what a plan follows from: raw frames, flags."""
    return int(meta(connection, "generation") or 0)
