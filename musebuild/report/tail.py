"""The logs of running recipes, live."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

from musebuild.recipes.logs import LINE

LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR")
LOOK = 0.3
"""Seconds between looks at the logs."""


def shown(line: str, least: str) -> bool:
    """Whether a line of a log is at or above a level; continuation lines are."""
    match = LINE.match(line.strip())
    return match is None or LEVELS.index(match[1]) >= LEVELS.index(least)


class LogTail:
    """Follows the logs of running recipes in a thread.

    Parameters
    ----------
    write : callable
        Gets each line, with the task's name before it.
    least : str
        Least level that is shown: DEBUG, INFO, WARNING, ERROR.
    """

    def __init__(self, write: Callable[[str], None], least: str) -> None:
        self._write = write
        self._least = least
        self._places: dict[str, tuple[Path, int]] = {}
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._follow, name="logs", daemon=True)
        self._thread.start()

    def begin(self, task: str, log: Path) -> None:
        """A recipe starts to write a log."""
        with self._lock:
            self._places[task] = (log, 0)

    def end(self, task: str, log: Path | None) -> None:
        """A recipe ended.

        Parameters
        ----------
        task : str
            Its task.
        log : Path or None
            Where the log lies now: its folder is gone already.
        """
        with self._lock:
            if log is not None and task in self._places:
                self._places[task] = (log, self._places[task][1])
            self._read(task)
            self._places.pop(task, None)

    def close(self) -> None:
        """Stop following."""
        self._stop.set()
        self._thread.join()

    def _follow(self) -> None:
        while not self._stop.wait(LOOK):
            with self._lock:
                for task in list(self._places):
                    self._read(task)

    def _read(self, task: str) -> None:
        path, at = self._places.get(task, (Path(), 0))
        try:
            with path.open("rb") as stream:
                stream.seek(at)
                data = stream.read()
        except OSError:
            return
        whole = data[: data.rfind(b"\n") + 1]
        self._places[task] = (path, at + len(whole))
        for line in whole.decode("utf-8", "replace").splitlines():
            if shown(line, self._least):
                self._write(f"{task}: {line}\n")
