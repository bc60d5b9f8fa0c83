"""Whether two files may hold one frame, told from their headers alone."""

from __future__ import annotations

import re
from collections.abc import Sequence

from blake3 import blake3

from musebuild.fits.blocks import CARD

_SUM = re.compile(rb"Z?DATASUM *= '\s*(\d+)")
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


def header_digest(headers: Sequence[bytes], extensions: Sequence[str]) -> str:
    """Two digests: of the primary header, and of the check sums of all data.

    Parameters
    ----------
    headers : sequence of bytes
        Cards of each HDU.
    extensions : sequence of str
        EXTNAME of each extension.

    Returns
    -------
    str
        `CARDS SUMS`; `-` in place of the second, where an extension lacks DATASUM.
    """
    primary = headers[0]
    said = b"".join(
        primary[start : start + CARD]
        for start in range(0, len(primary), CARD)
        if primary[start : start + 8] not in _SKIPPED
    )
    names = "\0".join(extensions).encode()
    found = [_sum_of(header) for header in headers[1:]]
    sums = blake3(b"\0".join(found) + b"\0\0" + names).hexdigest() if found and all(found) else "-"
    return f"{blake3(said + names).hexdigest()[:_LENGTH]} {sums[:_LENGTH]}"


def _sum_of(header: bytes) -> bytes:
    """DATASUM of a header; that of the data themselves where they are packed."""
    for name in (b"ZDATASUM", b"DATASUM "):
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
    if "-" not in (sums, its_sums):
        return sums == its_sums
    return cards == its_cards
