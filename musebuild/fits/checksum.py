"""The check sums that a FITS file carries: CHECKSUM and DATASUM (FITS standard 4.0, 4.4.2.7)."""

from __future__ import annotations

from dataclasses import dataclass
from io import BufferedIOBase
from pathlib import Path

import numpy as np

from musebuild.errors import FrameError
from musebuild.fits.blocks import UNREADABLE, open_frame, padded, parse, units, unreadable

PIECE = 2880 * 1456
"""Bytes that are read at once: some 4 MB of whole blocks."""
ALL_ONES = 0xFFFFFFFF


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the check sums of a file say."""

    hdus: int
    checked: int
    """HDUs that have a check sum."""
    faults: tuple[str, ...] = ()
    """What is wrong, of each HDU."""

    @property
    def status(self) -> str:
        """`good`, `damaged`, or `unverified`: the file has no check sums."""
        if self.faults:
            return "damaged"
        return "good" if self.checked else "unverified"


def fold(total: int) -> int:
    """A sum in one's complement arithmetic of 32 bits: what is carried out comes in again."""
    while total > ALL_ONES:
        total = (total & ALL_ONES) + (total >> 32)
    return total


def sum_of(file: BufferedIOBase, start: int, size: int) -> int:
    """Sum of the 32-bit words of a part of a file (whole blocks)."""
    total = 0
    file.seek(start)
    while size:
        data = file.read(min(size, PIECE))
        if not data:
            break
        size -= len(data)
        # Blocks cut short by the end of the file are as if filled with zeros.
        data += b"\0" * (-len(data) % 4)
        total = fold(total + int(np.frombuffer(data, ">u4").sum(dtype=np.uint64)))
    return total


def verify_frame(path: Path) -> Verdict:
    """Compare the check sums of each HDU with its bytes.

    Parameters
    ----------
    path : Path
        `.fits`, `.fits.fz` (the sums are of the compressed HDUs), `.fits.gz`.

    Raises
    ------
    FrameError
        The file cannot be read, is truncated, or is no FITS file.
    """
    hdus, checked, start = 0, 0, 0
    faults: list[str] = []
    with_sum: list[str] = []
    without: list[str] = []
    try:
        with open_frame(path) as file:
            for unit in units(file, path):
                hdus += 1
                header = parse(unit.header)
                length = padded(unit.data_size)
                data_sum = str(header.get("DATASUM") or "").strip()
                check_sum = str(header.get("CHECKSUM") or "").strip()
                if data_sum or check_sum:
                    checked += 1
                    data = sum_of(file, unit.data_start, length)
                    name = f"HDU {unit.index}"
                    if header.get("EXTNAME"):
                        name += f" ({header['EXTNAME']})"
                    (with_sum if check_sum else without).append(name)
                    if data_sum and data_sum != str(data):
                        faults.append(f"{name}: its data are not those that were written")
                    elif check_sum.strip("0"):
                        whole = fold(data + sum_of(file, start, unit.data_start - start))
                        # Zero has two forms in one's complement.
                        if whole not in (0, ALL_ONES):
                            faults.append(f"{name}: its header is not the one that was written")
                start = unit.data_start + length
            rest = _rest(file, start)
            if rest:
                # The standard allows it, but a damaged XTENSION card looks just so.
                faults.append(f"{rest:,} bytes after HDU {hdus - 1} are no HDU")
    except UNREADABLE as error:
        raise unreadable(path, error) from error
    if with_sum:
        # Who writes CHECKSUM writes it in each HDU: where it is missing, the card is damaged.
        faults += [f"{name}: its CHECKSUM cannot be read" for name in without]
    return Verdict(hdus, checked, tuple(faults))


def _rest(file: BufferedIOBase, start: int) -> int:
    """Bytes from a place to the end of a file; 0 where they are but zeros."""
    file.seek(start)
    size, empty = 0, True
    while data := file.read(PIECE):
        size += len(data)
        empty = empty and not data.strip(b"\0")
    return 0 if empty else size


def judge(path: Path) -> Verdict:
    """As `verify_frame`; a file that cannot be read is damaged."""
    try:
        return verify_frame(path)
    except FrameError as error:
        return Verdict(0, 0, (f"{error.what}: {error.why}" if error.why else error.what,))
