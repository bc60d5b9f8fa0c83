"""The runner: drives doit's dispatcher, restores inline, sends the rest to an executor."""

from __future__ import annotations

import sqlite3
import time
from collections import deque
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from doit.control import ExecNode
from doit.exceptions import TaskFailed, UnmetDependency
from doit.runner import FAILURE, Runner

from musebuild.cache.locks import KeyLock
from musebuild.cache.model import Manifest
from musebuild.cache.steps import step
from musebuild.engine.admission import Demand, Running, pick, threads_for
from musebuild.engine.build_state import Build
from musebuild.engine.dispatch import GrowingDispatcher
from musebuild.engine.resolve import State
from musebuild.engine.signals import StopSignals
from musebuild.engine.state import memory_dependency
from musebuild.engine.summary import Failure
from musebuild.engine.tasks import make_tasks
from musebuild.errors import MusebuildError
from musebuild.index.soundness import may_be_damage
from musebuild.workers.executor import Executor
from musebuild.workers.failures import STOPPED
from musebuild.workers.orders import WorkOrder, WorkResult

WAIT_RESULT = 1.0
"""Seconds to wait for a result before signals and foreign locks are looked at."""
WAIT_LOCK = 0.2
"""Seconds between looks at a key that another build is making."""
PORTION = 64
"""Tasks that the dispatcher is given at once."""
WINDOW = 8
"""Ready invocations kept beside the running ones, so that one that fits can be chosen."""


class BuildReporter(Protocol):
    """What a reporter is told besides doit's own events."""

    def found(self, recipes: Mapping[str, str], more: bool) -> None: ...
    def started(self, task: Any, order: WorkOrder) -> None: ...
    def ended(self, task: Any, log: str) -> None: ...
    def ran(self, task: Any, manifest: Manifest) -> None: ...
    def restored(self, task: Any, manifest: Manifest) -> None: ...
    def failed(self, task: Any, failure: Failure) -> None: ...
    def not_run(self, task: Any, cause: str) -> None: ...
    def halted(self, task: Any) -> None: ...
    def waits_for(self, task: Any, owner: str) -> None: ...
    def stopping(self, signal: str, count: int) -> None: ...


@dataclass(slots=True)
class Work:
    """An invocation that must run."""

    node: Any
    name: str
    demand: Demand
    lock: KeyLock
    threads: int = 1
    told: bool = False
    """Whether people were told that another build is making it."""


