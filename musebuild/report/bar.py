"""A progress bar for what takes more than a moment."""

from __future__ import annotations

from typing import Any

LEAST = 100
"""Steps that are worth a bar."""


class Bar:
    """A bar on standard error; it goes away when all is done.

    Parameters
    ----------
    text : str
        What is being done.
    least : int
        Fewer steps have no bar.
    """

    def __init__(self, text: str, *, least: int = LEAST) -> None:
        self._least = least
        self._text = text
        self._progress: Any = None
        self._task: Any = None

    def __call__(self, done: int, total: int) -> None:
        """Show how many steps are done, of how many."""
        if total < self._least:
            return
        if self._progress is None:
            # Not at the top: most commands never need it, and start the faster.
            from rich.console import Console
            from rich.progress import (
                BarColumn,
                MofNCompleteColumn,
                Progress,
                TextColumn,
                TimeRemainingColumn,
            )

            self._progress = Progress(
                TextColumn("{task.description}"),
                BarColumn(),
                MofNCompleteColumn(),
                TimeRemainingColumn(),
                console=Console(stderr=True),
                transient=True,
            )
            self._task = self._progress.add_task(self._text, total=total)
            self._progress.start()
        self._progress.update(self._task, completed=done)
        if done >= total:
            self.close()

    def close(self) -> None:
        """Take the bar away."""
        if self._progress is not None:
            self._progress.stop()
            self._progress = None
