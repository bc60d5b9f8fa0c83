"""What quality control asks of an invocation's products; a worker and the engine both ask."""

from __future__ import annotations

from musebuild.cache.model import Manifest
from musebuild.cache.store import Store
from musebuild.index import qc


def made_of(manifest: Manifest, store: Store) -> qc.Made:
    """What quality control asks of a manifest."""
    return qc.Made(
        key=manifest.key,
        task=manifest.task,
        made=manifest.made,
        products=tuple((p.category, p.name, store.text_path(p.object)) for p in manifest.products),
    )
