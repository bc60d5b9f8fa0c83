"""Locks for network file systems, where `flock` cannot be relied on: a file and its heartbeat.

The file is made with O_EXCL, which NFS keeps atomic, and touched every few seconds. Whoever
waits watches it on a clock of their own, so that clocks of machines need not agree. A holder
that sleeps too long loses its lease: then two make the same thing, and neither makes it wrong.
"""

from __future__ import annotations

import contextlib
import json
import os
import time
import uuid
from pathlib import Path
from threading import Event, Thread
from typing import Any

from musebuild.cache.owner import describe, is_dead
from musebuild.cache.place import beside

BEAT = 10.0
"""Seconds between signs of life."""
EXPIRES = 120.0
"""Seconds without one after which a holder counts as dead; above all caches of NFS."""


class Lease:
    """An exclusive lease of a file's name.

    Parameters
    ----------
    path : Path
        The file; its folder is there.
    beat, expires : float
        Seconds between signs of life, and without one until the lease is anybody's.
    """

    def __init__(self, path: Path, *, beat: float = BEAT, expires: float = EXPIRES) -> None:
        self.path = path
        self._beat = beat
        self._expires = expires
        self._token = uuid.uuid4().hex
        self._seen: tuple[Any, ...] = ()
        self._since = 0.0
        self._stop = Event()
        self._thread: Thread | None = None

    def try_acquire(self) -> bool:
        """Take the lease if nobody has it; never waits.

        To take over from a holder that died on another machine, ask the same object again.
        """
        if (self._thread is not None and self._is_ours()) or self._create():
            return True
        try:
            over = self._is_over() and self._take_away()
        except FileNotFoundError:
            over = True
        return over and self._create()

    def _create(self) -> bool:
        try:
            descriptor = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644)
        except FileExistsError:
            return False
        try:
            os.write(descriptor, json.dumps(describe() | {"token": self._token}).encode())
        except OSError:
            # Without our name in it nobody, not even we, would know whose it is.
            with contextlib.suppress(OSError):
                self.path.unlink()
            raise
        finally:
            os.close(descriptor)
        self._stop.clear()
        self._thread = Thread(target=self._live, name="lease", daemon=True)
        self._thread.start()
        return True

    def _look(self) -> tuple[dict[str, Any], tuple[Any, ...]]:
        """The owner, and all by which a sign of life shows.

        Opening a file makes NFS ask the server instead of its cache.
        """
        with self.path.open("rb") as file:
            status = os.fstat(file.fileno())
            text = file.read()
        try:
            owner = json.loads(text)
        except ValueError:
            owner = None
        if not isinstance(owner, dict):
            owner = {}
        return owner, (status.st_ino, status.st_mtime_ns, text)

    def _is_over(self) -> bool:
        owner, seen = self._look()
        now = time.monotonic()
        if seen != self._seen:
            self._seen, self._since = seen, now
        return is_dead(owner) or now - self._since >= self._expires

    def _take_away(self) -> bool:
        """Remove a dead lease: renamed first, since only one of many can rename it."""
        aside = beside(self.path)
        self.path.rename(aside)
        with contextlib.suppress(OSError):
            if aside.read_bytes() != self._seen[2]:
                # Another took it over before us, and this is theirs: give it back.
                os.link(aside, self.path)
                aside.unlink()
                return False
        with contextlib.suppress(OSError):
            aside.unlink()
        return True

    def _is_ours(self) -> bool:
        try:
            return self._look()[0].get("token") == self._token
        except OSError:
            return False

    def _live(self) -> None:
        while not self._stop.wait(self._beat):
            with contextlib.suppress(OSError):
                if self._is_ours():
                    os.utime(self.path)

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
