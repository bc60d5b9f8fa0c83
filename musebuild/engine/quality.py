"""Keeps the tables of quality control true while a build goes on."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping
from types import MappingProxyType

from musebuild.cache.model import Manifest
from musebuild.cache.store import Store
from musebuild.errors import FrameError
from musebuild.index import qa, qc
from musebuild.index.columns import moment_of, night_of
from musebuild.index.database import Connection
from musebuild.index.selection import fulfilling
from musebuild.plan.model import Choosing
from musebuild.plan.selecting import Members, members
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
    try:
        for candidate in choosing.candidates:
            row = values[candidate.exposure] = {}
            moment = moment_of({"DATE-OBS": candidate.exposure})
            row["night"] = night_of(moment).isoformat() if moment else None
            for name, category in candidate.measured:
                for product in measurable(name, manifests[name], store, measurements.name_of):
                    if (product.category, product.name) == (category, candidate.exposure):
                        row |= measurements.of(product)
        held = [
            fulfilling(clause.condition, values) if clause.condition else frozenset[str]()
            for clause in choosing.clauses
        ]
    except FrameError as error:
        return Members(problem=f"nothing can be measured: {error.what} ({error.why})")
    except sqlite3.Error as error:
        return Members(problem=f"the condition of {choosing.told} fails: {error}")
    return members(choosing, held, values)


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