class BuildRunner(Runner):  # type: ignore[misc]
    """A doit runner that runs each task's invocation through an executor.

    Parameters
    ----------
    build : Build
        State of the build.
    executor : Executor
        Where recipes run.
    reporter : object
        A reporter of doit's; told more if it has the methods of `BuildReporter`.
    refuse : callable, optional
        Raises MusebuildError where some of the invocations that it is given must not begin; for
        those that are found while others run.
    """

    def __init__(
        self,
        build: Build,
        executor: Executor,
        reporter: Any,
        refuse: Callable[[Collection[str]], None] | None = None,
    ) -> None:
        super().__init__(
            memory_dependency(),
            reporter,
            continue_=build.options.keep_going,
            always_execute=build.options.always,
        )
        self.build = build
        self.executor = executor
        self._done: deque[ExecNode] = deque()
        self._ready: list[Work] = []
        self._running: dict[str, Work] = {}
        self._foreign: list[Work] = []
        self._signals: deque[tuple[str, int]] = deque()
        self._passed = 0
        self._complete = False
        self._look_at_locks = 0.0
        self._refuse_all = refuse
        self._late: MusebuildError | None = None

    def run_all(self, task_dispatcher: GrowingDispatcher) -> int:
        """Run all that is to do, from the first that is known; doit's exit status."""
        if self.build.view.over:
            # All of it is told at the start.
            self._add(task_dispatcher, len(self.build.needs))
        status: int = super().run_all(task_dispatcher)
        return status

    def run_tasks(self, task_dispatcher: GrowingDispatcher) -> None:
        """Run everything that the dispatcher hands out."""
        self._told_found(list(self.build.needs))
        with StopSignals(self._on_signal) as signals:
            try:
                self._loop(task_dispatcher)
            except (MusebuildError, sqlite3.Error):
                self._see_out()
                raise
            finally:
                self._give_up_locks()
        self.build.summary.stopped = signals.name
        if self._late is not None:
            raise self._late

    def _on_signal(self, name: str, count: int) -> None:
        # A handler may interrupt a half-written line or message: the loop does the rest.
        self._stop_running = True
        self._signals.append((name, count))

    def _heed_signals(self) -> None:
        while self._signals:
            name, count = self._signals.popleft()
            self._tell("stopping", name, count)
            if count > 1:
                self.executor.stop(kill=True)

    def _tell(self, event: str, *args: Any) -> None:
        method = getattr(self.reporter, event, None)
        if method is not None:
            method(*args)

    def _add(self, dispatcher: GrowingDispatcher, most: int) -> bool:
        """Give the dispatcher more tasks, if there are any yet; whether it has news."""
        build = self.build
        names = build.take(most)
        if names:
            dispatcher.add(make_tasks(build.plan, {n: build.needs[n] for n in names}))
        elif build.view.over and not self._complete:
            self._complete = True
            dispatcher.complete()
        else:
            return False
        return True

    def _told_found(self, names: Sequence[str]) -> None:
        plugins = {name: self.build.plugin(name) for name in names}
        self._tell("found", plugins, not self.build.view.over)

    def _look_on(self) -> None:
        """Look at a few more of the invocations, and refuse what must not begin."""
        found = self.build.look_on()
        self._told_found(found)
        try:
            if self._refuse_all is not None:
                self._refuse_all(found)
        except MusebuildError as error:
            # What runs goes on to its end: nothing of it is lost.
            self._late = error
            self._stop_running = True

    def _loop(self, dispatcher: GrowingDispatcher) -> None:
        over = held = False
        while True:
            while not over and not self._stop_running and len(self._ready) < WINDOW:
                # A held dispatcher has news only after something ended, or came.
                if held and not self._done and not self._add(dispatcher, PORTION):
                    break
                try:
                    node = dispatcher.generator.send(self._done.popleft() if self._done else None)
                except StopIteration:
                    over = True
                    break
                held = node == "hold on"
                if not held:
                    self._take(node)
            self._heed_signals()
            if self._stop_running:
                self._ready.clear()
                self._foreign.clear()
            self._admit()
            looking = not self.build.view.over and not self._stop_running
            if looking:
                self._look_on()
            if self._running:
                for result in self.executor.wait(0.0 if looking else self._patience()):
                    self._ended(result)
            elif looking:
                continue
            elif self._foreign:
                time.sleep(WAIT_LOCK)
            elif (over or self._stop_running) and not self._ready:
                return

    def _see_out(self) -> None:
        """Let what runs come to its end: the store has it then, whatever became of the database."""
        while self._running:
            self._heed_signals()
            for result in self.executor.wait(WAIT_RESULT):
                work = self._running.pop(result.task)
                work.lock.release()
                self._tell("ended", work.node.task, self.build.log_path(result.log))

    def _patience(self) -> float:
        return WAIT_LOCK if self._foreign else WAIT_RESULT

    def _take(self, node: ExecNode) -> None:
        """Decide about a task whose dependencies have ended."""
        task, name = node.task, node.task.name
        self.reporter.get_status(task)
        if node.bad_deps:
            first = node.bad_deps[0].task.name
            cause = self.build.summary.not_run.get(first, first)
            self._refuse(node, cause)
            return
        try:
            resolution = self.build.resolve_now(name)
        except MusebuildError as error:
            self._fail(node, self._failure(name, error))
            return
        if resolution.state in (State.WAITS, State.IMPOSSIBLE, State.NOT_HASHED):
            self._fail(node, self._failure(name, resolution.reason))
            return
        if resolution.state is State.LEFT_OUT:
            # Those that take what it makes are asked themselves what they do without it.
            self.build.leave_out(resolution)
            self.reporter.skip_ignore(task)
            self._pass(node)
            return
        if not self.always_execute:
            if resolution.state is State.UP_TO_DATE:
                self.build.up_to_date(name)
                self.reporter.skip_uptodate(task)
                self._pass(node)
                return
            if resolution.state is State.RESTORE:
                self._restore(node)
                return
        node.run_status = "run"
        self._ready.append(
            Work(
                node=node,
                name=name,
                demand=Demand(self.build.memory(name), self.build.threaded(name)),
                lock=KeyLock(self.build.project.store.root, resolution.key),
            )
        )

    def _pass(self, node: ExecNode) -> None:
        node.run_status = "up-to-date"
        self._done.append(node)

    def _admit(self) -> None:
        """Start what fits beside what runs."""
        now = time.monotonic()
        if self._foreign and now >= self._look_at_locks:
            self._ready[:0] = self._foreign
            self._foreign = []
            self._look_at_locks = now + WAIT_LOCK
        # Stable: what is equally urgent keeps its order.
        self._ready.sort(key=lambda work: -self.build.urgency.get(work.name, 0.0))
        while self._ready:
            held = [Running(w.demand.memory, w.threads) for w in self._running.values()]
            index = pick(
                [work.demand for work in self._ready],
                held,
                self.build.machine,
                self.build.workers,
                passed=self._passed,
            )
            if index is None:
                return
            self._passed = self._passed + 1 if index else 0
            work = self._ready.pop(index)
            if not work.lock.try_acquire():
                if not work.told:
                    work.told = True
                    self._tell("waits_for", work.node.task, work.lock.owner())
                self._foreign.append(work)
                continue
            self._start(work, held)

    def _start(self, work: Work, held: list[Running]) -> None:
        state = self.build.look_again(work.name).state
        if not self.always_execute and state in (State.RESTORE, State.UP_TO_DATE):
            work.lock.release()
            self._restore(work.node)
            return
        work.threads = threads_for(
            work.demand, held, len(self._ready), self.build.machine, self.build.workers
        )
        try:
            order = self.build.order(work.name, work.threads)
            step("order written")
            self._running[work.name] = work
            self._tell("started", work.node.task, order)
            self.reporter.execute_task(work.node.task)
            self.executor.submit(order)
        except MusebuildError as error:
            self._running.pop(work.name, None)
            work.lock.release()
            self._fail(work.node, self._failure(work.name, error))

    def _restore(self, node: ExecNode) -> None:
        name = node.task.name
        try:
            self.build.restore(name)
        except MusebuildError as error:
            self._fail(node, self._failure(name, error))
            return
        self._tell("restored", node.task, self.build.manifests[name])
        self.process_task_result(node, None)
        self._done.append(node)

    def _ended(self, result: WorkResult) -> None:
        work = self._running.pop(result.task)
        self._tell("ended", work.node.task, self.build.log_path(result.log))
        try:
            if not result.ok and (result.failure or {}).get("kind") == STOPPED:
                self.build.halted(work.name, result)
                self._tell("halted", work.node.task)
                self._handle_task_error(work.node, TaskFailed("stopped", report=False))
                return
            if not result.ok:
                self._fail(work.node, self.build.failed(work.name, result), noted=True)
                return
            manifest = self.build.succeeded(work.name, result)
        except MusebuildError as error:
            self._fail(work.node, self._failure(work.name, error))
            return
        finally:
            work.lock.release()
        self._tell("ran", work.node.task, manifest)
        self.process_task_result(work.node, None)
        self._done.append(work.node)

    def _failure(self, name: str, cause: str | MusebuildError) -> Failure:
        if isinstance(cause, MusebuildError) and may_be_damage(cause):
            raise cause
        return Failure(name, self.build.plan.invocations[name].recipe, str(cause))

    def _fail(self, node: ExecNode, failure: Failure, *, noted: bool = False) -> None:
        if not noted:
            self.build.note_failure(failure)
        self._tell("failed", node.task, failure)
        self._handle_task_error(node, TaskFailed(failure.message))
        self._done.append(node)

    def _refuse(self, node: ExecNode, cause: str) -> None:
        self.build.not_run(node.task.name, cause)
        self._tell("not_run", node.task, cause)
        node.run_status = "failure"
        self.reporter.add_failure(node.task, UnmetDependency(cause, report=False))
        self.final_result = FAILURE
        self._done.append(node)

    def _give_up_locks(self) -> None:
        for work in (*self._running.values(), *self._ready, *self._foreign):
            work.lock.release()
