"""Run parts of the tests one after another, and tell what each took.

python -m tests.support.parts ruff mypy fast drs

Ends at the first part that fails, with its status. CPU time is that of all processes of a part.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.support.cpu_times import SLOWEST, VARIABLE

BIN = Path(sys.executable).parent
PYTEST = (sys.executable, "-m", "pytest")
PARTS: dict[str, tuple[tuple[str, ...], ...]] = {
    "ruff": ((f"{BIN}/ruff", "check", "."), (f"{BIN}/ruff", "format", "--check", ".")),
    "mypy": ((f"{BIN}/mypy",),),
    "fast": ((*PYTEST, "-n", "2", "--dist", "worksteal", "-m", "not drs"),),
    # The real recipes take gigabytes of memory each and use both cores themselves,
    # so they run after the fast tests, one at a time; one reduction serves them all.
    "drs": ((*PYTEST, "-m", "drs"),),
}
"""Part → its commands."""


@dataclass(frozen=True, slots=True)
class Took:
    """What a part took."""

    part: str
    cpu: float
    wall: float


def run_part(part: str, environment: Mapping[str, str]) -> tuple[Took, int]:
    """Run a part; what it took, and the status of its first command that failed."""
    began, cpu, status = time.monotonic(), 0.0, 0
    for command in PARTS[part]:
        process = subprocess.Popen(command, env=environment)
        # Not `process.wait`: this tells what the process and its descendants took.
        _, ended, usage = os.wait4(process.pid, 0)
        status = process.returncode = os.waitstatus_to_exitcode(ended)
        cpu += usage.ru_utime + usage.ru_stime
        if status:
            break
    return Took(part, cpu, time.monotonic() - began), status


def told(took: Sequence[Took], tests: Mapping[str, float]) -> str:
    """What is printed at the end."""
    whole = Took("all", sum(one.cpu for one in took), sum(one.wall for one in took))
    lines = ["", f"{'part':8} {'CPU s':>8} {'wall s':>8}"]
    lines += [f"{one.part:8} {one.cpu:8.1f} {one.wall:8.1f}" for one in (*took, whole)]
    if tests:
        lines += ["", "The slowest tests (CPU s):"]
        lines += [f"{cpu:8.1f}  {test}" for test, cpu in Counter(tests).most_common(SLOWEST)]
    return "\n".join(lines)


def main(parts: Sequence[str]) -> int:
    """Run parts; the status of the first that fails."""
    took: list[Took] = []
    tests: dict[str, float] = {}
    status = 0
    with tempfile.TemporaryDirectory() as folder:
        times = Path(folder) / "times.jsonl"
        for part in parts:
            one, status = run_part(part, {**os.environ, VARIABLE: str(times)})
            took.append(one)
            if status:
                break
        if times.exists():
            for line in times.read_text(encoding="utf-8").splitlines():
                tests |= json.loads(line)
    print(told(took, tests))
    return status if status >= 0 else 128 - status


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
