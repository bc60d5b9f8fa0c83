"""The store: objects named by the hash of their bytes, and a manifest for each key.

::

    store/objects/ab/cdef…        read-only files
    store/manifests/ab/cdef….json what a key's invocation made; written last
    store/scratch/…               folders of invocations that run
    store/locks/…                 one file for each key that is being made
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from blake3 import blake3

from musebuild.cache.model import MANIFEST_VERSION, Manifest, Product
from musebuild.cache.owner import describe, is_dead
from musebuild.cache.place import place, sync, write_atomically
from musebuild.errors import StoreError

OBJECT_TIME = 1_000_000_000
"""Every object gets this modification time (s): one that was written to shows another, and
its bytes are then hashed before it is used."""
OWNER_FILE = "owner.json"


@dataclass(frozen=True, slots=True)
class Lookup:
    """What the store has for a key."""

    manifest: Manifest | None
    outcome: str
    """`hit`, `absent`, `manifest damaged`, `object missing`, `object damaged`."""
    detail: str = ""


def hash_file(path: Path) -> str:
    """BLAKE3 of a file's bytes."""
    hasher = blake3(max_threads=blake3.AUTO)
    hasher.update_mmap(path)
    return hasher.hexdigest()


class Store:
    """A store, with read-only ones behind it.

    Parameters
    ----------
    roots : sequence of Path
        The first is written; all are read.

    Raises
    ------
    StoreError
        The first store cannot be made or written.
    """

    def __init__(self, roots: Sequence[Path]) -> None:
        self.roots = tuple(roots)
        self.root = self.roots[0]
        try:
            for name in ("objects", "manifests", "scratch", "locks"):
                (self.root / name).mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StoreError(
                "The store cannot be made",
                where=str(self.root),
                why=error.strerror,
                remedy="name a folder that you can write with `cache:` in the settings",
            ) from error

    # objects

    def path(self, name: str) -> Path:
        """Where an object lies; in the first store where none has it."""
        for root in self.roots:
            candidate = root / "objects" / name[:2] / name[2:]
            if candidate.exists():
                return candidate
        return self.root / "objects" / name[:2] / name[2:]

    def put(self, path: Path, name: str | None = None) -> str:
        """Move a file into the store.

        Parameters
        ----------
        path : Path
            The file; it is gone afterwards. On the store's file system it is only renamed.
        name : str, optional
            Hash of its bytes, where it is known.

        Returns
        -------
        str
            The object's name: the hash of its bytes.

        Raises
        ------
        StoreError
            No space, or no permission.
        """
        try:
            name = name or hash_file(path)
            target = self.root / "objects" / name[:2] / name[2:]
            if self._is_sound(target, path.stat().st_size, name):
                path.unlink()
                return name
            if target.exists() or target.is_symlink():
                self._set_aside(target)
            target.parent.mkdir(exist_ok=True)
            if path.stat().st_dev != target.parent.stat().st_dev:
                local = self.root / "scratch" / f".{name}.{os.getpid()}"
                shutil.copyfile(path, local)
                path.unlink()
                path = local
            path.chmod(0o444)
            os.utime(path, (OBJECT_TIME, OBJECT_TIME))
            sync(path)
            path.replace(target)
            sync(target.parent)
        except OSError as error:
            raise StoreError(
                f"{path.name} cannot be put into the store",
                where=str(self.root),
                why=error.strerror or str(error),
                remedy="make room on that disk, then run `doit` again: nothing finished is lost",
            ) from error
        return name

    def _is_sound(self, path: Path, size: int, name: str) -> bool:
        """Whether an object is what its name says; cheap where nobody touched it."""
        try:
            status = path.lstat()
        except OSError:
            return False
        if not path.is_file() or path.is_symlink() or status.st_size != size:
            return False
        if status.st_mtime_ns == OBJECT_TIME * 10**9 and not status.st_mode & 0o222:
            return True
        # Somebody could have written to it: only its bytes tell.
        if hash_file(path) != name:
            return False
        with contextlib.suppress(OSError):
            path.chmod(0o444)
            os.utime(path, (OBJECT_TIME, OBJECT_TIME))
        return True

    def _set_aside(self, path: Path) -> None:
        """Take a damaged object or manifest out of the way."""
        with contextlib.suppress(OSError):
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink()

    # manifests

    def _manifest_path(self, root: Path, key: str) -> Path:
        return root / "manifests" / key[:2] / f"{key[2:]}.json"

    def write_manifest(self, manifest: Manifest) -> None:
        """Write a manifest, atomically, when all its objects are in the store."""
        path = self._manifest_path(self.root, manifest.key)
        body = json.dumps(asdict(manifest), sort_keys=True, indent=1)
        text = json.dumps({"checksum": blake3(body.encode()).hexdigest()}) + "\n" + body + "\n"
        try:
            path.parent.mkdir(exist_ok=True)
            write_atomically(path, text, durable=True)
        except OSError as error:
            raise StoreError(
                "The manifest of a finished invocation cannot be written",
                where=str(path),
                why=error.strerror,
                remedy="make room on that disk, then run `doit` again",
            ) from error

    def read_manifest(self, path: Path) -> Manifest:
        """Read a manifest file.

        Raises
        ------
        ValueError
            It is damaged, or of another version.
        """
        text = path.read_text(encoding="utf-8")
        head, _, body = text.partition("\n")
        body = body.rstrip("\n")
        if json.loads(head)["checksum"] != blake3(body.encode()).hexdigest():
            raise ValueError("its checksum is wrong")
        return manifest_from(json.loads(body))

    def lookup(self, key: str) -> Lookup:
        """What the store has for a key; a manifest only if all its objects are sound.

        Damage in the writable store is taken away, so that the invocation is made again.
        """
        outcome = Lookup(None, "absent")
        for root in self.roots:
            path = self._manifest_path(root, key)
            try:
                manifest = self.read_manifest(path)
            except FileNotFoundError:
                continue
            except (OSError, ValueError, KeyError, TypeError) as error:
                if root == self.root:
                    self._set_aside(path)
                outcome = Lookup(None, "manifest damaged", f"{path}: {error}")
                continue
            damaged = self._damaged(manifest)
            if damaged is None:
                return Lookup(manifest, "hit")
            outcome = damaged
        return outcome

    def _damaged(self, manifest: Manifest) -> Lookup | None:
        for product in manifest.products:
            path = self.path(product.object)
            if self._is_sound(path, product.size, product.object):
                continue
            if path.exists():
                if path.is_relative_to(self.root):
                    self._set_aside(path)
                return Lookup(None, "object damaged", f"{product.name} ({path})")
            return Lookup(None, "object missing", f"{product.name} ({path})")
        return None

    def manifests(self) -> list[Manifest]:
        """All readable manifests of the writable store."""
        found = []
        for path in sorted((self.root / "manifests").glob("*/*.json")):
            with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
                found.append(self.read_manifest(path))
        return found

    def restore(self, product: Product, target: Path) -> str:
        """Put a product at `target`: reflink, hard link or copy."""
        return place(self.path(product.object), target)

    # scratch

    def scratch(self, label: str) -> Path:
        """A new folder on the store's file system, marked with its owner."""
        safe = "".join(c if c.isascii() and (c.isalnum() or c in "-._") else "_" for c in label)
        folder = Path(tempfile.mkdtemp(prefix=f"{safe[:60]}.", dir=self.root / "scratch"))
        (folder / OWNER_FILE).write_text(json.dumps(describe()), encoding="utf-8")
        return folder

    def sweep(self) -> int:
        """Remove the scratch folders of builds that died; their number."""
        removed = 0
        for folder in (self.root / "scratch").iterdir():
            owner: dict[str, Any] = {}
            try:
                owner = json.loads((folder / OWNER_FILE).read_text(encoding="utf-8"))
            except NotADirectoryError:
                continue
            except (OSError, ValueError):
                # Made a moment ago by a build that has not written its name yet, or left by one
                # that died in between: only age tells.
                with contextlib.suppress(OSError):
                    if folder.stat().st_mtime > _now() - 3600:
                        continue
                owner = {}
            if not owner or (is_dead(owner) and not owner.get("keep")):
                shutil.rmtree(folder, ignore_errors=True)
                removed += 1
        return removed


def _now() -> float:
    import time

    return time.time()


def manifest_from(data: dict[str, Any]) -> Manifest:
    """A manifest from its plain data.

    Raises
    ------
    ValueError
        It is of another version of the format.
    """
    if data.get("version") != MANIFEST_VERSION:
        raise ValueError(f"its format is {data.get('version')}, not {MANIFEST_VERSION}")
    data = dict(data)
    data["products"] = tuple(Product(**product) for product in data["products"])
    data["warnings"] = tuple(data.get("warnings", ()))
    return Manifest(**data)
