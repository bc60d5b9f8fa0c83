"""Keeping a store in bounds: what may go, weighed by the time that it takes to come back."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from musebuild.cache.locks import KeyLock
from musebuild.cache.manifest import is_object
from musebuild.cache.model import Manifest
from musebuild.cache.store import Store

YOUNG = 3600
"""Seconds for which an object that no manifest names is left alone: a build may be about to
write its manifest."""


@dataclass(frozen=True, slots=True)
class StoredObject:
    """An object of the writable store."""

    name: str
    size: int
    links: int
    """Hard links; more than one: it lies in some reduced tree."""
    changed: float
    """Seconds since the epoch: when it was put there, linked or unlinked."""


@dataclass(frozen=True, slots=True)
class Drop:
    """A result that goes."""

    key: str
    task: str
    recipe: str
    seconds: float
    """That it takes to make it again."""
    bytes: int
    """That go with it."""


@dataclass(frozen=True, slots=True)
class Decision:
    """What goes, and what stays."""

    drops: tuple[Drop, ...]
    objects: tuple[str, ...]
    """All objects that go, unused ones included."""
    unused_bytes: int
    before: int
    after: int
    """Bytes of objects."""
    needed: int
    """Results of the plan, which stay whatever was asked for."""
    in_use: int
    """Results of which a product lies in some reduced tree."""

    @property
    def seconds(self) -> float:
        """Time that recipes take to bring all of it back."""
        return sum(drop.seconds for drop in self.drops)


def objects_of(manifest: Manifest) -> list[str]:
    """Objects that a manifest holds on to: products and the log, each once.

    Those that were dropped on purpose are none of them any more.
    """
    names = [product.object for product in manifest.kept]
    return list(dict.fromkeys([*names, manifest.log] if is_object(manifest.log) else names))


def stored_objects(store: Store) -> dict[str, StoredObject]:
    """All objects of the writable store."""
    found = {}
    for name, path in store.object_files():
        with contextlib.suppress(OSError):
            status = path.lstat()
            found[name] = StoredObject(name, status.st_size, status.st_nlink, status.st_ctime)
    return found


def decide(
    manifests: Iterable[Manifest],
    objects: Mapping[str, StoredObject],
    needed: Collection[str],
    *,
    max_size: int | None = None,
    keep_versions: int | None = None,
    now: float | None = None,
) -> Decision:
    """What goes. Pure.

    Results of the plan, and results of which a product lies in a reduced tree, stay. Of the
    others, `keep_versions` drops all but the newest of each task; `max_size` drops until the
    store is small enough, first what brings the most bytes for the least time of recipes.
    Without either, only objects go that no manifest names.

    Parameters
    ----------
    manifests : iterable of Manifest
        All of the writable store.
    objects : mapping
        Name → object of the writable store.
    needed : collection of str
        Keys of the plan.
    max_size : int, optional
        Bytes.
    keep_versions : int, optional
        Results of each task that stay, those of the plan counted in.
    now : float, optional
        Seconds since the epoch.
    """
    now = time.time() if now is None else now
    held = list(manifests)
    users: dict[str, int] = {}
    for manifest in held:
        for name in objects_of(manifest):
            users[name] = users.get(name, 0) + 1
    unused = [
        o.name
        for o in objects.values()
        if o.name not in users and o.links == 1 and now - o.changed > YOUNG
    ]
    unused_bytes = sum(objects[name].size for name in unused)
    before = sum(o.size for o in objects.values())
    size = before - unused_bytes
    gone = list(unused)
    drops: list[Drop] = []

    def freed(manifest: Manifest) -> int:
        names = [name for name in objects_of(manifest) if users[name] == 1 and name in objects]
        return sum(objects[name].size for name in names)

    def drop(manifest: Manifest) -> None:
        nonlocal size
        loses = freed(manifest)
        for name in objects_of(manifest):
            users[name] -= 1
            if users[name] == 0 and name in objects:
                gone.append(name)
        size -= loses
        recipe = str(manifest.preimage.get("recipe", ""))
        drops.append(Drop(manifest.key, manifest.task, recipe, manifest.seconds, loses))

    def lies_somewhere(manifest: Manifest) -> bool:
        named = [product.object for product in manifest.products]
        return any(name in objects and objects[name].links > 1 for name in named)

    free = [m for m in held if m.key not in needed]
    in_use = [m for m in free if lies_somewhere(m)]
    used_keys = {m.key for m in in_use}
    candidates = [m for m in free if m.key not in used_keys]
    if keep_versions is not None:
        of_task: dict[str, list[Manifest]] = {}
        for manifest in held:
            of_task.setdefault(manifest.task, []).append(manifest)
        for versions in of_task.values():
            versions.sort(key=lambda m: (m.key in needed, m.made), reverse=True)
            for manifest in versions[keep_versions:]:
                if manifest in candidates:
                    candidates.remove(manifest)
                    drop(manifest)
    if max_size is not None:
        candidates.sort(key=lambda m: (m.seconds / max(freed(m), 1), m.made))
        for manifest in candidates:
            if size <= max_size:
                break
            drop(manifest)
    return Decision(
        tuple(drops), tuple(gone), unused_bytes, before, size, len(held) - len(free), len(in_use)
    )


def carry_out(store: Store, found: Decision) -> int:
    """Take away what was decided: manifests first, so that nothing is ever half there.

    What a build is making or linking just now stays. How many objects went.
    """
    for drop in found.drops:
        lock = KeyLock(store.root, drop.key)
        if lock.try_acquire():
            try:
                store.set_aside(store.manifest_path(store.root, drop.key))
            finally:
                lock.release()
    still = {name for manifest in store.manifests() for name in objects_of(manifest)}
    went = 0
    for name in found.objects:
        path = store.object_path(store.root, name)
        with contextlib.suppress(OSError):
            if name not in still and path.lstat().st_nlink == 1:
                path.unlink()
                went += 1
    return went
