"""Content digests of input files, computed ahead in threads while recipes run."""

from __future__ import annotations

import time
from collections.abc import Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

from musebuild.errors import FrameError
from musebuild.fits.digest import FrameDigest, digest_frame
from musebuild.index.digests import (
    COARSE_TICK_NS,
    DigestMemory,
    Identity,
    identity,
    tick_of,
    whole_seconds,
)

ATTEMPTS = 3
MARGIN = 0.001
"""Seconds beyond the tick of a file system's clock."""


@dataclass(frozen=True, slots=True)
class Hashed:
    """A digest, and the file as it was when it was read."""

    digest: FrameDigest
    identity: Identity
    began_ns: int


def _let_settle(path: Path, known: Identity) -> None:
    """Wait until a change of a file would show another time than the last one did.

    Else its digest could not be believed by whoever looks next.
    """
    age = time.time_ns() - max(known[3], known[4])
    if 0 <= age <= COARSE_TICK_NS:
        tick = COARSE_TICK_NS if whole_seconds(known[4]) else tick_of(str(path.parent))
        if age <= tick:
            time.sleep((tick - age) / 1e9 + MARGIN)


def digest_unchanged(path: Path) -> Hashed:
    """Digest of a file that did not change meanwhile; a file just written is waited for.

    Raises
    ------
    FrameError
        The file cannot be read, or changes all the time.
    """
    for _ in range(ATTEMPTS):
        try:
            before = identity(path.stat())
            _let_settle(path, before)
            began = time.time_ns()
            digest = digest_frame(path)
            after = identity(path.stat())
        except OSError as error:
            raise FrameError(
                f"{path} cannot be read", why=error.strerror, remedy="bring the file back"
            ) from None
        if before == after:
            return Hashed(digest, before, began)
    raise FrameError(
        f"{path} changes while it is read",
        remedy="wait until whatever writes it is done, then run again",
    )


class Hasher:
    """Digests files in threads, in the order in which they are needed.

    Parameters
    ----------
    memory : DigestMemory
        Where digests are remembered; touched by the calling thread only.
    known : dict
        Path → digest; grows.
    threads : int
        How many files are read at once.
    """

    def __init__(
        self, memory: DigestMemory, known: dict[str, FrameDigest], threads: int = 2
    ) -> None:
        self._memory = memory
        self._known = known
        self._pool = ThreadPoolExecutor(max_workers=threads, thread_name_prefix="digest")
        self._futures: dict[str, Future[Hashed]] = {}

    def start(self, paths: Iterable[str]) -> None:
        """Begin to digest what is not known yet."""
        for path in paths:
            if path not in self._known and path not in self._futures:
                self._futures[path] = self._pool.submit(digest_unchanged, Path(path))

    def ensure(self, paths: Iterable[str]) -> None:
        """Wait until the digests of these files are known, and remember them.

        Raises
        ------
        FrameError
            One of them cannot be read.
        """
        wanted = [path for path in paths if path not in self._known]
        self.start(wanted)
        try:
            for path in wanted:
                if path in self._futures:
                    self._learn(path, self._futures.pop(path).result())
        finally:
            if wanted:
                self._memory.commit()

    def _learn(self, path: str, hashed: Hashed) -> None:
        self._known[path] = replace(hashed.digest, looks=hashed.identity)
        self._memory.remember(Path(path), hashed.digest, hashed.identity, hashed.began_ns)

    def close(self) -> None:
        """Stop; keep what is done already."""
        self._pool.shutdown(wait=True, cancel_futures=True)
        for path, future in self._futures.items():
            if future.done() and not future.cancelled() and future.exception() is None:
                self._learn(path, future.result())
        self._memory.commit()
        self._futures.clear()
