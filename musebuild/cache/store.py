"""The store: objects named by the hash of their bytes, and a manifest for each key.

Its folders are told in `docs/cache.md`.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import re
import shutil
import socket
import stat
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from musebuild.cache.layout import FOLDERS, check_layout
from musebuild.cache.locks import KeyLock
from musebuild.cache.manifest import (
    BAD_MANIFEST,
    OtherVersionError,
    is_object,
    manifest_from,
    manifest_text,
    read_text,
)
from musebuild.cache.model import Manifest, Product
from musebuild.cache.owner import describe, is_dead, read_owner, start_time
from musebuild.cache.place import beside, place, sweep_parts, sync, write_atomically
from musebuild.cache.steps import step
from musebuild.cache.verified import Verified
from musebuild.errors import StoreError
from musebuild.fits.hashing import hash_file
from musebuild.index.digests import Identity, identity
from musebuild.settings.own_files import (
    MOST,
    copy_new,
    in_the_way,
    make_below,
    open_own,
    write_new,
)
from musebuild.settings.path_names import plain_part

__all__ = [
    "BAD_MANIFEST",
    "OBJECT_TIME",
    "Lookup",
    "OtherVersionError",
    "Store",
    "hash_file",
    "manifest_from",
]

OBJECT_TIME = 1_000_000_000
"""Every object gets this modification time (s): one that was written to shows another. Whoever
puts it back does not put back the time of the status change (`Verified`)."""
OWNER_FILE = "owner.json"
UNOWNED_AGE = 3600
"""Seconds after which a scratch folder without a readable owner is nobody's."""
FOREIGN_AGE = 30 * 24 * 3600
"""Seconds after which a scratch folder of another machine is taken for abandoned."""
ROOM = "make room on that disk, then run `doit` again: nothing finished is lost"
UNREAD = "unread"
Seen = Callable[[str, os.stat_result], object]
"""Told of each file that a finding rests on, as it was then."""


def _unseen(path: str, status: os.stat_result) -> None:
    """Nobody wants to know."""


@dataclass(frozen=True, slots=True)
class Lookup:
    """What the store has for a key."""

    manifest: Manifest | None
    outcome: str
    """`hit`, `absent`, `manifest damaged`, `manifest unreadable`, `manifest of another version`,
    `object missing`, `object damaged`, `object unreadable`."""
    detail: str = ""
    proven: bool = True
    """Whether the bytes of all objects are vouched for; else nothing speaks against them."""


