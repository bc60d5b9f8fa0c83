"""Putting a file into its place: reflink, hard link or copy, the first that works."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import itertools
import os
import shutil
import socket
from pathlib import Path
from typing import Literal

from musebuild.cache.owner import start_time

FICLONE = 0x40049409
"""ioctl of Linux: share the data of another file (XFS, Btrfs, …)."""

How = Literal["reflink", "hard link", "copy"]
NOT_HERE = frozenset(
    {errno.EOPNOTSUPP, errno.ENOTTY, errno.EXDEV, errno.EINVAL, errno.EPERM, errno.EMLINK,
     errno.ENOSYS, errno.EACCES}
)  # fmt: skip
"""Errors that mean: this file system cannot do it; try the next way."""


_numbers = itertools.count()


def beside(path: Path) -> Path:
    """A name for a temporary file in the same folder, never seen by `*.fits` globs.

    No two writers share one: not two threads, nor two machines with one file system.
    """
    writer = f"{socket.gethostname()}.{os.getpid()}.{next(_numbers)}"
    # The longest name that file systems take is 255 bytes.
    name = path.name.encode("utf-8", "surrogateescape")[:100].decode("utf-8", "ignore")
    return path.with_name(f".{name}.{writer}.part")


def sweep_parts(folder: Path) -> int:
    """Remove temporary files of writers that died here; how many there were."""
    removed = 0
    for path in folder.glob(".*.part"):
        *_, pid, number, _ = path.name.rsplit(".", 3)
        ours = f".{socket.gethostname()}.{pid}.{number}.part"
        if path.name.endswith(ours) and pid.isdigit() and not start_time(int(pid)):
            with contextlib.suppress(OSError):
                path.unlink()
                removed += 1
    return removed


def reflink(source: Path, target: Path) -> None:
    """Clone a file; OSError where the file system cannot."""
    with source.open("rb") as read, target.open("xb") as write:
        fcntl.ioctl(write.fileno(), FICLONE, read.fileno())


def place(source: Path, target: Path) -> How:
    """Put the content of `source` at `target`, replacing what is there, atomically.

    A hard link shares the object's inode: it is read-only, and the store notices when someone
    writes through it all the same.

    Raises
    ------
    OSError
        None of the ways works (no space, no permission).
    """
    temporary = beside(target)
    try:
        how = _fill(source, temporary)
        temporary.replace(target)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            temporary.unlink()
        raise
    # Renaming one hard link over another of the same inode does nothing and leaves both.
    with contextlib.suppress(FileNotFoundError):
        temporary.unlink()
    return how


def _fill(source: Path, target: Path) -> How:
    try:
        reflink(source, target)
        shutil.copystat(source, target)
        return "reflink"
    except OSError as error:
        with contextlib.suppress(FileNotFoundError):
            target.unlink()
        if error.errno not in NOT_HERE:
            raise
    try:
        os.link(source, target)
        return "hard link"
    except OSError as error:
        if error.errno not in NOT_HERE:
            raise
    shutil.copy2(source, target)
    # Unlike a link's, its data may not be on disk when the ledger's row already is.
    sync(target)
    return "copy"


def sync(path: Path) -> None:
    """Make a file or a folder's entries durable (fsync)."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_atomically(path: Path, text: str, *, durable: bool = False) -> None:
    """Write a small text file beside its place and rename it."""
    temporary = beside(path)
    try:
        with temporary.open("w", encoding="utf-8") as file:
            file.write(text)
            if durable:
                file.flush()
                os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            temporary.unlink()
        raise
    if durable:
        sync(path.parent)
