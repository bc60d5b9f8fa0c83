"""Every file below a folder: frames, night logs, what cannot be read, and the rest by number.

Nothing is opened, and nothing drops out: what looks like a frame and is read by nobody, a folder
that may not be read and a link that leads nowhere are told, each with what mends it.
"""

from __future__ import annotations

import os
import re
import shlex
import stat
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import PurePath

from musebuild.index.weather import ENDING
from musebuild.index.whole_numbers import MOST, moment, signed
from musebuild.settings.path_names import ENDINGS

Found = tuple[int, int, int, int]
"""Size, mtime [ns], inode, ctime [ns]: there are hundreds of thousands of these."""
NOWHERE: Found = (-1, 0, 0, 0)
HIDDEN = ".*"
"""Stands for the ending of files whose name begins with a point."""
HIDDEN_FOLDER = "hidden, as its name begins with a point"
AGAIN = "read already by another path"
"""Stand for the ending where a folder is not looked into: why."""


class Kind(StrEnum):
    """What is wrong with a file or folder below `raw_path`."""

    UNREADABLE = "unreadable"
    """Its headers cannot be read: truncated, no FITS file, not permitted."""
    HEADER = "header"
    """Its headers do not tell what is needed."""
    PACKED = "packed"
    """Packed in a way that the pipeline does not read."""
    UNFINISHED = "unfinished"
    """Of a transfer that broke off, or still runs."""
    ENDING = "ending"
    """A frame by its name, but for the ending."""
    NAME = "name"
    """Its name is no UTF-8."""
    FOLDER = "folder"
    """A folder that cannot be read."""
    LINK = "link"
    """A link that leads nowhere."""
    SPECIAL = "special"
    """Neither file nor folder."""


@dataclass(frozen=True, slots=True)
class BadFile:
    """A file below `raw_path` that cannot be used."""

    path: str
    message: str
    remedy: str
    kind: str = Kind.UNREADABLE

    def __str__(self) -> str:
        return f"{self.path}: {self.message}\n  hint: {self.remedy}"


FITS = re.compile(r"\.(?:fits?|fts)(?![a-z0-9])")
"""In the name of a FITS file, in small letters, however it goes on."""
UNPACK = {
    ".z": "gunzip",
    ".gz": "gunzip",
    ".bz2": "bunzip2",
    ".xz": "unxz",
    ".lzma": "unlzma",
    ".zst": "unzstd --rm",
    ".lz4": "unlz4 --rm",
    ".zip": "unzip -d .",
    ".7z": "7z x",
}
"""Ending → what unpacks it. CFITSIO, and so the pipeline, reads `.fz`, and `.gz` of plain FITS."""
PARTS = frozenset(
    {".part", ".partial", ".filepart", ".crdownload", ".download", ".aria2", ".tmp", ".incomplete"}
)
_COPY = re.compile(r"\.(?:\d+|bak|old|orig|save|copy)$|~$| ?\(\d+\)$| copy(?: \d+)?$")
_EXPOSURE = re.compile(r"muse\.\d{4}-\d\d-\d\dt\d\d[:_]\d\d[:_]\d\d(?:\.\d+)?")
_ENDINGS = (*ENDINGS, ENDING)


def walk(folder: str, others: Counter[str]) -> Iterator[tuple[str, Found, BadFile | None]]:
    """Files below a folder that are frames or night logs by their names, and what is wrong there.

    Links to folders are followed; a folder is read once, however many links lead to it.

    Parameters
    ----------
    folder : str
        Where to begin.
    others : Counter
        Counts all other files by the endings of their names.

    Yields
    ------
    str
        Path of the file.
    tuple of int
        What `stat` says of it.
    BadFile or None
        Why it is not to be read.
    """
    seen: set[tuple[int, int]] = set()
    waiting = [folder]
    while waiting:
        current = waiting.pop()
        try:
            status = os.stat(current)
            if (status.st_dev, status.st_ino) in seen:
                # A circle leads to nothing else.
                if not _is_above(current):
                    others[AGAIN] += 1
                continue
            seen.add((status.st_dev, status.st_ino))
            entries = list(os.scandir(current))
        except OSError as error:
            yield _told(current, _folder(current, error))
            continue
        for entry in entries:
            name, path = entry.name, entry.path
            if name[0] == ".":
                if not _is_folder(entry):
                    others[HIDDEN] += 1
                elif not _is_empty(path):
                    others[HIDDEN_FOLDER] += 1
                continue
            try:
                if entry.is_dir():
                    if is_text(name):
                        waiting.append(path)
                    else:
                        yield _told(path, unnamed(path, "folder"))
                elif not (name.endswith(_ENDINGS) or name.lower().endswith(_ENDINGS)):
                    bad = _other(entry)
                    if bad is None:
                        others[_ending(name)] += 1
                    else:
                        yield _told(path, bad)
                elif not is_text(name):
                    yield _told(path, unnamed(path, "file"))
                else:
                    # Through a link: the file itself counts.
                    s = entry.stat()
                    item = (s.st_size, s.st_mtime_ns, s.st_ino, s.st_ctime_ns)
                    if not -MOST <= min(item) <= max(item) <= MOST:
                        item = (item[0], moment(item[1]), signed(item[2]), moment(item[3]))
                    yield path, item, None if stat.S_ISREG(s.st_mode) else _special(path)
            except OSError as error:
                yield path, NOWHERE, _link(path) if _leads_nowhere(path, error) else None


