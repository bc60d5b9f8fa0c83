"""Frames of the ESO archive as plain data."""

from __future__ import annotations

import datetime as dt
import re
from dataclasses import dataclass

from musebuild.fits.classify import classify
from musebuild.index.columns import night_of

_STAMP = re.compile(r"\.(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?)")
NIGHT_LOG = ".NL"
"""Ending of the file id of an exposure's night log (weather, comments)."""


@dataclass(frozen=True, slots=True)
class ArchiveFrame:
    """One frame as the archive lists it."""

    dp_id: str
    """Its name there (DP.ID, ARCFILE without `.fits`): `MUSE.2017-06-16T01:34:56.867`."""
    kind: str = ""
    """ESO DPR CATG: SCIENCE, CALIB, ACQUISITION."""
    dpr_type: str = ""
    """ESO DPR TYPE; of what calselector names, its own category (`FLAT`, `BIAS`, …)."""
    object: str = ""
    ins_mode: str = ""
    tpl_start: str = ""
    size: int | None = None
    """Bytes as they are sent; None: the archive did not tell."""
    release: str = ""
    """Date from which on it is public; empty: not told."""

    @property
    def category(self) -> str:
        """The category that the index will give it: BIAS, FLAT, OBJECT, …"""
        told = classify({"ESO DPR CATG": self.kind, "ESO DPR TYPE": self.dpr_type})
        return told.category or self.dpr_type.strip()

    @property
    def moment(self) -> dt.datetime | None:
        """Start of the exposure (UT), from its name."""
        match = _STAMP.search(self.dp_id)
        try:
            return dt.datetime.fromisoformat(match[1]) if match else None
        except ValueError:
            return None

    @property
    def night(self) -> str:
        """Night that it belongs to, `2017-06-15`."""
        return night_of(self.moment).isoformat() if self.moment else ""


@dataclass(frozen=True, slots=True)
class Associated:
    """What calselector answers for some exposures."""

    frames: tuple[ArchiveFrame, ...]
    incomplete: tuple[str, ...] = ()
    """Exposures for which it does not find all calibrations."""


@dataclass(frozen=True, slots=True)
class Window:
    """A span of time (UT) that exposures must begin in; open where None."""

    start: dt.datetime | None = None
    end: dt.datetime | None = None

    def __contains__(self, moment: dt.datetime | None) -> bool:
        if moment is None:
            return True
        return (self.start is None or self.start <= moment) and (
            self.end is None or moment < self.end
        )

    def __and__(self, other: Window) -> Window:
        starts = [w.start for w in (self, other) if w.start]
        ends = [w.end for w in (self, other) if w.end]
        return Window(max(starts, default=None), min(ends, default=None))


ALWAYS = Window()
