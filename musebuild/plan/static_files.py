"""Which static calibration for which night. Pure."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from musebuild.cache.model import Quality
from musebuild.index.model import FileFrame, RawFrame
from musebuild.plan.planned_task import Setup, setup_of
from musebuild.settings.model import DateRange

FIELD_MODES = ("WFM", "NFM")
"""Wide and narrow field."""
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


def file_setup(file: FileFrame) -> Setup:
    """As much of a set-up as the header and the name of a calibration file tell."""
    told = field_mode(file.ins_mode, _name(file.path))
    return Setup("", file.mjd_obs or 0.0, file.ins_mode, field=told)


@dataclass(frozen=True, slots=True)
class _File:
    """A static calibration that agrees."""

    path: str
    mjd: float | None
    other_field: bool
    """Taken only where there is none of the same field."""


def choose_static(
    category: str,
    setup: Setup,
    *,
    ranges: Sequence[tuple[str, DateRange]],
    folder: Sequence[FileFrame],
    delivered: Sequence[RawFrame],
    match: tuple[str, ...] = (),
) -> Static:
    """The static calibration of a category for a night.

    The first file of `static_calib` whose nights hold the frame's; else of the files in
    `muse_calib_path`; else of those that the archive delivers among the raw frames, each valid
    from its MJD-OBS until the next of its category and mode. Where the category does not ask for
    the same field, files of the same field go before others all the same.

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
    match : tuple of str
        What must agree, as far as a file tells it.
    """
    night = dt.date.fromisoformat(setup.night) if setup.night else dt.date.min

    def usable(there: Setup, path: str, mjd: float | None) -> Iterator[_File]:
        if not there.agrees(setup, match):
            yield _File(path, mjd, bool(there.agrees(setup, ("field",))))

    held = {
        _name(file.path): list(usable(file_setup(file), file.path, file.mjd_obs)) for file in folder
    }
    named = []
    for name, span in ranges:
        if night not in span:
            continue
        if name not in held:
            return Static(note=f"static_calib names {name} for {category}, which is not there")
        named += held[name]
    if named:
        best = next((file for file in named if not file.other_field), named[0])
        return Static(best.path, Quality("as set", level=0))
    listed = {name for name, _ in ranges}
    found = [file for name, files in held.items() if name not in listed for file in files]
    others = [
        file
        for frame in delivered
        for file in usable(setup_of(frame), frame.path, frame.mjd_obs or None)
    ]
    if found:
        return _valid(category, setup, found, "in the folder", len(others))
    if others:
        return _valid(category, setup, others, "that the archive delivered", 0)
    return Static()


def _valid(category: str, setup: Setup, files: Sequence[_File], where: str, others: int) -> Static:
    """The newest file that is not younger than the frame.

    Without one the first by name without a date; else the oldest, which is other than asked.
    """
    files = [file for file in files if not file.other_field] or files
    ordered = sorted(files, key=lambda file: file.path)
    started = [file for file in ordered if file.mjd is not None and file.mjd <= setup.mjd]
    undated = [file for file in ordered if file.mjd is None]
    younger = ""
    if started:
        path = max(started, key=lambda file: file.mjd or 0.0).path
    elif undated:
        path = undated[0].path
    else:
        path = min(ordered, key=lambda file: file.mjd or 0.0).path
        younger = "younger than the frame"
    notes = [younger] if younger else []
    if len(files) > 1:
        notes.append(f"chosen of {len(files)} {where}")
    if others:
        delivered = "one" if others == 1 else f"{others}"
        notes.append(f"the archive delivered {delivered}, too")
    note = f"{category}: {_name(path)}, {', '.join(notes)}" if notes else ""
    # A calibration that came later was not valid for the night: only the settings may take it.
    grade = Quality(
        "other than asked" if younger else "static", note=", ".join(notes), level=2 * bool(younger)
    )
    return Static(path, grade, note, any(file.mjd is not None for file in files))
