"""Selections of exposures by conditions on tables of the index."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from typing import Any

from musebuild.index import qa
from musebuild.index.database import columns_of
from musebuild.index.model import Condition, Selected
from musebuild.settings.conditions import ConditionError, guarded, make_condition
from musebuild.settings.model import Settings

NAMES: Mapping[str, str] = {"raw": "name", "qa_raw": "name", "flags": "exposure"}
"""Table → its column with the name of the exposure."""
LATER = "qa_reduced"
"""The table that fills while a build goes on: what it selects is known when exposures are made."""


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
        chosen = {key: _selected(connection, tables) for key, tables in given.items() if tables}
        if chosen:
            found[name] = chosen
    return found


def _selected(connection: sqlite3.Connection, tables: Mapping[str, Any]) -> Selected:
    """Exposures for which the condition on any of the tables holds."""
    exposures: set[str] = set()
    later: Condition | None = None
    for table, given in tables.items():
        column = NAMES.get(table)
        if column is None and table != LATER:
            return Selected(
                problem=f"there is no table {table} to select from",
                remedy=f"use a condition on {', '.join(NAMES)} or {LATER}",
            )
        try:
            if table == LATER:
                later = _later(given)
                continue
            known = columns_of(connection, table)
            condition = make_condition(given, table, known)
            empty = sorted(condition.columns & set(qa.RECONSTRUCTED)) if table == "qa_raw" else ()
            if empty:
                return Selected(
                    problem=f"nothing fills {', '.join(empty)} of qa_raw: musebuild does not "
                    "reconstruct the PSF from SPARTA yet",
                    remedy="select by SP_See, TEL_AMBI_FWHM_START or another width of qa_raw",
                )
            with guarded(connection, [table]):
                exposures.update(
                    str(row[0])
                    for row in connection.execute(
                        f'SELECT DISTINCT "{column}" FROM "{table}" WHERE (\n{condition.sql}\n)',
                        condition.parameters,
                    ).fetchall()
                    if row[0] is not None
                )
        except ConditionError as error:
            near = f"; did you mean {' or '.join(error.near)}?" if error.near else ""
            return Selected(
                problem=f"{error.message}{near}",
                remedy=f"correct the condition on {table}; `musebuild check` shows its place",
            )
        except sqlite3.Error as error:
            return Selected(
                problem=f"the condition on {table} fails: {error}",
                remedy=f"correct the condition on {table}",
            )
    return Selected(frozenset(exposures), later)


def _later(given: Any) -> Condition:
    made = make_condition(given, LATER, qa.SELECTABLE)
    categories = (group.category for group in qa.GROUPS if made.columns & set(group.columns))
    columns = tuple(sorted(made.columns))
    # One that fails on values of any kind is told of now, not when all exposures are made.
    condition = Condition(LATER, made.sql, made.parameters, columns, tuple(categories))
    fulfilling(condition, {})
    return condition


def fulfilling(condition: Condition, rows: Mapping[str, Mapping[str, Any]]) -> frozenset[str]:
    """Exposures for which a condition holds, from plain values.

    Parameters
    ----------
    condition : Condition
        On columns of `musebuild.index.qa.SELECTABLE`.
    rows : mapping
        Exposure → column → value; what is missing is NULL.

    Raises
    ------
    sqlite3.Error
        It fails on these values (an overflow).
    """
    names = qa.SELECTABLE
    connection = sqlite3.connect(":memory:")
    try:
        kinds = ", ".join(f'"{name}" {qa.REDUCED_COLUMNS[name]}' for name in names)
        connection.execute(f"CREATE TABLE {condition.table} ({kinds})")
        connection.executemany(
            f"INSERT INTO {condition.table} VALUES ({', '.join('?' * len(names))})",
            [
                tuple(({"name": exposure} | dict(row)).get(name) for name in names)
                for exposure, row in rows.items()
            ],
        )
        with guarded(connection, [condition.table]):
            found = connection.execute(
                f"SELECT name FROM {condition.table} WHERE (\n{condition.sql}\n)",
                condition.parameters,
            ).fetchall()
    finally:
        connection.close()
    return frozenset(str(name) for (name,) in found)
