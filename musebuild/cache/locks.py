"""One invocation, one maker: a lock for each key."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
from pathlib import Path

from musebuild.cache.owner import describe


class KeyLock:
    """An exclusive lock on a key, held by `flock`: it goes with the process that holds it.

    Parameters
    ----------
    root : Path
        The store.
    key : str
    """

    def __init__(self, root: Path, key: str) -> None:
        self.path = root / "locks" / key
        self._descriptor: int | None = None

    def try_acquire(self) -> bool:
        """Take the lock if nobody has it; never waits."""
        if self._descriptor is not None:
            return True
        self.path.parent.mkdir(parents=True, exist_ok=True)
        while True:
            descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                os.close(descriptor)
                return False
            # The holder before may have removed the file between our open and our lock;
            # then we hold a file that nobody else will ever see.
            try:
                same = os.fstat(descriptor).st_ino == self.path.stat().st_ino
            except FileNotFoundError:
                same = False
            if same:
                break
            os.close(descriptor)
        os.ftruncate(descriptor, 0)
        os.write(descriptor, json.dumps(describe()).encode())
        self._descriptor = descriptor
        return True

    def release(self) -> None:
        """Give the lock up."""
        if self._descriptor is None:
            return
        with contextlib.suppress(FileNotFoundError):
            self.path.unlink()
        os.close(self._descriptor)
        self._descriptor = None

    def owner(self) -> str:
        """Who holds the lock, for a message."""
        try:
            owner = json.loads(self.path.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return "another build"
        return f"process {owner.get('pid')} on {owner.get('host')}"
