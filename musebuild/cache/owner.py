"""Whether the process that left something behind still lives."""

from __future__ import annotations

import os
import socket
from functools import cache
from pathlib import Path
from typing import Any


@cache
def boot_id() -> str:
    """Changes with each start of the machine, so that a pid of before is not trusted."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:
        return ""


def start_time(pid: int) -> str:
    """When a process started, in ticks since boot; empty where there is no such process."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
    # The name in brackets may hold blanks and brackets itself.
    return text.rpartition(")")[2].split()[19]


def describe(pid: int | None = None) -> dict[str, Any]:
    """Who owns a scratch folder or a lock."""
    pid = pid or os.getpid()
    return {
        "pid": pid,
        "host": socket.gethostname(),
        "boot": boot_id(),
        "start": start_time(pid),
    }


def is_dead(owner: dict[str, Any]) -> bool:
    """True only where it is certain: same host, and another boot or no such process.

    An owner on another host cannot be asked, and counts as alive.
    """
    if owner.get("host") != socket.gethostname():
        return False
    if owner.get("boot") != boot_id():
        return True
    started = start_time(int(owner.get("pid", 0)))
    return not started or started != owner.get("start")
