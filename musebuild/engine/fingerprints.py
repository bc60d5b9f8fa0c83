"""Whether files are as they were: one hash over the identities of hundreds of thousands of them."""

from __future__ import annotations

import marshal
import os
import stat
from collections.abc import Iterable, Iterator

from blake3 import blake3

PIECE = 4096
"""Rows that are hashed at once."""
Look = tuple[str, os.stat_result]
"""A file that was looked at, as it was then."""


class Looks:
    """Files that a finding on an invocation rests on."""

    def __init__(self) -> None:
        self.stored: list[Look] = []
        """Manifest and objects."""
        self.placed: list[Look] = []
        """Products in the reduced tree."""
        self.unhashed: list[str] = []
        """Input files whose digests are not known."""

    def clear(self) -> None:
        """Begin anew, for the next invocation."""
        self.stored.clear()
        self.placed.clear()
        self.unhashed.clear()

    def note(self, watch: Watch) -> None:
        """Have them watched; a hard link in the reduced tree and its object are one file.

        Whoever writes to either, or takes one away, changes the status of the other.
        """
        seen = set()
        for path, status in self.placed:
            seen.add((status.st_dev, status.st_ino))
            watch.add(path, status)
        for path, status in self.stored:
            if (status.st_dev, status.st_ino) not in seen:
                watch.add(path, status)


def row_of(path: str, s: os.stat_result) -> tuple[object, ...]:
    """The identity of a file: what changes whenever its content may have."""
    return (path, s.st_dev, s.st_ino, s.st_size, s.st_mtime_ns, s.st_ctime_ns)


class Watch:
    """One hash over the identities of files, noted as they are looked at.

    What is noted is what a finding rests on: the status that the file had when it was looked at,
    so that whatever happens to it from then on shows.
    """

    def __init__(self) -> None:
        self._hasher = blake3()
        self._rows: list[tuple[object, ...]] = []
        self.paths: list[str] = []
        self.newest = 0
        """Latest change of any of them [ns]."""

    def add(self, path: str, status: os.stat_result) -> None:
        """Note a file."""
        self.paths.append(path)
        self.newest = max(self.newest, status.st_mtime_ns, status.st_ctime_ns)
        self._append(row_of(path, status))

    def _append(self, row: tuple[object, ...]) -> None:
        self._rows.append(row)
        if len(self._rows) == PIECE:
            self._flush()

    def _flush(self) -> None:
        self._hasher.update(_bytes(self._rows))
        self._rows.clear()

    def digest(self) -> str:
        """The hash; `watched` of the same paths gives the same while nothing changed."""
        self._flush()
        return str(self._hasher.hexdigest())


def watched(paths: Iterable[str]) -> str:
    """One hash over the identity of files; a missing one has none."""
    # Hundreds of thousands of files: plain tuples, and one conversion to bytes for many.
    hasher = blake3()
    rows: list[tuple[object, ...]] = []
    status_of = os.stat
    for path in paths:
        try:
            s = status_of(path)
            rows.append((path, s.st_dev, s.st_ino, s.st_size, s.st_mtime_ns, s.st_ctime_ns))
        except OSError:
            rows.append((path,))
        if len(rows) == PIECE:
            hasher.update(_bytes(rows))
            rows.clear()
    hasher.update(_bytes(rows))
    return str(hasher.hexdigest())


def _bytes(rows: list[tuple[object, ...]]) -> bytes:
    # Version 2 has no references, so that equal rows give equal bytes.
    return marshal.dumps(rows, 2)


def watched_tree(folder: str) -> str:
    """One hash over the names and identities of all files below a folder, and of its folders.

    Links to folders are followed, circles are not; what is new there shows as well.
    """
    hasher = blake3()
    seen: set[tuple[int, int]] = set()
    waiting = [folder]
    while waiting:
        current = waiting.pop()
        rows: list[tuple[object, ...]] = [(current,)]
        try:
            here = os.stat(current)
            if (here.st_dev, here.st_ino) in seen:
                continue
            seen.add((here.st_dev, here.st_ino))
            with os.scandir(current) as entries:
                for entry in entries:
                    try:
                        if entry.is_dir():
                            waiting.append(entry.path)
                        s = entry.stat()
                    except OSError:
                        rows.append((entry.name,))
                        continue
                    # Through a link: the file itself counts.
                    own = () if stat.S_ISDIR(s.st_mode) else (s.st_size, s.st_mtime_ns)
                    changed = () if stat.S_ISDIR(s.st_mode) else (s.st_ctime_ns,)
                    rows.append((entry.name, s.st_dev, s.st_ino, *own, *changed))
        except OSError:
            rows.append(("unreadable",))
        rows[1:] = sorted(rows[1:], key=lambda row: str(row[0]))
        waiting.sort()
        hasher.update(_bytes(rows))
    return str(hasher.hexdigest())


def watched_paths(products: Iterable[tuple[str, str]]) -> Iterator[str]:
    """Files to watch for products: (file in the reduced tree, its object).

    A hard link and its object are one file: whoever writes to either, or takes one away,
    changes the status of the other.
    """
    for placed, stored in products:
        yield placed
        try:
            ours, theirs = os.stat(placed), os.stat(stored)
            if (ours.st_dev, ours.st_ino) == (theirs.st_dev, theirs.st_ino):
                continue
        except OSError:
            pass
        yield stored
