"""Where recipes run: an interface, and worker processes on this machine behind it."""

from __future__ import annotations

import contextlib
import json
import os
import selectors
import shutil
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol

from musebuild.cache.store import Store
from musebuild.errors import RecipeError
from musebuild.recipes.logs import MOST_ERRORS
from musebuild.recipes.model import RecipeOutcome
from musebuild.workers.failures import keep_log, keep_scratch
from musebuild.workers.orders import WorkOrder, WorkResult


class Executor(Protocol):
    """Carries out work orders."""

    def submit(self, order: WorkOrder) -> None:
        """Start an order; returns at once."""
        ...

    def wait(self, timeout: float) -> list[WorkResult]:
        """Results of orders that ended since the last call; waits for one up to `timeout` s."""
        ...

    def stop(self, *, kill: bool) -> None:
        """Accept that no more work comes; with `kill`, end what runs."""
        ...

    def close(self) -> None:
        """End everything."""
        ...


STOPPED = "stopped"
"""Kind of a failure that people asked for, by a second Ctrl-C."""
CAUSES = {
    "time": RecipeOutcome(
        (), failure="it ran longer than its time limit and was stopped", kind="hang"
    ),
    "memory": RecipeOutcome(
        (), failure="it took more memory than its limit and was stopped", kind="memory"
    ),
    "stopped": RecipeOutcome((), failure="stopped on request", kind=STOPPED),
}
"""Why we ended a worker → what is told of it."""


def _limit(order: WorkOrder, cause: str) -> str:
    if cause == "time":
        return (
            f" ({order.time_limit:.0f} s; to allow more: time_limit in the block "
            f"recipes.{order.task.partition(':')[0]})"
        )
    if cause == "memory":
        return (
            f" ({order.memory_limit / 1e9:.2f} GB; to allow more: memory in the block "
            f"recipes.{order.task.partition(':')[0]})"
        )
    return ""


def lost(order: WorkOrder, code: int, cause: str) -> WorkResult:
    """The result of a worker that ended without leaving one.

    Parameters
    ----------
    order : WorkOrder
        What it worked on.
    code : int
        Exit status, negative for a signal.
    cause : str
        Why we ended it; empty where we did not.
    """
    scratch = Path(order.scratch)
    if cause:
        ended = CAUSES[cause]
    elif code == -signal.SIGKILL:
        ended = RecipeOutcome(
            (),
            failure="its process was killed (SIGKILL): by somebody, or by the system for want of "
            "memory. Where memory is short, use fewer workers (-n) or set resources.memory",
            kind="killed",
        )
    elif code < 0:
        ended = RecipeOutcome(
            (),
            failure=f"the recipe crashed in the C library ({signal.Signals(-code).name})",
            kind="crash",
        )
    else:
        ended = RecipeOutcome(
            (),
            failure=f"its worker ended with status {code} and left no result",
            kind="worker",
        )
    log = scratch / f"{order.recipe}.log"
    return WorkResult(
        order.task,
        False,
        failure={
            "message": ended.failure + _limit(order, cause),
            "errors": last_words(scratch),
            "return_code": code,
            "kind": ended.kind,
        },
        log=str(log),
    )


def last_words(scratch: Path) -> list[str]:
    """What a worker wrote before it ended, the last at the end."""
    lines: list[str] = []
    with contextlib.suppress(OSError):
        output = (scratch / "worker.out").read_text(encoding="utf-8", errors="replace")
        lines = [line for line in output.splitlines() if line.strip()]
    for number, line in enumerate(lines):
        if line.startswith("Fatal Python error"):
            # Of a crash: Python writes the innermost call first.
            calls = [line for line in lines[number + 1 :] if line.startswith("  File")]
            return [*reversed(calls[:MOST_ERRORS]), line]
    return lines[-MOST_ERRORS:]


def collect(order: WorkOrder, code: int, cause: str) -> WorkResult:
    """The result that a worker left; what a worker without one can no longer keep is kept for it.

    Parameters
    ----------
    order : WorkOrder
        What it worked on.
    code : int
        Exit status, negative for a signal.
    cause : str
        Why we ended it; empty where we did not.
    """
    try:
        return WorkResult.from_json(Path(order.result).read_text(encoding="utf-8"))
    except (OSError, ValueError, TypeError):
        result = lost(order, code, cause)
    log = keep_log(Path(result.log), Store([Path(root) for root in order.store]))
    failure = dict(result.failure or {})
    if order.keep_failed and cause != "stopped":
        failure["scratch"] = keep_scratch(order)
    return replace(result, log=log, failure=failure)


