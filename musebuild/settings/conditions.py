"""SQL conditions of the settings: only a condition on one table, which can read nothing else.

`names_with_selection`, `select` and the like hold the text that stands after WHERE. It is compiled
against an empty table in memory, under an authorizer that allows columns of that table and a few
pure functions and nothing else: no other table, no subquery, no second statement.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from musebuild.settings.nearest import nearest

LONGEST = 10_000
"""Characters of a condition; people write a few hundred."""
DEEPEST = 50
"""Parentheses within each other."""

_ALLOWED = """
abs acos asin atan atan2 ceil ceiling coalesce cos date datetime degrees exp floor glob hex ifnull
iif instr julianday length like ln log log10 log2 lower ltrim max min mod nullif pi pow power
radians round rtrim sign sin sqrt strftime substr substring tan time trim trunc typeof unicode
upper unixepoch
"""
FUNCTIONS = frozenset(_ALLOWED.split())
"""SQL functions that depend on their arguments alone and cannot fill the memory."""

_TOKEN = re.compile(
    r"""'(?:[^']|'')*'|"(?:[^"]|"")*"|`(?:[^`]|``)*`|\[[^\]]*\]|--|/\*|\w+|[\s\S]"""
)
_NO_TABLE = "no such table: "
_MISSING = re.compile(r"no such column: (.+)")
_WORD = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


class ConditionError(ValueError):
    """A condition cannot be used.

    Parameters
    ----------
    message : str
        What is wrong with it.
    allowed : str
        What would be.
    near : tuple of str
        Valid names that come near to one that is not.
    """

    def __init__(self, message: str, *, allowed: str = "", near: tuple[str, ...] = ()) -> None:
        super().__init__(message)
        self.message = message
        self.allowed = allowed
        self.near = near


@dataclass(frozen=True, slots=True)
class SqlCondition:
    """A condition on one table, checked."""

    table: str
    sql: str
    """What may stand after WHERE."""
    parameters: tuple[Any, ...] = ()
    """Values of its question marks."""
    columns: frozenset[str] = frozenset()
    """Columns that it reads, as the table spells them."""


def authorizer(tables: Iterable[str]) -> Callable[..., int]:
    """An SQLite authorizer under which a query can read some tables, and nothing else.

    Parameters
    ----------
    tables : iterable of str
        Their names.

    Returns
    -------
    callable
        For `sqlite3.Connection.set_authorizer`.
    """
    known = {name.casefold() for name in tables}

    def allow(action: int, first: str | None, second: str | None, *_: str | None) -> int:
        match action:
            case sqlite3.SQLITE_SELECT:
                return sqlite3.SQLITE_OK
            case sqlite3.SQLITE_READ if (first or "").casefold() in known:
                return sqlite3.SQLITE_OK
            case sqlite3.SQLITE_FUNCTION if (second or "").casefold() in FUNCTIONS:
                return sqlite3.SQLITE_OK
        return sqlite3.SQLITE_DENY

    return allow


@contextmanager
def guarded(connection: sqlite3.Connection, tables: Iterable[str]) -> Iterator[None]:
    """Let a connection read some tables only, for as long as a condition runs on it.

    Parameters
    ----------
    connection : sqlite3.Connection
        Rows of a query must be fetched before the guard ends.
    tables : iterable of str
        What may be read.
    """
    connection.set_authorizer(authorizer(tables))
    try:
        yield
    finally:
        connection.set_authorizer(None)


def check_condition(text: str, table: str, columns: Iterable[str] | None = None) -> SqlCondition:
    """A condition as people write it after WHERE.

    Parameters
    ----------
    text : str
        Such as `seeing < 0.9 AND night LIKE '2017-06-%'`.
    table : str
        The table that it is about.
    columns : iterable of str, optional
        Columns of the table; None: not known, any name is one.

    Returns
    -------
    SqlCondition

    Raises
    ------
    ConditionError
        It is no condition, reads more than the table, or names a column that there is not.
    """
    return _checked(text, table, None if columns is None else tuple(columns))


@lru_cache(maxsize=1000)
def _checked(text: str, table: str, columns: tuple[str, ...] | None) -> SqlCondition:
    """The same; a condition that many blocks share is compiled once."""
    _check_form(text)
    known = None if columns is None else {name.casefold(): name for name in columns}
    names: dict[str, str] = {}
    while True:
        try:
            read = _compile(text, table, known.values() if known else names.values())
        except _NoSuchColumn as error:
            name = error.name
            if known is not None or name.casefold() in names:
                raise ConditionError(
                    f"the table {table} has no column {name}",
                    allowed=", ".join(known.values()) if known else "",
                    near=tuple(nearest(name, known.values())) if known else (),
                ) from None
            names[name.casefold()] = name
            continue
        return SqlCondition(table, text.strip(), columns=frozenset(read))


