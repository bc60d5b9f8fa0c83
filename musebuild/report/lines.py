"""What a build says while it runs, line by line, and at its end."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, TextIO

from musebuild.cache.model import Manifest
from musebuild.engine.summary import BuildSummary, Failure
from musebuild.plan.model import LeftOut
from musebuild.report.spans import count, span
from musebuild.report.tail import LogTail
from musebuild.settings.sizes import format_bytes
from musebuild.workers.orders import WorkOrder

MOST_LEFT_OUT = 20


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
        """A task is ignored."""

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


def left_out_text(
    left_out: Iterable[LeftOut], *, remedies: bool = True, most: int | None = MOST_LEFT_OUT
) -> list[str]:
    """Lines on what is left out, errors first, alike reasons together."""
    groups: dict[tuple[bool, str, str], list[str]] = {}
    for left in left_out:
        groups.setdefault((not left.error, left.reason, left.remedy), []).append(left.name)
    lines = []
    for (_, reason, remedy), names in sorted(groups.items(), key=lambda item: item[0][0]):
        shown = ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
        lines.append(f"  {shown}: {reason}")
        if remedy and remedies:
            lines.append(f"      to mend it: {remedy}")
    if most is not None and len(lines) > 2 * most:
        hidden = len(lines) - 2 * most
        lines = [*lines[: 2 * most], f"  … and {hidden} more lines: `doit list` has all"]
    return lines


def impossible_text(left_out: Iterable[LeftOut]) -> list[str]:
    """Lines on all that is asked for and cannot be done: who needs what, and what mends it.

    Alike reasons stand together; what only needs something of these is counted.
    """
    errors = [left for left in left_out if left.error]
    causes = [left for left in errors if not left.because] or errors
    lines = left_out_text(causes, most=None)
    if len(causes) < len(errors):
        rest = len(errors) - len(causes)
        lines.append(f"  and {count(rest, 'task')} that {'needs' if rest == 1 else 'need'} these")
    return lines


def ahead_text(left_out: Iterable[LeftOut]) -> str:
    """What is told before the first recipe of a build that goes on all the same."""
    lines = impossible_text(left_out)
    return "\n".join(["Cannot be done:", *lines, ""]) if lines else ""


def summary_text(summary: BuildSummary) -> str:
    """The end of a build: what ran, what was reused, what failed, where the results are."""
    ran, restored = len(summary.ran), len(summary.restored)
    lines: list[str] = []
    if summary.problems:
        lines.append(f"{count(len(summary.problems), 'file')} cannot be used:")
        lines += [f"  {line}" for problem in summary.problems for line in problem.splitlines()]
    if summary.refused:
        lines.append("Cannot be done:")
        lines += impossible_text(summary.left_out)
        waiting = count(summary.refused, "task")
        lines.append(
            f"So nothing was run. `doit --continue` does the rest ({waiting} to run or restore)."
        )
        return "\n".join(lines) + "\n"
    if summary.left_out:
        lines.append("Left out:")
        lines += left_out_text(summary.left_out)
    for path in summary.edited:
        lines.append(f"A product had been edited; the edited file was moved to {path}")
    if summary.not_run:
        lines.append(f"{count(len(summary.not_run), 'task')} not run:")
        lines += [f"  {name}: it needs {cause}" for name, cause in summary.not_run.items()]
    if summary.failed:
        lines.append(f"{count(len(summary.failed), 'task')} failed:")
        lines += [f"  {failure.task}: {failure.message}" for failure in summary.failed]
    if summary.warnings:
        told = ", ".join(f"{name} {number}" for name, number in sorted(summary.warnings.items()))
        lines.append(f"Warnings of recipes: {told}")
    nothing = not (ran or restored or summary.failed or summary.not_run)
    if nothing and summary.up_to_date and not summary.stopped:
        lines.append(f"Everything is up to date ({count(summary.up_to_date, 'task')}).")
    elif nothing and not summary.stopped:
        lines.append("There is nothing to do.")
    else:
        parts = [f"{ran} ran", f"{restored} restored", f"{summary.up_to_date} up to date"]
        if summary.failed:
            parts.append(f"{len(summary.failed)} failed")
        if summary.halted:
            parts.append(f"{len(summary.halted)} stopped")
        if summary.not_run:
            parts.append(f"{len(summary.not_run)} not run")
        lines.append(", ".join(parts) + f", in {span(summary.seconds)}.")
        if summary.recipe_seconds:
            free = summary.free_bytes
            room = f" {format_bytes(free)} are free on the store's disk." if free else ""
            lines.append(
                f"Recipes took {span(summary.recipe_seconds)}, "
                f"and made {format_bytes(summary.new_bytes)} of products.{room}"
            )
        if summary.saved_seconds >= 1:
            lines.append(f"The cache saved {span(summary.saved_seconds)} of recipes.")
    if summary.stopped:
        lines.append(
            f"Stopped by {summary.stopped}. Nothing finished is lost: `doit` goes on from here."
        )
    elif not summary.failed and (ran or restored):
        lines.append(f"Results: {summary.results}")
        if summary.beside:
            lines.append(
                f"  ({summary.beside} holds what another tool made, and is left alone; "
                "`musebuild adopt` takes its place)"
            )
    return "\n".join(lines) + "\n"
