"""Which calibration for which exposure: pure choices, each with its quality and its reason."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from musebuild.index.model import FileFrame, RawFrame
from musebuild.plan.made import Made, Setup
from musebuild.plan.model import Quality
from musebuild.settings.model import DateRange

ILLUM_HOURS = 2.0
"""Illumination flats within this time are chosen by temperature, others by time."""
ILLUM_KELVIN = 1.0
"""An illumination flat at a temperature that differs by more is worse than none."""


@dataclass(frozen=True, slots=True)
class Choice:
    """A chosen candidate, or why each was refused."""

    made: Made | None = None
    quality: Quality | None = None
    refused: tuple[str, ...] = ()


def nights_between(first: str, second: str) -> int:
    """Nights from the first to the second; negative: the second is earlier."""
    return (dt.date.fromisoformat(second) - dt.date.fromisoformat(first)).days


def choose_made(
    candidates: Iterable[Made],
    setup: Setup,
    *,
    match: tuple[str, ...],
    offset: int,
    ifus: Sequence[int | None] = (None,),
) -> Choice:
    """The product of the same night, else of the nearest within `offset` nights.

    At equal distance a later night goes before an earlier one; in one night the same INS MODE
    goes before another, then the nearest in time, then the name.

    Parameters
    ----------
    candidates : iterable of Made
        Tasks that make the category.
    setup : Setup
        Of the frame that needs it.
    match : tuple of str
        Criteria that must agree.
    offset : int
        How many nights away it may be.
    ifus : sequence
        IFUs that it must hold, where its task is split.

    Returns
    -------
    Choice
        `refused` names the rejected candidates, nearest first, with the reason.
    """
    fitting: list[tuple[tuple[object, ...], Made]] = []
    refused: list[tuple[int, str]] = []
    for made in candidates:
        nights = nights_between(setup.night, made.setup.night)
        away = abs(nights)
        missing = [ifu for ifu in ifus if ifu not in made.by_ifu and None not in made.by_ifu]
        if away > offset:
            refused.append((away, f"{made.task} is {away} night{'s' * (away != 1)} away"))
        elif differs := setup.agrees(made.setup, match):
            theirs, ours = getattr(made.setup, differs), getattr(setup, differs)
            refused.append(
                (away, f"{made.task} has {_WORDS[differs]} {theirs or '(none)'}, not {ours}")
            )
        elif missing:
            refused.append((away, f"{made.task} lacks IFU {', '.join(map(str, missing))}"))
        else:
            other_mode = made.setup.ins_mode != setup.ins_mode
            apart = abs(made.setup.mjd - setup.mjd)
            fitting.append(((away, nights < 0, other_mode, apart, made.label), made))
    told = tuple(text for _, text in sorted(refused))
    if not fitting:
        return Choice(refused=told)
    _, best = min(fitting, key=lambda item: item[0])
    nights = nights_between(setup.night, best.setup.night)
    rivals = sum(1 for _, made in fitting if made.setup.night == best.setup.night) - 1
    return Choice(
        best,
        Quality(
            "same night" if nights == 0 else "other night",
            nights=nights,
            hours=round((best.setup.mjd - setup.mjd) * 24, 3),
            note=f"nearest of {rivals + 1} of that night" if rivals else "",
        ),
        told,
    )


_WORDS = {"ins_mode": "INS MODE", "read_mode": "read-out mode", "binning": "binning"}


def choose_illum(
    candidates: Iterable[RawFrame], frame: RawFrame
) -> tuple[RawFrame | None, Quality | None, str]:
    """The illumination flat of an exposure.

    Of the same night and set-up: within 2 hours the nearest in temperature (INS TEMP7 VAL), else
    the nearest in time; none where the temperature differs by more than 1 °C.

    Returns
    -------
    illum : RawFrame or None
    quality : Quality or None
    note : str
        Why there is none.
    """
    same = [
        c
        for c in candidates
        if c.night == frame.night
        and (c.read_mode, c.binx, c.biny) == (frame.read_mode, frame.binx, frame.biny)
        and c.ins_mode[:3] == frame.ins_mode[:3]
    ]
    if not same:
        return None, None, "no illumination flat in that night"

    def hours(c: RawFrame) -> float:
        return (c.mjd_obs - frame.mjd_obs) * 24

    def kelvin(c: RawFrame) -> float | None:
        if c.temp7 is None or frame.temp7 is None:
            return None
        return c.temp7 - frame.temp7

    near = [c for c in same if abs(hours(c)) <= ILLUM_HOURS]
    if near:
        best = min(near, key=lambda c: (abs(kelvin(c) or 0.0), abs(hours(c)), c.name))
    else:
        best = min(same, key=lambda c: (abs(hours(c)), c.name))
    difference = kelvin(best)
    if difference is not None and abs(difference) > ILLUM_KELVIN:
        return (
            None,
            None,
            f"the illumination flat {best.name} differs by {abs(difference):.1f} °C, "
            f"more than {ILLUM_KELVIN:.0f} °C",
        )
    return best, Quality("same night", hours=round(hours(best), 3), kelvin=difference), ""


def _field_mode(ins_mode: str) -> str:
    """`WFM` or `NFM`, which never mix; empty where the file does not tell."""
    return ins_mode[:3] if ins_mode[:3] in ("WFM", "NFM") else ""


def choose_static(
    category: str,
    setup: Setup,
    *,
    ranges: Sequence[tuple[str, DateRange]],
    folder: Sequence[FileFrame],
    delivered: Sequence[RawFrame],
) -> tuple[str, Quality | None, str]:
    """The static calibration of a category for a night.

    Parameters
    ----------
    category : str
        For messages.
    setup : Setup
        Of the frame that needs it.
    ranges : sequence
        File names with their nights, from `static_calib`; the first that fits wins.
    folder : sequence of FileFrame
        Files of the category in `muse_calib_path`.
    delivered : sequence of RawFrame
        Those that the archive delivers among the raw frames, valid from their MJD-OBS on.

    Returns
    -------
    path : str
        Empty where there is none.
    quality : Quality or None
    note : str
        Why there is none, or that there were several.
    """
    night = dt.date.fromisoformat(setup.night) if setup.night else dt.date.min
    mode = _field_mode(setup.ins_mode)
    listed = {name for name, _ in ranges}
    for name, span in ranges:
        if night not in span:
            continue
        for file in folder:
            if file.path.endswith("/" + name):
                return file.path, Quality("as set"), ""
        return "", None, f"static_calib names {name} for {category}, which is not there"
    fitting = [
        file
        for file in folder
        if file.path.rpartition("/")[2] not in listed
        and (not mode or _field_mode(file.ins_mode) in ("", mode))
    ]
    if fitting:
        best = _valid_from(fitting, setup.mjd)
        others = len(fitting) - 1
        note = f"{category}: {best.path} chosen of {others + 1} in the folder" if others else ""
        return best.path, Quality("static", note=note), note
    offered = [
        frame for frame in delivered if not mode or _field_mode(frame.ins_mode) in ("", mode)
    ]
    valid = [frame for frame in offered if frame.mjd_obs <= setup.mjd]
    if valid:
        latest = max(valid, key=lambda f: (f.mjd_obs, f.name))
        return latest.path, Quality("static"), ""
    return "", None, ""


def _valid_from(files: Sequence[FileFrame], mjd: float) -> FileFrame:
    """The newest file that is not younger than the exposure; without dates the first by name."""
    ordered = sorted(files, key=lambda file: file.path)
    dated = [file for file in ordered if file.mjd_obs is not None and file.mjd_obs <= mjd]
    if dated:
        return max(dated, key=lambda file: file.mjd_obs or 0.0)
    return ordered[0]
