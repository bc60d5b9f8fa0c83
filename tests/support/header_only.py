"""FITS files that hold headers alone, written by the thousand in a moment."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

BLOCK = 2880


def card(keyword: str, value: Any) -> str:
    """A card of 80 characters; `ESO …` becomes HIERARCH.

    Raises
    ------
    ValueError
        The card would be too long.
    """
    if isinstance(value, bool):
        text = "T" if value else "F"
    elif isinstance(value, int | float):
        text = repr(value)
    else:
        quoted = str(value).replace("'", "''")
        text = f"'{quoted:<8}'"
    if " " in keyword:
        line = f"HIERARCH {keyword} = {text}"
    else:
        line = f"{keyword:<8}= {text if text.startswith(chr(39)) else text.rjust(20)}"
    if len(line) > 80:
        raise ValueError(f"the card is longer than 80 characters: {line}")
    return line.ljust(80)


def _block(lines: Iterable[str]) -> bytes:
    text = "".join(lines) + "END".ljust(80)
    return text.ljust(-(-len(text) // BLOCK) * BLOCK).encode("ascii")


def write_headers(path: Path, cards: Mapping[str, Any], channels: Iterable[int] = ()) -> None:
    """Write a frame without data: its primary header, and an empty extension for each IFU.

    Parameters
    ----------
    path : Path
        The file.
    cards : mapping
        Keyword → value, of the primary header.
    channels : iterable of int
        IFUs (extensions CHANnn).
    """
    start = {"SIMPLE": True, "BITPIX": 8, "NAXIS": 0, "EXTEND": True, "INSTRUME": "MUSE"}
    written = {**start, **{name: value for name, value in cards.items() if value is not None}}
    blocks = [_block(card(name, value) for name, value in written.items())]
    for channel in channels:
        extension = {"XTENSION": "IMAGE", "BITPIX": 16, "NAXIS": 0, "PCOUNT": 0, "GCOUNT": 1}
        named = {**extension, "EXTNAME": f"CHAN{channel:02d}"}
        blocks.append(_block(card(name, value) for name, value in named.items()))
    path.write_bytes(b"".join(blocks))
