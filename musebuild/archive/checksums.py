"""Whether a downloaded file is the frame that the archive has."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from musebuild.errors import FrameError
from musebuild.fits.blocks import FETCH_AGAIN, padded, parse, units

PIECE = 1 << 22
"""Bytes that are summed at once."""
_FULL = 0xFFFFFFFF


class ChecksumError(FrameError):
    """A frame whose structure is right and whose bytes do not agree with their checksum."""


def ones_complement(total: int, piece: bytes) -> int:
    """Continue the 32-bit ones' complement sum of the FITS checksum (standard 4.0, appendix J)."""
    words = np.frombuffer(piece.ljust(-(-len(piece) // 4) * 4, b"\0"), dtype=">u4")
    total += int(words.sum(dtype=np.uint64))
    while total > _FULL:
        total = (total & _FULL) + (total >> 32)
    return total


def verify_fits(path: Path) -> int:
    """Check structure and checksums of a frame.

    Parameters
    ----------
    path : Path
        `.fits` or `.fits.fz`, of any name.

    Returns
    -------
    int
        HDUs whose checksum was compared; those without CHECKSUM have none.

    Raises
    ------
    FrameError
        It is a web page, or ends early.
    ChecksumError
        A checksum does not agree.
    """
    compared = 0
    with path.open("rb") as file:
        start = 0
        for unit in units(file, path):
            end = unit.data_start + padded(unit.data_size)
            if "CHECKSUM" in parse(unit.header):
                compared += 1
                file.seek(start)
                total = 0
                while start < end:
                    piece = file.read(min(PIECE, end - start))
                    if not piece:
                        break
                    total = ones_complement(total, piece)
                    start += len(piece)
                # All ones, or all zeros: both are zero in ones' complement.
                if total not in (0, _FULL):
                    raise ChecksumError(
                        f"{path.name} is damaged",
                        where=str(path),
                        why=f"the checksum of HDU {unit.index} does not agree with its bytes",
                        remedy=FETCH_AGAIN,
                    )
            start = end
    return compared
