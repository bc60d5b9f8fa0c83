"""How large the store is, what it saved, and why it could not."""

from __future__ import annotations

import contextlib
import stat
from collections.abc import Mapping
from dataclasses import dataclass

from musebuild.cache.ledger import Ledger
from musebuild.cache.store import Store

RAN = "ran"
"""Outcome of an invocation that the store did not have."""


@dataclass(frozen=True, slots=True)
class RecipeStats:
    """What the store holds of one recipe."""

    recipe: str
    manifests: int
    product_bytes: int
    seconds: float
    """Spent on all that it made."""
    peak_memory: int
    """The largest, in bytes."""


@dataclass(frozen=True, slots=True)
class Stats:
    """The store and the history of a project in numbers."""

    manifests: int
    objects: int
    object_bytes: int
    named_bytes: int
    """Of all products of all manifests: what they would take if none shared its bytes."""
    unused_objects: int
    """That no manifest names: of an invocation that runs just now, or that never ended."""
    unused_bytes: int
    recipes: tuple[RecipeStats, ...]
    outcomes: Mapping[str, int]
    """Outcome (`ran`, `restored`, `failed`, `not run`, `up to date`) → how often. A build that has
    nothing at all to do writes nothing, and is not counted."""
    misses: Mapping[str, int]
    """Why something ran (`absent`, `object damaged`, …) → how often."""
    seconds_spent: float
    """In recipes that ran."""
    seconds_saved: float
    """That recipes would have taken to make what was restored."""


def measure(store: Store, ledger: Ledger) -> Stats:
    """Measure the writable store, and the history of a project over it."""
    manifests = store.manifests()
    sizes: dict[str, int] = {}
    for name, path in store.object_files():
        with contextlib.suppress(OSError):
            status = path.lstat()
            if stat.S_ISREG(status.st_mode):
                sizes[name] = status.st_size
    used = {product.object for manifest in manifests for product in manifest.products}
    unused = sizes.keys() - used - {manifest.log for manifest in manifests}
    recipes: dict[str, RecipeStats] = {}
    for manifest in manifests:
        name = str(manifest.preimage.get("recipe", ""))
        before = recipes.get(name, RecipeStats(name, 0, 0, 0.0, 0))
        recipes[name] = RecipeStats(
            name,
            before.manifests + 1,
            before.product_bytes + sum(product.size for product in manifest.products),
            before.seconds + manifest.seconds,
            max(before.peak_memory, manifest.peak_memory),
        )
    outcomes: dict[str, int] = {}
    misses: dict[str, int] = {}
    spent = 0.0
    for outcome, reason, count, seconds in ledger.outcomes():
        outcomes[outcome] = outcomes.get(outcome, 0) + count
        if outcome == RAN:
            misses[reason] = misses.get(reason, 0) + count
            spent += seconds
    if found := ledger.up_to_date():
        outcomes["up to date"] = found
    return Stats(
        manifests=len(manifests),
        objects=len(sizes),
        object_bytes=sum(sizes.values()),
        named_bytes=sum(recipe.product_bytes for recipe in recipes.values()),
        unused_objects=len(unused),
        unused_bytes=sum(sizes[name] for name in unused),
        recipes=tuple(recipes[name] for name in sorted(recipes)),
        outcomes=outcomes,
        misses=misses,
        seconds_spent=spent,
        seconds_saved=ledger.saved_seconds(),
    )
