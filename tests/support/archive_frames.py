"""Frames for the stand-in of the ESO archive: of a mock night, or made of nothing."""

from __future__ import annotations

import datetime as dt
import io
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from astropy.io import fits

CLEAR, LITERALS = 256, 247
CALIB = {"BIAS", "DARK", "FLAT,LAMP", "FLAT,LAMP,ILLUM", "FLAT,SKY", "WAVE", "STD"}


@dataclass(frozen=True)
class Stored:
    """One frame in the stand-in's store."""

    dp_id: str
    content: bytes
    kind: str = "SCIENCE"
    dpr_type: str = "OBJECT"
    object: str = ""
    target: str = ""
    prog_id: str = "60.A-9100(G)"
    ins_mode: str = "WFM-NOAO-N"
    tpl_start: str = ""
    release: str = "2018-06-16"
    exposure: float = 600.0
    filename: str = ""
    """As sent; empty: DP.ID with `.fits`."""
    private: bool = False
    """Only for who is logged in and has the right to it."""
    mime: str = "application/fits"

    @property
    def name(self) -> str:
        return self.filename or f"{self.dp_id}.fits"

    @property
    def moment(self) -> str:
        return self.dp_id.partition(".")[2]


def stored(path: Path, target: str = "") -> Stored:
    """A file as the archive would have it, with checksums; exposures of another target if named."""
    with fits.open(path) as hdus:
        header = hdus[0].header
        if target and header["ESO DPR TYPE"] == "OBJECT":
            header["OBJECT"] = target
        buffer = io.BytesIO()
        header["ARCFILE"] = path.name
        hdus.writeto(buffer, checksum=True)
        kind = "CALIB" if header["ESO DPR TYPE"] in CALIB else "SCIENCE"
        return Stored(
            dp_id=path.name.removesuffix(".fits"),
            content=buffer.getvalue(),
            kind=kind,
            dpr_type=header["ESO DPR TYPE"],
            object=header["OBJECT"],
            target=header["OBJECT"] if kind == "SCIENCE" else "",
            ins_mode=header["ESO INS MODE"],
            tpl_start=header["ESO TPL START"],
            exposure=header["EXPTIME"],
        )


def night_log(frame: Stored) -> Stored:
    """The night log of an exposure."""
    text = (
        'General weather conditions:\nSeeing:          0.29 - 1.1"\n\n'
        "Weather observations:\nTime\tConditions\tComment\n22:04\tClear\tfine\n"
    )
    return replace(
        frame,
        dp_id=f"{frame.dp_id}.NL",
        filename=f"{frame.dp_id}.NL.txt",
        content=text.encode(),
        mime="text/plain",
    )


def tiny(moment: dt.datetime, number: int, *, kind: str = "SCIENCE", size: int = 1) -> Stored:
    """A frame of few blocks whose checksum is right, quickly made."""
    date = moment.isoformat(timespec="milliseconds")
    dpr_type = "OBJECT" if kind == "SCIENCE" else "BIAS"
    cards = [
        "SIMPLE  =                    T",
        "BITPIX  =                    8",
        "NAXIS   =                    1",
        f"NAXIS1  = {2880 * size:>20}",
        f"DATE-OBS= '{date}'",
        "INSTRUME= 'MUSE    '",
        f"OBJECT  = '{'LOAD' if kind == 'SCIENCE' else dpr_type}'",
        f"HIERARCH ESO DPR TYPE = '{dpr_type}'",
        f"HIERARCH ESO TPL START = '{date[:19]}'",
        "HIERARCH ESO INS MODE = 'WFM-NOAO-N'",
        "CHECKSUM= '0000000000000000'",
        "END",
    ]
    header = "".join(f"{card:<80}" for card in cards).encode().ljust(2880)
    data = np.random.default_rng(number).bytes(2880 * size - 4)
    total = int(np.frombuffer(header + data, dtype=">u4").sum(dtype=np.uint64))
    while total > 0xFFFFFFFF:
        total = (total & 0xFFFFFFFF) + (total >> 32)
    # The sum of all words of an HDU is minus zero: the last word makes it so.
    content = header + data + (0xFFFFFFFF - total).to_bytes(4, "big")
    return Stored(
        dp_id=f"MUSE.{date}",
        content=content,
        kind=kind,
        dpr_type=dpr_type,
        object="LOAD",
        target="LOAD" if kind == "SCIENCE" else "",
        tpl_start=date[:19],
    )


def compressed(data: bytes) -> bytes:
    """Bytes as `compress` packs them (`.Z`), in its simplest way: 9-bit literals only.

    A CLEAR as the last of each 248 codes (a multiple of 8) keeps the codes at 9 bits, and needs
    no padding.
    """
    codes: list[int] = []
    for start in range(0, len(data), LITERALS):
        codes += [*data[start : start + LITERALS], CLEAR]
    bits = np.array([[code >> n & 1 for n in range(9)] for code in codes], dtype=np.uint8)
    return b"\x1f\x9d\x90" + np.packbits(bits.ravel(), bitorder="little").tobytes()
