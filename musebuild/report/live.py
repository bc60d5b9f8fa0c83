"""The screen of a build on a terminal: what runs, what is done, how long it will take."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, TextIO

import psutil
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from musebuild.cache.model import Manifest
from musebuild.engine.summary import Failure
from musebuild.report.lines import LineReporter
from musebuild.report.live_figures import first_seconds, last_message
from musebuild.report.spans import count, span
from musebuild.workers.orders import WorkOrder

REFRESH = 4
"""Times a second."""
WIDE = 110
"""Columns from which on threads are shown, too."""


def time_left(
    waiting: Iterable[str], running: Mapping[str, float], seconds: Mapping[str, float], workers: int
) -> float | None:
    """Seconds until a build ends, from the mean times of its recipes; None: not known.

    Parameters
    ----------
    waiting : iterable of str
        Recipes of the invocations that have not begun.
    running : mapping
        Name → seconds that a running one still needs.
    seconds : mapping
        Recipe → mean time of earlier runs.
    workers : int
        Recipes side by side.
    """
    total = 0.0
    for recipe in waiting:
        if recipe not in seconds:
            return None
        total += seconds[recipe]
    total += sum(running.values())
    return max([total / max(workers, 1), *running.values()])


class LiveReporter(LineReporter):
    """Keeps a few lines at the bottom of the terminal; failures scroll by above them."""

    desc = "a live display, on a terminal"

    def __init__(self, outstream: TextIO, options: Mapping[str, Any] | None = None) -> None:
        super().__init__(outstream, options)
        options = options or {}
        self.seconds: Mapping[str, float] = options.get("seconds", {})
        self.recipes: dict[str, str] = {}
        self.workers = int(options.get("workers") or 1)
        self.memory = int(options.get("memory") or 0)
        self.counted = {
            "ran": 0,
            "restored": 0,
            "same": 0,
            "left out": 0,
            "failed": 0,
            "stopped": 0,
            "not run": 0,
        }
        self.running: dict[str, tuple[float, int]] = {}
        self.here: dict[str, list[float]] = {}
        self.ifus: set[str] = set()
        self._logs: dict[str, Path] = {}
        self._messages: dict[str, str] = {}
        self._looked = 0.0
        self.waiting: dict[str, str] = {}
        self.told = ""
        self._lock = threading.Lock()
        self._console = Console(file=outstream, highlight=False)
        self._live = Live(
            console=self._console,
            get_renderable=self._screen,
            refresh_per_second=REFRESH,
            transient=True,
            redirect_stderr=False,
            redirect_stdout=False,
        )

    def line(self, event: str, text: str) -> None:
        """Only what people must not miss scrolls by."""
        if event in ("FAILED", "waits", "stopping"):
            moment = time.strftime("%Y-%m-%d %H:%M:%S")
            self._console.print(f"{moment}  {event:<8}  {text}", markup=False)

    def write(self, text: str) -> None:
        """Lines above the display."""
        self._console.print(text, markup=False, end="")

    def _counted(self) -> str:
        # Most ends pass without a line here.
        self.done = sum(self.counted.values())
        return super()._counted()

    # the picture

    def _screen(self) -> RenderableType:
        with self._lock:
            done = sum(self.counted.values())
            parts = [f"{number} {word}" for word, number in self.counted.items() if number]
            parts.append(f"{len(self.running)} running")
            parts.append(f"{len(self.waiting)} waiting")
            now = time.monotonic()
            self._look(now)
            seconds = self._seconds()
            left = {
                name: max(seconds.get(self.recipes.get(name, ""), 0.0) - (now - began), 0.0)
                for name, (began, _) in self.running.items()
            }
            known = all(self.recipes.get(name, "") in seconds for name in self.running)
            rest = time_left(self.waiting.values(), left, seconds, self.workers)
            table = self._rows(now)
        head = Table.grid(padding=(0, 2))
        head.add_row(
            ProgressBar(total=max(self.total, 1), completed=done, width=30),
            f"{done}/{self._of()}",
            f"about {span(rest)} left" if known and rest is not None and rest > 0 else "",
        )
        if self.memory:
            parts.append(f"{_memory() / 1e9:.1f} of {self.memory / 1e9:.0f} GB")
        return Group(table, head, _one_line(", ".join(parts)), _one_line(self.told))

    def _rows(self, now: float) -> RenderableType:
        """A line for each running recipe, as many as the terminal is high."""
        table = Table.grid(padding=(0, 2))
        for _ in range(3):
            table.add_column(no_wrap=True)
        most = max(self._console.height - 6, 1)
        for name, (began, threads) in list(self.running.items())[:most]:
            task, _, ifu = name.partition(".ifu")
            more = [count(threads, "thread")] if self._console.width >= WIDE else []
            table.add_row(
                Text(task, overflow="ellipsis"),
                f"IFU {int(ifu)}" if ifu.isdigit() else "",
                span(now - began),
                *more,
                _one_line(self._messages.get(name, "")),
            )
        if len(self.running) <= most:
            return table
        return Group(table, _one_line(f"… and {len(self.running) - most} more"))

    def _look(self, now: float) -> None:
        """See what the running recipes log, once a second."""
        if now - self._looked < 1.0:
            return
        self._looked = now
        self._messages = {name: last_message(self._logs[name]) for name in self.running}

    def _seconds(self) -> dict[str, float]:
        """Mean time of each recipe: of earlier builds, of this one, of the simulated night."""
        here = {recipe: sum(some) / len(some) for recipe, some in self.here.items()}
        wanted = set(self.recipes.values())
        return first_seconds({**here, **self.seconds}, wanted, len(self.ifus))

    # events

    def initialize(self, tasks: Mapping[str, Any], selected: Iterable[str]) -> None:
        """The build begins."""
        super().initialize(tasks, selected)
        self._live.start()

    def found(self, recipes: Mapping[str, str], more: bool) -> None:
        """More tasks are known to be to do."""
        with self._lock:
            super().found(recipes, more)
            self.recipes.update(recipes)
            self.ifus.update(name.rpartition(".ifu")[2] for name in recipes if ".ifu" in name)
            self.waiting.update(recipes)

    def _end(self, name: str, how: str) -> None:
        with self._lock:
            self.running.pop(name, None)
            self._logs.pop(name, None)
            self.waiting.pop(name, None)
            self.counted[how] += 1

    def started(self, task: Any, order: WorkOrder) -> None:
        """A recipe starts."""
        with self._lock:
            self.waiting.pop(task.name, None)
            self.running[task.name] = (time.monotonic(), order.threads)
            self._logs[task.name] = Path(order.scratch) / f"{order.recipe}.log"
            self._looked = 0.0
        self.follow(task.name, order)

    def ran(self, task: Any, manifest: Manifest) -> None:
        """A recipe succeeded."""
        with self._lock:
            recipe = self.recipes.get(task.name, "")
            self.here.setdefault(recipe, []).append(manifest.seconds)
        self._end(task.name, "ran")

    def restored(self, task: Any, manifest: Manifest) -> None:
        """Products came back from the store."""
        self._end(task.name, "restored")

    def skip_uptodate(self, task: Any) -> None:
        """A task turned out to be up to date."""
        self._end(task.name, "same")

    def skip_ignore(self, task: Any) -> None:
        """A task turned out to be left out."""
        self._end(task.name, "left out")

    def failed(self, task: Any, failure: Failure) -> None:
        """An invocation failed."""
        super().failed(task, failure)
        self._end(task.name, "failed")

    def halted(self, task: Any) -> None:
        """A recipe was stopped, as people asked."""
        self._end(task.name, "stopped")

    def not_run(self, task: Any, cause: str) -> None:
        """An invocation cannot run because of another."""
        self._end(task.name, "not run")

    def stopping(self, signal: str, number: int) -> None:
        """A signal came; only noted, since the handler may interrupt the display itself."""
        self.told = (
            f"stopping ({signal}): running recipes end first; again to stop them now"
            if number == 1
            else f"stopping ({signal}): ending the running recipes"
        )

    def complete_run(self) -> None:
        """The build ended."""
        self._live.stop()


def _one_line(text: str) -> Text:
    """A text that is cut where the terminal ends."""
    return Text(text, no_wrap=True, overflow="ellipsis")


def _memory() -> int:
    """Resident memory of all that this build started, in bytes."""
    total = 0
    for process in psutil.Process().children(recursive=True):
        try:
            total += process.memory_info().rss
        except psutil.Error:
            continue
    return total
