"""Locks for network file systems, where `flock` cannot be relied on: a file and its heartbeat.

The file is made with O_EXCL, which NFS keeps atomic, and touched every few seconds. Whoever
waits watches it on a clock of their own, so that clocks of machines need not agree. A holder
that sleeps too long loses its lease: then two make the same thing, and neither makes it wrong.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import time
import uuid
from collections.abc import Callable
from pathlib import Path
from threading import Event, Thread
from typing import Any

from musebuild.cache.owner import LONGEST, describe, is_dead, owner_from
from musebuild.cache.place import beside
from musebuild.settings.own_files import open_own

BEAT = 10.0
"""Seconds between signs of life."""
EXPIRES = 120.0
"""Seconds without one after which a holder counts as dead; above all caches of NFS."""

Seen = tuple[Any, ...]


class Lease:
    """An exclusive lease of a file's name.

    Parameters
    ----------
    path : Path
        The file; its folder is there.
    beat, expires : float
        Seconds between signs of life, and without one until the lease is anybody's.
    clock : callable
        Seconds on a clock that only goes forward; by it others' signs of life are judged.
    """

    def __init__(
        self,
        path: Path,
        *,
        beat: float = BEAT,
        expires: float = EXPIRES,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.path = path
        self._clock = clock
        self._beat = beat
        self._expires = expires
        self._token = uuid.uuid4().hex
        self._seen: Seen = ()
        self._watched: dict[Path, tuple[Seen, float]] = {}
        self._stop = Event()
        self._thread: Thread | None = None

    def try_acquire(self) -> bool:
        """Take the lease if nobody has it; never waits.

        To take over from a holder that died on another machine, ask the same object again.
        """
        if (self._thread is not None and self._is_ours()) or self._create():
            return True
        try:
            return self._is_over() and self._take_over()
        except FileNotFoundError:
            return self._create()
        except OSError as error:
            if error.errno != errno.ELOOP:
                raise
        # A link that somebody put there: it goes, and what it leads to stays as it is.
        self.path.unlink()
        return self._create()

    def _create(self) -> bool:
        if not self._write(self.path):
            return False
        self._begin()
        return True

    def _write(self, path: Path) -> bool:
        """Make a file with our name in it; False where it is there already."""
        try:
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644)
        except FileExistsError:
            return False
        try:
            os.write(descriptor, json.dumps(describe() | {"token": self._token}).encode())
        except OSError:
            # Without our name in it nobody, not even we, would know whose it is.
            with contextlib.suppress(OSError):
                path.unlink()
            raise
        finally:
            os.close(descriptor)
        return True

    def _begin(self) -> None:
        self._stop.clear()
        self._thread = Thread(target=self._live, name="lease", daemon=True)
        self._thread.start()

    @staticmethod
    def _look(path: Path) -> tuple[dict[str, Any], Seen]:
        """The owner of a file, and all by which a sign of life shows.

        Opening a file makes NFS ask the server instead of its cache.
        """
        with open(open_own(path, os.O_RDONLY), "rb") as file:
            status = os.fstat(file.fileno())
            text = file.read(LONGEST)
        return owner_from(text), (status.st_ino, status.st_mtime_ns, text)

    def _is_over(self) -> bool:
        owner, self._seen = self._look(self.path)
        return is_dead(owner) or self._unchanged(self.path, self._seen)

    def _unchanged(self, path: Path, seen: Seen) -> bool:
        """Whether a file has shown no sign of life for too long, on our own clock."""
        now = self._clock()
        before, since = self._watched.get(path, ((), now))
        if seen != before:
            since = now
        self._watched[path] = (seen, since)
        return now - since >= self._expires

    def _take_over(self) -> bool:
        """Put our file in the place of a dead lease's.

        One of many does so at a time, behind a file of their own: the name is never free in
        between, so that nobody who looked early takes a living lease for the dead one.
        """
        guard = self.path.with_name(f"{self.path.name}.taking")
        if not self._write(guard):
            owner, seen = self._look(guard)
            if is_dead(owner) or self._unchanged(guard, seen):
                guard.unlink()  # whoever was taking over died: ask again
            return False
        mine = beside(self.path)
        try:
            if self._look(self.path)[1] != self._seen:
                return False  # another took it over before us, or its holder woke up
            self._write(mine)
            mine.replace(self.path)
        finally:
            for path in (mine, guard):
                with contextlib.suppress(OSError):
                    path.unlink()
        self._begin()
        return True

    def _is_ours(self) -> bool:
        try:
            return self._look(self.path)[0].get("token") == self._token
        except OSError:
            return False

    def _live(self) -> None:
        while not self._stop.wait(self._beat):
            self.beat()

    def beat(self) -> None:
        """Give a sign of life, if the lease is still ours."""
        with contextlib.suppress(OSError):
            if self._is_ours():
                os.utime(self.path, follow_symlinks=False)

    def release(self) -> None:
        """Give the lease up, if it is still ours."""
        if self._thread is None:
            return
        self._stop.set()
        self._thread.join()
        self._thread = None
        if self._is_ours():
            with contextlib.suppress(OSError):
                self.path.unlink()
