"""Whether the process that left something behind still lives."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from musebuild.settings.own_files import read_own

PROC = Path("/proc")
MAIN_SPACE = "pid:[4026531836]"
"""Pid name space of a machine itself (PROC_PID_INIT_INO of Linux); containers have others."""


LONGEST = 1 << 16
"""Bytes of the largest file that names an owner."""


@cache
def boot_id() -> str:
    """Changes with each start of the machine, so that a pid of before is not trusted."""
    try:
        return (PROC / "sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:
        return ""


def pid_space() -> str:
    """The pid name space: a pid of one container means nothing in another."""
    try:
        return str((PROC / "self/ns/pid").readlink())
    except OSError:
        return ""


def start_time(pid: int) -> str:
    """When a process started; empty where there is none, or one that ended (a zombie)."""
    try:
        text = (PROC / str(pid) / "stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return "" if (PROC / "self").exists() else _start_time_elsewhere(pid)
    # The name in brackets may hold blanks and brackets itself.
    state, *fields = text.rpartition(")")[2].split()
    return "" if state in "ZX" else fields[18]


def _start_time_elsewhere(pid: int) -> str:
    # Here, since Linux needs none of it.
    import psutil

    try:
        process = psutil.Process(pid)
        return "" if process.status() == psutil.STATUS_ZOMBIE else str(process.create_time())
    except psutil.Error:
        return ""


def describe(pid: int | None = None) -> dict[str, Any]:
    """Who owns a scratch folder or a lock."""
    # Of a process itself that stays as it is, and is asked for with each invocation.
    return dict(_own(os.getpid())) if pid is None else _of(pid)


def _of(pid: int) -> dict[str, Any]:
    return {
        "pid": pid,
        "host": socket.gethostname(),
        "boot": boot_id(),
        "space": pid_space(),
        "start": start_time(pid),
    }


_own = cache(_of)


def owner_from(text: bytes) -> dict[str, Any]:
    """The owner that a file names; empty where it names none."""
    try:
        owner = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return owner if isinstance(owner, dict) else {}


def read_owner(path: Path) -> dict[str, Any]:
    """The owner that a file names; OSError where it cannot be read, or is a link."""
    return owner_from(read_own(path, LONGEST))


def is_dead(owner: Mapping[str, Any]) -> bool:
    """True only where it is certain: same machine, and another boot or no such process.

    An owner on another machine or in another container cannot be asked, and counts as alive.
    """
    here = owner.get("host") == socket.gethostname()
    if owner.get("boot") != boot_id():
        # Containers on several machines often share one name.
        return here and owner.get("space", "") in ("", MAIN_SPACE)
    if not (here or boot_id()) or owner.get("space", "") != pid_space():
        return False
    try:
        started = start_time(int(owner["pid"]))
    except (KeyError, TypeError, ValueError, OverflowError):
        return True
    return not started or started != owner.get("start")
