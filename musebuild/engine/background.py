"""A function that runs in a copy of this process while this one does something else."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Callable, Iterator


@contextlib.contextmanager
def in_background(
    function: Callable[[], str], *, apart: bool = True
) -> Iterator[Callable[[], str]]:
    """Start a function; what this gives waits for its text.

    To look at hundreds of thousands of files takes the system's time, and Python lets only one
    thread of a process work: a copy uses the second core. The function must touch nothing that
    is shared with this process, such as a database. Where the copy cannot be made, or dies, the
    function runs here.

    Parameters
    ----------
    function : callable
        Gives a text; changes nothing.
    apart : bool
        False: it runs here, when its text is asked for. A copy is not worth it for little.
    """
    process = reading = -1
    if apart:
        with contextlib.suppress(OSError):
            process, reading = _start(function)

    def result() -> str:
        nonlocal process
        if process < 0:
            return function()
        with open(reading, "rb", closefd=False) as pipe:
            text = pipe.read()
        ended, process = os.waitpid(process, 0)[1], -1
        return text.decode() if ended == 0 else function()

    try:
        yield result
    finally:
        if process >= 0:
            os.kill(process, signal.SIGKILL)
            os.waitpid(process, 0)
        if reading >= 0:
            os.close(reading)


def _start(function: Callable[[], str]) -> tuple[int, int]:
    """The process that runs it, and the pipe that it writes to."""
    reading, writing = os.pipe()
    try:
        process = os.fork()
    except OSError:
        os.close(reading)
        os.close(writing)
        raise
    if process:
        os.close(writing)
        return process, reading
    status = 1
    try:
        os.close(reading)
        # Who ends this process ends it at once, without what others would do at an end.
        for name in (signal.SIGINT, signal.SIGTERM):
            signal.signal(name, signal.SIG_DFL)
        with open(writing, "wb") as pipe:
            pipe.write(function().encode())
        status = 0
    finally:
        os._exit(status)
