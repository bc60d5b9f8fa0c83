"""Tiny frames, written straight as bytes: for the mock runner, and for frames of tests.

A hundred times faster than a general FITS writer where a frame is a few cards and a few numbers.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from musebuild.fits.blocks import BLOCK, CARD, padded
from musebuild.fits.checksum import ALL_ONES, fold

BITPIX = {"u1": 8, "i2": 16, "i4": 32, "i8": 64, "f4": -32, "f8": -64}
FORMS = {"u1": "B", "i2": "I", "i4": "J", "i8": "K", "f4": "E", "f8": "D"}
PUNCTUATION = frozenset(range(0x3A, 0x41)) | frozenset(range(0x5B, 0x61))
"""Codes between digits and letters, which a CHECKSUM must not hold."""


@dataclass(frozen=True, slots=True)
class Hdu:
    """One HDU to be written: its own cards, and what says how its data are laid out."""

    structure: Mapping[str, Any]
    data: bytes = b""
    cards: Mapping[str, Any] = field(default_factory=dict)


def card(keyword: str, value: Any) -> str:
    """A header card of 80 characters (more where a string goes on in CONTINUE cards).

    Parameters
    ----------
    keyword : str
        `DATE-OBS`, `ESO DPR TYPE` (HIERARCH may stand before it).
    value : object
        What astropy takes as the value of a card.

    Examples
    --------
    >>> card("ESO DPR TYPE", "BIAS").rstrip()
    "HIERARCH ESO DPR TYPE = 'BIAS    '"
    >>> card("NAXIS", 0).rstrip()
    'NAXIS   =                    0'
    """
    name = keyword.upper().removeprefix("HIERARCH ")
    text = ""
    if isinstance(value, bool):
        text = "T" if value else "F"
    elif isinstance(value, int):
        text = str(value)
    elif isinstance(value, float) and np.isfinite(value):
        text = repr(float(value)).replace("e", "E")
    elif isinstance(value, str):
        text = "'{:<8}'".format(value.replace("'", "''"))
    if len(name) <= 8 and " " not in name:
        made = f"{name:<8}= {text:>20}" if text[:1] != "'" else f"{name:<8}= {text}"
    else:
        made = f"HIERARCH {name} = {text}"
    if text and len(made) <= CARD and made.isascii():
        return f"{made:<{CARD}}"
    # Here, since it is slow to load and few cards need it.
    from astropy.io import fits

    return str(fits.Card(name if made[:8] != "HIERARCH" else f"HIERARCH {name}", value))


def primary(cards: Mapping[str, Any]) -> Hdu:
    """A primary HDU without data."""
    return Hdu({"SIMPLE": True, "BITPIX": 8, "NAXIS": 0, "EXTEND": True}, b"", cards)


def image(data: NDArray[Any], cards: Mapping[str, Any] | None = None) -> Hdu:
    """An image extension; unsigned numbers of 16 bits are stored with an offset, as ESO does it.

    Parameters
    ----------
    data : ndarray, shape (ny, nx)
    cards : mapping, optional
        Further cards, such as EXTNAME.
    """
    scale: dict[str, Any] = {}
    if data.dtype == np.uint16:
        data = (data.astype(np.int32) - 32768).astype(np.int16)
        scale = {"BSCALE": 1, "BZERO": 32768}
    axes = {f"NAXIS{n}": size for n, size in enumerate(reversed(data.shape), 1)}
    structure = {
        "XTENSION": "IMAGE",
        "BITPIX": BITPIX[data.dtype.str[1:]],
        "NAXIS": data.ndim,
        **axes,
        "PCOUNT": 0,
        "GCOUNT": 1,
        **scale,
    }
    return Hdu(structure, data.astype(data.dtype.newbyteorder(">")).tobytes(), cards or {})


def table(columns: Mapping[str, NDArray[Any]], cards: Mapping[str, Any] | None = None) -> Hdu:
    """A binary table.

    Parameters
    ----------
    columns : mapping
        Name → values, shape (rows,) or (rows, numbers in a field), or byte strings.
    cards : mapping, optional
        Further cards, such as EXTNAME.
    """
    forms: dict[str, Any] = {}
    fields: list[NDArray[np.uint8]] = []
    rows = len(next(iter(columns.values())))
    for number, (name, values) in enumerate(columns.items(), 1):
        kind = values.dtype.str[1:]
        width = values.shape[1] if values.ndim > 1 else 1
        if values.dtype.kind == "S":
            form = f"{values.dtype.itemsize}A"
        else:
            form = f"{width if width > 1 else ''}{FORMS[kind]}"
        forms |= {f"TTYPE{number}": name, f"TFORM{number}": form}
        stored = np.ascontiguousarray(values.astype(values.dtype.newbyteorder(">")))
        fields.append(stored.view(np.uint8).reshape(rows, values.dtype.itemsize * width))
    data = np.hstack(fields)
    structure = {
        "XTENSION": "BINTABLE",
        "BITPIX": 8,
        "NAXIS": 2,
        "NAXIS1": data.shape[1],
        "NAXIS2": rows,
        "PCOUNT": 0,
        "GCOUNT": 1,
        "TFIELDS": len(columns),
        **forms,
    }
    return Hdu(structure, data.tobytes(), cards or {})


def write_frame(path: Path, hdus: Sequence[Hdu], *, checksum: bool = False) -> None:
    """Write a frame.

    Parameters
    ----------
    path : Path
        Where; a file that is there is replaced.
    hdus : sequence of Hdu
        The primary HDU first.
    checksum : bool
        Whether each HDU gets CHECKSUM and DATASUM.
    """
    with path.open("wb") as file:
        for hdu in hdus:
            data = hdu.data.ljust(padded(len(hdu.data)), b"\0")
            text = "".join(card(name, value) for name, value in hdu.structure.items())
            text += "".join(card(name, value) for name, value in hdu.cards.items())
            file.write(_summed(text, data) if checksum else _header(text))
            file.write(data)


def _header(cards: str) -> bytes:
    text = f"{cards}{'END':<{CARD}}"
    return text.ljust(-(-len(text) // BLOCK) * BLOCK).encode("ascii")


def _sum(data: bytes) -> int:
    return fold(int(np.frombuffer(data, ">u4").sum(dtype=np.uint64)))


def _summed(cards: str, data: bytes) -> bytes:
    """A header with CHECKSUM and DATASUM (FITS standard 4.0, appendix J)."""
    sum_of_data = _sum(data)
    cards += card("DATASUM", str(sum_of_data))
    total = fold(_sum(_header(cards + card("CHECKSUM", "0" * 16))) + sum_of_data)
    return _header(cards + card("CHECKSUM", _encoded(total ^ ALL_ONES)))


def _encoded(value: int) -> str:
    """A sum as 16 letters and digits, by which a HDU adds up to nothing."""
    letters = [0] * 16
    for place, byte in enumerate(value.to_bytes(4, "big")):
        codes = [byte // 4 + 48] * 4
        codes[0] += byte % 4
        while not PUNCTUATION.isdisjoint(codes):
            for one in (0, 2):
                if not PUNCTUATION.isdisjoint(codes[one : one + 2]):
                    codes[one] += 1
                    codes[one + 1] -= 1
        for number, code in enumerate(codes):
            letters[4 * number + place] = code
    return bytes(letters[-1:] + letters[:-1]).decode("ascii")
