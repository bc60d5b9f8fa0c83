"""Frames of the index as plain data, for the plan and for people."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class RawFrame:
    """One file below `raw_path`, from its headers alone."""

    path: str
    """Absolute path."""
    filename: str
    name: str
    """Exposure name, `2017-06-16T01:34:56.867`, from the file name; else from DATE-OBS."""
    category: str
    """BIAS, DARK, FLAT, ARC, SKYFLAT, ILLUM, OBJECT, STD, SKY, …; for a calibration that the
    archive delivers among the raw frames its PRO CATG."""
    is_raw: bool
    """False for delivered calibrations (`M.MUSE.*`, PRO CATG in the header)."""
    night: str
    """`2017-06-15`: runs to 20:40 UT of the next day."""
    date_obs: str
    mjd_obs: float
    dpr_type: str = ""
    object_orig: str = ""
    """OBJECT as in the header."""
    dataset: str = ""
    """Dataset of the settings that OBJECT belongs to; OBJECT itself where none does."""
    run: str = ""
    tpl_start: str = ""
    tpl_id: str = ""
    ins_mode: str = ""
    exptime: float = 0.0
    binx: int = 1
    biny: int = 1
    read_mode: str = ""
    """DET READ CURNAME (CURID where the name is missing)."""
    read_id: str = ""
    """DET READ CURID."""
    field: str = ""
    """`WFM` or `NFM`: INS OPTI2 NAME, else INS MODE; empty where neither tells."""
    filter: str = ""
    """`nominal` (with the blue filter) or `extended`: INS OPTI1 NAME, else INS MODE."""
    ao: bool | None = None
    """Whether adaptive optics were in use (INS MODE); None where it does not tell."""
    arcfile: str = ""
    """Name in the archive (ARCFILE)."""
    dpr_catg: str = ""
    dpr_tech: str = ""
    temp7: float | None = None
    """INS TEMP7 VAL [°C], for the choice of an illumination flat."""
    lamps: tuple[str, ...] = ()
    """Names of the arc lamps that are on (`Ne`, `Xe`, `HgCd`)."""
    channels: tuple[int, ...] = ()
    """IFUs that the file holds (CHANnn extensions)."""
    ra: float | None = None
    """Right ascension of the telescope [deg]."""
    dec: float | None = None
    """Declination of the telescope [deg]."""
    posang: float | None = None
    """INS DROT POSANG [deg]."""
    excluded: str = ""
    """Why the frame is not used (global exclusions); empty: it is used."""
    differs: str = ""
    """How it differs from the file of the same exposure that is used in its place."""
    flags: tuple[str, ...] = ()
    """Flags of the exposure, sorted (`musebuild flag`)."""
    flag_values: tuple[int, ...] = ()
    """The value of each of its flags; where there are none, each is 1."""


QA_REDUCED = "qa_reduced"
"""Table of what is measured on products, which may be those of several exposures."""


@dataclass(frozen=True, slots=True)
class Loss:
    """A file that builds used, and that cannot be read any more."""

    path: str
    where: str
    """What is in the way: the outermost folder or link that cannot be read, or the file itself."""
    why: str
    """What is wrong there: `is empty`."""


@dataclass(frozen=True, slots=True)
class Condition:
    """A condition on a table that the build itself fills."""

    table: str
    sql: str
    """What may stand after WHERE."""
    parameters: tuple[Any, ...] = ()
    """Values of its question marks."""
    columns: tuple[str, ...] = ()
    """Columns that it reads, sorted."""
    categories: tuple[str, ...] = ()
    """Categories of the products on which these are measured."""
    of_all: bool = False
    """Whether it is about all products of an exposure."""


@dataclass(frozen=True, slots=True)
class Selected:
    """The exposures that a selection of the settings selects."""

    exposures: frozenset[str] = frozenset()
    """Their names."""
    later: tuple[Condition, ...] = ()
    """It also selects those for which one of these holds, once they are made."""
    problem: str = ""
    """Why the selection cannot be made; empty: it was."""
    remedy: str = ""


@dataclass(frozen=True, slots=True)
class FileFrame:
    """A calibration file from outside of the raw frames: static, or named in the settings."""

    path: str
    category: str
    """PRO CATG; where missing, taken from the file's name."""
    ins_mode: str = ""
    channels: tuple[int, ...] = ()
    mjd_obs: float | None = None
    exposures: tuple[str, ...] | None = None
    """OFFSET_LIST: DATE-OBS of the exposures that it has an offset for; None: it is no such
    list."""


@dataclass(frozen=True, slots=True)
class FileIndex:
    """Calibration files that are not raw frames."""

    static: tuple[FileFrame, ...] = ()
    """In `muse_calib_path`, sorted by path."""
    named: Mapping[tuple[str, str], tuple[FileFrame, ...]] = field(default_factory=dict)
    """(category, text of the settings) → the files it names, which may be none."""
    problems: tuple[str, ...] = ()
    """Messages on files there that cannot be read."""
    folder: str = ""
    """`muse_calib_path`; empty where the settings give none."""
    folder_exists: bool = True
