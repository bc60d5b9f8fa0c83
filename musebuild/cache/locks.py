"""One invocation, one maker: a lock for each key."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import json
import os
import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from musebuild.cache.leases import Lease
from musebuild.cache.owner import describe, is_dead, read_owner
from musebuild.errors import StoreError
from musebuild.index.database import NETWORK_FILE_SYSTEMS, file_system
from musebuild.settings.own_files import in_the_way, open_own
from musebuild.settings.path_names import part

_KEY = re.compile(r"[0-9a-f]{64}")
NO_FLOCK = frozenset({errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP})


@cache
def _on_network(root: Path) -> bool:
    return file_system(root) in NETWORK_FILE_SYSTEMS


@dataclass(frozen=True, slots=True)
class Held:
    """Who makes the products of a key now."""

    owner: str
    since: float | None
    """Seconds since 1970; None: not known."""


class KeyLock:
    """An exclusive lock on a key.

    On a local disk it is held by `flock`, and goes with the process that holds it; on a
    network file system it is a lease with a heartbeat (`musebuild.cache.leases`).

    Parameters
    ----------
    root : Path
        The store.
    key : str
        What is locked.
    """

    def __init__(self, root: Path, key: str) -> None:
        self.path = root / "locks" / key
        self._descriptor: int | None = None
        self._lease: Lease | None = self._new_lease() if _on_network(root) else None

    def _new_lease(self) -> Lease:
        return Lease(self.path.with_name(f"{self.path.name}.lease"))

    def try_acquire(self) -> bool:
        """Take the lock if nobody has it; never waits.

        Raises
        ------
        StoreError
            No space, or no permission.
        """
        if self._descriptor is not None:
            return True
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            if self._lease is None:
                try:
                    return self._flock()
                except OSError as error:
                    if error.errno not in NO_FLOCK:
                        raise
                    with contextlib.suppress(OSError):
                        self.path.unlink()
                    self._lease = self._new_lease()
            return self._lease.try_acquire()
        except OSError as error:
            raise StoreError(
                "An invocation cannot be locked in the store",
                where=str(self.path),
                why=error.strerror or str(error),
                remedy=in_the_way(error)
                or "free space or permissions there, then run `doit` again",
            ) from error

    def _flock(self) -> bool:
        while True:
            descriptor = self._open()
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                # The holder before may have removed the file between our open and our lock;
                # then we hold a file that nobody else will ever see.
                same = os.fstat(descriptor).st_ino == self.path.lstat().st_ino
            except BlockingIOError:
                os.close(descriptor)
                return False
            except FileNotFoundError:
                same = False
            except BaseException:
                os.close(descriptor)
                raise
            if same:
                break
            os.close(descriptor)
        self._descriptor = descriptor
        # Whose it is, for people only: the lock holds on a full disk, too.
        with contextlib.suppress(OSError):
            os.ftruncate(descriptor, 0)
            os.write(descriptor, json.dumps(describe()).encode())
        return True

    def _open(self) -> int:
        flags = os.O_RDWR | os.O_CREAT
        try:
            return open_own(self.path, flags)
        except OSError as error:
            if error.errno != errno.ELOOP:
                raise
        # A link that somebody put there: it goes, and what it leads to stays as it is.
        self.path.unlink()
        return open_own(self.path, flags)

    def release(self) -> None:
        """Give the lock up."""
        if self._lease is not None:
            self._lease.release()
        if self._descriptor is None:
            return
        with contextlib.suppress(OSError):
            self.path.unlink()
        os.close(self._descriptor)
        self._descriptor = None

    @staticmethod
    def sweep(root: Path) -> int:
        """Remove the files of locks that nobody holds: their builds died. How many."""
        if _on_network(root):
            return 0  # leases run out by themselves
        removed = 0
        for path in list((root / "locks").iterdir()):
            if path.is_symlink() or not (_KEY.fullmatch(path.name) and path.is_file()):
                continue
            lock = KeyLock(root, path.name)
            if lock._is_held_by_nobody() and lock.try_acquire():
                lock.release()
                removed += 1
        return removed

    @staticmethod
    def held(root: Path) -> dict[str, Held]:
        """Key → who makes it now, in any process that lives; it takes no lock.

        Parameters
        ----------
        root : Path
            The store.
        """
        found: dict[str, Held] = {}
        try:
            names = os.listdir(root / "locks")
        except OSError:
            return found
        for name in names:
            key = name.removesuffix(".lease")
            if not _KEY.fullmatch(key):
                continue
            lock = KeyLock(root, key)
            path = lock.path if lock._lease is None else lock._lease.path
            try:
                if not is_dead(read_owner(path)):
                    # The file of a lease is touched with each sign of life.
                    since = path.lstat().st_mtime if lock._lease is None else None
                    found[key] = Held(lock.owner(), since)
            except OSError:
                continue
        return found

    def _is_held_by_nobody(self) -> bool:
        # Only what says so is tried: to take a lock, however briefly, keeps others waiting.
        try:
            return is_dead(read_owner(self.path))
        except OSError:
            return True

    def owner(self) -> str:
        """Who holds the lock, for a message."""
        path = self.path if self._lease is None else self._lease.path
        try:
            owner = read_owner(path)
            return f"process {int(owner['pid'])} on {part(owner['host'])}"
        except (OSError, ValueError, KeyError, TypeError, OverflowError):
            return "another build"
