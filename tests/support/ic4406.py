"""The raw frames of IC4406 as header-only FITS files, from the table of their real headers."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

from tests.support.header_only import write_headers

TABLE = Path(__file__).parent / "data" / "ic4406_raw_headers.csv"
LAMPS = ("Ne", "Xe", "HgCd")
_TEXTS = {"filename", "OBJECT", "DATE-OBS", "ARCFILE", "ORIGFILE", "TELESCOP"}


def _value(keyword: str, text: str) -> Any:
    if not text:
        return None
    try:
        number = float(text)
    except ValueError:
        return text
    return text if keyword in _TEXTS or keyword.endswith(("NAME", "START_")) else number


def write_raw(folder: Path) -> list[Path]:
    """Write all raw frames of the table; the arc frames get lamps in turn, which it lacks.

    Parameters
    ----------
    folder : Path
        Made where it is not there.

    Returns
    -------
    list of Path
        In the order of the table.
    """
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    arcs = 0
    with TABLE.open(encoding="utf-8", newline="") as stream:
        for row in csv.DictReader(stream):
            cards = {name: _value(name, text) for name, text in row.items() if name != "filename"}
            if cards["ESO DPR TYPE"] == "WAVE":
                cards |= _lamp(LAMPS[arcs // 5 % 3])
                arcs += 1
            path = folder / row["filename"]
            write_headers(path, cards, channels=range(1, 25))
            written.append(path)
    return written


def _lamp(name: str) -> dict[str, Any]:
    return {
        "ESO INS LAMPNUM": 1,
        "ESO INS LAMP1 NAME": f"CU-LAMP-{name}",
        "ESO INS LAMP1 ST": True,
        "ESO INS SHUT1 NAME": f"CU-LAMP-{name}",
        "ESO INS SHUT1 ST": True,
    }


STATICS = (
    "EXTINCT_TABLE",
    "FILTER_LIST",
    "LINE_CATALOG",
    "SKY_LINES",
    "STD_FLUX_TABLE",
    "RAMAN_LINES",
    "VIGNETTING_MASK",
)


def write_statics(folder: Path, named: dict[str, str]) -> None:
    """Write static calibrations without data.

    Parameters
    ----------
    folder : Path
        Made where it is not there.
    named : dict
        File name → category, besides one of each usual category.
    """
    folder.mkdir(parents=True, exist_ok=True)
    usual = {f"{category.lower()}.fits": category for category in STATICS}
    for name, category in {**usual, **named}.items():
        channels = () if category == "FILTER_LIST" else range(1, 25)
        write_headers(folder / name, {"ESO PRO CATG": category}, channels=channels)
