"""A small store with something in it, made the way a worker and a driver make it."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path

from musebuild.cache.keys import key_of, make_preimage
from musebuild.cache.ledger import Ledger
from musebuild.cache.migrations import CACHE_MIGRATIONS
from musebuild.cache.model import Manifest, Product
from musebuild.cache.reduced import PlaceReport, ReducedTree
from musebuild.cache.store import Store, hash_file
from musebuild.index.database import open_database

CONTENTS = {"MASTER_BIAS-01.fits": b"a master bias " * 300, "QC-01.fits": b"quality " * 10}
TASK = "muse_bias:2017-06-15:01"
FOLDER = "BIAS/2017-06-15"


def preimage_of(level: int = 1) -> dict[str, object]:
    """A preimage; other levels have other keys."""
    return make_preimage(
        recipe="muse_bias", version="2.8.7", params={"nifu": level}, inputs=[("BIAS", "ab" * 32)]
    )


def run(
    store: Store, contents: Mapping[str, bytes] | None = None, level: int = 1, log: str = "done\n"
) -> Manifest:
    """Make products in a scratch folder, and put them, the log and the manifest into the store."""
    contents = CONTENTS if contents is None else contents
    scratch = store.scratch(TASK)
    try:
        return _run_in(scratch, store, contents, level, log)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _run_in(
    scratch: Path, store: Store, contents: Mapping[str, bytes], level: int, log: str
) -> Manifest:
    products = []
    for name, content in contents.items():
        path = scratch / name
        path.write_bytes(content)
        size, digest = path.stat().st_size, hash_file(path)
        products.append(Product("MASTER_BIAS", name, store.put(path), digest, size))
    (scratch / "recipe.log").write_text(log)
    preimage = preimage_of(level)
    manifest = Manifest(
        key=key_of(preimage),
        preimage=preimage,
        products=tuple(products),
        log=store.put(scratch / "recipe.log"),
        task=TASK,
        made=f"2026-01-01T00:00:{level:02d}+00:00",
        seconds=10.0 * level,
        cpu_seconds=9.0,
        peak_memory=1000 * level,
        input_bytes=100,
        warnings=("a warning",),
        host="here",
    )
    store.write_manifest(manifest)
    return manifest


def open_ledger(path: Path) -> Ledger:
    """A ledger of its own file."""
    return Ledger(open_database(path, CACHE_MIGRATIONS))


def memory_ledger() -> Ledger:
    """A ledger that is gone with the test."""
    return Ledger(open_database(Path(":memory:"), CACHE_MIGRATIONS))


def place_in(tree: ReducedTree, manifest: Manifest, folder: str = FOLDER) -> PlaceReport:
    """Put the products of a manifest into the reduced tree."""
    return tree.place(
        folder,
        manifest,
        task=TASK,
        sidecar_name="muse_bias.json",
        sidecar={"recipe": "muse_bias", "key": manifest.key},
    )


def objects_of(store: Store) -> dict[str, bytes]:
    """All that lies among the objects: name → bytes."""
    return {name: path.read_bytes() for name, path in store.object_files()}
