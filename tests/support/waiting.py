"""Waiting for what other processes do, for as long as a busy machine may need."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Iterable, Iterator

import psutil

PATIENCE = 300.0
"""Seconds after which something is taken to have gone wrong; never how long anything takes."""


def wait_until(condition: Callable[[], object], what: str = "") -> None:
    """Wait until a condition holds; an AssertionError where it never does."""
    end = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < end, f"waited in vain for {what or condition}"
        time.sleep(0.01)


def is_gone(pid: int) -> bool:
    """Whether a process has ended (a zombie has)."""
    try:
        return bool(psutil.Process(pid).status() == psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return True


def wait_until_gone(pids: Iterable[int]) -> None:
    """Wait until processes have ended."""
    left = set(pids)
    wait_until(lambda: all(is_gone(pid) for pid in left), f"the end of {left}")


def descendants(pid: int) -> set[int]:
    """All processes that a process started, and those that they did."""
    try:
        return {child.pid for child in psutil.Process(pid).children(recursive=True)}
    except psutil.NoSuchProcess:
        return set()


@contextlib.contextmanager
def no_new_children() -> Iterator[None]:
    """What runs inside leaves no child of this process behind, living or dead.

    Other tests of the same process may have some: pools of processes keep a server.
    """
    before = descendants(os.getpid())
    yield
    assert descendants(os.getpid()) <= before
