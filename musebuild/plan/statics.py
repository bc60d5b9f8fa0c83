"""Static calibrations: which file of a category is valid for a night."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Sequence
from dataclasses import dataclass

from musebuild.index.model import FileFrame, RawFrame
from musebuild.plan.made import Setup
from musebuild.plan.model import Quality
from musebuild.settings.model import DateRange

FIELD_MODES = ("WFM", "NFM")
"""Wide and narrow field, which never mix."""
_IN_NAME = re.compile(r"(?:^|[_\-.])(wfm|nfm)(?:[_\-.]|$)", re.IGNORECASE)


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
