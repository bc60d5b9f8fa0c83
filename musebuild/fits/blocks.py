"""A FITS file as header blocks and data units, read straight from its bytes.

Much faster than a full parse where a few cards of many files are wanted: only the cards that
are asked for are parsed, and data are hopped over (FITS standard 4.0, sections 3 and 4).
"""

from __future__ import annotations

import errno
import gzip
import os
import re
import stat
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from io import BufferedIOBase
from pathlib import Path

from musebuild.errors import FrameError

BLOCK = 2880
CARD = 80
MOST_BLOCKS = 2000
"""A header longer than this (72,000 cards) is no header."""

FETCH_AGAIN = "fetch it again, or take it out of the folder of raw frames"

UNREADABLE = (OSError, EOFError, zlib.error)
"""What reading and unpacking raise."""

Value = str | int | float | bool
_STRING = re.compile(rb"\s*'((?:[^']|'')*)'")


@dataclass(frozen=True, slots=True)
class Unit:
    """One HDU: where its header and its data lie in the file (bytes)."""

    index: int
    header: bytes
    """All cards up to END, without it; a multiple of 80 bytes."""
    data_start: int
    data_size: int
    """Without the padding to a whole block."""


def cards_of(header: bytes) -> Iterator[bytes]:
    """The 80-byte cards of a header."""
    for start in range(0, len(header), CARD):
        yield header[start : start + CARD]


def keyword_of(card: bytes) -> str:
    """Keyword of a card: `DATE-OBS`, `ESO DPR TYPE` (HIERARCH left out)."""
    if card.startswith(b"HIERARCH "):
        return card[9:].split(b"=", 1)[0].strip().decode("ascii", "replace")
    return card[:8].rstrip().decode("ascii", "replace")


def value_of(card: bytes) -> Value | None:
    """Value of a card; None where it has none that can be read."""
    _, equals, rest = card.partition(b"=")
    if not equals:
        return None
    match = _STRING.match(rest)
    if match:
        # Trailing blanks of a string do not count (standard, 4.2.1).
        return match[1].replace(b"''", b"'").rstrip().decode("ascii", "replace")
    text = rest.split(b"/", 1)[0].strip().decode("ascii", "replace")
    if text in ("T", "F"):
        return text == "T"
    try:
        return int(text)
    except ValueError:
        pass
    try:
        return float(text.replace("D", "E").replace("d", "e"))
    except ValueError:
        return None


def parse(header: bytes) -> dict[str, Value]:
    """All cards with a value, as a dictionary; strings that go on (CONTINUE) are joined.

    Of a keyword that stands there twice the first counts, as for CFITSIO and CPL.
    """
    found: dict[str, Value | None] = {}
    last = ""
    for card in cards_of(header):
        if card.startswith(b"CONTINUE"):
            match = _STRING.match(card[8:])
            known = found.get(last)
            if match and isinstance(known, str) and known.endswith("&"):
                found[last] = known[:-1] + match[1].replace(b"''", b"'").rstrip().decode(
                    "ascii", "replace"
                )
            continue
        if card[8:9] != b"=" and not card.startswith(b"HIERARCH"):
            continue
        keyword = keyword_of(card)
        last = "" if keyword in found else keyword
        found.setdefault(keyword, value_of(card))
    return {keyword: value for keyword, value in found.items() if value is not None}


def data_size(header: bytes) -> int:
    """Bytes of the data unit that a header announces (standard, eq. 2)."""
    found: dict[bytes, int] = {}
    for card in cards_of(header):
        name = card[:8].rstrip()
        wanted = name in (b"BITPIX", b"NAXIS", b"PCOUNT", b"GCOUNT", b"GROUPS")
        if wanted or (name.startswith(b"NAXIS") and name[5:].isdigit()):
            value = value_of(card)
            if isinstance(value, int):
                found.setdefault(name, int(value))
    axes = found.get(b"NAXIS", 0)
    if axes == 0:
        return 0
    lengths = [found.get(b"NAXIS%d" % n, 0) for n in range(1, axes + 1)]
    if found.get(b"GROUPS") and lengths and lengths[0] == 0:
        lengths[0] = 1
    pixels = 1
    for length in lengths:
        pixels *= length
    size = abs(found.get(b"BITPIX", 8)) // 8
    return size * found.get(b"GCOUNT", 1) * (found.get(b"PCOUNT", 0) + pixels)


