"""Many downloads side by side, within a limit, each as often as it takes."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from multiprocessing.pool import ThreadPool
from pathlib import Path
from typing import Literal, Protocol

import requests

from musebuild.archive import pauses
from musebuild.archive.client import Client
from musebuild.archive.disk import DiskFullError, DiskGuard
from musebuild.archive.file_download import (
    AgainError,
    FileDownload,
    GoneError,
    RefusedError,
    StoppedError,
)
from musebuild.settings.own_files import make_below
from musebuild.settings.path_names import BadNameError

How = Literal["here", "refused", "gone", "failed", "disk full", "stopped"]
HOPELESS = 2
"""So many times the downloads at once have failed in a row: the line or the archive is down."""


@dataclass(frozen=True, slots=True)
class Ended:
    """How the download of one file ended."""

    file_id: str
    how: How
    path: str = ""
    problem: str = ""


class _Own(threading.local):
    """What each thread has for itself: a session, which keeps its connection open."""

    def __init__(self) -> None:
        self.session = requests.Session()


class DownloadProgress(Protocol):
    """Who is told of progress, from several threads."""

    def began(self, name: str, have: int, total: int | None) -> None:
        """A file comes; so many of its bytes are here already."""

    def moved(self, name: str, count: int) -> None:
        """Bytes came; negative: were thrown away."""

    def again(self, name: str, reason: str, wait: float) -> None:
        """An attempt failed, another follows after some seconds."""

    def ended(self, name: str, how: str, problem: str) -> None:
        """A file is done with."""


class Downloader:
    """Downloads files, each in a thread of a pool.

    The threads end with the process (those of `concurrent.futures` are waited for at exit): a line
    on which nothing comes any more does not hold up Ctrl-C.

    Parameters
    ----------
    client : Client
        For addresses and tokens.
    folder : Path
        Where files shall lie; partial files in `.retrieve` below it.
    guard : DiskGuard
    watch : DownloadProgress
    parallel : int
        So many at once.
    first_pause : float
        Seconds before the first repetition.
    """

    def __init__(
        self,
        client: Client,
        folder: Path,
        guard: DiskGuard,
        watch: DownloadProgress,
        *,
        parallel: int,
        first_pause: float | None = None,
    ) -> None:
        self.client, self.folder, self.guard, self.watch = client, folder, guard, watch
        self.parallel = parallel
        self.first_pause = pauses.FIRST if first_pause is None else first_pause
        self.parts = folder / ".retrieve"
        self.stop = threading.Event()
        self._own = _Own()
        self._failures = 0
        """Files in a row that failed."""
        self._hold = 0.0
        """Moment (monotonic) before which no request goes out: the archive asked for it."""

    def run(self, file_ids: Sequence[str]) -> Iterator[Ended]:
        """Fetch files; yields each as it ends.

        When the disk is full, when one after the other fails, or when `stop` is set, what has
        not begun ends as `stopped`.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        make_below(self.folder, self.parts.name)
        with ThreadPool(max(1, min(self.parallel, len(file_ids)))) as pool:
            yield from pool.imap_unordered(self._end, file_ids)

    def _end(self, file_id: str) -> Ended:
        """Fetch one file, or not any more."""
        if self.stop.is_set():
            return Ended(file_id, "stopped")
        try:
            ended = self._one(file_id, self._own.session)
        except Exception as error:
            ended = Ended(file_id, "failed", problem=f"{type(error).__name__}: {error}")
        self._failures = self._failures + 1 if ended.how == "failed" else 0
        if ended.how == "disk full" or self._failures >= HOPELESS * self.parallel:
            self.stop.set()
        self.watch.ended(file_id, ended.how, ended.problem)
        return ended

    def _one(self, file_id: str, session: requests.Session) -> Ended:
        try:
            transfer = FileDownload(
                file_id,
                self.client.url(file_id),
                self.folder,
                self.parts,
                self.guard,
                moved=lambda count: self.watch.moved(file_id, count),
                began=lambda have, total: self.watch.began(file_id, have, total),
                stop=self.stop,
            )
        except BadNameError as error:
            return Ended(file_id, "gone", problem=f"no file can have the name {error}")
        fruitless, renewed = 0, False
        while True:
            self._wait(self._hold - time.monotonic())
            if self.stop.is_set():
                return Ended(file_id, "stopped")
            header = self.client.header()
            try:
                path = transfer.attempt(session, header)
                return Ended(file_id, "here", path=str(path), problem=transfer.warning)
            except StoppedError:
                return Ended(file_id, "stopped")
            except DiskFullError as error:
                return Ended(file_id, "disk full", problem=str(error))
            except GoneError as error:
                return Ended(file_id, "gone", problem=str(error))
            except RefusedError as error:
                if not header or renewed:
                    return Ended(file_id, "refused", problem=str(error))
                # A token may have run out before its time.
                renewed = True
                self.client.header(used=header["Authorization"])
            except AgainError as error:
                fruitless = 1 if error.gained else fruitless + 1
                if fruitless > pauses.PATIENCE:
                    return Ended(file_id, "failed", problem=f"{error}, {fruitless} times in a row")
                wait = pauses.pause(fruitless, error.wait, random.random(), self.first_pause)
                if error.everyone:
                    self._hold = max(self._hold, time.monotonic() + wait)
                self.watch.again(file_id, str(error), wait)
                self._wait(wait)

    def _wait(self, seconds: float) -> None:
        if seconds > 0:
            self.stop.wait(seconds)


def sizes(client: Client, file_ids: Sequence[str], parallel: int) -> dict[str, int]:
    """Lengths of files as the data portal announces them [bytes]; only those that it tells.

    Parameters
    ----------
    client : Client
    file_ids : sequence of str
    parallel : int
        Requests at once.
    """
    own = _Own()

    def ask(file_id: str) -> int | None:
        try:
            answer = own.session.head(
                client.url(file_id),
                headers={**client.header(), "Accept-Encoding": "identity"},
                allow_redirects=True,
                timeout=(10.0, 30.0),
            )
        except requests.RequestException:
            return None
        length = answer.headers.get("Content-Length", "")
        kind = answer.headers.get("Content-Type", "")
        told = answer.status_code == 200 and length.isdigit() and "html" not in kind
        return int(length) if told else None

    with ThreadPool(max(1, min(parallel, len(file_ids)))) as pool:
        lengths = zip(file_ids, pool.imap(ask, file_ids), strict=True)
        return {file_id: length for file_id, length in lengths if length is not None}
