"""What people see of downloads: lines, or on a terminal bars by file and in all."""

from __future__ import annotations

import datetime as dt
import threading
import time
from collections.abc import Sequence
from typing import Any, Self, TextIO

from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)

from musebuild.archive.model import NIGHT_LOG, ArchiveFrame
from musebuild.report.lines import LineReporter
from musebuild.report.spans import count
from musebuild.report.tables import Rows, text_of
from musebuild.settings.sizes import format_bytes


class LineWatch:
    """A dated line for each file.

    Parameters
    ----------
    out : file
    total : int
        Files in all.
    """

    def __init__(self, out: TextIO, total: int) -> None:
        self._lines = LineReporter(out)
        self._lock = threading.Lock()
        self.total = total
        self.done = 0
        self.bytes = 0
        """Bytes that came over the line."""
        self._have: dict[str, int] = {}
        self._since: dict[str, float] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def _line(self, event: str, text: str) -> None:
        self._lines.line(event, text)

    def began(self, name: str, have: int, total: int | None) -> None:
        """A file comes."""
        with self._lock:
            self._have[name] = have
            self._since.setdefault(name, time.monotonic())
            if have:
                self._line("resume", f"{name}  at {format_bytes(have)}")

    def moved(self, name: str, count: int) -> None:
        """Bytes came."""
        with self._lock:
            self.bytes += max(0, count)
            self._have[name] = max(0, self._have.get(name, 0) + count)

    def again(self, name: str, reason: str, wait: float) -> None:
        """An attempt failed."""
        with self._lock:
            self._line("retry", f"{name}  {reason}; again in {wait:.1f} s")

    def ended(self, name: str, how: str, problem: str) -> None:
        """A file is done with."""
        with self._lock:
            self.done += 1
            size = self._have.pop(name, 0)
            seconds = time.monotonic() - self._since.pop(name, time.monotonic())
            text = f"{name}  "
            if how == "here":
                rate = f", {format_bytes(int(size / seconds))}/s" if seconds > 0 else ""
                self._line(
                    "fetched", f"{text}{format_bytes(size)}{rate}  [{self.done}/{self.total}]"
                )
            elif how != "stopped":
                self._line(how, f"{text}{problem}  [{self.done}/{self.total}]")


class BarWatch(LineWatch):
    """Bars on a terminal; what did not work scrolls by above them.

    Parameters
    ----------
    out : file
    frames : sequence of ArchiveFrame
        What is to come.
    """

    def __init__(self, out: TextIO, frames: Sequence[ArchiveFrame]) -> None:
        super().__init__(out, len(frames))
        # Night logs are too small to count.
        self._large = sum(not frame.dp_id.endswith(NIGHT_LOG) for frame in frames)
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            DownloadColumn(),
            TransferSpeedColumn(),
            TimeRemainingColumn(),
            console=Console(file=out),
            transient=True,
        )
        self._all = self._progress.add_task(self._title(), total=None)
        self._tasks: dict[str, TaskID] = {}
        self._totals: dict[str, int] = {}
        self._known = [frame.size for frame in frames if frame.size]
        self._finished = 0

    def _title(self) -> str:
        return f"all  {self.done}/{self.total}"

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def _line(self, event: str, text: str) -> None:
        if event not in ("fetched", "resume"):
            self._progress.console.print(f"{event:<8}  {text}", highlight=False, markup=False)

    def _whole(self) -> int | None:
        """Bytes in all: of those that are not known yet, the mean of the others."""
        known = list(self._totals.values()) or self._known
        if not known:
            return None
        return int(sum(known) / len(known) * self._large)

    def began(self, name: str, have: int, total: int | None) -> None:
        """A file comes."""
        super().began(name, have, total)
        with self._lock:
            if total and not name.endswith(NIGHT_LOG):
                self._totals[name] = total
            if name not in self._tasks:
                self._tasks[name] = self._progress.add_task(name, total=total)
            self._progress.update(self._tasks[name], completed=have, total=total)
            self._update()

    def moved(self, name: str, count: int) -> None:
        """Bytes came."""
        super().moved(name, count)
        with self._lock:
            if name in self._tasks:
                self._progress.update(self._tasks[name], completed=self._have.get(name, 0))
            self._update()

    def ended(self, name: str, how: str, problem: str) -> None:
        """A file is done with."""
        with self._lock:
            self._finished += self._have.get(name, 0)
            if (task := self._tasks.pop(name, None)) is not None:
                self._progress.remove_task(task)
        super().ended(name, how, problem)
        with self._lock:
            self._update()

    def _update(self) -> None:
        completed: Any = self._finished + sum(self._have.values())
        self._progress.update(
            self._all, completed=completed, total=self._whole(), description=self._title()
        )


def frames_table(frames: Sequence[ArchiveFrame], today: dt.date) -> list[str]:
    """What would come, as lines of a table with sizes and sums by category.

    Parameters
    ----------
    frames : sequence of ArchiveFrame
    today : date
        Frames released later are marked.
    """
    rows = []
    for frame in frames:
        size = format_bytes(frame.size) if frame.size is not None else "?"
        release = frame.release[:10]
        note = f"proprietary until {release}" if release > today.isoformat() else ""
        rows.append((frame.dp_id, frame.category, frame.night, frame.ins_mode, size, note))
    columns = ("frame", "category", "night", "mode", "size", "")
    return text_of(Rows(columns, tuple(rows)), right=("size",)).splitlines()


def sums(frames: Sequence[ArchiveFrame]) -> str:
    """Number of frames and bytes: `12 frames, 9.1 GB`; at least so many where not all are told."""
    known = [frame.size for frame in frames if frame.size is not None]
    number = count(len(frames), "file")
    if not frames:
        return number
    if not known:
        return f"{number}, of unknown size"
    more = "" if len(known) == len(frames) else f" and {len(frames) - len(known)} of unknown size"
    return f"{number}, {format_bytes(sum(known))}{more}"