class Store:
    """A store, with read-only ones behind it.

    Parameters
    ----------
    roots : sequence of Path
        The first is written; all are read.
    verified : Verified, optional
        What is known of the bytes of objects; default: nothing, so that each is read once.

    Raises
    ------
    StoreError
        The first store cannot be made or written, or one of them is laid out in a newer way.
    """

    def __init__(self, roots: Sequence[Path], verified: Verified | None = None) -> None:
        self.roots = tuple(roots)
        self.root = self.roots[0]
        self.verified = verified or Verified()
        self._unsound: dict[str, Identity] = {}
        """Objects that were read and are damaged, as they were then."""
        # Asked hundreds of thousands of times: plain text, where `Path` would cost more than
        # to look at the file.
        self._objects = [f"{root}/objects/" for root in self.roots]
        self._touched: dict[str, tuple[str, Identity]] = {}
        """Objects that somebody touched, and whose bytes are as they were: path → name, and what
        they look like."""
        self._without_reflinks: set[tuple[int, int]] = set()
        try:
            if not self.root.is_dir():
                self.root.mkdir(parents=True, exist_ok=True)
            for name in FOLDERS:
                make_below(self.root, name)
        except OSError as error:
            raise StoreError(
                "The store cannot be made",
                where=str(self.root),
                why=f"{error.filename}: {error.strerror}",
                remedy=in_the_way(error)
                or "name a folder that you can write with `cache:` in the settings",
            ) from error
        for root in self.roots:
            check_layout(root)

    # objects

    def object_path(self, root: Path, name: str) -> Path:
        """Where an object lies in one of the stores, if it is there."""
        return root / "objects" / name[:2] / name[2:]

    def path(self, name: str) -> Path:
        """Where an object lies: in the first store with a sound copy, as far as that is known,
        else in the first that has one, else where it would lie in the first store."""
        return Path(self.text_path(name))

    def text_path(self, name: str) -> str:
        """The same as text, for who asks for thousands."""
        doubtful = ""
        for objects in self._objects:
            path = f"{objects}{name[:2]}/{name[2:]}"
            try:
                status = os.lstat(path)
            except OSError:
                continue
            verdict = self._verdict(path, name, status)
            if verdict:
                return path
            if verdict is None:
                doubtful = doubtful or path
        return doubtful or f"{self._objects[0]}{name[:2]}/{name[2:]}"

    def _verdict(self, path: str, name: str, status: os.stat_result) -> bool | None:
        """Whether an object is sound, as far as that is known without reading it."""
        if self._unsound.get(path) == identity(status):
            return False
        if self.verified.holds(path, name, status):
            return True
        if _untouched(status) and self.verified.is_of_old(name):
            self.verified.was_changed_by_us(path, name, status)
            return True
        return None

    def holds(self, name: str, size: int) -> bool:
        """Whether any of the stores has an object, sound."""
        return any(self._is_sound(self.object_path(r, name), size, name) for r in self.roots)

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
            target = self.object_path(self.root, name)
            if self._is_sound(target, path.stat().st_size, name):
                path.unlink()
                return name
            if target.exists() or target.is_symlink():
                self.set_aside(target)
            self._make_folder(target.parent)
            self._move(path, target)
            self.verified.was_changed_by_us(str(target), name, target.lstat())
        except OSError as error:
            raise StoreError(
                f"{path.name} cannot be put into the store",
                where=str(self.root if in_the_way(error) is None else error.filename),
                why=error.strerror or str(error),
                remedy=in_the_way(error) or ROOM,
            ) from error
        return name

    def _make_folder(self, folder: Path) -> None:
        if not folder.is_dir() or folder.is_symlink():
            make_below(folder.parent, folder.name)
            sync(folder.parent)

    def _move(self, path: Path, target: Path) -> None:
        """Move a file to an object's place, whole and synced to disk before it has its name."""
        status = path.lstat()
        own = stat.S_ISREG(status.st_mode) and status.st_nlink == 1
        if own and status.st_dev == target.parent.stat().st_dev:
            self._seal(path)
            path.replace(target)
            step("object renamed")
        else:
            # On another file system, or a link: what it links to (a raw frame, say) must not
            # become read-only and old.
            local = beside(self.root / "scratch" / target.name)
            try:
                copy_new(path, local)
                self._seal(local)
                local.replace(target)
            except BaseException:
                with contextlib.suppress(OSError):
                    local.unlink()
                raise
            path.unlink()
        sync(target.parent)

    def _seal(self, path: Path) -> None:
        path.chmod(0o444)
        os.utime(path, (OBJECT_TIME, OBJECT_TIME))
        sync(path)

    def _is_sound(self, path: Path, size: int, name: str) -> bool:
        """Whether an object is what its name says; cheap where that is known."""
        return self._condition(str(path), size, name) == ""

    def _condition(
        self, path: str, size: int, name: str, seen: Seen = _unseen, *, read: bool = True
    ) -> str:
        """`missing`, `damaged`, `unreadable`; empty for an object that is sound.

        Without `read`, `unread` for one whose times and mode are as they should be, and no more is
        known.
        """
        try:
            status = os.lstat(path)
        except (FileNotFoundError, NotADirectoryError):
            return "missing"
        except OSError:
            return "unreadable"
        verdict = self._verdict(path, name, status)
        untouched = _untouched(status)
        if not stat.S_ISREG(status.st_mode) or status.st_size != size:
            verdict = False
        elif verdict is None and (read or not untouched):
            # Somebody could have written to it: only its bytes tell.
            began = time.time_ns()
            try:
                verdict = hash_file(Path(path)) == name
            except OSError:
                return "unreadable"
            if verdict:
                self.verified.was_read(path, name, status, began)
        seen(path, status)
        if verdict is False:
            self._unsound[path] = identity(status)
            return "damaged"
        if not untouched and path.startswith(self._objects[0]):
            self._touched[path] = (name, identity(status))
        return "" if verdict else UNREAD

    def known_identity(self, path: str, name: str) -> Identity | None:
        """What an object looks like, where that vouches for its bytes; else None."""
        try:
            status = os.lstat(path)
        except OSError:
            return None
        return identity(status) if self._verdict(path, name, status) else None

    def take_over(self, name: str, known: Sequence[int]) -> None:
        """Take an object as sound that looks as its worker left it."""
        path = str(self.object_path(self.root, name))
        with contextlib.suppress(OSError):
            status = os.lstat(path)
            # A device has another number on each machine.
            if identity(status)[1:] == tuple(known)[1:]:
                self.verified.was_changed_by_us(path, name, status)

    def is_object(self, status: os.stat_result, name: str) -> bool:
        """Whether a file is a hard link of an object."""
        return bool(self._linked(status, name))

    def _linked(self, status: os.stat_result, name: str) -> str:
        """The object that a file is a hard link of; empty: it is none."""
        for objects in self._objects:
            path = f"{objects}{name[:2]}/{name[2:]}"
            with contextlib.suppress(OSError):
                own = os.lstat(path)
                if (own.st_dev, own.st_ino) == (status.st_dev, status.st_ino):
                    return path
        return ""

    def is_same(self, name: str, status: os.stat_result, began_ns: int) -> bool:
        """Whether a file whose bytes were read, and have that hash, is a link of the object."""
        path = self._linked(status, name)
        if path:
            self.verified.was_read(path, name, status, began_ns)
        return bool(path)

    @contextlib.contextmanager
    def losing_link(self, name: str) -> Iterator[None]:
        """Take away a link of an object inside; what was known of it is known afterwards."""
        path, before = self.text_path(name), None
        with contextlib.suppress(OSError):
            status = os.lstat(path)
            before = status if self._verdict(path, name, status) else None
        yield
        if before is not None:
            with contextlib.suppress(OSError):
                self._known_as_before(path, name, before, os.lstat(path))

    def set_aside(self, path: Path) -> None:
        """Take a damaged object or manifest out of the way."""
        with contextlib.suppress(OSError):
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink()

    def object_files(self) -> Iterator[tuple[str, Path]]:
        """(name, path) of all that lies among the objects of the writable store."""
        for path in self._all("objects"):
            yield path.parent.name + path.name, path

    def _all(self, kind: str) -> Iterator[Path]:
        """What lies in the folders of objects or of manifests; not what a link leads to."""
        for folder in sorted((self.root / kind).iterdir()):
            if folder.is_dir() and not folder.is_symlink():
                yield from sorted(folder.iterdir())

    # manifests

    def manifest_path(self, root: Path, key: str) -> Path:
        """Where a key's manifest lies in one of the stores, if it is there."""
        return Path(f"{root}/manifests/{key[:2]}/{key[2:]}.json")

    def write_manifest(self, manifest: Manifest) -> None:
        """Write a manifest, atomically, when all its objects are in the store."""
        path = self.manifest_path(self.root, manifest.key)
        text = manifest_text(manifest)
        try:
            self._make_folder(path.parent)
            # Of a writer that was killed here: who makes the same again comes by.
            sweep_parts(path.parent)
            if path.is_dir() and not path.is_symlink():
                self.set_aside(path)
            write_atomically(path, text, durable=True)
        except OSError as error:
            raise StoreError(
                "The manifest of a finished invocation cannot be written",
                where=str(path if in_the_way(error) is None else error.filename),
                why=error.strerror or str(error),
                remedy=in_the_way(error) or ROOM,
            ) from error

    def manifest_file(self, key: str) -> Path:
        """Where a key's manifest lies; in the first store where none has it."""
        for root in self.roots:
            path = self.manifest_path(root, key)
            if path.exists():
                return path
        return self.manifest_path(self.root, key)

    def read_manifest(self, path: Path, seen: Seen = _unseen) -> Manifest:
        """Read a manifest file; `seen` is told of it as it was before it was read.

        Raises
        ------
        OSError
            It cannot be read.
        ValueError, KeyError, TypeError
            It is damaged; `OtherVersionError` where it is of another version.
        """
        try:
            descriptor = open_own(path, os.O_RDONLY)
        except OSError as error:
            if error.errno != errno.ELOOP:
                raise
            raise ValueError(error.strerror) from None
        with open(descriptor, "rb") as file:
            status = os.fstat(file.fileno())
            seen(str(path), status)
            if status.st_size > MOST:
                raise ValueError("it is larger than any manifest")
            text = file.read(MOST)
        return read_text(text)

    def lookup(self, key: str, seen: Seen = _unseen, *, read: bool = False) -> Lookup:
        """What the store has for a key; a manifest only if all its objects are sound.

        Nothing is changed: whoever makes the invocation again takes away what is damaged
        (`clear`), and whoever builds gives touched objects their time back (`mend`).

        Parameters
        ----------
        key : str
            Of an invocation.
        seen : callable, optional
            Told of each file that the finding rests on, as it was when it was looked at.
        read : bool
            Whether objects are read for whose bytes nothing vouches. Else only those are whose
            times or mode show that somebody wrote to them, and the others are not proven.
        """
        outcome = Lookup(None, "absent")
        for root in self.roots:
            found = self._lookup_in(root, key, seen, read=read)
            if found.outcome == "hit":
                return found
            if found.outcome != "absent":
                outcome = found
        return outcome

    def _lookup_in(self, root: Path, key: str, seen: Seen, *, read: bool) -> Lookup:
        path = self.manifest_path(root, key)
        try:
            manifest = self.read_manifest(path, seen)
            if manifest.key != key:
                raise ValueError(f"it is the manifest of {manifest.key}")
        except (FileNotFoundError, NotADirectoryError):
            return Lookup(None, "absent")
        except OtherVersionError as error:
            return Lookup(None, "manifest of another version", f"{path}: {error}")
        except OSError as error:
            return Lookup(None, "manifest unreadable", f"{path}: {error.strerror}")
        except BAD_MANIFEST as error:
            return Lookup(None, "manifest damaged", f"{path}: {error}")
        return self._with_objects(manifest, seen, read=read)

    def clear(self, key: str) -> None:
        """Take away what is damaged of a key in the writable store: it is made again.

        What cannot be read just now, or was written by another version, is left where it is.
        """
        path = self.manifest_path(self.root, key)
        try:
            manifest = self.read_manifest(path)
            if manifest.key != key:
                raise ValueError(f"it is the manifest of {manifest.key}")
        except (OtherVersionError, OSError):
            return
        except BAD_MANIFEST:
            self.set_aside(path)
            return
        for product in manifest.kept:
            target = self.object_path(self.root, product.object)
            if self._condition(str(target), product.size, product.object) == "damaged":
                self.set_aside(target)

    def mend(self) -> None:
        """Give objects that were touched, and found sound, the time by which they are known."""
        while self._touched:
            path, (name, known) = self._touched.popitem()
            with contextlib.suppress(OSError):
                if known == identity(os.lstat(path)):
                    Path(path).chmod(0o444)
                    os.utime(path, (OBJECT_TIME, OBJECT_TIME))
                    self.verified.was_changed_by_us(path, name, os.lstat(path))

    def _with_objects(self, manifest: Manifest, seen: Seen, *, read: bool) -> Lookup:
        """What a sound manifest is worth, of whose objects no store may have a sound copy."""
        proven = True
        for product in manifest.kept:
            worst, name = "missing", product.object
            for objects in self._objects:
                path = f"{objects}{name[:2]}/{name[2:]}"
                condition = self._condition(path, product.size, name, seen, read=read)
                if condition in ("", UNREAD):
                    proven = proven and not condition
                    break
                if condition != "missing":
                    worst = condition
            else:
                first = self.object_path(self.root, product.object)
                return Lookup(None, f"object {worst}", f"{product.name} ({first})")
        return Lookup(manifest, "hit", proven=proven)

    def manifest_files(self) -> Iterator[tuple[str, Path]]:
        """(key, path) of all manifests of the writable store, sound or not."""
        for path in self._all("manifests"):
            if path.suffix == ".json" and is_object(path.parent.name + path.stem):
                yield path.parent.name + path.stem, path

    def manifests(self) -> list[Manifest]:
        """All readable manifests of the writable store."""
        found = []
        for _, path in self.manifest_files():
            with contextlib.suppress(OSError, *BAD_MANIFEST):
                found.append(self.read_manifest(path))
        return found

    def restore(self, product: Product, target: Path | str) -> str:
        """Put a product at `target`: reflink, hard link or copy.

        Raises
        ------
        StoreError
            Its object is damaged, or gone.
        OSError
            None of the ways works.
        """
        name = product.object
        path = self.text_path(name)
        condition = self._condition(path, product.size, name)
        if condition:
            raise StoreError(
                f"The object of {product.name} is {condition}",
                where=path,
                remedy="run `doit` again: it is made once more",
            )
        before = os.lstat(path)
        how = place(path, target, self._without_reflinks)
        after = os.lstat(path)
        if how == "hard link":
            self._known_as_before(path, name, before, after)
        elif identity(after) == identity(before):
            self.verified.was_changed_by_us(str(target), name, os.lstat(target))
        else:
            # Somebody wrote to it, or linked it, while it was copied.
            self.verified.forget(str(target))
        return how

    def _known_as_before(
        self, path: str, name: str, before: os.stat_result, after: os.stat_result
    ) -> None:
        """Know an object that was sound before we made or took away a link of it."""
        if identity(after)[:-1] == identity(before)[:-1]:
            self.verified.was_changed_by_us(path, name, after)

    # scratch

    def scratch(self, label: str) -> Path:
        """A new folder on the store's file system, marked with its owner.

        Raises
        ------
        StoreError
            No space, or no permission.
        """
        safe = plain_part(label)
        folder = None
        try:
            prefix = f"{safe[:60]}.{socket.gethostname()}-{os.getpid()}-"
            folder = Path(tempfile.mkdtemp(prefix=prefix, dir=self.root / "scratch"))
            write_new(folder / OWNER_FILE, json.dumps(describe()).encode())
        except OSError as error:
            if folder is not None:
                shutil.rmtree(folder, ignore_errors=True)
            raise StoreError(
                "No scratch folder can be made in the store",
                where=str(self.root / "scratch"),
                why=error.strerror or str(error),
                remedy=ROOM,
            ) from error
        return folder

    def sweep(self) -> int:
        """Remove what builds that died left in the scratch folder; how many things."""
        removed = sweep_parts(self.root / "scratch") + sweep_parts(self.root / "locks")
        removed += KeyLock.sweep(self.root)
        for folder in (self.root / "scratch").iterdir():
            if folder.is_dir() and not folder.is_symlink() and _is_abandoned(folder):
                shutil.rmtree(folder, ignore_errors=True)
                removed += 1
        return removed


_MAKER = re.compile(r"\.([^/]+)-(\d+)-[a-z0-9_]+$")
"""Host and process in the name of a scratch folder."""


def _untouched(status: os.stat_result) -> bool:
    """Whether a file is as `put` left it, by its status alone."""
    return (
        stat.S_ISREG(status.st_mode)
        and status.st_mtime_ns == OBJECT_TIME * 10**9
        and not status.st_mode & 0o222
    )


def _is_abandoned(folder: Path) -> bool:
    """Whether nobody uses a scratch folder any more."""
    try:
        idle = time.time() - folder.stat().st_mtime
    except OSError:
        return False
    try:
        owner = read_owner(folder / OWNER_FILE)
    except OSError:
        owner = {}
    if not owner:
        # Made a moment ago by a build that has not written its name yet, or left by one that
        # died in between: the folder's name tells on the same host, elsewhere only age.
        maker = _MAKER.search(folder.name)
        if maker and maker[1] == socket.gethostname() and not start_time(int(maker[2])):
            return True
        return idle > UNOWNED_AGE
    if owner.get("keep"):
        return False
    return is_dead(owner) or idle > FOREIGN_AGE
