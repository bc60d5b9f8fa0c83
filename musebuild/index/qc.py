"""Quality-control parameters of products: one table for each category, one row for each HDU.

The tables grow with what the headers hold. They rest on the products alone, so they can be made
anew from the store at any time.
"""

from __future__ import annotations

import datetime as dt
import os
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from musebuild.errors import FrameError
from musebuild.fits.blocks import UNREADABLE, open_frame, parse, units
from musebuild.fits.headers import CHANNEL
from musebuild.index.columns import column_of, moment_of, night_of
from musebuild.index.database import Connection, columns_of, transaction

if TYPE_CHECKING:
    from sqlite_utils import Database

PREFIX = "qc_"
"""`qc_MASTER_BIAS`: the table of a category."""
FIXED: dict[str, str] = {
    "key": "TEXT",
    "task": "TEXT",
    "name": "TEXT",
    "night": "TEXT",
    "ifu": "INTEGER",
    "product": "TEXT",
    "hdu": "INTEGER",
    "extname": "TEXT",
    "made": "TEXT",
    "DATE_OBS": "TEXT",
    "OBJECT": "TEXT",
    "INS_MODE": "TEXT",
}
"""Columns that each table has; those of the parameters follow (`QC_BIAS_MASTER_MEDIAN`)."""
MOST_COLUMNS = 1990
"""SQLite allows 2000; the widest table of the pipeline has some 850."""

_MARK = b"ESO QC "
_CATEGORY = re.compile(r"[A-Za-z0-9_.-]+")
_IFU = re.compile(r"\.ifu(\d\d)$")
# One parameter may be whole in one header and not in another: the order must not count.
_TYPES = {int: "NUMERIC", bool: "NUMERIC", float: "NUMERIC", str: "TEXT"}

Row = dict[str, Any]
Found = tuple[dict[str, list[Row]], bool]
"""Category → rows of an invocation's products; whether some product is not there."""


@dataclass(frozen=True, slots=True)
class Made:
    """One invocation's products, as far as quality control asks."""

    key: str
    task: str
    """Name of the task that first made it: tells its exposure or sequence, and the IFU."""
    made: str
    """UTC, ISO 8601."""
    products: tuple[tuple[str, str, Path | str], ...]
    """Category, name and file of each."""


def table_name(category: str) -> str:
    """The table of a category."""
    return PREFIX + category


def rows_of(made: Made, name: str, path: Path) -> list[Row]:
    """Rows of one product: an HDU without parameters has none.

    Parameters
    ----------
    made : Made
        The invocation.
    name : str
        Name of the product.
    path : Path
        Its file.

    Raises
    ------
    FrameError
        It cannot be read.
    """
    found: list[Row] = []
    primary: dict[str, Any] = {}
    match = _IFU.search(made.task)
    task_ifu = int(match[1]) if match else None
    label = _IFU.sub("", made.task.partition(":")[2])
    try:
        with open_frame(path) as file:
            for unit in units(file, path):
                if unit.index and _MARK not in unit.header:
                    continue
                header = parse(unit.header)
                if unit.index == 0:
                    primary = dict(header)
                values = {
                    column_of(keyword): value
                    for keyword, value in header.items()
                    if keyword.startswith("ESO QC ")
                }
                if not values:
                    continue
                extname = str(header.get("EXTNAME") or "")
                channel = CHANNEL.match(extname)
                moment = moment_of(primary) or moment_of({"DATE-OBS": label})
                found.append(
                    {
                        "key": made.key,
                        "task": made.task,
                        "name": label,
                        "night": night_of(moment).isoformat() if moment else None,
                        "ifu": int(channel[1]) if channel else task_ifu,
                        "product": name,
                        "hdu": unit.index,
                        "extname": extname or None,
                        "made": made.made,
                        "DATE_OBS": primary.get("DATE-OBS"),
                        "OBJECT": primary.get("OBJECT"),
                        "INS_MODE": primary.get("ESO INS MODE"),
                    }
                    | values
                )
    except UNREADABLE as error:
        raise FrameError(f"{name} cannot be read", where=str(path), why=str(error)) from error
    return found


def known_keys(connection: Connection) -> set[str]:
    """Keys whose products were looked at."""
    return {row[0] for row in connection.execute("SELECT key FROM qc_keys")}


def parameters_of(made: Made) -> Found:
    """Parameters of all products of an invocation.

    A product that cannot be read has no rows: the store tells of it when it is needed.
    """
    rows: dict[str, list[Row]] = {}
    missing = False
    for category, name, path in made.products:
        if not _CATEGORY.fullmatch(category):
            continue
        if not os.path.exists(path):
            # It may come back: look again then.
            missing = True
            continue
        try:
            some = rows_of(made, name, Path(path))
        except FrameError:
            continue
        if some:
            rows.setdefault(category, []).extend(some)
    return rows, missing


