"""Faults at the file-system interface: the n-th call that writes fails, or is the last one.

The tests also run as root, where permissions stop nobody.
"""

from __future__ import annotations

import builtins
import errno
import fcntl
import io
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

CALLS = ("mkdir", "link", "replace", "rename", "fsync", "sendfile", "ftruncate", "write", "chmod",
         "utime", "unlink", "rmdir")  # fmt: skip
NEVER_FULL = frozenset({"unlink", "rmdir", "chmod", "utime", "ftruncate", "rename"})
"""Calls that a full disk does not stop."""


class Faults:
    """Counts the calls that write, and acts at one of them.

    Parameters
    ----------
    at : int
        Number of the call, from 1; 0: only count.
    act : callable
        What happens there, instead of the call.
    leave_out : frozenset
        Calls that are neither counted nor stopped.
    """

    def __init__(
        self, at: int, act: Callable[[], None], leave_out: frozenset[str] = frozenset()
    ) -> None:
        self.at = at
        self.act = act
        self.leave_out = leave_out
        self.steps: list[str] = []
        self.active = False
        self.thread = threading.get_ident()
        """Threads of other tests, such as a lease's, may write at any moment: not our steps."""

    def step(self, name: str, before: Callable[[], object] | None = None) -> None:
        """One call; `before` is what still happens of it when it fails."""
        mine = threading.get_ident() == self.thread
        if not (self.active and mine) or name in self.leave_out:
            return
        self.steps.append(name)
        if len(self.steps) == self.at:
            self.active = False
            if before is not None:
                before()
            self.act()

    def _wrap(self, name: str, real: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **kwargs: Any) -> Any:
            self.step(name)
            return real(*args, **kwargs)

        return call

    def _open(self, real: Callable[..., Any]) -> Callable[..., Any]:
        def call(file: Any, mode: str = "r", *args: Any, **kwargs: Any) -> Any:
            writes = isinstance(mode, str) and set(mode) & set("wxa+")
            if writes:
                self.step("open")
            opened = real(file, mode, *args, **kwargs)
            if writes and hasattr(opened, "__dict__"):
                write = opened.write

                def half(content: Any) -> None:
                    write(content[: len(content) // 2])
                    opened.flush()

                def watched(content: Any) -> Any:
                    self.step("write", lambda: half(content))
                    return write(content)

                opened.write = watched
            return opened

        return call

    def _os_open(self, real: Callable[..., Any]) -> Callable[..., Any]:
        def call(path: Any, flags: int, *args: Any, **kwargs: Any) -> Any:
            if flags & os.O_CREAT:
                self.step("open")
            return real(path, flags, *args, **kwargs)

        return call

    @contextmanager
    def everywhere(self, *, links: bool) -> Iterator[Faults]:
        """Watch all calls; without `links` the file system has neither reflinks nor hard links."""
        with pytest.MonkeyPatch.context() as patch:
            for name in CALLS:
                patch.setattr(os, name, self._wrap(name, getattr(os, name)))
            patch.setattr(os, "open", self._os_open(os.open))
            opener = self._open(io.open)
            patch.setattr(io, "open", opener)
            patch.setattr(builtins, "open", opener)
            patch.setattr(fcntl, "ioctl", refuse)
            if not links:
                patch.setattr(os, "link", refuse)
            self.active = True
            try:
                yield self
            finally:
                self.active = False


def refuse(*args: object, **kwargs: object) -> None:
    """A call that this file system does not know."""
    raise OSError(errno.EOPNOTSUPP, "Operation not supported")


def no_space() -> None:
    """The disk is full."""
    raise OSError(errno.ENOSPC, "No space left on device")


def die() -> None:
    """As `kill -9`: nothing is cleaned up."""
    os._exit(9)
