"""Read every byte of the store, say what is damaged, and mend what can be mended.

A lookup trusts an object that nobody touched; a disk that forgets bits touches nothing. This
finds it.
"""

from __future__ import annotations

import contextlib
import re
import stat
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from musebuild.cache.keys import KEY_VERSION, key_of
from musebuild.cache.ledger import Placed
from musebuild.cache.manifest import is_object
from musebuild.cache.model import Manifest
from musebuild.cache.place import beside, sweep_parts
from musebuild.cache.store import BAD_MANIFEST, OtherVersionError, Store, hash_file
from musebuild.errors import StoreError
from musebuild.settings.own_files import copy_new

REMARKS = frozenset({"log missing", "manifest of another version", "not of the store"})
"""Findings that harm nothing."""
_NAME = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that is not as it should be."""

    kind: str
    """`object damaged`, `object missing`, `object unreadable`, `manifest damaged`,
    `manifest unreadable`, or one of `REMARKS`."""
    path: str
    detail: str = ""
    task: str = ""
    """Of an invocation that this concerns."""
    repair: str = ""
    """What was done about it; empty: nothing."""


@dataclass(frozen=True, slots=True)
class VerifyReport:
    """What a verification found."""

    manifests: int
    objects: int
    bytes: int
    """That were read."""
    findings: tuple[Finding, ...]

    @property
    def sound(self) -> bool:
        """Whether nothing harmful is left."""
        return all(found.repair or found.kind in REMARKS for found in self.findings)


def verify(
    store: Store,
    *,
    repair: bool = False,
    copies: Mapping[str, Iterable[str]] | None = None,
    progress: Callable[[int], None] | None = None,
) -> VerifyReport:
    """Check all objects and manifests of the writable store against their names.

    Parameters
    ----------
    store : Store
        Builds may use it meanwhile.
    repair : bool
        Bring damaged and missing objects back from a store behind it or from `copies`; take
        away those that cannot be brought back, with the manifests that name them, so that
        their invocations are made again. Where bytes cannot be read, nothing is taken away.
    copies : mapping, optional
        Object → files that were made from it (`placed_copies`); used only if their bytes
        are the object's.
    progress : callable, optional
        Told the bytes of each object that was read.

    Raises
    ------
    StoreError
        The store's folders cannot be listed.
    """
    try:
        return _Verification(store, repair, copies or {}, progress or (lambda size: None)).run()
    except OSError as error:
        raise StoreError(
            "The store cannot be verified",
            where=error.filename or str(store.root),
            why=error.strerror,
            remedy="mend the folder or its permissions, then run `musebuild cache verify` again",
        ) from error


class _Verification:
    def __init__(
        self,
        store: Store,
        repair: bool,
        copies: Mapping[str, Iterable[str]],
        progress: Callable[[int], None],
    ) -> None:
        self.store = store
        self.repair = repair
        self.copies = copies
        self.progress = progress
        self.findings: list[Finding] = []
        self.bytes = 0
        self.sound: set[str] = set()
        self.unreadable: set[str] = set()

    def run(self) -> VerifyReport:
        objects = manifests = 0
        for name, path in self.store.object_files():
            objects += 1
            self._object(name, path)
        for key, path in self.store.manifest_files():
            manifests += 1
            self._manifest(key, path)
        if self.repair:
            for folder in (self.store.root / "manifests").iterdir():
                sweep_parts(folder)
        return VerifyReport(manifests, objects, self.bytes, tuple(self.findings))

    def _find(
        self, kind: str, path: Path, detail: str = "", task: str = "", repair: str = ""
    ) -> None:
        self.findings.append(Finding(kind, str(path), detail, task, repair))

    def _object(self, name: str, path: Path) -> None:
        if not _NAME.fullmatch(name):
            self._find("not of the store", path)
            return
        try:
            before = path.lstat()
            regular = stat.S_ISREG(before.st_mode)
            found = hash_file(path) if regular else ""
        except FileNotFoundError:
            # Taken away by a build since the folder was listed.
            return
        except OSError as error:
            self.unreadable.add(name)
            self._find("object unreadable", path, error.strerror or str(error))
            return
        self.bytes += before.st_size
        self.progress(before.st_size)
        if found == name:
            self.sound.add(name)
            return
        done = ""
        if self.repair:
            with contextlib.suppress(OSError):
                # Unless a build has just put a sound one there.
                if path.lstat().st_ino == before.st_ino:
                    self.store.set_aside(path)
            done = "brought back" if self._bring_back(name) else "taken away"
        detail = f"its bytes are those of {found[:12]}…" if regular else "it is no file"
        self._find("object damaged", path, detail, repair=done)

    def _manifest(self, key: str, path: Path) -> None:
        try:
            manifest = self.store.read_manifest(path)
            if manifest.key != key:
                raise ValueError(f"it is the manifest of {manifest.key}")
            current = manifest.preimage.get("musebuild-key") == KEY_VERSION
            if current and key_of(manifest.preimage) != key:
                raise ValueError("its key does not follow from its preimage")
        except FileNotFoundError:
            return
        except OtherVersionError as error:
            self._find("manifest of another version", path, str(error))
            return
        except OSError as error:
            self._find("manifest unreadable", path, error.strerror or str(error))
        except BAD_MANIFEST as error:
            self._damaged_manifest(path, str(error))
        else:
            self._products(manifest, path)

    def _damaged_manifest(self, path: Path, detail: str) -> None:
        if self.repair:
            self.store.set_aside(path)
        self._find("manifest damaged", path, detail, repair="taken away" if self.repair else "")

    def _products(self, manifest: Manifest, path: Path) -> None:
        for product in manifest.kept:
            place = self.store.object_path(self.store.root, product.object)
            if self._is_there(product.object):
                continue
            if product.object in self.unreadable:
                self._find("object unreadable", place, product.name, manifest.task)
                continue
            done = ""
            if self.repair and self._bring_back(product.object):
                done = "brought back"
            elif self.repair:
                self.store.set_aside(path)
                done = "its manifest was taken away"
            self._find("object missing", place, product.name, manifest.task, done)
        if is_object(manifest.log) and not self._is_there(manifest.log):
            done = "brought back" if self.repair and self._bring_back(manifest.log) else ""
            place = self.store.object_path(self.store.root, manifest.log)
            self._find("log missing", place, "", manifest.task, done)

    def _is_there(self, name: str) -> bool:
        """Whether a store has an object whose bytes are right."""
        if name in self.sound:
            return True
        for root in self.store.roots:
            # In the writable store too: a build may have put it there meanwhile.
            if _has(self.store.object_path(root, name), name):
                self.sound.add(name)
                return True
        return False

    def _bring_back(self, name: str) -> bool:
        """Put an object into the store again, from another that has the same bytes."""
        behind = [self.store.object_path(root, name) for root in self.store.roots[1:]]
        for source in (*behind, *map(Path, self.copies.get(name, ()))):
            local = beside(self.store.root / "scratch" / name)
            try:
                if not _has(source, name):
                    continue
                copy_new(source, local)
                if hash_file(local) == name:
                    self.store.put(local, name)
                    self.sound.add(name)
                    return True
            except (OSError, StoreError):
                continue
            finally:
                local.unlink(missing_ok=True)
        return False


def _has(path: Path, name: str) -> bool:
    try:
        return path.is_file() and not path.is_symlink() and hash_file(path) == name
    except OSError:
        return False


def placed_copies(placed: Iterable[Placed]) -> dict[str, list[str]]:
    """Object → files in the reduced trees that were made from it."""
    copies: dict[str, list[str]] = {}
    for file in placed:
        # A note has no object.
        if file.object:
            copies.setdefault(file.object, []).append(file.path)
    return copies