def column_condition(
    wanted: Mapping[str, Any], table: str, columns: Iterable[str] | None = None
) -> SqlCondition:
    """A condition from columns with a value, or with a list of values of which one must match.

    Parameters
    ----------
    wanted : mapping
        Column → value or list of values; None stands for no value.
    table : str
        The table.
    columns : iterable of str, optional
        Columns of the table; None: not known, any name is one.

    Raises
    ------
    ConditionError
        A name is no column.
    """
    known = None if columns is None else list(columns)
    parts, values = [], []
    for column, value in wanted.items():
        if not _WORD.fullmatch(column) or (known is not None and column not in known):
            raise ConditionError(
                f"the table {table} has no column {column}",
                allowed=", ".join(known or ()),
                near=tuple(nearest(column, known or ())),
            )
        items = list(value) if isinstance(value, list | tuple) else [value]
        given = [item for item in items if item is not None]
        either = [f'"{column}" IN ({", ".join("?" * len(given))})'] if given else []
        if len(given) < len(items):
            either.append(f'"{column}" IS NULL')
        parts.append(f"({' OR '.join(either) or '0'})")
        values += given
    return SqlCondition(table, " AND ".join(parts) or "1", tuple(values), frozenset(wanted))


def make_condition(
    given: str | Mapping[str, Any], table: str, columns: Iterable[str] | None = None
) -> SqlCondition:
    """The condition of a selection: an SQL text, or columns with values.

    Parameters
    ----------
    given : str or mapping
        As under `names_with_selection: {NAME: {TABLE: …}}`.
    table : str
        The table.
    columns : iterable of str, optional
        Its columns, where they are known.

    Raises
    ------
    ConditionError
        It cannot be used.
    """
    if isinstance(given, str):
        return check_condition(given, table, columns)
    return column_condition(given, table, columns)


class _NoSuchColumn(Exception):  # noqa: N818
    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.name = name


def _check_form(text: str) -> None:
    """What can be told from the text alone: it stays inside its own parentheses."""
    if not text.strip():
        raise ConditionError("the condition is empty", allowed="what stands after WHERE in SQL")
    if len(text) > LONGEST:
        raise ConditionError(f"the condition has more than {LONGEST} characters")
    depth = 0
    for token in _TOKEN.findall(text):
        if token in ("'", '"', "`", "["):
            raise ConditionError(f"a quote {token} in the condition is not closed")
        if token in ("--", "/*"):
            raise ConditionError(
                "a comment in the condition", allowed="a condition only; comments go into the file"
            )
        if token in (";", "\0"):
            raise ConditionError("a second statement in the condition", allowed="a condition only")
        if token in ("?", "@", "$") or (token == ":" and depth >= 0):
            raise ConditionError(
                f"{token} stands for no value here", allowed="values as they are, texts in '…'"
            )
        depth += {"(": 1, ")": -1}.get(token, 0)
        if depth < 0:
            raise ConditionError("a parenthesis in the condition is closed and was never opened")
        if depth > DEEPEST:
            raise ConditionError(f"more than {DEEPEST} parentheses within each other")
    if depth:
        raise ConditionError("a parenthesis in the condition is not closed")


def _compile(text: str, table: str, columns: Iterable[str]) -> set[str]:
    """Compile a condition against an empty table; the columns that it reads."""
    read: set[str] = set()
    refused: list[str] = []
    selects = 0
    guard = authorizer([table])

    def watch(action: int, first: str | None, second: str | None, *more: str | None) -> int:
        nonlocal selects
        if action == sqlite3.SQLITE_SELECT:
            selects += 1
        if action == sqlite3.SQLITE_READ and second:
            read.add(second)
        verdict = guard(action, first, second, *more)
        if verdict != sqlite3.SQLITE_OK:
            refused.append(
                f"the function {second}" if action == sqlite3.SQLITE_FUNCTION else f"{first}"
            )
        return verdict

    connection = sqlite3.connect(":memory:")
    try:
        made = ", ".join(_quoted(name) for name in dict.fromkeys(columns)) or '"musebuild none"'
        connection.execute(f"CREATE TABLE {_quoted(table)} ({made})")
        connection.set_authorizer(watch)
        connection.execute(f"SELECT 1 FROM {_quoted(table)} WHERE (\n{text}\n)")
    except (sqlite3.Error, sqlite3.Warning, ValueError) as error:
        if refused:
            if refused[0].startswith("the function"):
                raise ConditionError(
                    f"{refused[0]} cannot be used in a condition",
                    allowed=", ".join(sorted(FUNCTIONS)),
                ) from None
            raise ConditionError(
                f"the condition reads {refused[0]}",
                allowed=f"columns of the table {table} only, and nothing is written",
            ) from None
        if str(error).startswith(_NO_TABLE):
            raise ConditionError(
                f"the condition reads {str(error).removeprefix(_NO_TABLE)}",
                allowed=f"columns of the table {table} only",
            ) from None
        missing = _MISSING.fullmatch(str(error))
        if missing:
            raise _NoSuchColumn(missing[1].rpartition(".")[2]) from None
        raise ConditionError(
            f"this is no SQL condition: {error}",
            allowed="what stands after WHERE, such as EXPTIME > 100 AND night = '2017-06-15'",
        ) from None
    finally:
        connection.close()
    if selects != 1:
        raise ConditionError(
            "a query within the condition", allowed=f"columns of the table {table} only"
        )
    return read


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
