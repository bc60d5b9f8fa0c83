"""Files below `raw_path` that no task uses though people may think so."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from musebuild.engine.balance import folded
from musebuild.index.copies import NAMED
from musebuild.index.model import RawFrame
from musebuild.index.walk import BadFile
from musebuild.plan.balance import Balance, Fate, Part
from musebuild.settings.model import Position, Settings
from musebuild.settings.problems import Problem

MOST_NAMED = 2
NOWHERE = Position("", 0, 0)
HINTS = {
    "SKY": "`sky: exposures` in a block of muse_scipost takes their sky: docs/sky.md",
}
"""Raw category → how its frames are used, where no block takes them by itself."""
_TOLD = (Fate.COPY, Fate.NO_CATEGORY)
"""Fates that are worth a warning."""


_UNUSED = (Fate.NO_BLOCK, Fate.NOT_NEEDED, Fate.LEFT_OUT)


def check_frames(found: Balance, settings: Settings) -> Iterator[Problem]:
    """A warning for each kind of file that is not used, and that one may miss.

    Parameters
    ----------
    found : Balance
        What becomes of all files.
    settings : Settings
        Names are told from `raw_path`.
    """
    used = {one.about for one in found.told if one.fate is Fate.USED}
    for part in found.parts:
        remedy = part.remedy
        if part.fate in _UNUSED and part.about in HINTS:
            if part.about in used:
                # Others are nearer, and the balance tells of it.
                continue
            text = f"{_count(part)} not used"
            remedy = HINTS[part.about]
        elif part.fate in _TOLD:
            text = f"{_count(part)} not used"
            # What each is a copy of is told with its name.
            text += f": {part.reason}" if part.fate is not Fate.COPY else ""
        else:
            continue
        yield _problem(
            f"{text}: {_names(part, settings.raw_path)}",
            remedy or "`musebuild info --unused --all` names all files",
        )


def check_times(frames: Iterable[RawFrame]) -> Iterator[Problem]:
    """A warning for exposures without an exposure time: fluxes are divided by it."""
    bad = [
        frame.filename
        for frame in frames
        if frame.category in NAMED and not frame.excluded and frame.exptime <= 0
    ]
    if bad:
        more = f" and {len(bad) - MOST_NAMED} more" if len(bad) > MOST_NAMED else ""
        yield _problem(
            f"{', '.join(bad[:MOST_NAMED])}{more}: EXPTIME is no time above 0, "
            "by which the pipeline divides",
            "correct the header, or leave the frame out with frames.exclude",
        )


def check_files(bad: Iterable[BadFile], settings: Settings) -> Iterator[Problem]:
    """A warning for files below `raw_path` that cannot be used; alike ones together."""
    for text, remedy in folded(bad, settings.raw_path):
        yield _problem(text, remedy)


def _problem(message: str, remedy: str, *, error: bool = False) -> Problem:
    """What is said of frames, and of no place in the settings."""
    return Problem(message, NOWHERE, remedy=remedy, severity="error" if error else "warning")


def _count(part: Part) -> str:
    number = len(part.files)
    return f"1 {part.about} frame is" if number == 1 else f"{number} {part.about} frames are"


def _names(part: Part, folder: Path) -> str:
    named = []
    for one in part.files[:MOST_NAMED]:
        name = one.path.removeprefix(f"{folder}/")
        detail = one.detail.replace(f"{folder}/", "")
        named.append(f"{name} ({detail})" if detail else name)
    more = len(part.files) - len(named)
    return ", ".join(named) + (f" and {more} more" if more else "")
