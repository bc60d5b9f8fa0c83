"""What a build says while it runs, line by line, and what its recipes log meanwhile."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, TextIO

from musebuild.cache.model import Manifest
from musebuild.engine.summary import Failure
from musebuild.recipes.logs import LINE
from musebuild.report.spans import count, span
from musebuild.workers.orders import WorkOrder

LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR")
LOOK = 0.3
"""Seconds between looks at the logs."""


def is_shown(line: str, least: str) -> bool:
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
            if is_shown(line, self._least):
                self._write(f"{task}: {line}\n")


class LineReporter:
    """A reporter of doit's that writes a dated line for each event.

    Parameters
    ----------
    outstream : file
        Where lines go.
    options : mapping
        Of doit; not used.
    """

    desc = "one dated line for each event"

    def __init__(self, outstream: TextIO, options: Mapping[str, Any] | None = None) -> None:
        self.outstream = outstream
        self.tail: LogTail | None = None
        self.total = 0
        self.more = False
        self.done = 0

    def line(self, event: str, text: str) -> None:
        """Write one line."""
        self.outstream.write(f"{time.strftime('%Y-%m-%d %H:%M:%S')}  {event:<8}  {text}\n")
        self.outstream.flush()

    def _counted(self) -> str:
        self.done += 1
        return f"[{self.done}/{self._of()}]"

    def _of(self) -> str:
        """Number of all tasks; while more may be found, with a plus."""
        return f"{self.total}+" if self.more else str(self.total)

    # events of the engine

    def found(self, recipes: Mapping[str, str], more: bool) -> None:
        """More tasks are known to be to do, each with its recipe; `more`: others may be, too."""
        self.total += len(recipes)
        self.more = more

    def started(self, task: Any, order: WorkOrder) -> None:
        """A recipe starts."""
        self.line("start", f"{task.name}  ({task.doc}; {count(order.threads, 'thread')})")
        self.follow(task.name, order)

    def follow(self, name: str, order: WorkOrder) -> None:
        """Show what a recipe logs, where that is wanted."""
        if self.tail is not None:
            self.tail.begin(name, Path(order.scratch) / f"{order.recipe}.log")

    def ended(self, task: Any, log: str) -> None:
        """A recipe ended, well or not; its log lies in the store now."""
        if self.tail is not None:
            self.tail.end(task.name, Path(log) if log else None)

    def write(self, text: str) -> None:
        """Text of others, in whole lines."""
        self.outstream.write(text)
        self.outstream.flush()

    def ran(self, task: Any, manifest: Manifest) -> None:
        """A recipe succeeded."""
        warned = f", {count(len(manifest.warnings), 'warning')}" if manifest.warnings else ""
        self.line("done", f"{task.name}  {span(manifest.seconds)}{warned}  {self._counted()}")

    def restored(self, task: Any, manifest: Manifest) -> None:
        """Products came back from the store."""
        self.line(
            "restored",
            f"{task.name}  (saves {span(manifest.seconds)})  {self._counted()}",
        )

    def failed(self, task: Any, failure: Failure) -> None:
        """An invocation failed."""
        self.line("FAILED", f"{task.name}  {self._counted()}")
        self.write(_indented(failure_text(failure), "          "))

    def not_run(self, task: Any, cause: str) -> None:
        """An invocation cannot run because of another."""
        self.line("not run", f"{task.name}  (it needs {cause})  {self._counted()}")

    def halted(self, task: Any) -> None:
        """A recipe was stopped, as people asked."""
        self.line("stopped", f"{task.name}  {self._counted()}")

    def waits_for(self, task: Any, owner: str) -> None:
        """Another build makes the same."""
        self.line("waits", f"{task.name}  is being made by {owner}")

    def stopping(self, signal: str, number: int) -> None:
        """A signal came."""
        if number == 1:
            self.line("stopping", f"({signal}) running recipes end first; again to stop them now")
        else:
            self.line("stopping", f"({signal}) stopping the running recipes")

    # events of doit

    def initialize(self, tasks: Mapping[str, Any], selected: Iterable[str]) -> None:
        """The build begins; what is to do is told by `found`."""

    def get_status(self, task: Any) -> None:
        """A task is looked at."""

    def execute_task(self, task: Any) -> None:
        """A task begins."""

    def add_failure(self, task: Any, fail: Any) -> None:
        """A task failed; told by `failed`."""

    def add_success(self, task: Any) -> None:
        """A task succeeded; told by `ran` and `restored`."""

    def skip_uptodate(self, task: Any) -> None:
        """A task turned out to be up to date."""
        self.line("same", f"{task.name}  is up to date  {self._counted()}")

    def skip_ignore(self, task: Any) -> None:
        """A task turned out to be left out; the end of the build says why."""
        self.line("left out", f"{task.name}  {self._counted()}")

    def cleanup_error(self, exception: Any) -> None:
        """An error while cleaning up."""

    def runtime_error(self, message: str) -> None:
        """An error outside of any task."""
        self.outstream.write(f"{message}\n")

    def teardown_task(self, task: Any) -> None:
        """A task is torn down."""

    def complete_run(self) -> None:
        """The build ended; the summary follows."""


class QuietReporter(LineReporter):
    """Only failures."""

    desc = "only failures"

    def line(self, event: str, text: str) -> None:
        """Write a line if it tells of a failure."""
        if event in ("FAILED", "not run"):
            super().line(event, text)


class TeeReporter:
    """Tells every reporter what it is told.

    Parameters
    ----------
    reporters : sequence
        Reporters of doit's kind; each is told what it has a method for.
    """

    desc = "several reporters"

    def __init__(self, reporters: Sequence[Any]) -> None:
        self._reporters = tuple(reporters)

    def __getattr__(self, name: str) -> Any:
        methods = [m for r in self._reporters if (m := getattr(r, name, None)) is not None]
        if not methods:
            raise AttributeError(name)

        def tell(*args: Any, **more: Any) -> None:
            for method in methods:
                method(*args, **more)

        return tell


def _indented(text: str, by: str) -> str:
    return "".join(f"{by}{line}\n" for line in text.splitlines())


def failure_text(failure: Failure) -> str:
    """A failure for people: what, the recipe's last errors, where the log is."""
    lines = [failure.message]
    shown = [e for e in failure.errors if e and e not in failure.message]
    if shown:
        lines.append(f"last errors of {failure.recipe}:")
        lines += [f"  {error}" for error in shown[-6:]]
    if failure.return_code not in (None, 0) and str(failure.return_code) not in failure.message:
        lines.append(f"return code: {failure.return_code}")
    if failure.log:
        lines.append(f"log: {failure.log}")
    if failure.scratch:
        lines.append(f"kept: {failure.scratch} (run-again.sh there repeats it)")
    return "\n".join(lines)
