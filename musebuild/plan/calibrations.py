"""Which calibration for which exposure: pure choices, each with its quality and its reason."""

from __future__ import annotations

import datetime as dt
import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from musebuild.cache.model import Quality
from musebuild.index.model import FileFrame, RawFrame
from musebuild.plan.model import Refused
from musebuild.plan.planned_task import Candidates, PlannedTask, Setup, day_of
from musebuild.settings.model import DateRange

ILLUM_HOURS = 2.0
"""Illumination flats within this time are chosen by temperature, others by time."""
ILLUM_KELVIN = 1.0
"""An illumination flat at a temperature that differs by more is worse than none."""


REFUSED_SHOWN = 3
"""Nearest candidates that a report names."""
WORDS = {"ins_mode": "INS MODE", "read_mode": "read-out mode", "binning": "binning"}


FIELD_MODES = ("WFM", "NFM")
"""Wide and narrow field, which never mix."""
_IN_NAME = re.compile(r"(?:^|[_\-.])(wfm|nfm)(?:[_\-.]|$)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Nearest:
    """A chosen candidate; None: there is none."""

    made: PlannedTask | None = None
    quality: Quality | None = None


def _fits(
    made: PlannedTask, setup: Setup, match: tuple[str, ...], ifus: Sequence[int | None]
) -> bool:
    if made.setup.agrees(setup, match):
        return False
    held = made.by_ifu
    return None in held or all(ifu in held for ifu in ifus)


def fitting(
    candidates: Candidates,
    setup: Setup,
    *,
    match: tuple[str, ...],
    offset: int,
    ifus: Sequence[int | None] = (None,),
) -> tuple[int, tuple[PlannedTask, ...]]:
    """Candidates among which only time decides: of the nearest night that has some.

    Of those the ones of the same INS MODE, where there are any.

    Parameters
    ----------
    candidates : Candidates
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
    nights : int
        From the frame's night; positive: later.
    made : tuple of PlannedTask
        Empty where there is none.
    """
    for nights, tasks in candidates.nights(day_of(setup.night), offset):
        found = [made for made in tasks if _fits(made, setup, match, ifus)]
        if found:
            same = [made for made in found if made.setup.ins_mode == setup.ins_mode]
            return nights, tuple(same or found)
    return 0, ()


def nearest_in_time(nights: int, found: Sequence[PlannedTask], setup: Setup) -> Nearest:
    """Of the candidates of one night the nearest in time; ties go by name.

    Parameters
    ----------
    nights : int
        From the frame's night to theirs; positive: later.
    found : sequence of PlannedTask
        At least one.
    setup : Setup
        Of the frame that needs it.
    """
    mjd = setup.mjd
    best = found[0]
    if len(found) > 1:
        best = min(found, key=lambda made: (abs(made.setup.mjd - mjd), made.label))
    there = best.setup
    notes = []
    if there.ins_mode != setup.ins_mode:
        notes.append(f"INS MODE {there.ins_mode or '(none)'}, not {setup.ins_mode or '(none)'}")
    if len(found) > 1:
        notes.append(f"nearest of {len(found)} of that night")
    kelvin = None
    if there.temp is not None and setup.temp is not None:
        kelvin = round(there.temp - setup.temp, 3)
    return Nearest(
        best,
        Quality(
            "other night" if nights else "same night",
            nights,
            round((there.mjd - mjd) * 24, 3),
            kelvin,
            ", ".join(notes),
        ),
    )


def choose_made(
    candidates: Candidates,
    setup: Setup,
    *,
    match: tuple[str, ...],
    offset: int,
    ifus: Sequence[int | None] = (None,),
) -> Nearest:
    """The product of the same night, else of the nearest within `offset` nights.

    At equal distance a later night goes before an earlier one; in one night the same INS MODE
    goes before another, then the nearest in time, then the name. Parameters are those of
    `fitting`.

    Returns
    -------
    Nearest
        Without a candidate where there is none: `refused_for` says why.
    """
    nights, found = fitting(candidates, setup, match=match, offset=offset, ifus=ifus)
    return nearest_in_time(nights, found, setup) if found else Nearest()


def refused_for(
    candidates: Candidates,
    setup: Setup,
    *,
    match: tuple[str, ...],
    offset: int,
    ifus: Sequence[int | None] = (None,),
    block: str = "",
    category: str = "",
    most: int = REFUSED_SHOWN,
) -> list[tuple[int, float, Refused]]:
    """Why the nearest candidates were refused, and the setting that would accept each.

    Parameters
    ----------
    block, category : str
        What needs it, for the settings.
    most : int
        Candidates to name. Other parameters are those of `fitting`.

    Returns
    -------
    list of (int, float, Refused)
        Nights and days away, by which they can be sorted among others.
    """
    told: list[tuple[int, float, Refused]] = []
    frames = f"recipes.{block}.frames"
    for nights, tasks in candidates.all_nights(day_of(setup.night)):
        away = abs(nights)
        for made in sorted(tasks, key=lambda m: (abs(m.setup.mjd - setup.mjd), m.label)):
            reasons = []
            setting = ""
            if away > offset:
                side = "later" if nights > 0 else "earlier"
                reasons.append(f"is {away} night{'s' * (away != 1)} {side}")
                setting = f"{frames}.offsets: {{{category}: {away}}}"
            if differs := made.setup.agrees(setup, match):
                theirs, ours = getattr(made.setup, differs), getattr(setup, differs)
                reasons.append(f"has {WORDS[differs]} {theirs or '(none)'}, not {ours or '(none)'}")
                # A path that is a product of the plan is taken whatever its set-up.
                place = f"{{reduced_path}}/{made.folder}"
                setting = f"{frames}: {{{category}: '{place}'}}" if made.folder else ""
            elif None not in made.by_ifu and not all(ifu in made.by_ifu for ifu in ifus):
                lacking = [str(ifu) for ifu in ifus if ifu not in made.by_ifu]
                reasons.append(f"lacks IFU {', '.join(lacking)}")
                held = ", ".join(str(ifu) for ifu in sorted(i for i in made.by_ifu if i))
                setting = f"ifus: [{held}]"
            refused = Refused(made.task, " and ".join(reasons), setting)
            told.append((away, abs(made.setup.mjd - setup.mjd), refused))
            if len(told) == most:
                return told
    return told


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
        return None, None, f"no illumination flat of that set-up in the night {frame.night}"

    def hours(c: RawFrame) -> float:
        return (c.mjd_obs - frame.mjd_obs) * 24

    def kelvin(c: RawFrame) -> float | None:
        if c.temp7 is None or frame.temp7 is None:
            return None
        return c.temp7 - frame.temp7

    def degrees(c: RawFrame) -> float:
        # A flat without a temperature is not taken before one whose temperature is known.
        difference = kelvin(c)
        return math.inf if difference is None else abs(difference)

    near = [c for c in same if abs(hours(c)) <= ILLUM_HOURS]
    if near:
        best = min(near, key=lambda c: (degrees(c), abs(hours(c)), c.name))
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
    notes = []
    if len(same) > 1:
        why = "in temperature" if near and difference is not None else "in time"
        notes.append(f"nearest {why} of {len(near or same)}")
    if not near:
        notes.append(f"none within {ILLUM_HOURS:.0f} hours")
    if difference is None:
        notes.append("temperatures unknown")
    kept = None if difference is None else round(difference, 3)
    return best, Quality("same night", 0, round(hours(best), 3), kept, ", ".join(notes)), ""


@dataclass(frozen=True, slots=True)
class Static:
    """The static calibration of a category for a frame."""

    path: str = ""
    """Empty: there is none."""
    quality: Quality | None = None
    note: str = ""
    """Why there is none, or what a person should know of the choice."""
    dated: bool = False
    """Whether the choice depends on the time of the frame, not on its night and mode alone."""


def field_mode(ins_mode: str, filename: str = "") -> str:
    """`WFM` or `NFM`; empty where neither INS MODE nor the name of the file tells."""
    if ins_mode[:3] in FIELD_MODES:
        return ins_mode[:3]
    found = _IN_NAME.search(filename)
    return found[1].upper() if found and not ins_mode else ""


def _name(path: str) -> str:
    return path.rpartition("/")[2]


def _usable(path: str, ins_mode: str, setup: Setup, *, exact: bool) -> bool:
    """Whether a file's mode goes with the frame's; a file that tells no mode goes with any."""
    if exact and ins_mode:
        return ins_mode == setup.ins_mode
    ours = field_mode(setup.ins_mode)
    return not ours or field_mode(ins_mode, _name(path)) in ("", ours)


def choose_static(
    category: str,
    setup: Setup,
    *,
    ranges: Sequence[tuple[str, DateRange]],
    folder: Sequence[FileFrame],
    delivered: Sequence[RawFrame],
    exact: bool = False,
) -> Static:
    """The static calibration of a category for a night.

    The first file of `static_calib` whose nights hold the frame's; else of the files in
    `muse_calib_path`; else of those that the archive delivers among the raw frames, each valid
    from its MJD-OBS until the next of its category and mode. Wide and narrow field never mix.

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
        Those that the archive delivers among the raw frames.
    exact : bool
        Whether INS MODE must be the same, not the field alone (LSF_PROFILE).
    """
    night = dt.date.fromisoformat(setup.night) if setup.night else dt.date.min
    for name, span in ranges:
        if night not in span:
            continue
        file = next((file for file in folder if _name(file.path) == name), None)
        if file is None:
            return Static(note=f"static_calib names {name} for {category}, which is not there")
        if _usable(file.path, file.ins_mode, setup, exact=exact):
            return Static(file.path, Quality("as set"))
    listed = {name for name, _ in ranges}
    found = [
        (file.mjd_obs, file.path)
        for file in folder
        if _name(file.path) not in listed and _usable(file.path, file.ins_mode, setup, exact=exact)
    ]
    others = [
        (frame.mjd_obs or None, frame.path)
        for frame in delivered
        if _usable(frame.path, frame.ins_mode, setup, exact=exact)
    ]
    if found:
        return _valid(category, setup, found, "in the folder", len(others))
    if others:
        return _valid(category, setup, others, "that the archive delivered", 0)
    return Static()


def _valid(
    category: str,
    setup: Setup,
    files: Sequence[tuple[float | None, str]],
    where: str,
    others: int,
) -> Static:
    """The newest file that is not younger than the frame.

    Without one the first by name without a date; else the oldest, which is other than asked.
    """
    ordered = sorted(files, key=lambda file: file[1])
    started = [file for file in ordered if file[0] is not None and file[0] <= setup.mjd]
    undated = [file for file in ordered if file[0] is None]
    younger = ""
    if started:
        path = max(started, key=lambda file: file[0] or 0.0)[1]
    elif undated:
        path = undated[0][1]
    else:
        path = min(ordered, key=lambda file: file[0] or 0.0)[1]
        younger = "younger than the frame"
    notes = [younger] if younger else []
    if len(files) > 1:
        notes.append(f"chosen of {len(files)} {where}")
    if others:
        delivered = "one" if others == 1 else f"{others}"
        notes.append(f"the archive delivered {delivered}, too")
    note = f"{category}: {_name(path)}, {', '.join(notes)}" if notes else ""
    grade = Quality("other than asked" if younger else "static", note=", ".join(notes))
    return Static(path, grade, note, any(file[0] is not None for file in files))
