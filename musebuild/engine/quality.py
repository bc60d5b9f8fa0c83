"""Keeps the tables of quality control true while a build goes on."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from types import MappingProxyType

from musebuild.cache.model import Manifest
from musebuild.cache.store import Store
from musebuild.errors import FrameError
from musebuild.index import qa, qc
from musebuild.index.columns import moment_of, night_of
from musebuild.index.database import Connection, columns_of
from musebuild.index.model import QA_REDUCED, Condition
from musebuild.index.selectable import OF_EXPOSURE
from musebuild.index.selection import Rows, fulfilling
from musebuild.plan.model import Candidate, Choosing
from musebuild.plan.selecting import Members, members
from musebuild.settings.nearest import did_you_mean
from musebuild.workers.parameters import made_of

CHUNK = 200
"""Invocations whose rows are written at once: all those of a large store fill the memory."""


def measurable(
    task: str, manifest: Manifest, store: Store, names: Callable[[str], str]
) -> Iterator[qa.Measurable]:
    """Products of an invocation on which something is measured, each with its exposure.

    Parameters
    ----------
    task : str
        The invocation: `muse_scipost:2017-06-16T01:34:56.867`.
    manifest : Manifest
        What it made.
    store : Store
        Where that lies.
    names : callable
        DATE-OBS → name of the exposure.
    """
    block, _, label = task.partition(":")
    for product in manifest.products:
        if product.category not in qa.BY_CATEGORY:
            continue
        path = store.path(product.object)
        exposure = qa.exposure_of(product.category, label, path, names)
        if exposure:
            yield qa.Measurable(exposure, block, product.category, product.digest, path)


def choose_members(
    choosing: Choosing,
    manifests: Mapping[str, Manifest],
    store: Store,
    measurements: qa.Measurements,
) -> Members:
    """Which candidates a combination takes.

    Parameters
    ----------
    choosing : Choosing
        The candidates, and what is asked of them.
    manifests : mapping
        Invocation → what it made; of all that the candidates are measured on.
    store : Store
        Where the products lie.
    measurements : Measurements
        What was measured on products before.
    """
    values: dict[str, qa.Row] = {}
    held: list[frozenset[str]] = []
    tables = _Tables(manifests, store, measurements)
    try:
        for clause in choosing.clauses:
            fulfilled: set[str] = set()
            for condition in clause.conditions:
                rows = {one.exposure: tables.rows(condition, one) for one in choosing.candidates}
                unknown = tables.unknown(condition, rows)
                if unknown:
                    return Members(problem=f"{choosing.told} cannot choose: {unknown}")
                fulfilled |= fulfilling(condition, rows)
                for exposure, some in rows.items():
                    values[exposure] = summary(condition, some) | values.get(exposure, {})
            held.append(frozenset(fulfilled))
    except FrameError as error:
        return Members(problem=f"nothing can be measured: {error.what} ({error.why})")
    except sqlite3.Error as error:
        return Members(problem=f"the condition of {choosing.told} fails: {error}")
    return members(choosing, held, values)


def summary(condition: Condition, rows: Sequence[qa.Row]) -> qa.Row:
    """One value for each column of a condition, for people: the only one, or from which to which.

    Parameters
    ----------
    condition : Condition
        Names the columns.
    rows : sequence of Row
        Of one exposure.
    """
    found: qa.Row = {}
    for column in condition.columns:
        folded = column.casefold()
        every = [v for row in rows for n, v in row.items() if n.casefold() == folded]
        there = [value for value in dict.fromkeys(every) if value is not None]
        if len(there) < 2:
            found[column] = there[0] if there else None
        elif all(isinstance(value, int | float) for value in there):
            found[column] = f"{min(there):.6g} to {max(there):.6g}"
        else:
            found[column] = ", ".join(map(str, there))
    return found


class _Tables:
    """Rows of the tables that a build fills, for candidates that are all made."""

    def __init__(
        self, manifests: Mapping[str, Manifest], store: Store, measurements: qa.Measurements
    ) -> None:
        self._manifests = manifests
        self._store = store
        self._measurements = measurements

    def rows(self, condition: Condition, candidate: Candidate) -> list[qa.Row]:
        """Rows of the table of a condition that are about a candidate."""
        if condition.table == QA_REDUCED:
            return [self._measured(condition, candidate)]
        if condition.of_all:
            return self._made(candidate)
        connection = self._measurements.connection
        (category,) = condition.categories
        return [
            row
            for name, of in candidate.measured
            if of == category
            for row in qc.parameters_in(
                connection,
                category,
                made_of(self._manifests[name], self._store),
                condition.columns,
            )
        ]

    def unknown(self, condition: Condition, rows: Rows) -> str:
        """What is said of a parameter that no product has; of others a value may be missing."""
        if not condition.table.startswith(qc.PREFIX):
            return ""
        names = columns_of(self._measurements.connection, condition.table)
        names += [name for some in rows.values() for one in some for name in one]
        known = {name.casefold(): name for name in names}
        for column in condition.columns:
            if known and column.casefold() not in known:
                near = did_you_mean(column, list(known.values()))
                return f"the table {condition.table} has no column {column}{near and '; '}{near}"
        return ""

    def _measured(self, condition: Condition, candidate: Candidate) -> qa.Row:
        moment = moment_of({"DATE-OBS": candidate.exposure})
        row: qa.Row = {
            "name": candidate.exposure,
            "night": night_of(moment).isoformat() if moment else None,
        }
        names = self._measurements.name_of
        for name, category in candidate.measured:
            if category not in condition.categories:
                continue
            for product in measurable(name, self._manifests[name], self._store, names):
                if (product.category, product.name) == (category, candidate.exposure):
                    row |= self._measurements.of(product)
        return row

    def _made(self, candidate: Candidate) -> list[qa.Row]:
        """A row for each product of the exposure, as in MuseRed's table `reduced`."""
        listed = ", ".join(f'"{name}"' for name in OF_EXPOSURE)
        header = self._measurements.connection.execute(
            f"SELECT {listed} FROM raw WHERE name = ? AND is_raw = 1", [candidate.exposure]
        ).fetchone()
        of_exposure: qa.Row = dict(zip(OF_EXPOSURE, header or (), strict=False))
        rows = []
        for name in dict.fromkeys(name for name, _ in candidate.measured):
            manifest = self._manifests[name]
            for product in manifest.products:
                made = {
                    "recipe_name": name.partition(":")[0],
                    "DPR_TYPE": product.category,
                    "filename": product.name,
                    "date_run": manifest.made,
                    "runtime": manifest.seconds,
                    "nbwarn": len(manifest.warnings),
                }
                rows.append(of_exposure | made)
        return rows


