"""Whether two files may hold one frame, told from their headers alone."""

from __future__ import annotations

import re
from collections.abc import Sequence

from blake3 import blake3

from musebuild.fits.blocks import CARD

_SUM = re.compile(rb"(?:ZDATASUM|DATASUM )= '\s*(\d+)")
_SKIPPED = re.compile(
    rb"(SIMPLE|XTENSION|BITPIX|NAXIS\d*|EXTEND|PCOUNT|GCOUNT|Z?CHECKSUM|ZHECKSUM|Z?DATASUM|DATE"
    rb"|ARCFILE|ORIGFILE|PIPEFILE|INHERIT|COMMENT|HISTORY|Z(SIMPLE|EXTEND)|)\s*[= ]?$"
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
    cards = [primary[start : start + CARD] for start in range(0, len(primary), CARD)]
    said = b"".join(card for card in cards if not _SKIPPED.match(card[:9]))
    names = "\0".join(extensions).encode()
    found = [_sum_of(header) for header in headers[1:]]
    sums = blake3(b"\0".join(found) + b"\0\0" + names).hexdigest() if found and all(found) else "-"
    return f"{blake3(said + names).hexdigest()[:_LENGTH]} {sums[:_LENGTH]}"


def _sum_of(header: bytes) -> bytes:
    """DATASUM of a header; that of the data themselves where they are packed."""
    found = {match[0][:1]: match[1] for match in _SUM.finditer(header) if match.start() % CARD == 0}
    return found.get(b"Z", found.get(b"D", b""))


def may_be_one(digest: str, other: str) -> bool:
    """Whether two files may hold one frame: by the check sums of their data, else by headers."""
    (cards, sums), (its_cards, its_sums) = digest.split(), other.split()
    if "-" not in (sums, its_sums):
        return sums == its_sums
    return cards == its_cards
