"""Verifies the check sums of raw frames, and remembers what came out."""

from __future__ import annotations

import datetime as dt
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from musebuild.fits.checksum import Verdict, judge
from musebuild.index.database import Connection, transaction
from musebuild.index.digests import identity
from musebuild.index.in_flight import in_flight
from musebuild.index.meta import GROW

Identity = tuple[int, int, int, int]


@dataclass(frozen=True, slots=True)
class Verified:
    """What the check sums of a file said."""

    path: str
    status: str
    """`good`, `damaged`, `unverified`."""
    hdus: int
    checked: int
    message: str
    date: str


def _identity(path: str) -> Identity | None:
    try:
        status = os.stat(path)
    except OSError:
        return None
    _, inode, size, mtime_ns, ctime_ns = identity(status)
    return size, mtime_ns, inode, ctime_ns


def findings(connection: Connection, paths: Sequence[str] | None = None) -> list[Verified]:
    """What is remembered, by path; of some files, or of all."""
    absolute = connection.paths.absolute
    rows = connection.db.table("integrity").rows_where(
        select="path, status, hdus, checked, COALESCE(message, '') AS message, date",
        order_by="path",
    )
    wanted = None if paths is None else set(paths)
    found = [Verified(**(row | {"path": absolute(row["path"])})) for row in rows]
    return [finding for finding in found if wanted is None or finding.path in wanted]


def pending(connection: Connection, paths: Sequence[str]) -> list[str]:
    """Files that were not verified yet, or changed since."""
    absolute = connection.paths.absolute
    rows = connection.db.table("integrity").rows_where(
        select="path, size, mtime_ns, inode, ctime_ns"
    )
    known = {absolute(path): tuple(rest) for path, *rest in (row.values() for row in rows)}
    return [path for path in paths if known.get(path) != _identity(path)]


def verify_frames(
    connection: Connection,
    paths: Sequence[str],
    *,
    progress: Callable[[int, int], None] | None = None,
    threads: int | None = None,
) -> Iterator[Verified]:
    """Verify files; each result is committed as it comes, so that a stop loses none.

    Parameters
    ----------
    connection : Connection
        Opened with `INDEX_MIGRATIONS`.
    paths : sequence of str
        The files.
    progress : callable, optional
        Told how many are done, of how many.
    threads : int, optional
        Default: one for each core (sums of arrays keep no lock).

    Yields
    ------
    Verified
        As files are done.
    """
    threads = threads or len(os.sched_getaffinity(0))
    # Before they are read: what changes meanwhile is verified again.
    looked_at = ((path, _identity(path)) for path in paths)
    with ThreadPoolExecutor(threads) as pool:

        def submit(one: tuple[str, Identity | None]) -> Future[Verdict]:
            return pool.submit(judge, Path(one[0]))

        try:
            results = in_flight(submit, looked_at, 2 * threads)
            for done, ((path, identity), future) in enumerate(results, 1):
                finding = _remember(connection, path, identity, future.result())
                if progress is not None:
                    progress(done, len(paths))
                yield finding
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


def _remember(
    connection: Connection, path: str, identity: Identity | None, verdict: Verdict
) -> Verified:
    date = dt.datetime.now(dt.UTC).isoformat(timespec="seconds")
    message = "; ".join(verdict.faults)
    if identity is not None:
        size, mtime_ns, inode, ctime_ns = identity
        with transaction(connection):
            connection.db.table("integrity").insert(
                {
                    "path": connection.paths.stored(path),
                    "size": size,
                    "mtime_ns": mtime_ns,
                    "inode": inode,
                    "ctime_ns": ctime_ns,
                    "date": date,
                    "status": verdict.status,
                    "hdus": verdict.hdus,
                    "checked": verdict.checked,
                    "message": message or None,
                },
                replace=True,
            )
            if verdict.status == "damaged":
                # Of two copies the other one is used now.
                connection.execute(GROW)
    return Verified(path, verdict.status, verdict.hdus, verdict.checked, message, date)


def forget_missing(connection: Connection, present: Sequence[str]) -> None:
    """Forget files that are no longer there."""
    table = connection.db.table("integrity")
    here = set(map(connection.paths.stored, present))
    with transaction(connection):
        for row in list(table.rows_where(select="path")):
            if row["path"] not in here:
                table.delete(row["path"])
