"""What vouches for the bytes of a file: that it was read, and shows no sign of a change since.

Whoever writes to a file can put back its mode and its time of modification, but not the time of its
status change. That one moves with each hard link, too, so that it alone damns nothing: a file whose
status moved is read once more before it is used. Our own links are noted as they are made.
"""

from __future__ import annotations

import os
from collections.abc import Callable

from musebuild.index.database import Connection, transaction
from musebuild.index.digests import Identity, identity, tick_of, trustworthy, whole_seconds

Row = tuple[str, int, int, int, int, int]
"""Object, and what a file looks like that holds its bytes."""


def _row(name: str, known: Identity) -> Row:
    return name, *known


class Verified:
    """Files whose bytes were found to be those of an object, as they were then.

    Parameters
    ----------
    connection : callable, optional
        Gives the project's database, opened with `CACHE_MIGRATIONS`; default: nothing is
        remembered beyond this process.
    """

    def __init__(self, connection: Callable[[], Connection] | None = None) -> None:
        self._open = connection
        self._fresh: dict[str, Row] = {}
        """By path; of what is not written yet."""
        self._young: dict[str, Row] = {}
        """The same of what changed a moment before it was read: it counts for this process."""
        self._gone: set[str] = set()
        """Paths, and names of objects of `is_of_old`, of which nothing is remembered any more."""
        self._ticks: dict[str, int] = {}

    def holds(self, path: str, name: str, status: os.stat_result) -> bool:
        """Whether a file that looks like that is known to hold an object's bytes."""
        known = self._fresh.get(path) or self._young.get(path)
        if known is None:
            if self._open is None or path in self._gone:
                return False
            connection = self._open()
            # A hot path: a look without the remembered plan asks for each object.
            known = connection.execute(
                "SELECT object, device, inode, size, mtime_ns, ctime_ns FROM verified "
                "WHERE path = ?",
                [connection.paths.stored(path)],
            ).fetchone()
        return known is not None and known == _row(name, identity(status))

    def is_of_old(self, name: str) -> bool:
        """Whether we used an object before there was this memory: what it looked like then counts
        as it did then."""
        if self._open is None or name in self._gone:
            return False
        found = self._open().execute(
            "SELECT 1 FROM verified WHERE path = ? AND object = path", [name]
        )
        return found.fetchone() is not None

    def was_read(self, path: str, name: str, status: os.stat_result, began_ns: int) -> None:
        """Note that a file was read, and holds an object's bytes.

        Parameters
        ----------
        path, name : str
            File and object.
        status : os.stat_result
            Of the file before it was read.
        began_ns : int
            When its reading began. A change within the same tick would not show: what is so young
            is read once more by the next process; by this one, too, where times are whole seconds.
        """
        folder = path.rpartition("/")[0]
        # Objects lie in 256 folders of one file system.
        place = folder.rpartition("/")[0]
        if place not in self._ticks:
            self._ticks[place] = tick_of(folder)
        known = identity(status)
        if trustworthy(known, began_ns, self._ticks[place]):
            self._note(path, name, known)
        else:
            self.forget(path)
            if not whole_seconds(status.st_ctime_ns):
                self._young[path] = _row(name, known)

    def was_changed_by_us(self, path: str, name: str, status: os.stat_result) -> None:
        """Note what a file looks like after we linked, moved or sealed it; its bytes are the same.

        The time of that is the file system's own, as exact as that has it: no other clock is
        compared with it.
        """
        if whole_seconds(status.st_ctime_ns):
            self.forget(path)
        else:
            self._note(path, name, identity(status))

    def _note(self, path: str, name: str, known: Identity) -> None:
        self._fresh[path] = _row(name, known)
        self._young.pop(path, None)
        self._gone.discard(path)
        self._gone.add(name)

    def forget(self, path: str) -> None:
        """Remember nothing of a file."""
        self._fresh.pop(path, None)
        self._young.pop(path, None)
        self._gone.add(path)

    def write(self) -> None:
        """Make what was noted last."""
        if self._open is None or not (self._fresh or self._gone):
            return
        connection = self._open()
        stored = connection.paths.stored
        with transaction(connection):
            connection.executemany(
                "DELETE FROM verified WHERE path = ?", [(stored(path),) for path in self._gone]
            )
            connection.executemany(
                "INSERT OR REPLACE INTO verified VALUES (?, ?, ?, ?, ?, ?, ?)",
                [(stored(path), *row) for path, row in self._fresh.items()],
            )
        self._fresh.clear()
        self._gone.clear()
