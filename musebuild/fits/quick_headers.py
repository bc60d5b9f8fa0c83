"""A few cards of many frames, read as fast as the disk gives them.

The headers are looked at as raw blocks: of the primary only the wanted cards are parsed, of the
extensions only what tells their length and name. A file that is not laid out as the standard
wants goes the careful way of `read_headers`, which finds the words for what is wrong with it.
"""

from __future__ import annotations

import os
import re
from collections.abc import Collection
from pathlib import Path

from musebuild.fits.blocks import BLOCK, CARD, MOST_BLOCKS, Value, padded, parse, value_of
from musebuild.fits.headers import FrameHeaders, read_headers
from musebuild.fits.identity import header_digest

_END = b"END" + b" " * (CARD - 3)
_FIRST = 12 * BLOCK
"""Read at once of the primary: the header of a MUSE raw frame is about so long."""
_NEXT = 2 * BLOCK
"""Read at once of an extension."""
_NAME = re.compile(rb"EXTNAME = '((?:[^']|'')*)'")


class _IrregularError(Exception):
    """The file must be read the careful way."""


def read_wanted(path: str, wanted: Collection[str]) -> FrameHeaders:
    """The wanted cards of the primary header, and the names of the extensions.

    Parameters
    ----------
    path : str
        `.fits`, `.fits.fz`, `.fits.gz`.
    wanted : collection of str
        Keywords as `read_headers` gives them (`ESO DPR TYPE`); INSTRUME must be one of them.

    Returns
    -------
    FrameHeaders
        As of `read_headers`, less what is not wanted.

    Raises
    ------
    FrameError
        The file is empty, a web page, no FITS file, truncated, or cannot be read.
    """
    if not path.lower().endswith(".gz"):
        try:
            return _quick(path, {keyword.encode(): keyword for keyword in wanted})
        except (OSError, ValueError, _IrregularError):
            pass
    headers = read_headers(Path(path))
    found = {name: headers.primary[name] for name in wanted if name in headers.primary}
    return FrameHeaders(found, headers.extensions, headers.digest)


def _quick(path: str, wanted: dict[bytes, str]) -> FrameHeaders:
    # A pipe that somebody called so keeps nobody waiting.
    file = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    try:
        size = os.fstat(file).st_size
        header, length = _header(file, 0, _FIRST)
        if not header.startswith(b"SIMPLE  ="):
            raise _IrregularError
        primary = _cards(header, wanted)
        position = _after(header, length, size)
        names: list[str] = []
        headers = [header]
        while position < size:
            header, length = _header(file, position, _NEXT)
            if not header.startswith(b"XTENSION"):
                raise _IrregularError
            if not names and "INSTRUME" not in primary:
                # A compressor may put the cards there.
                found = _cards(header, wanted)
                if "INSTRUME" in found:
                    primary = found | primary
            headers.append(header)
            names.append(_name(header))
            position = _after(header, length, size, position)
    finally:
        os.close(file)
    return FrameHeaders(primary, tuple(names), header_digest(headers, names))


def _header(file: int, position: int, first: int) -> tuple[bytes, int]:
    """Cards up to END, and the length of their blocks."""
    data = os.pread(file, first, position)
    place = 0
    while True:
        place = data.find(_END, place)
        if place >= 0 and place % CARD == 0:
            return data[:place], padded(place + CARD)
        if place >= 0:
            place += 1
            continue
        if len(data) < first or len(data) > MOST_BLOCKS * BLOCK:
            raise _IrregularError
        place = len(data) - len(data) % CARD
        more = os.pread(file, len(data), position + len(data))
        if not more:
            raise _IrregularError
        data += more
        first = len(data)


def _after(header: bytes, length: int, size: int, position: int = 0) -> int:
    """Where the next HDU begins; from the cards that stand first (standard, 4.4.1)."""

    def number(card: int, name: bytes) -> int:
        start = card * CARD
        if header[start : start + 10] != name.ljust(8) + b"= ":
            raise _IrregularError
        return int(header[start + 10 : start + 30])

    axes = number(2, b"NAXIS")
    pixels = 1 if axes else 0
    for axis in range(1, axes + 1):
        pixels *= number(2 + axis, b"NAXIS%d" % axis)
    if header.startswith(b"XTENSION"):
        pixels += number(3 + axes, b"PCOUNT")
        pixels *= number(4 + axes, b"GCOUNT")
    elif b"GROUPS  =" in header:
        raise _IrregularError
    data = abs(number(1, b"BITPIX")) // 8 * pixels
    start = position + length
    if data < 0 or start + data > size or start > size:
        raise _IrregularError
    return start + padded(data)


def _cards(header: bytes, wanted: dict[bytes, str]) -> dict[str, Value]:
    """The wanted cards; of two with one keyword the first counts, as in `parse`."""
    if b"CONTINUE" in header:
        return {name: value for name, value in parse(header).items() if name.encode() in wanted}
    found: dict[str, Value | None] = {}
    for start in range(0, len(header), CARD):
        if header[start] == 72 and header.startswith(b"HIERARCH ", start):
            key = header[start + 9 : header.find(b"=", start, start + CARD)].strip()
        elif header[start + 8] == 61:
            key = header[start : start + 8].rstrip()
        else:
            continue
        name = wanted.get(key)
        if name is not None and name not in found:
            found[name] = value_of(header[start : start + CARD])
    return {name: value for name, value in found.items() if value is not None}


def _name(header: bytes) -> str:
    for match in _NAME.finditer(header):
        if match.start() % CARD == 0:
            return match[1].replace(b"''", b"'").rstrip().decode("ascii", "replace")
    return ""
