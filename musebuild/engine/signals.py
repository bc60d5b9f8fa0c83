"""Ctrl-C and SIGTERM: the first lets running recipes end, the second ends them."""

from __future__ import annotations

import signal
from collections.abc import Callable
from types import FrameType, TracebackType
from typing import Any, Self

WATCHED = (signal.SIGINT, signal.SIGTERM)


class StopSignals:
    """Counts stop signals while a build runs.

    Parameters
    ----------
    on_signal : callable
        Told the name of the signal and how many came so far; must return at once.
    """

    def __init__(self, on_signal: Callable[[str, int], None]) -> None:
        self._on_signal = on_signal
        self._before: dict[int, Any] = {}
        self.count = 0
        self.name = ""
        self.number = 0

    def _handle(self, number: int, frame: FrameType | None) -> None:
        self.count += 1
        if not self.name:
            self.name = signal.Signals(number).name
            self.number = number
        self._on_signal(signal.Signals(number).name, self.count)

    def __enter__(self) -> Self:
        for number in WATCHED:
            self._before[number] = signal.signal(number, self._handle)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
