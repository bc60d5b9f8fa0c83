"""Whether two files may hold one frame, told from their headers alone."""

from __future__ import annotations

import re
from collections.abc import Sequence

from blake3 import blake3

from musebuild.fits.blocks import CARD

_SUM = re.compile(rb"Z?DATASUM *= '\s*(\d+)")
_INSTRUMENT = re.compile(rb"HIERARCH .{71}", re.DOTALL)
_SKIPPED = frozenset(
    name.ljust(8)
    for name in (
        *(b"SIMPLE", b"XTENSION", b"BITPIX", b"NAXIS", b"NAXIS1", b"NAXIS2", b"NAXIS3"),
        *(b"EXTEND", b"PCOUNT", b"GCOUNT", b"INHERIT", b"ZSIMPLE", b"ZEXTEND"),
        *(b"CHECKSUM", b"ZHECKSUM", b"DATASUM", b"ZDATASUM", b"DATE"),
        *(b"ARCFILE", b"ORIGFILE", b"PIPEFILE", b"COMMENT", b"HISTORY", b""),
    )
)
"""Keywords that change where a file is packed, renamed or sent to an archive."""
_LENGTH = 16
UNSUMMED = "-"
"""Begins the digest of extensions that lack check sums."""


def header_digest(headers: Sequence[bytes], extensions: Sequence[str]) -> str:
    """Two digests: of the primary header, and of what the extensions say of their data.

    Parameters
    ----------
    headers : sequence of bytes
        Cards of each HDU.
    extensions : sequence of str
        EXTNAME of each extension.

    Returns
    -------
    str
        `CARDS SUMS`, the second of all check sums of data. Where an extension lacks DATASUM, a `-`
        and a digest of the instrument's cards in all extensions, and of the shapes of their data.
    """
    primary = headers[0]
    said = b"".join(
        primary[start : start + CARD]
        for start in range(0, len(primary), CARD)
        if primary[start : start + 8] not in _SKIPPED
    )
    names = "\0".join(extensions).encode()
    found = [_sum_of(header) for header in headers[1:]]
    if found and all(found):
        sums = blake3(b"\0".join(found) + b"\0\0" + names).hexdigest()[:_LENGTH]
    else:
        shown = b"\0".join(map(_data_cards, headers[1:]))
        sums = UNSUMMED + blake3(shown + b"\0\0" + names).hexdigest()[:_LENGTH]
    return f"{blake3(said + names).hexdigest()[:_LENGTH]} {sums}"


def _data_cards(header: bytes) -> bytes:
    """The instrument's cards of an extension, and the shape of its data, packed or not."""
    start = "Z" if _value_of(header, b"ZIMAGE") else ""
    axes = [_value_of(header, f"{start}NAXIS{axis}".encode()) for axis in ("", 1, 2, 3)]
    return b"".join(_INSTRUMENT.findall(header)) + b"\0".join(axes)


def _value_of(header: bytes, keyword: bytes) -> bytes:
    # Headers are full of spaces, which slow the search for some.
    start = header.find(keyword.ljust(8) + b"=") if keyword in header else -1
    return header[start + 9 : start + CARD].split(b"/")[0].strip() if start % CARD == 0 else b""


def _sum_of(header: bytes) -> bytes:
    """DATASUM of a header; that of the data themselves where they are packed."""
    # That of a packed table says how it was packed.
    packed = bool(_value_of(header, b"ZIMAGE"))
    for name in (b"ZDATASUM",) if packed else (b"ZDATASUM", b"DATASUM "):
        start = header.find(name)
        # It may stand in a comment as well.
        while start >= 0:
            if start % CARD == 0 and (match := _SUM.match(header, start)):
                return match[1]
            start = header.find(name, start + 1)
    return b""


def may_be_one(digest: str, other: str) -> bool:
    """Whether two files may hold one frame: by the check sums of their data, else by headers."""
    (cards, sums), (its_cards, its_sums) = digest.split(), other.split()
    summed, its_summed = (not text.startswith(UNSUMMED) for text in (sums, its_sums))
    if summed and its_summed:
        return sums == its_sums
    return cards == its_cards and (summed is not its_summed or sums == its_sums)


def same_data(digest: str, other: str) -> bool:
    """Whether extensions say the same of their data, or cannot be compared."""
    sums, its_sums = digest.split()[1], other.split()[1]
    return sums == its_sums or sums.startswith(UNSUMMED) is not its_sums.startswith(UNSUMMED)


def difference(digest: str, other: str) -> str:
    """What headers tell of the first file that they do not tell of the other; empty: nothing."""
    (cards, sums), (its_cards, its_sums) = digest.split(), other.split()
    summed, its_summed = (not text.startswith(UNSUMMED) for text in (sums, its_sums))
    if summed is its_summed and sums != its_sums:
        return "its data differ (DATASUM)" if summed else "headers of its extensions differ"
    return "" if cards == its_cards else "its primary header differs"
