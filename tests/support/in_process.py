"""Recipes of the mock runner in the test's own process: no fork server, no worker processes."""

from __future__ import annotations

import contextlib
import gc
import os
import time
import traceback
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from musebuild.cli.main import main
from musebuild.workers.failures import CAUSES, clear_failed, collect, remove_scratch
from musebuild.workers.local import LocalExecutor
from musebuild.workers.orders import WorkOrder, WorkResult
from musebuild.workers.worker import claim, perform, recipe_environment


@contextlib.contextmanager
def as_worker(order: WorkOrder) -> Iterator[None]:
    """Environment, working folder and umask of a worker; the test's own come back."""
    kept, folder, umask = dict(os.environ), Path.cwd(), os.umask(0)
    os.umask(umask)
    try:
        environment = recipe_environment(order, kept)
        set_environment(environment)
        os.chdir(order.scratch)
        yield
    finally:
        os.umask(umask)
        os.chdir(folder)
        set_environment(kept)


def set_environment(wanted: Mapping[str, str]) -> None:
    """Make the environment of this process another, by what differs: each call costs."""
    for name in os.environ.keys() - wanted.keys():
        del os.environ[name]
    now = dict(os.environ)
    os.environ.update({name: text for name, text in wanted.items() if now.get(name) != text})


class InProcessExecutor:
    """An `Executor` that carries out an order when its result is waited for, one after another.

    What a worker does is done by the worker's own code. An order of another runner than the mock
    goes to a worker process: CPL keeps state, and a Python recipe may leave anything behind.
    """

    def __init__(self) -> None:
        self._queue: deque[WorkOrder] = deque()
        self._stopped: list[WorkResult] = []
        self._processes = LocalExecutor()
        self._outside: set[str] = set()

    def submit(self, order: WorkOrder) -> None:
        """Queue an order."""
        if order.runner != "mock":
            self._outside.add(order.task)
            self._processes.submit(order)
            return
        # As it would travel: what JSON cannot carry is found here, too.
        self._queue.append(WorkOrder.from_json(order.to_json()))

    def wait(self, timeout: float) -> list[WorkResult]:
        """Carry out the first order; results of all that ended."""
        ended, self._stopped = self._stopped, []
        if self._queue:
            ended.append(self._carry_out(self._queue.popleft()))
        if self._outside:
            ended += self._processes.wait(0.0 if ended else timeout)
            self._outside.difference_update(result.task for result in ended)
        elif not ended:
            time.sleep(timeout)
        return ended

    @staticmethod
    def _carry_out(order: WorkOrder) -> WorkResult:
        code = 0
        with as_worker(order):
            claim(order)
            try:
                perform(order)
            except Exception:
                # A worker would end with this status, and leave no result.
                code = 70
                with contextlib.suppress(OSError), open("worker.out", "a", encoding="utf-8") as out:
                    traceback.print_exc(file=out)
        result = collect(order, code, "")
        if result.ok:
            remove_scratch(order.scratch)
        else:
            clear_failed(order, result)
        return result

    def stop(self, *, kill: bool) -> None:
        """Drop what is queued, if `kill`."""
        if kill:
            ended = CAUSES["stopped"]
            while self._queue:
                order = self._queue.popleft()
                remove_scratch(order.scratch)
                failure = {"message": ended.failure, "kind": ended.kind}
                self._stopped.append(WorkResult(order.task, False, failure=failure))
            self._processes.stop(kill=True)

    def close(self) -> None:
        """End everything."""
        while self._queue:
            remove_scratch(self._queue.popleft().scratch)
        self._processes.close()


def call_main(arguments: Sequence[str], *, apart: bool = False) -> int:
    """A command in this process, which is afterwards as it was; its exit status.

    `apart`: recipes in processes of their own.
    """
    environment = dict(os.environ)
    try:
        return main(arguments, executor=None if apart else InProcessExecutor)
    finally:
        set_environment(environment)
        # A build freezes what it holds; this process goes on.
        gc.unfreeze()
