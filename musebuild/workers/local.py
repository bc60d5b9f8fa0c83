"""Recipes in worker processes on this machine, forked by the fork server."""

from __future__ import annotations

import contextlib
import json
import os
import selectors
import shutil
import subprocess
import sys
from typing import Any

from musebuild.errors import RecipeError
from musebuild.workers.failures import clear_failed, collect, remove_scratch
from musebuild.workers.orders import WorkOrder, WorkResult


class LocalExecutor:
    """Worker processes on this machine, forked by a fork server."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        self._orders: dict[str, WorkOrder] = {}
        self._emptied: list[str] = []
        """Scratch folders of which little is left: the next recipe need not wait for that."""
        self._buffer = b""
        self._ready: list[WorkResult] = []

    def _server(self) -> subprocess.Popen[bytes]:
        if self._process is None:
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-m", "musebuild.workers.fork_server"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                start_new_session=True,
                bufsize=0,
                env={**os.environ, "OPENBLAS_NUM_THREADS": "1"},
            )
        return self._process

    def _say(self, message: dict[str, Any]) -> None:
        stream = self._server().stdin
        assert stream is not None, "the fork server was started with a pipe"
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
        stream = self._server().stdout
        assert stream is not None, "the fork server was started with a pipe"
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
        """End the fork server, and with it whatever still runs."""
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
