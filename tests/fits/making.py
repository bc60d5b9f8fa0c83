"""FITS files written byte by byte, so that a test holds each card and each pixel in its hand."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

BLOCK = 2880

Cards = Sequence[tuple[str, object]]


def card(keyword: str, value: object, comment: str = "") -> bytes:
    """One card of 80 bytes; HIERARCH for keywords of the ESO."""
    if isinstance(value, bool):
        text = f"{'T' if value else 'F':>20}"
    elif isinstance(value, str):
        quoted = value.replace("'", "''")
        text = f"'{quoted:<8}'"
    else:
        text = f"{value!r:>20}"
    name = f"HIERARCH {keyword} = " if keyword.startswith("ESO ") else f"{keyword:<8}= "
    line = name + text + (f" / {comment}" if comment else "")
    assert len(line) <= 80, line
    return line.ljust(80).encode("ascii")


def block(content: bytes, filling: bytes = b"\0") -> bytes:
    """Content filled up to whole blocks."""
    return content + filling * (-len(content) % BLOCK)


def header(lines: Sequence[bytes]) -> bytes:
    """Cards, END, and blanks up to whole blocks."""
    return block(b"".join(lines) + b"END".ljust(80), b" ")


def primary(cards: Cards = (), extra: Sequence[bytes] = ()) -> bytes:
    """A primary HDU without data."""
    start = [card("SIMPLE", True), card("BITPIX", 8), card("NAXIS", 0), card("EXTEND", True)]
    return header([*start, *(card(*one) for one in cards), *extra])


def image(
    name: str, data: bytes, cards: Cards = (), extra: Sequence[bytes] = (), filling: bytes = b"\0"
) -> bytes:
    """An image extension of bytes in one row."""
    start = [
        card("XTENSION", "IMAGE"),
        card("BITPIX", 8),
        card("NAXIS", 1),
        card("NAXIS1", len(data)),
        card("PCOUNT", 0),
        card("GCOUNT", 1),
    ]
    if name:
        start.append(card("EXTNAME", name))
    return header([*start, *(card(*one) for one in cards), *extra]) + block(data, filling)


def write(path: Path, *units: bytes) -> Path:
    """A file of HDUs."""
    path.write_bytes(b"".join(units))
    return path


def raw_frame(path: Path, ifus: Sequence[int] = (1, 2, 7), cards: Cards = ()) -> Path:
    """A raw frame with a little data for some IFUs."""
    chips = [image(f"CHAN{n:02d}", bytes([n]) * 5000, [("ESO DET CHIP ID", n)]) for n in ifus]
    return write(path, primary([("INSTRUME", "MUSE"), ("ESO DPR TYPE", "BIAS"), *cards]), *chips)
