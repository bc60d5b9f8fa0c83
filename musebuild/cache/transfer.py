"""Results as one file, to carry them from one machine's store to another's."""

from __future__ import annotations

import io
import lzma
import re
import shutil
import tarfile
import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from musebuild.cache.collect import objects_of
from musebuild.cache.keys import KEY_VERSION, key_of
from musebuild.cache.layout import FORESEEN
from musebuild.cache.manifest import BAD_MANIFEST, read_text
from musebuild.cache.model import Manifest
from musebuild.cache.place import beside
from musebuild.cache.store import Store, hash_file
from musebuild.errors import UsageError
from musebuild.settings.own_files import MOST, create, read_own
from musebuild.settings.path_names import shown

DAMAGE = (
    *(tarfile.TarError, EOFError, zlib.error, lzma.LZMAError),
    *(ValueError, OverflowError, RecursionError, MemoryError),
)
"""What reading a damaged tar file raises."""
_OBJECT = re.compile(r"objects/([0-9a-f]{64})")
_MANIFEST = re.compile(r"manifests/([0-9a-f]{64})\.json")


@dataclass(frozen=True, slots=True)
class Transfer:
    """What was carried."""

    manifests: tuple[Manifest, ...]
    objects: int
    bytes: int
    known: int = 0
    """Of an import: objects that were there already."""


def export_results(store: Store, manifests: Iterable[Manifest], path: Path) -> Transfer:
    """Write results into a tar file: objects first, manifests last.

    Parameters
    ----------
    store : Store
        Holds all of them.
    manifests : iterable of Manifest
    path : Path
        The file; written beside its place and renamed.

    Raises
    ------
    UsageError
        It cannot be written.
    """
    chosen = list(manifests)
    names = dict.fromkeys(name for manifest in chosen for name in objects_of(manifest))
    part = beside(path)
    total = written = 0
    try:
        with open(create(part), "wb") as file, tarfile.open(fileobj=file, mode="w") as archive:
            for name in names:
                source = store.path(name)
                if not source.is_file():
                    continue  # a log; products are there, or there were no manifest
                archive.add(source, f"objects/{name}", recursive=False)
                written += 1
                total += source.stat().st_size
            for manifest in chosen:
                text = read_own(store.manifest_file(manifest.key))
                member = tarfile.TarInfo(f"manifests/{manifest.key}.json")
                member.size = len(text)
                archive.addfile(member, io.BytesIO(text))
        part.replace(path)
    except OSError as error:
        raise UsageError(
            f"the results cannot be written to {path}",
            why=error.strerror or str(error),
            remedy="name a file on a disk with room, in a folder that you can write",
        ) from error
    finally:
        part.unlink(missing_ok=True)
    return Transfer(tuple(chosen), written, total)


def import_results(store: Store, path: Path) -> Transfer:
    """Put the results of a tar file into the store; every byte is checked against its name.

    Raises
    ------
    UsageError
        It is not such a file, or is damaged. What was sound before the damage is kept.
    StoreError
        No space, or no permission.
    """
    manifests: list[Manifest] = []
    objects = known = total = 0
    try:
        with tarfile.open(path, "r|*") as archive:
            for member in archive:
                if member.name.partition("/")[0] in FORESEEN:
                    continue
                plain = member.isfile() and not member.issparse() and member.size >= 0
                source = archive.extractfile(member) if plain else None
                if source is None:
                    raise _damaged(path, f"{shown(member.name)} is no plain file")
                if match := _OBJECT.fullmatch(member.name):
                    objects += 1
                    total += member.size
                    known += _take_object(store, match[1], source, path, member.size)
                elif match := _MANIFEST.fullmatch(member.name):
                    if member.size > MOST:
                        raise _damaged(path, f"the manifest of {match[1][:12]}… is too large")
                    manifests.append(_take_manifest(store, match[1], source.read(), path))
                else:
                    raise _damaged(path, f"{shown(member.name)} does not belong there")
    except DAMAGE as error:
        raise _damaged(path, str(error) or type(error).__name__) from None
    except OSError as error:
        raise UsageError(
            f"the results cannot be read from {path}",
            why=error.strerror or str(error),
            remedy="name a file that `musebuild cache export` wrote",
        ) from error
    if not manifests:
        # As one that was cut before the first, which stand last.
        raise _damaged(path, "it holds no result")
    return Transfer(tuple(manifests), objects, total, known)


def _damaged(path: Path, why: str) -> UsageError:
    return UsageError(
        f"{path} does not hold results that can be used",
        why=why,
        remedy="write it again with `musebuild cache export FILE` and copy it anew",
    )


def _take_object(store: Store, name: str, source: IO[bytes], path: Path, size: int) -> bool:
    """Put one object into the store; whether it was there already."""
    if store.holds(name, size):
        return True
    if size > (free := shutil.disk_usage(store.root).free):
        raise UsageError(
            f"there is no room for the results of {path}",
            why=f"an object of it has {size:,} bytes, and {free:,} are free",
            remedy=f"make room on the disk of {store.root}",
        )
    local = beside(store.root / "scratch" / name)
    try:
        with open(create(local), "wb") as target:
            shutil.copyfileobj(source, target, 1 << 20)
        if hash_file(local) != name:
            raise _damaged(path, f"the bytes of the object {name[:12]}… are not what it is named")
        store.put(local, name)
    finally:
        local.unlink(missing_ok=True)
    return False


def _take_manifest(store: Store, key: str, text: bytes, path: Path) -> Manifest:
    try:
        manifest = read_text(text)
        current = manifest.preimage.get("musebuild-key") == KEY_VERSION
        if manifest.key != key or (current and key_of(manifest.preimage) != key):
            raise ValueError("its key does not follow from its preimage")
    except BAD_MANIFEST as error:
        raise _damaged(path, f"the manifest of {key[:12]}…: {error}") from None
    missing = [p.name for p in manifest.kept if not store.holds(p.object, p.size)]
    if missing:
        raise _damaged(path, f"of {manifest.task} it does not hold {', '.join(missing)}")
    if store.lookup(key).manifest is None:
        store.write_manifest(manifest)
    return manifest
