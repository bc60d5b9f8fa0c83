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
from musebuild.settings.own_files import copy_new, create
from musebuild.settings.path_names import cut

FICLONE = 0x40049409
"""ioctl of Linux: share the data of another file (XFS, Btrfs, …)."""

How = Literal["reflink", "hard link", "copy"]
NOT_HERE = frozenset(
    {errno.EOPNOTSUPP, errno.ENOTTY, errno.EXDEV, errno.EINVAL, errno.EPERM, errno.EMLINK,
     errno.ENOSYS, errno.EACCES}
)  # fmt: skip
"""Errors that mean: this file system cannot do it; try the next way."""
NEVER_HERE = frozenset({errno.EOPNOTSUPP, errno.ENOTTY, errno.ENOSYS})
"""Those of a reflink that hold for every file of a file system, and need not be met again."""


_numbers = itertools.count()


def beside(path: Path) -> Path:
    """A name for a temporary file in the same folder, never seen by `*.fits` globs.

    No two writers share one: not two threads, nor two machines with one file system.
    """
    return Path(_beside(str(path)))


def _beside(path: str) -> str:
    # Plain text here and below: several times for each invocation, where `Path` costs as much
    # as what is done with the file.
    folder, name = os.path.split(path)
    writer = f"{socket.gethostname()}.{os.getpid()}.{next(_numbers)}"
    return os.path.join(folder, f".{cut(name, 100)}.{writer}.part")


def sweep_parts(folder: Path) -> int:
    """Remove temporary files of writers that died here; how many there were."""
    removed = 0
    try:
        names = os.listdir(folder)
    except FileNotFoundError:
        return 0
    for name in names:
        if not (name.startswith(".") and name.endswith(".part")) or name.count(".") < 4:
            continue
        *_, pid, number, _ = name.rsplit(".", 3)
        ours = f".{socket.gethostname()}.{pid}.{number}.part"
        if name.endswith(ours) and pid.isdigit() and not start_time(int(pid)):
            with contextlib.suppress(OSError):
                os.unlink(f"{folder}/{name}")
                removed += 1
    return removed


def reflink(source: Path, target: Path) -> None:
    """Clone a file; OSError where the file system cannot."""
    with source.open("rb") as read, target.open("xb") as write:
        fcntl.ioctl(write.fileno(), FICLONE, read.fileno())


def place(
    source: Path | str, target: Path | str, without: set[tuple[int, int]] | None = None
) -> How:
    """Put the content of `source` at `target`, replacing what is there, atomically.

    A hard link shares the object's inode: it is read-only, and the store notices when someone
    writes through it all the same.

    Parameters
    ----------
    source, target : Path or str
        Files.
    without : set, optional
        Pairs of file systems (`st_dev` of the source, of the target) between which there are no
        reflinks, so that they need not be tried for each file; grows.

    Raises
    ------
    OSError
        None of the ways works (no space, no permission).
    """
    one, other = str(source), str(target)
    cloning = True
    pair = None
    if without is not None:
        pair = os.stat(one).st_dev, os.stat(os.path.dirname(other) or ".").st_dev
        cloning = pair not in without
    if not cloning:
        # A link comes into being at once, so that it needs no other name before.
        with contextlib.suppress(OSError):
            os.link(one, other)
            return "hard link"
    temporary = _beside(other)
    try:
        how, never = _fill(one, temporary, cloning=cloning)
        os.replace(temporary, other)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(temporary)
        raise
    if how == "hard link":
        # Renaming one hard link over another of the same inode does nothing and leaves both.
        with contextlib.suppress(FileNotFoundError):
            os.unlink(temporary)
    if never and without is not None and pair is not None:
        without.add(pair)
    return how


def _fill(source: str, target: str, *, cloning: bool) -> tuple[How, bool]:
    """How a file came into being, and whether a reflink is never possible here."""
    never = False
    if cloning:
        try:
            reflink(Path(source), Path(target))
            shutil.copystat(source, target)
            return "reflink", False
        except OSError as error:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(target)
            if error.errno not in NOT_HERE:
                raise
            never = error.errno in NEVER_HERE
    try:
        os.link(source, target)
        return "hard link", never
    except OSError as error:
        if error.errno not in NOT_HERE:
            raise
    copy_new(source, target)
    shutil.copystat(source, target)
    # Unlike a link's, its data may not be on disk when the ledger's row already is.
    sync(Path(target))
    return "copy", never


def sync(path: Path) -> None:
    """Make a file or a folder's entries durable (fsync)."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_atomically(path: Path | str, text: str, *, durable: bool = False) -> None:
    """Write a small text file beside its place and rename it."""
    target = str(path)
    temporary = _beside(target)
    try:
        with open(create(temporary), "wb") as file:
            file.write(text.encode("utf-8"))
            if durable:
                file.flush()
                os.fsync(file.fileno())
        os.replace(temporary, target)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(temporary)
        raise
    if durable:
        sync(Path(path).parent)