def padded(size: int) -> int:
    """A size rounded up to whole blocks."""
    return -(-size // BLOCK) * BLOCK


def is_packed(path: Path) -> bool:
    """Whether a file is packed as a whole (`.fits.gz`), so that its size is not the frame's."""
    return path.suffix.lower() == ".gz"


def open_frame(path: Path) -> BufferedIOBase:
    """Open a FITS file, unpacking `.fits.gz` on the way."""
    if not stat.S_ISREG(path.stat().st_mode):
        # Who opens a pipe may wait for ever.
        folder = path.is_dir()
        raise OSError(errno.EINVAL, "it is a directory" if folder else "it is no regular file")
    if is_packed(path):
        return gzip.open(path, "rb")
    return path.open("rb")


def unreadable(path: Path, error: Exception) -> FrameError:
    """The error of a file that cannot be read or unpacked."""
    return FrameError(
        f"{path.name} cannot be read",
        where=str(path),
        why=getattr(error, "strerror", None) or str(error),
        remedy="check that the file is there, whole and may be read, or fetch it again",
    )


def ends_early(path: Path, index: int, expected: int, found: int) -> FrameError:
    """The error of a frame whose data are not all there."""
    return FrameError(
        f"{path.name} is truncated",
        where=str(path),
        why=f"HDU {index} should end at byte {expected:,}; the file has {found:,}",
        remedy=FETCH_AGAIN,
    )


def units(file: BufferedIOBase, path: Path) -> Iterator[Unit]:
    """The HDUs of an open file, hopping over data.

    Raises
    ------
    FrameError
        The file is empty, no FITS file, or ends before its headers say.
    UNREADABLE
        The file cannot be read, or cannot be unpacked; `unreadable` makes an error for people.
    """
    end = None if is_packed(path) else os.fstat(file.fileno()).st_size
    position, index = 0, 0
    while True:
        file.seek(position)
        header, length = _header(file, path, index)
        if not length:
            if end is None:
                # The check sum of a packed file stands at its end, and tells whether what was
                # unpacked so far is right.
                while file.read(1 << 20):
                    pass
            return
        size = data_size(header)
        start = position + length
        if size < 0:
            # Such a header would lead backwards, and round and round.
            raise FrameError(
                f"{path.name} has a header that cannot be",
                where=str(path),
                why=f"HDU {index} announces {size:,} bytes of data",
                remedy=FETCH_AGAIN,
            )
        if end is not None and start + size > end:
            raise ends_early(path, index, start + size, end)
        yield Unit(index, header, start, size)
        if end is None and (reached := file.seek(start + size)) < start + size:
            raise ends_early(path, index, start + size, reached)
        position = start + padded(size)
        index += 1


def _header(file: BufferedIOBase, path: Path, index: int) -> tuple[bytes, int]:
    """Header cards and the length of their blocks; length 0 at the end of the file."""
    blocks: list[bytes] = []
    while len(blocks) < MOST_BLOCKS:
        block = file.read(BLOCK)
        if not blocks:
            if index == 0:
                _refuse_others(block, path)
            elif not block.startswith(b"XTENSION"):
                # The standard allows anything after the last HDU.
                return b"", 0
        if len(block) < BLOCK:
            raise FrameError(
                f"{path.name} is truncated",
                where=str(path),
                why=f"it ends inside the header of HDU {index}",
                remedy=FETCH_AGAIN,
            )
        blocks.append(block)
        end = _end_card(block)
        if end is not None:
            header = b"".join(blocks)
            return header[: len(header) - BLOCK + end], len(header)
    raise FrameError(
        f"{path.name} has a header without an end",
        where=str(path),
        why=f"HDU {index} has no END in its first {MOST_BLOCKS * BLOCK:,} bytes",
        remedy=FETCH_AGAIN,
    )


def _end_card(block: bytes) -> int | None:
    place = block.find(b"END     ")
    while place >= 0:
        if place % CARD == 0:
            return place
        place = block.find(b"END     ", place + 1)
    return None


def _refuse_others(block: bytes, path: Path) -> None:
    if block.startswith(b"SIMPLE  ="):
        return
    if not block:
        raise FrameError(
            f"{path.name} is empty",
            where=str(path),
            why="it has no bytes; a transfer that broke off often leaves such a file",
            remedy=FETCH_AGAIN,
        )
    start = block[:512].lstrip().lower()
    if start.startswith((b"<!doctype html", b"<html", b"<?xml")):
        raise FrameError(
            f"{path.name} is a web page, not a FITS file",
            where=str(path),
            why="an archive answers so when a login or a permission is missing",
            remedy=FETCH_AGAIN,
        )
    raise FrameError(
        f"{path.name} is not a FITS file",
        where=str(path),
        why=f"it begins with {block[:12]!r}, not with SIMPLE  =",
        remedy=FETCH_AGAIN,
    )