def parameters_in(
    connection: Connection, category: str, made: Made, columns: Sequence[str]
) -> list[Row]:
    """Parameters of an invocation's products of a category: as the table has them, else read.

    Parameters
    ----------
    connection : Connection
        Opened with `INDEX_MIGRATIONS`.
    category : str
        Of the products.
    made : Made
        The invocation.
    columns : sequence of str
        Those that are wanted, in any case; a row lacks those that no header has.
    """
    asked = connection.execute("SELECT 1 FROM qc_keys WHERE key = ?", [made.key]).fetchone()
    if asked is None:
        return parameters_of(made)[0].get(category, [])
    wanted = {name.casefold() for name in columns}
    have = [n for n in columns_of(connection, table_name(category)) if n.casefold() in wanted]
    if not have:
        return []
    listed = ", ".join(f'"{name}"' for name in have)
    rows = connection.execute(
        f'SELECT {listed} FROM "{table_name(category)}" WHERE key = ?', [made.key]
    )
    return [dict(zip(have, row, strict=True)) for row in rows]


def record(
    connection: Connection,
    invocations: Iterable[Made],
    known: Mapping[str, Found] = MappingProxyType({}),
) -> int:
    """Put the parameters of products into their tables; committed at once.

    Parameters
    ----------
    connection : Connection
        Opened with `INDEX_MIGRATIONS`.
    invocations : iterable of Made
        What was made, restored or found.
    known : mapping, optional
        Key → what `parameters_of` gave for it, where somebody asked before.

    Returns
    -------
    int
        Rows written.
    """
    prepared = [(made, *(known.get(made.key) or parameters_of(made))) for made in invocations]
    date = dt.datetime.now(dt.UTC).isoformat(timespec="seconds")
    number = 0
    with transaction(connection):
        for made, rows, missing in prepared:
            for category, some in rows.items():
                _insert(connection, category, made.key, some)
                number += len(some)
            if not missing:
                connection.execute(
                    "INSERT OR REPLACE INTO qc_keys VALUES (?,?,?)",
                    [made.key, date, sum(map(len, rows.values()))],
                )
    return number


def _insert(connection: Connection, category: str, key: str, rows: Sequence[Row]) -> None:
    # A hot path, once for each product: 0.3 ms for one row of 60 parameters and 2.1 ms for 24;
    # insert_all of sqlite-utils, which looks at the table each time, takes 0.7 ms and 4.5 ms.
    table = table_name(category)
    execute = connection.execute
    have = columns_of(connection, table)
    if not have:
        connection.db.table(table).create(FIXED, pk=("key", "product", "hdu"))
        have = list(FIXED)
    else:
        execute(f'DELETE FROM "{table}" WHERE key = ?', [key])
    # SQLite takes names that differ in case for the same.
    folded = {name.casefold() for name in have}
    for row in rows:
        for name, value in row.items():
            if name.casefold() not in folded and len(folded) < MOST_COLUMNS:
                # add_column of sqlite-utils knows no NUMERIC.
                execute(f'ALTER TABLE "{table}" ADD COLUMN "{name}" {_TYPES[type(value)]}')
                folded.add(name.casefold())
    for row in rows:
        names = [name for name in row if name.casefold() in folded]
        listed = ", ".join(f'"{name}"' for name in names)
        marks = ", ".join("?" * len(names))
        execute(f'INSERT INTO "{table}" ({listed}) VALUES ({marks})', [row[name] for name in names])


def clear(db: Database) -> None:
    """Drop all tables of parameters, to be made anew."""
    with transaction(db.conn):
        for category in categories(db):
            db.table(table_name(category)).drop()
        db.table("qc_keys").delete_where()


def categories(db: Database) -> list[str]:
    """Categories that have a table, sorted."""
    names = sorted(set(db.table_names()) - {"qc_keys"})
    return [name.removeprefix(PREFIX) for name in names if name.startswith(PREFIX)]


def columns(db: Database, category: str) -> list[str]:
    """Columns of a category's table; empty where there is none."""
    table = db.table(table_name(category))
    return [column.name for column in table.columns] if table.exists() else []


def read(db: Database, category: str, names: Sequence[str] | None = None) -> list[tuple[Any, ...]]:
    """Rows of a category's table, by date, product and HDU.

    Parameters
    ----------
    db : Database
        The project's.
    category : str
        One of `categories`.
    names : sequence of str, optional
        Columns to read; default: all, as of `columns`.
    """
    listed = "*" if names is None else ", ".join(f'"{name}"' for name in names)
    rows = db.table(table_name(category)).rows_where(
        select=listed, order_by="DATE_OBS, task, product, hdu"
    )
    return [tuple(row.values()) for row in rows]


def count(db: Database, category: str) -> tuple[int, int]:
    """Products and rows of a category's table."""
    (found,) = db.query(
        "SELECT COUNT(DISTINCT key || '/' || product) AS products, COUNT(*) AS rows "
        f'FROM "{table_name(category)}"'
    )
    return int(found["products"]), int(found["rows"])
