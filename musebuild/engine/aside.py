"""A second look at the same time: a function that runs in a copy of this process."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Callable
from types import TracebackType
from typing import Self


class Aside:
    """Runs a function in a copy of this process; its text is asked for later.

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

    def __init__(self, function: Callable[[], str], *, apart: bool = True) -> None:
        self._function = function
        self._process = 0
        self._pipe = -1
        if apart:
            with contextlib.suppress(OSError):
                self._begin()

    def _begin(self) -> None:
        reading, writing = os.pipe()
        try:
            self._process = os.fork()
        except OSError:
            os.close(reading)
            os.close(writing)
            raise
        if self._process == 0:
            self._answer(reading, writing)
        os.close(writing)
        self._pipe = reading

    def _answer(self, reading: int, writing: int) -> None:
        """What the copy does; it never returns, whatever happens."""
        status = 1
        try:
            os.close(reading)
            # Who ends this process ends it at once, without what others would do at an end.
            for name in (signal.SIGINT, signal.SIGTERM):
                signal.signal(name, signal.SIG_DFL)
            with open(writing, "wb") as pipe:
                pipe.write(self._function().encode())
            status = 0
        finally:
            os._exit(status)

    def result(self) -> str:
        """What the function gave."""
        if not self._process:
            return self._function()
        with open(self._pipe, "rb", closefd=False) as pipe:
            text = pipe.read()
        if self._ended() != 0:
            return self._function()
        return text.decode()

    def _ended(self) -> int:
        process, self._process = self._process, 0
        os.close(self._pipe)
        return os.waitpid(process, 0)[1]

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._process:
            with contextlib.suppress(OSError):
                os.kill(self._process, signal.SIGKILL)
            self._ended()
