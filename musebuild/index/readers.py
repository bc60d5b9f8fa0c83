"""Reads the headers of many frames, in several processes where there are many.

Parsing headers keeps a core busy, so threads of one process would wait for each other. The
processes are spawned (not forked: the parent holds a database and threads), and end when their
parent does.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Iterator, Sequence
from types import ModuleType
from typing import TYPE_CHECKING, Any

from musebuild.errors import FrameError
from musebuild.fits.quick_headers import read_wanted
from musebuild.index.columns import KEYWORDS, LAMP_KEYWORDS, row_of
from musebuild.index.in_flight import in_flight
from musebuild.index.qa import MEASURED_RAW, SEEING, SPARTA, raw_row
from musebuild.index.walk import BadFile, Kind

if TYPE_CHECKING:
    from concurrent.futures import Future

CHUNK = 250
"""Files that a process reads before it answers."""
FEW = 50
"""The same, where there is but this process: so often the index is written."""
WORTH = 1500
"""Fewer files are read faster than processes start."""

QA = "qa"
"""Key of a row that holds the frame's row in `qa_raw`; only where it has one."""

Row = dict[str, Any]


def read_row(path: str, additional: Sequence[str] = ()) -> Row | BadFile:
    """The row of a frame as far as its headers tell, or what is wrong with the file.

    That of an exposure comes with its row in `qa_raw`.

    Parameters
    ----------
    path : str
        The file.
    additional : sequence of str
        More keywords to keep.
    """
    more = (keyword.strip().upper() for keyword in additional)
    wanted = {*KEYWORDS, *LAMP_KEYWORDS, *SEEING, *more}
    try:
        headers = read_wanted(path, wanted)
    except FrameError as error:
        message = f"{error.what}: {error.why}" if error.why else error.what
        return BadFile(path, message, error.remedy or "fetch it again, or move it away")
    row = row_of(path, headers, additional)
    if isinstance(row, str):
        remedy = "move it out of raw_path, or fetch the original from the archive"
        return BadFile(path, row, remedy, Kind.HEADER)
    if row["is_raw"] and row["category"] in MEASURED_RAW:
        row[QA] = raw_row(path, row, headers.primary, SPARTA in headers.extensions)
    return row


def read_rows(
    paths: Sequence[str], additional: Sequence[str] = (), processes: int | None = None
) -> Iterator[list[tuple[str, Row | BadFile]]]:
    """Rows of many frames, some at a time, as they come.

    Parameters
    ----------
    paths : sequence of str
        The files.
    additional : sequence of str
        More keywords to keep.
    processes : int, optional
        Default: one for each core, where there are files enough.
    """
    if processes is None:
        processes = len(os.sched_getaffinity(0)) if len(paths) >= WORTH else 1
    length = CHUNK if processes > 1 else FEW
    chunks = [paths[start : start + length] for start in range(0, len(paths), length)]
    if processes > 1:
        left = list(range(len(chunks)))
        yield from _from_processes(chunks, left, additional, processes)
        chunks = [chunks[number] for number in left]
    for chunk in chunks:
        yield _read_chunk(chunk, additional)


def _read_chunk(paths: Sequence[str], additional: Sequence[str]) -> list[tuple[str, Row | BadFile]]:
    return [(path, read_row(path, additional)) for path in paths]


def _from_processes(
    chunks: Sequence[Sequence[str]], left: list[int], additional: Sequence[str], processes: int
) -> Iterator[list[tuple[str, Row | BadFile]]]:
    """What processes read; `left` shrinks to the chunks that they did not, where one died."""
    # Here, since few scans read so many headers.
    from concurrent.futures.process import BrokenProcessPool, ProcessPoolExecutor

    context = multiprocessing.get_context("spawn")
    try:
        pool = ProcessPoolExecutor(min(processes, len(chunks)), context, _begin_reading)
    except OSError:
        # No semaphores, or the process that keeps account of them died.
        return

    def submit(number: int) -> Future[list[tuple[str, Row | BadFile]]]:
        with _main_hidden():
            return pool.submit(_read_chunk, chunks[number], additional)

    try:
        for number, future in in_flight(submit, range(len(chunks)), 2 * processes):
            rows = future.result()
            left.remove(number)
            yield rows
    except (BrokenProcessPool, OSError):
        # Nothing is lost by it: what is left is read by who asked.
        return
    finally:
        pool.shutdown(cancel_futures=True)


@contextlib.contextmanager
def _main_hidden() -> Iterator[None]:
    """A process that is started runs the script of its parent once more, which is not ours."""
    main = sys.modules["__main__"]
    sys.modules["__main__"] = ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = main


def _begin_reading() -> None:
    # Ctrl-C is for the parent, which lets us end.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
