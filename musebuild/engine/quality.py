"""Keeps the tables of quality control true while a build goes on."""

from __future__ import annotations

from collections.abc import Iterable

from sqlite_utils import Database

from musebuild.cache.model import Manifest
from musebuild.cache.store import Store
from musebuild.index import qc

CHUNK = 200
"""Invocations whose rows are written at once: all those of a large store fill the memory."""


def _made(manifest: Manifest, store: Store) -> qc.Made:
    return qc.Made(
        key=manifest.key,
        task=manifest.task,
        made=manifest.made,
        products=tuple((p.category, p.name, store.path(p.object)) for p in manifest.products),
    )


class QualityTables:
    """Puts parameters of products into the tables, once for each key.

    Parameters
    ----------
    db : Database
        The project's.
    store : Store
        Where the products lie.
    """

    def __init__(self, db: Database, store: Store) -> None:
        self._db = db
        self._store = store
        self._known = qc.known_keys(db)

    def record(self, manifests: Iterable[Manifest]) -> int:
        """Take in what was made, restored or found up to date; rows written."""
        fresh = {m.key: m for m in manifests if m.key not in self._known}
        if not fresh:
            return 0
        every = [_made(manifest, self._store) for manifest in fresh.values()]
        number = 0
        for start in range(0, len(every), CHUNK):
            number += qc.record(self._db, every[start : start + CHUNK])
        self._known |= fresh.keys()
        return number


def rebuild(db: Database, store: Store) -> int:
    """Make the tables anew from the store alone; rows written."""
    qc.clear(db)
    return QualityTables(db, store).record(store.manifests())
