"""Files of our own in folders that others may write, too.

Who can make a link there could have us write wherever it leads. So what we write is a regular file
of one name, opened without following a link; and a pipe in its place keeps nobody waiting.
"""

from __future__ import annotations

import errno
import os
import shutil
import stat
from pathlib import Path

from musebuild.settings.path_names import part

MOST = 1 << 26
"""Bytes of the largest file of ours that is read as one: 64 MB; manifests have some 100 kB."""
_SAFE = os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


def open_own(path: Path | str, flags: int, mode: int = 0o666) -> int:
    """Open a file of ours: a regular file of one name, never a link.

    Parameters
    ----------
    path : Path or str
    flags, mode : int
        As for `os.open`. It is not emptied (`O_TRUNC`): who wants that does so with what is opened.

    Returns
    -------
    int
        The descriptor.

    Raises
    ------
    OSError
        It cannot be opened; `ELOOP` where it is a link, a folder, a pipe, or a file with a second
        name elsewhere.
    """
    try:
        descriptor = os.open(path, flags | _SAFE, mode)
    except OSError as error:
        # A folder cannot be written, a pipe that nobody reads not opened, a socket neither.
        if error.errno in (errno.ELOOP, errno.EISDIR, errno.ENXIO):
            raise _foreign(path) from None
        raise
    status = os.fstat(descriptor)
    # One that was removed meanwhile has no name any more.
    if not stat.S_ISREG(status.st_mode) or (status.st_nlink > 1 and flags & os.O_ACCMODE):
        os.close(descriptor)
        raise _foreign(path)
    return descriptor


def _foreign(path: Path | str) -> OSError:
    return OSError(errno.ELOOP, "it is a link, or no plain file, and is not used", str(path))


def create(path: Path | str, mode: int = 0o666) -> int:
    """Make a new file of ours, in place of what a writer of the same name left.

    Returns
    -------
    int
        The descriptor, for writing.
    """
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | _SAFE
    try:
        return os.open(path, flags, mode)
    except FileExistsError:
        os.unlink(path)  # noqa: PTH108
        return os.open(path, flags, mode)


def write_new(path: Path | str, content: bytes) -> None:
    """Write a new file of ours."""
    with open(create(path), "wb") as file:
        file.write(content)


def copy_new(source: Path | str, target: Path | str) -> None:
    """Copy the bytes of a file into a new one of ours."""
    with open(source, "rb") as read, open(create(target), "wb") as write:
        shutil.copyfileobj(read, write, 1 << 20)


def read_own(path: Path | str, most: int = MOST) -> bytes:
    """The content of a file of ours.

    Raises
    ------
    OSError
        It cannot be read, is a link or no regular file, or is larger than any of ours.
    """
    with open(open_own(path, os.O_RDONLY), "rb") as file:
        if os.fstat(file.fileno()).st_size > most:
            raise OSError(errno.EFBIG, "it is larger than any that musebuild writes", str(path))
        return file.read(most + 1)


def make_below(root: Path | str, folder: str) -> None:
    """Make a folder below one that is there; no part of the way may be a link.

    Parameters
    ----------
    root : Path or str
        Named by the settings; it may be a link itself.
    folder : str
        Below it; empty: nothing is made.

    Raises
    ------
    BadNameError
        It is named so that it lies elsewhere.
    NotADirectoryError
        A link or a file is in the way: `filename` says which.
    OSError
        It cannot be made.
    """
    place = str(root)
    for name in folder.split("/") if folder else ():
        place = f"{place}/{part(name)}"
        try:
            os.mkdir(place)  # noqa: PTH102
        except OSError as error:
            try:
                is_folder = stat.S_ISDIR(os.lstat(place).st_mode)
            except OSError:
                raise error from None
            if not is_folder:
                raise NotADirectoryError(
                    errno.ENOTDIR, "it is a link, or no folder, and is not used", place
                ) from None


def in_the_way(error: OSError) -> str | None:
    """What mends an error that a link, or something else of others, in our place makes."""
    if error.errno not in (errno.ELOOP, errno.ENOTDIR, errno.EISDIR):
        return None
    return (
        f"take it away (mv {error.filename} {error.filename}.old): nothing is written through a "
        "link; a store on another disk is named whole, with `cache:`"
    )


def everybody_writes(folder: Path | str) -> bool:
    """Whether all users of the machine may write into a folder; of one that is not there not."""
    try:
        return bool(Path(folder).stat().st_mode & stat.S_IWOTH)
    except OSError:
        return False
