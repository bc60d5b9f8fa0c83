"""Reads the headers of many frames, in processes of its own where there are many.

Parsing headers keeps a core busy, so threads of one process would wait for each other. The
processes are started anew (not forked: the parent holds a database and threads) and know nothing
but this module; they end when their parent does.
"""

from __future__ import annotations

import contextlib
import os
import pickle
import queue
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from musebuild.errors import FrameError
from musebuild.fits.quick_headers import read_wanted
from musebuild.index.columns import KEYWORDS, LAMP_KEYWORDS, row_of
from musebuild.index.qa import MEASURED_RAW, SEEING, SPARTA, raw_row

CHUNK = 250
"""Files that a process reads before it answers."""
FEW = 50
"""The same, where there is but this process: so often the index is written."""
WORTH = 1500
"""Fewer files are read faster than processes start."""

QA = "qa"
"""Key of a row that holds the frame's row in `qa_raw`; only where it has one."""

Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class BadFile:
    """A file below `raw_path` that cannot be used."""

    path: str
    message: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.path}: {self.message}\n  to mend it: {self.remedy}"


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
        return BadFile(path, row, "move it out of raw_path, or fetch the original from the archive")
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
    if processes < 2:
        for chunk in chunks:
            yield [(path, read_row(path, additional)) for path in chunk]
        return
    waiting: queue.SimpleQueue[Sequence[str]] = queue.SimpleQueue()
    for chunk in chunks:
        waiting.put(chunk)
    done: queue.Queue[list[tuple[str, Row | BadFile]] | BaseException] = queue.Queue(16)
    stop = threading.Event()
    threads = [
        threading.Thread(target=_drive, args=(waiting, done, stop, additional), daemon=True)
        for _ in range(min(processes, len(chunks)))
    ]
    for thread in threads:
        thread.start()
    try:
        for _ in chunks:
            result = done.get()
            if isinstance(result, BaseException):
                raise result
            yield result
    finally:
        stop.set()
        for thread in threads:
            while thread.is_alive():
                with contextlib.suppress(queue.Empty):
                    done.get_nowait()
                thread.join(0.05)


def _drive(
    waiting: queue.SimpleQueue[Sequence[str]],
    done: queue.Queue[list[tuple[str, Row | BadFile]] | BaseException],
    stop: threading.Event,
    additional: Sequence[str],
) -> None:
    """Feed one process; what it does not answer is read here."""
    reader = _start(additional)
    try:
        while not stop.is_set():
            try:
                chunk = waiting.get_nowait()
            except queue.Empty:
                return
            answer = None if reader is None else _ask(reader, chunk)
            if answer is None:
                # No process, or one that died: nothing is lost by it.
                reader = None
                answer = [(path, read_row(path, additional)) for path in chunk]
            done.put(answer)
    except Exception as error:
        done.put(error)
    finally:
        if reader is not None:
            with contextlib.suppress(OSError):
                assert reader.stdin is not None
                reader.stdin.close()
            reader.wait()


def _start(additional: Sequence[str]) -> subprocess.Popen[bytes] | None:
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    try:
        reader = subprocess.Popen(
            [sys.executable, "-c", "from musebuild.index.readers import serve; serve()"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=environment,
            # Ctrl-C is for the parent, which closes our pipe.
            start_new_session=True,
        )
        assert reader.stdin is not None
        pickle.dump(tuple(additional), reader.stdin)
        reader.stdin.flush()
    except OSError:
        return None
    return reader


def _ask(
    reader: subprocess.Popen[bytes], chunk: Sequence[str]
) -> list[tuple[str, Row | BadFile]] | None:
    assert reader.stdin is not None and reader.stdout is not None
    try:
        pickle.dump(list(chunk), reader.stdin)
        reader.stdin.flush()
        answers = pickle.load(reader.stdout)
    except (OSError, EOFError, pickle.UnpicklingError):
        return None
    return list(zip(chunk, answers, strict=True))


def serve() -> None:
    """The work of one process: lists of paths come in, their rows go out."""
    source, sink = sys.stdin.buffer, sys.stdout.buffer
    with contextlib.suppress(EOFError, BrokenPipeError):
        additional = pickle.load(source)
        while True:
            paths = pickle.load(source)
            pickle.dump([read_row(path, additional) for path in paths], sink)
            sink.flush()