def _told(path: str, bad: BadFile) -> tuple[str, Found, BadFile]:
    """What is wrong with something; its path as text that can be written down."""
    return bad.path, NOWHERE, bad


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:
        return False


def _is_above(link: str) -> bool:
    """Whether a link leads to a folder that holds it."""
    target, place = os.path.realpath(link), os.path.realpath(os.path.dirname(link))
    return f"{place}/".startswith(f"{target}/")


def _is_empty(folder: str) -> bool:
    try:
        with os.scandir(folder) as entries:
            return next(entries, None) is None
    except OSError:
        return False


def is_text(name: str) -> bool:
    """Whether a name is UTF-8."""
    if name.isascii():
        return True
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def _ending(name: str) -> str:
    """The ending by which a file is counted: `.pdf`; empty where the name has none."""
    return _shown(PurePath(name).suffix.lower())


def _leads_nowhere(path: str, error: OSError) -> bool:
    return os.path.islink(path) and not isinstance(error, PermissionError)


def _other(entry: os.DirEntry[str]) -> BadFile | None:
    """What is wrong with a file that is no frame by its ending; None: it never was one."""
    path, name = entry.path, entry.name.lower()
    if entry.is_symlink() and not os.path.exists(path):
        # Without an ending it may have been a folder.
        return _link(path) if FITS.search(name) or not PurePath(name).suffix else None
    inner, ending = os.path.splitext(name)
    if not (FITS.search(name) or _EXPOSURE.fullmatch(name)):
        return None
    if not is_text(name):
        return unnamed(path, "file")
    if FITS.search(inner) and ending in UNPACK:
        command = f"{UNPACK[ending]} {shlex.quote(path)}"
        return BadFile(
            path,
            f"the pipeline does not read {entry.name[-len(ending) :]}",
            f"unpack it: {command}",
            Kind.PACKED,
        )
    if ending in PARTS:
        return BadFile(
            path,
            "it belongs to a transfer that broke off, or that still runs",
            "fetch it again, or wait for its end",
            Kind.UNFINISHED,
        )
    if ending in (".fit", ".fts") or _COPY.search(name) or _EXPOSURE.fullmatch(name):
        whole = _COPY.sub("", entry.name) if FITS.search(name) else entry.name
        wanted = re.sub(r"(?i)\.(fits?|fts)$", "", whole) + ".fits"
        new = os.path.join(os.path.dirname(path), wanted)
        return BadFile(
            path,
            f"its name does not end in {', '.join(ENDINGS)}",
            f"if it is a whole frame, rename it: mv -n {shlex.quote(path)} {shlex.quote(new)}",
            Kind.ENDING,
        )
    return None


def _folder(path: str, error: OSError) -> BadFile:
    return BadFile(
        path,
        f"this folder cannot be read: {error.strerror}; what lies there is not known",
        "mount its disk, or allow it to be read (chmod u+rx)",
        Kind.FOLDER,
    )


def _link(path: str) -> BadFile:
    try:
        target = os.readlink(path)
    except OSError:
        target = ""
    return BadFile(
        _shown(path),
        f"this link leads nowhere{': ' + _shown(target) if target else ''}",
        "mount the disk that it leads to, or remove the link",
        Kind.LINK,
    )


def _special(path: str) -> BadFile:
    return BadFile(
        path, "it is neither a file nor a folder", "move it out of raw_path", Kind.SPECIAL
    )


def unnamed(path: str, what: str) -> BadFile:
    """What is told of a file or folder whose name is no UTF-8."""
    return BadFile(
        _shown(path),
        f"the name of this {what} is no UTF-8",
        "give it another name (convmv -f latin1 -t utf8 renames whole folders)",
        Kind.NAME,
    )


def _shown(path: str) -> str:
    return os.fsencode(path).decode("utf-8", "backslashreplace")
