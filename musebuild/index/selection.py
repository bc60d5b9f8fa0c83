"""Selections of exposures by conditions on tables of the index."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence
from typing import Any

from musebuild.index import qa, qc
from musebuild.index.flags import FIELDS
from musebuild.index.model import QA_REDUCED, Condition, Selected
from musebuild.index.selectable import (
    FLAGS,
    REDUCED,
    Table,
    condition_on,
    is_later,
    table_names,
    table_of,
)
from musebuild.index.soundness import says_damage
from musebuild.settings.conditions import ConditionError, SqlCondition, guarded
from musebuild.settings.model import Settings
from musebuild.settings.nearest import did_you_mean

Rows = Mapping[str, Sequence[Mapping[str, Any]]]
"""Exposure → its rows of a table."""
EXPOSURE = "the exposure"
"""Column of a table in memory: no condition can name it."""


def select_exposures(
    connection: sqlite3.Connection, settings: Settings
) -> dict[str, dict[str, Selected]]:
    """What each selection of the settings selects, as plain data for the plan.

    Parameters
    ----------
    connection : sqlite3.Connection
        After a scan.
    settings : Settings
        With `select` and `names_with_selection` of its blocks.

    Returns
    -------
    dict
        Block → name of the selection (empty: that of `select`) → exposures. A selection that
        cannot be made says why; it selects none.
    """
    found: dict[str, dict[str, Selected]] = {}
    for name, block in settings.blocks.items():
        if not block.enabled:
            continue
        given = {"": block.extra.get("select"), **(block.extra.get("names_with_selection") or {})}
        chosen = {
            key: _selected(connection, settings, tables) for key, tables in given.items() if tables
        }
        if chosen:
            found[name] = chosen
    return found


def _selected(
    connection: sqlite3.Connection, settings: Settings, tables: Mapping[str, Any]
) -> Selected:
    """Exposures for which the condition on any of the tables holds."""
    exposures: set[str] = set()
    later: list[Condition] = []
    for table, given in tables.items():
        known = table_of(table)
        if known is None and not is_later(table):
            names = table_names()
            near = did_you_mean(table, names)
            return Selected(
                problem=f"there is no table {table} to select from{near and '; '}{near}",
                remedy=f"use a condition on {', '.join(names)} or qc_CATEGORY",
            )
        try:
            condition = condition_on(given, table, settings)
            if known is None:
                later.append(_later(condition))
                continue
            empty = sorted(condition.columns & set(qa.RECONSTRUCTED)) if table == "qa_raw" else ()
            if empty:
                return Selected(
                    problem=f"nothing fills {', '.join(empty)} of qa_raw: musebuild does not "
                    "reconstruct the PSF from SPARTA yet",
                    remedy="select by SP_See, TEL_AMBI_FWHM_START or another width of qa_raw",
                )
            exposures |= _asked(connection, known, condition)
        except ConditionError as error:
            near = f"; did you mean {' or '.join(error.near)}?" if error.near else ""
            return Selected(
                problem=f"{error.message}{near}",
                remedy=f"correct the condition on {table}; `musebuild check` shows its place",
            )
        except sqlite3.Error as error:
            if says_damage(error):
                raise
            return Selected(
                problem=f"the condition on {table} fails: {error}",
                remedy=f"correct the condition on {table}",
            )
    return Selected(frozenset(exposures), tuple(later))


def _asked(connection: sqlite3.Connection, table: Table, condition: SqlCondition) -> set[str]:
    """Exposures of a table of the database for which a condition holds."""
    name = condition.table
    place = table.place or (FLAGS if name.startswith(FLAGS) else name)
    if place == FLAGS and not {column.casefold() for column in condition.columns} <= {*FIELDS}:
        columns = tuple(sorted(condition.columns))
        made = Condition(name, condition.sql, condition.parameters, columns)
        return set(fulfilling(made, _flag_rows(connection)))
    with guarded(connection, [place, name, *table.reads]):
        rows = connection.execute(
            f'SELECT DISTINCT "{table.exposure}" FROM "{place}" AS "{name}" '
            f"WHERE (\n{condition.sql}\n)",
            condition.parameters,
        ).fetchall()
    return {str(row[0]) for row in rows if row[0] is not None}


def _flag_rows(connection: sqlite3.Connection) -> dict[str, list[dict[str, Any]]]:
    """Each flag of each exposure, beside the values of all flags of that exposure.

    An exposure that is not flagged has a row without values.
    """
    names = connection.execute("SELECT DISTINCT name FROM raw WHERE is_raw = 1").fetchall()
    found: dict[str, list[dict[str, Any]]] = {str(name): [] for (name,) in names}
    for row in connection.execute(f"SELECT {', '.join(FIELDS)} FROM flags"):
        said = dict(zip(FIELDS, row, strict=True))
        found.setdefault(said["exposure"], []).append(said)
    for exposure, rows in found.items():
        values = {said["flag"]: said["value"] for said in rows} | {"name": exposure}
        found[exposure] = [values | said for said in rows] or [values]
    return found


def _later(condition: SqlCondition) -> Condition:
    table, columns = condition.table, tuple(sorted(condition.columns))
    categories: tuple[str, ...] = ()
    if table == QA_REDUCED:
        measured = (g.category for g in qa.GROUPS if condition.columns & set(g.columns))
        categories = tuple(measured)
    elif table != REDUCED:
        categories = (table.removeprefix(qc.PREFIX),)
    # One that fails on values of any kind is told of now, not when all exposures are made.
    found = Condition(
        table, condition.sql, condition.parameters, columns, categories, table == REDUCED
    )
    fulfilling(found, {})
    return found


def fulfilling(condition: Condition, rows: Rows) -> frozenset[str]:
    """Exposures for which a condition holds in any of their rows, from plain values.

    Parameters
    ----------
    condition : Condition
        The condition.
    rows : mapping
        Exposure → rows: column (in any case) → value; what is missing is NULL.

    Raises
    ------
    sqlite3.Error
        It fails on these values (an overflow).
    """
    names = condition.columns
    folded = [name.casefold() for name in names]
    values = [
        (exposure, *(row.get(name) for name in folded))
        for exposure, some in rows.items()
        for row in ({key.casefold(): value for key, value in one.items()} for one in some)
    ]
    texts = [any(isinstance(row[at], str) for row in values) for at in range(1, len(names) + 1)]
    kinds = "".join(
        f', "{name}" {"TEXT" if text else "NUMERIC"}'
        for name, text in zip(names, texts, strict=True)
    )
    connection = sqlite3.connect(":memory:")
    try:
        connection.execute(f'CREATE TABLE "{condition.table}" ("{EXPOSURE}" TEXT{kinds})')
        connection.executemany(
            f'INSERT INTO "{condition.table}" VALUES (?{", ?" * len(names)})', values
        )
        with guarded(connection, [condition.table]):
            found = connection.execute(
                f'SELECT DISTINCT "{EXPOSURE}" FROM "{condition.table}" '
                f"WHERE (\n{condition.sql}\n)",
                condition.parameters,
            ).fetchall()
    finally:
        connection.close()
    return frozenset(str(name) for (name,) in found)
