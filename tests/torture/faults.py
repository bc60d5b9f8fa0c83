"""System calls that fail when they are told to, in this process and all that it starts.

`faults.c` is compiled once and preloaded before libc. It counts the calls of a kind on files
below a folder, whichever process makes them, and lets the n-th fail.
"""

from __future__ import annotations

import contextlib
import errno
import mmap
import os
import re
import shutil
import struct
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

VARIABLE = "MUSEBUILD_FAULTS"
"""Environment variable with the name of the file that tells what shall fail."""
SOURCE = Path(__file__).with_name("faults.c")
_LAYOUT = "7i32s224s512s512s1024s"
_FRAME = re.compile(r'  File ".*?/(musebuild/[^"]+", line \d+)')
_OFF, _COUNT, _FAIL = range(3)
SHORT = -1
"""In place of an errno: fewer bytes than were given."""

MOVES = ("write", "copy", "read")
"""Calls with a number of bytes, which may be cut short."""
ROOM = ("write", "copy", "create", "sync", "truncate", "rename", "link", "symlink", "mkdir",
        "clone")  # fmt: skip
"""Calls that a full disk lets fail."""
SLOW = ("write", "copy", "create", "open", "read", "sync", "truncate", "lock")
"""Calls that a signal may interrupt (signal(7), open(2), fsync(2), ftruncate(2))."""


@dataclass(frozen=True)
class Fault:
    """One call that fails.

    Attributes
    ----------
    call : str
        Kind of the call, by the names of `faults.c`.
    part : str
        Text in the path of its file.
    nth : int
        Which of these calls, from 1.
    error : int
        An errno, or SHORT.
    from_then : bool
        All later ones as well, as on a disk that stays full.
    """

    call: str
    part: str
    nth: int
    error: int
    from_then: bool = False

    @property
    def name(self) -> str:
        """What goes wrong, for counts."""
        text = "short" if self.error == SHORT else errno.errorcode[self.error]
        return f"{text}{' from then on' if self.from_then else ''}"

    def __str__(self) -> str:
        return f"{self.call} {self.nth} of {self.part}: {self.name}"


@dataclass(frozen=True)
class Place:
    """Where calls of a kind are made: those that one stack of Python's frames makes.

    Attributes
    ----------
    call, part : str
        As of a fault.
    stack : tuple of str
        Files and lines of musebuild, the innermost first.
    """

    call: str
    part: str
    stack: tuple[str, ...]


def errors_of(call: str) -> list[tuple[int, bool]]:
    """What may befall a kind of call: (errno or SHORT, from then on)."""
    found = [(errno.EIO, False), (errno.EIO, True)]
    if call in ROOM:
        found += [(errno.ENOSPC, False), (errno.ENOSPC, True)]
    if call in SLOW:
        found.append((errno.EINTR, False))
    if call in MOVES:
        found += [(SHORT, False), (SHORT, True)]
    return found


def lacking() -> str:
    """Why no calls can fail on this machine; empty where they can."""
    if not sys.platform.startswith("linux"):
        return "the library that lets calls fail is for Linux"
    return "" if shutil.which("cc") else "there is no C compiler (Debian: gcc)"


def preloaded(folder: Path) -> dict[str, str]:
    """An environment in which calls can fail: the library is compiled, its file made."""
    folder.mkdir(parents=True, exist_ok=True)
    library, control = folder / "faults.so", folder / "faults"
    command = ["cc", "-O1", "-shared", "-fPIC", "-o", str(library), str(SOURCE), "-ldl"]
    subprocess.run(command, check=True)
    control.write_bytes(bytes(struct.calcsize(_LAYOUT)))
    return {**os.environ, "LD_PRELOAD": str(library), VARIABLE: str(control)}


def again_preloaded(folder: Path) -> None:
    """Start this program again, with the library, unless it has it."""
    if VARIABLE not in os.environ:
        os.execve(sys.executable, [sys.executable, *sys.orig_argv[1:]], preloaded(folder))


class Faults:
    """What shall fail now; nothing, outside of the contexts that this gives."""

    def __init__(self) -> None:
        with open(os.environ[VARIABLE], "r+b") as file:
            self._map = mmap.mmap(file.fileno(), 0)

    def _set(self, mode: int, fault: Fault | None, below: Path, trace: Path | None) -> None:
        shown = fault or Fault("", "", 0, 0)
        told = struct.pack(
            _LAYOUT, mode, shown.error, shown.nth, shown.from_then, 0, 0, 0, shown.call.encode(),
            shown.part.encode(), str(below).encode(), str(trace or "").encode(), b"",
        )  # fmt: skip
        # The mode last: nobody reads the half.
        self._map[4:] = told[4:]
        self._map[:4] = told[:4]

    @contextlib.contextmanager
    def counted(self, below: Path, trace: Path) -> Iterator[None]:
        """Note each call on files below a folder: a line with its kind and the path."""
        trace.unlink(missing_ok=True)
        self._set(_COUNT, None, below, trace)
        try:
            yield
        finally:
            self._map[:4] = struct.pack("i", _OFF)

    @contextlib.contextmanager
    def failing(self, fault: Fault, below: Path) -> Iterator[None]:
        """Let a call fail."""
        self._set(_FAIL, fault, below, None)
        try:
            yield
        finally:
            self._map[:4] = struct.pack("i", _OFF)

    def fired(self) -> tuple[int, str]:
        """How many calls failed, and the path of the last."""
        fields = struct.unpack(_LAYOUT, self._map[:])
        return fields[5], fields[-1].split(b"\0")[0].decode("utf-8", "replace")


def places(trace: Path, parts: tuple[str, ...]) -> dict[Place, list[int]]:
    """Place in the code that makes a call → which of the calls of its kind and part it made."""
    found: dict[Place, list[int]] = {}
    numbers: Counter[tuple[str, str]] = Counter()
    for text in trace.read_text(encoding="utf-8", errors="replace").split("\n\n"):
        head, *stack = text.splitlines()
        call, _, path = head.partition(" ")
        part = next((part for part in parts if part in path), None)
        if part is None:
            continue
        numbers[call, part] += 1
        lines = tuple(match[1] for line in stack if (match := _FRAME.match(line)))
        found.setdefault(Place(call, part, lines), []).append(numbers[call, part])
    return found