def clear_failed(order: WorkOrder, result: WorkResult) -> None:
    """Remove the scratch folder of what failed, but for a log that found no place in the store."""
    if (result.failure or {}).get("scratch"):
        return
    if not result.log.startswith(order.scratch):
        remove_scratch(order.scratch)
        return
    for name in ("in", "out"):
        shutil.rmtree(Path(order.scratch) / name, ignore_errors=True)


def remove_scratch(scratch: str) -> None:
    """Remove a scratch folder; of one that a worker cleared only a few files are left."""
    try:
        with os.scandir(scratch) as entries:
            for entry in entries:
                os.unlink(entry.path)
        os.rmdir(scratch)
    except OSError:
        shutil.rmtree(scratch, ignore_errors=True)


class LocalExecutor:
    """Worker processes on this machine, forked by a nursery."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        self._orders: dict[str, WorkOrder] = {}
        self._emptied: list[str] = []
        """Scratch folders of which little is left: the next recipe need not wait for that."""
        self._buffer = b""
        self._ready: list[WorkResult] = []

    def _nursery(self) -> subprocess.Popen[bytes]:
        if self._process is None:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "musebuild.workers.fork_server"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                start_new_session=True,
                bufsize=0,
                env={**os.environ, "OPENBLAS_NUM_THREADS": "1"},
            )
        return self._process

    def _say(self, message: dict[str, Any]) -> None:
        stream = self._nursery().stdin
        assert stream is not None, "the nursery was started with a pipe"
        data = json.dumps(message).encode() + b"\n"
        try:
            while data:
                data = data[stream.write(data) or 0 :]
        except BrokenPipeError:
            raise RecipeError(
                "The process that starts recipes has ended",
                remedy="run `doit` again: nothing finished is lost",
            ) from None

    def submit(self, order: WorkOrder) -> None:
        """Start an order."""
        self._orders[order.task] = order
        try:
            self._say({"do": "run", "order": order.to_json()})
        except RecipeError:
            del self._orders[order.task]
            raise

    def wait(self, timeout: float) -> list[WorkResult]:
        """Results of orders that ended; waits for one up to `timeout` s."""
        if not self._ready and self._orders:
            self._tidy()
            self._listen(timeout)
        ended, self._ready = self._ready, []
        return ended

    def _listen(self, timeout: float) -> None:
        stream = self._nursery().stdout
        assert stream is not None, "the nursery was started with a pipe"
        with selectors.DefaultSelector() as selector:
            selector.register(stream, selectors.EVENT_READ)
            if not selector.select(timeout):
                return
        data = os.read(stream.fileno(), 1 << 16)
        if not data:
            for order in list(self._orders.values()):
                self._end(order, 70, "")
            self._process = None
            return
        *lines, self._buffer = (self._buffer + data).split(b"\n")
        for line in lines:
            message = json.loads(line)
            if message["event"] == "ended" and message["task"] in self._orders:
                self._end(self._orders[message["task"]], message["code"], message["cause"])

    def _end(self, order: WorkOrder, code: int, cause: str) -> None:
        del self._orders[order.task]
        result = collect(order, code, cause)
        if result.ok:
            self._emptied.append(order.scratch)
        else:
            # What a recipe that failed left may be large.
            clear_failed(order, result)
        self._ready.append(result)

    def _tidy(self) -> None:
        while self._emptied:
            remove_scratch(self._emptied.pop())

    def stop(self, *, kill: bool) -> None:
        """End what runs, if `kill`."""
        if kill and self._process is not None and self._orders:
            with contextlib.suppress(RecipeError):
                self._say({"do": "kill"})

    def close(self) -> None:
        """End the nursery, and with it whatever still runs."""
        self._tidy()
        process, self._process = self._process, None
        if process is None:
            return
        for stream in (process.stdin, process.stdout):
            if stream is not None:
                with contextlib.suppress(OSError):
                    stream.close()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        for order in self._orders.values():
            shutil.rmtree(order.scratch, ignore_errors=True)
        self._orders.clear()