class QualityTables:
    """Puts parameters of products into the tables, once for each key.

    Parameters
    ----------
    connection : Connection
        The project's.
    store : Store
        Where the products lie.
    measurements : Measurements, optional
        What was measured on products, shared with who asks for it.
    """

    def __init__(
        self, connection: Connection, store: Store, measurements: qa.Measurements | None = None
    ) -> None:
        self._connection = connection
        self._store = store
        self._known = qc.known_keys(connection)
        self.measurements = measurements or qa.Measurements(connection)

    def record(
        self,
        made: Iterable[tuple[str, Manifest]],
        known: Mapping[str, qc.Found] = MappingProxyType({}),
    ) -> int:
        """Take in what was made, restored or found up to date; rows of parameters written.

        Parameters
        ----------
        made : iterable of (str, Manifest)
            Invocation, and what it made.
        known : mapping, optional
            Key → parameters that the worker read.
        """
        pairs = list(made)
        self.measurements.record(
            product
            for task, manifest in pairs
            for product in measurable(task, manifest, self._store, self.measurements.name_of)
        )
        fresh = {m.key: m for _, m in pairs if m.key not in self._known}
        if not fresh:
            return 0
        every = [made_of(manifest, self._store) for manifest in fresh.values()]
        number = 0
        for start in range(0, len(every), CHUNK):
            number += qc.record(self._connection, every[start : start + CHUNK], known)
        self._known |= fresh.keys()
        return number


def rebuild(connection: Connection, store: Store) -> int:
    """Make the tables anew from the store alone; rows written."""
    qc.clear(connection.db)
    qa.clear_reduced(connection)
    # Of what was made several times the newest counts, until a build finds what is current.
    manifests = sorted(store.manifests(), key=lambda manifest: manifest.made)
    return QualityTables(connection, store).record(
        (manifest.task, manifest) for manifest in manifests
    )
