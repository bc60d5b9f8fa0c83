"""Where a program crashed: its memory image, read by gdb."""

from __future__ import annotations

import contextlib
import resource
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

PATTERN = Path("/proc/sys/kernel/core_pattern")
MOST_FRAMES = 30
PATIENCE = 120
"""Seconds for gdb to read symbols and walk the stack."""


@contextlib.contextmanager
def memory_images(folder: Path) -> Iterator[None]:
    """Let programs that crash leave their memory image, as large as half of the free disk.

    Only where someone can read it: gdb is there, and the system writes images into the folder of
    the program (`kernel.core_pattern`, as Debian has it).

    Parameters
    ----------
    folder : Path
        Where the program runs.
    """
    before = resource.getrlimit(resource.RLIMIT_CORE)
    room = shutil.disk_usage(folder).free // 2
    if not obstacle():
        soft = room if before[1] == resource.RLIM_INFINITY else min(room, before[1])
        resource.setrlimit(resource.RLIMIT_CORE, (soft, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_CORE, before)


def obstacle() -> str:
    """Why it cannot be told where a program crashed; empty if it can."""
    if shutil.which("gdb") is None:
        return (
            "it is not known where: gdb tells, and is not installed (Debian: apt-get install gdb)"
        )
    try:
        pattern = PATTERN.read_text("utf-8").strip()
    except OSError:
        pattern = ""
    if not pattern or pattern[0] in "|/" or "/" in pattern:
        return (
            "it is not known where: the system keeps memory images of crashes elsewhere "
            f"(kernel.core_pattern is {pattern or 'not readable'}). The runner python-cpl tells"
        )
    if resource.getrlimit(resource.RLIMIT_CORE)[1] == 0:
        return (
            "it is not known where: memory images of crashes are forbidden here (the hard limit "
            "of `ulimit -c` is 0). The runner python-cpl tells"
        )
    return ""


def backtrace(program: str, folder: Path) -> list[str]:
    """Where a program crashed, the innermost function first; its memory image is removed.

    Parameters
    ----------
    program : str
        The command that crashed.
    folder : Path
        Where it ran, with its image.

    Returns
    -------
    list of str
        Lines `#0  0x… in muse_… (…) at …`, or one line that says why there are none.
    """
    why = obstacle()
    if why:
        return [why]
    images = sorted(folder.glob("core*"))
    images = [image for image in images if image.suffix != ".fits" and image.is_file()]
    if not images:
        return ["it is not known where: the crash left no memory image"]
    try:
        done = subprocess.run(
            ["gdb", "-batch", "-nx", "-ex", f"bt {MOST_FRAMES}", program, str(images[0])],
            capture_output=True,
            stdin=subprocess.DEVNULL,
            timeout=PATIENCE,
            check=False,
        )
        told = done.stdout.decode("utf-8", "replace").splitlines()
    except (OSError, subprocess.TimeoutExpired):
        told = []
    finally:
        for image in images:
            image.unlink(missing_ok=True)
    frames = [line.rstrip() for line in told if line.startswith("#")]
    return frames or ["it is not known where: gdb could not read the memory image of the crash"]
