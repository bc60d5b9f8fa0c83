"""Content digests of files, remembered by what tells that a file is still the same."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path

from musebuild.fits.digest import FrameDigest
from musebuild.index.database import Connection, file_system, transaction
from musebuild.index.row_checks import CHECK, require_check
from musebuild.index.whole_numbers import moment, signed

TICK_NS = 100_000_000
"""Local file systems stamp changes at least so finely."""
COARSE_TICK_NS = 2_500_000_000
"""File systems that we do not know, or that go over a network."""
FINE = frozenset({"ext4", "xfs", "btrfs", "tmpfs", "overlay", "zfs", "f2fs", "apfs"})

COLUMNS = (
    "path",
    "device",
    "inode",
    "size",
    "mtime_ns",
    "ctime_ns",
    "hashed_ns",
    "digest",
)
"""Of the table, in its order."""
Identity = tuple[int, int, int, int, int]


def identity(status: os.stat_result) -> Identity:
    """What changes whenever a file's content may have: device, inode, size, mtime, ctime."""
    return (
        signed(status.st_dev),
        signed(status.st_ino),
        status.st_size,
        moment(status.st_mtime_ns),
        moment(status.st_ctime_ns),
    )


def whole_seconds(ctime_ns: int) -> bool:
    """Whether a file system stamps changes in whole seconds, as an old ext4 does: by one stamp."""
    return ctime_ns % 10**9 == 0


def trustworthy(known: Identity, hashed_ns: int, tick_ns: int) -> bool:
    """Whether a file that still shows `known` is surely what was hashed.

    A change within the tick of the time stamp in which it was hashed would not show. A time
    stamp in the future (a clock that was set back) proves nothing either.
    """
    if whole_seconds(known[4]):
        tick_ns = max(tick_ns, COARSE_TICK_NS)
    return max(known[3], known[4]) + tick_ns < hashed_ns


def tick_of(folder: str) -> int:
    """How finely a folder's file system stamps changes, at least [ns]."""
    return TICK_NS if file_system(Path(folder)) in FINE else COARSE_TICK_NS


def read_digests(connection: Connection, paths: Iterable[str]) -> dict[str, FrameDigest]:
    """Digests of those raw frames that were hashed as the last scan found them.

    Parameters
    ----------
    connection : Connection
        After a scan.
    paths : iterable of str
        A few raw frames.
    """
    question = (
        "SELECT digest FROM raw JOIN digests USING (inode, size, mtime_ns, ctime_ns) "
        "WHERE raw.path = ?"
    )
    found = {}
    for path in paths:
        row = connection.execute(question, [connection.paths.stored(path)]).fetchone()
        if row is not None:
            found[path] = FrameDigest(**json.loads(row[0]))
    return found


class DigestMemory:
    """Digests of files by their identity, so that a file that is moved is known in its new place.

    Parameters
    ----------
    connection : Connection
        Opened with `INDEX_MIGRATIONS`; written by the calling thread only.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._ticks: dict[str, int] = {}
        self._pending: list[tuple[object, ...]] = []

    def _tick(self, path: str) -> int:
        folder = os.path.dirname(path)
        if folder not in self._ticks:
            self._ticks[folder] = tick_of(folder)
        return self._ticks[folder]

    def known(self, path: Path) -> FrameDigest | None:
        """The digest of a file that is unchanged since it was hashed."""
        return self.known_many([str(path)]).get(str(path))

    def known_many(self, paths: Iterable[str]) -> dict[str, FrameDigest]:
        """Digests of those files that are unchanged since they were hashed."""
        asked: dict[int, list[tuple[str, Identity]]] = {}
        for path in paths:
            try:
                now = identity(os.stat(path))
            except OSError:
                continue
            asked.setdefault(now[1], []).append((path, now))
        found: dict[str, FrameDigest] = {}
        inodes = list(asked)
        for start in range(0, len(inodes), 500):
            some = inodes[start : start + 500]
            marks = ",".join("?" * len(some))
            for row in self._connection.execute(
                f"SELECT {', '.join(COLUMNS)}, {CHECK} FROM digests WHERE inode IN ({marks})", some
            ):
                require_check(row[:-1], row[-1], "digests")
                _, *known, hashed_ns, text, _ = row
                for path, now in asked[known[1]]:
                    if now == tuple(known) and trustworthy(now, hashed_ns, self._tick(path)):
                        found[path] = FrameDigest(**json.loads(text), looks=now)
        return found

    def all_known(self) -> list[tuple[str, FrameDigest]]:
        """Path and digest of all files that were ever hashed, as they were then."""
        # A raw frame may have been moved since: its table knows where it lies.
        rows = self._connection.execute(
            "SELECT COALESCE(raw.path, digests.path) AS place, digest FROM digests "
            "LEFT JOIN raw USING (inode, size, mtime_ns, ctime_ns) ORDER BY place"
        )
        absolute = self._connection.paths.absolute
        return [(absolute(path), FrameDigest(**json.loads(text))) for path, text in rows]

    def remember(
        self, path: Path, digest: FrameDigest, known: Identity, hashed_ns: int | None = None
    ) -> None:
        """Remember a digest; `commit` makes it last.

        Parameters
        ----------
        path : Path
            The file.
        digest : FrameDigest
            Its digest.
        known : tuple
            Its identity, taken before it was read.
        hashed_ns : int, optional
            When it began to be read (ns since the epoch); default: now.
        """
        told = asdict(digest)
        # That is a column of each row.
        del told["looks"]
        # Kept until `commit`: an open transaction would keep other builds waiting.
        self._pending.append(
            (
                self._connection.paths.stored(str(path)),
                *known,
                time.time_ns() if hashed_ns is None else hashed_ns,
                json.dumps(told),
            )
        )

    def commit(self) -> None:
        """Make what was remembered last."""
        if self._pending:
            with transaction(self._connection) as connection:
                # Of a file that was replaced nothing stays.
                connection.executemany(
                    "DELETE FROM digests WHERE path = ?", [row[:1] for row in self._pending]
                )
                connection.executemany(
                    f"INSERT OR REPLACE INTO digests ({', '.join(COLUMNS)}) "
                    "VALUES (?,?,?,?,?,?,?,?)",
                    self._pending,
                )
            self._pending.clear()
