"""A small process that forks workers for the driver, and outlives nothing.

The driver runs threads and holds a database, which no fork survives safely; this process does
neither. It reads orders as lines of JSON, forks one worker for each, and reports how each ended.
When the driver dies, its pipe closes, and all workers and what they forked are killed.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import selectors
import signal
import socket
import time
from dataclasses import dataclass
from typing import Any

PR_SET_PDEATHSIG = 1
PR_SET_CHILD_SUBREAPER = 36
LOOK = 0.5
"""Seconds between looks at memory and time limits."""
LAST = 5.0
"""Seconds that killed workers get to go: one may hang in the kernel, on a dead file server."""


@dataclass(slots=True)
class _Worker:
    task: str
    pid: int
    began: float
    time_limit: float
    memory_limit: int
    cause: str = ""


def _prctl(option: int, value: int) -> None:
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None, use_errno=True).prctl(option, value, 0, 0, 0)


def kill_group(pid: int) -> None:
    """Kill a worker and everything that it forked."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, signal.SIGKILL)


def group_memory(pid: int) -> int:
    """Resident memory of a process group, in bytes."""
    import psutil

    total = 0
    with contextlib.suppress(psutil.Error):
        process = psutil.Process(pid)
        for one in [process, *process.children(recursive=True)]:
            with contextlib.suppress(psutil.Error):
                total += one.memory_info().rss
    return total


class ForkServer:
    """Forks and watches workers."""

    def __init__(self, orders: int, reports: int) -> None:
        self.orders = orders
        self.reports = reports
        self.workers: dict[int, _Worker] = {}
        self.buffer = b""

    def report(self, message: dict[str, Any]) -> None:
        """Tell the driver."""
        data = json.dumps(message).encode() + b"\n"
        while data:
            try:
                data = data[os.write(self.reports, data) :]
            except BrokenPipeError:
                return

    def fork(self, text: str) -> None:
        """Fork a worker for an order."""
        from musebuild.workers.orders import WorkOrder

        order = WorkOrder.from_json(text)
        pid = os.fork()
        if pid == 0:
            _be_worker(order, (self.orders, self.reports))
        with contextlib.suppress(PermissionError, ProcessLookupError):
            os.setpgid(pid, pid)
        self.workers[pid] = _Worker(
            order.task, pid, time.monotonic(), order.time_limit, order.memory_limit
        )
        self.report({"event": "started", "task": order.task, "pid": pid})

    def reap(self) -> None:
        """Report workers that ended."""
        while True:
            try:
                pid, status, usage = os.wait4(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            worker = self.workers.pop(pid, None)
            if worker is None:
                continue
            # What it left running would go on writing into its folder.
            kill_group(pid)
            self.report(
                {
                    "event": "ended",
                    "task": worker.task,
                    "code": os.waitstatus_to_exitcode(status),
                    "cause": worker.cause,
                    "peak": usage.ru_maxrss * 1024,
                    "seconds": time.monotonic() - worker.began,
                }
            )

    def look(self) -> None:
        """Kill what is over its limits."""
        now = time.monotonic()
        for worker in self.workers.values():
            if worker.cause:
                continue
            if worker.time_limit and now - worker.began > worker.time_limit:
                worker.cause = "time"
            elif worker.memory_limit and group_memory(worker.pid) > worker.memory_limit:
                worker.cause = "memory"
            if worker.cause:
                kill_group(worker.pid)

    def take(self, line: bytes) -> None:
        """Do what the driver says."""
        message = json.loads(line)
        if message["do"] == "run":
            self.fork(message["order"])
        elif message["do"] == "kill":
            for worker in self.workers.values():
                worker.cause = worker.cause or "stopped"
                kill_group(worker.pid)

    def serve(self) -> None:
        """Work until the driver closes its end."""
        wake_read, wake_write = socket.socketpair()
        for end in (wake_read, wake_write):
            end.setblocking(False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(wake_write.fileno(), warn_on_full_buffer=False)
        try:
            self._listen(wake_read)
        finally:
            # Before the socket goes: workers that are killed at the end send SIGCHLD, too.
            signal.set_wakeup_fd(-1)

    def _listen(self, wake: socket.socket) -> None:
        with selectors.DefaultSelector() as selector:
            selector.register(self.orders, selectors.EVENT_READ)
            selector.register(wake, selectors.EVENT_READ)
            while True:
                limited = any(w.time_limit or w.memory_limit for w in self.workers.values())
                for key, _ in selector.select(LOOK if limited else None):
                    if key.fileobj is wake:
                        with contextlib.suppress(BlockingIOError):
                            wake.recv(4096)
                    elif not self._read():
                        return
                self.reap()
                self.look()

    def _read(self) -> bool:
        data = os.read(self.orders, 1 << 16)
        if not data:
            return False
        self.buffer += data
        *lines, self.buffer = self.buffer.split(b"\n")
        for line in lines:
            self.take(line)
        return True

    def end(self) -> None:
        """Kill all that is left; it is gone when this process is."""
        for pid in self.workers:
            kill_group(pid)
        end = time.monotonic() + LAST
        while time.monotonic() < end:
            try:
                if os.waitpid(-1, os.WNOHANG)[0] == 0:
                    time.sleep(0.005)
            except ChildProcessError:
                return


def _be_worker(order: Any, close: tuple[int, ...]) -> None:
    """Never returns."""
    code = 70
    try:
        os.setpgid(0, 0)
        _prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        for descriptor in close:
            os.close(descriptor)
        from musebuild.workers.worker import enter, perform

        enter(order)
        result = perform(order)
        code = 0 if result.ok else 1
    except BaseException:
        import traceback

        traceback.print_exc()
    finally:
        os._exit(code)


def preload() -> None:
    """Load what every worker needs, once; nothing that starts threads, nothing of CPL."""
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    import astropy.io.fits  # noqa: F401
    import psutil  # noqa: F401

    import musebuild.workers.worker  # noqa: F401


def main() -> None:
    """Serve orders from standard input; reports go to standard output."""
    orders, reports = os.dup(0), os.dup(1)
    with open(os.devnull, "r+b") as nothing:
        os.dup2(nothing.fileno(), 0)
        os.dup2(2, 1)
    for descriptor in (orders, reports):
        os.set_inheritable(descriptor, False)
    # Ctrl-C at the terminal is for the driver to decide about.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    _prctl(PR_SET_CHILD_SUBREAPER, 1)
    preload()
    server = ForkServer(orders, reports)
    try:
        server.serve()
    finally:
        server.end()


if __name__ == "__main__":
    main()
