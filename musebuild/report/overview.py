"""A project at a glance: datasets, nights, runs, sequences, exposures. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from musebuild.engine.resolve import Resolution, State
from musebuild.index.model import RawFrame
from musebuild.plan.fields import extent, field_names, is_placed
from musebuild.plan.fields import fields as fields_of
from musebuild.plan.model import Invocation, Plan
from musebuild.report.listing import planned_lines
from musebuild.report.tables import Rows
from musebuild.settings.model import Settings

SINGLE = ("OBJECT", "STD", "SKY", "ASTROMETRY")
"""Categories of which each frame is an exposure of its own; others come in sequences."""


def used(frames: Iterable[RawFrame]) -> list[RawFrame]:
    """Frames that are not excluded."""
    return [frame for frame in frames if not frame.excluded]


def _exposures(frames: Iterable[RawFrame]) -> list[RawFrame]:
    return [f for f in frames if f.is_raw and f.category in SINGLE]


def datasets(frames: Sequence[RawFrame], settings: Settings) -> Rows:
    """Datasets of the settings, with what they hold."""
    lines = []
    for name, dataset in settings.datasets.items():
        some = [f for f in _exposures(frames) if f.category == "OBJECT" and f.dataset == name]
        lines.append(
            (
                name,
                dataset.objects,
                len(some),
                round(sum(f.exptime for f in some), 1),
                tuple(sorted({f.night for f in some})),
            )
        )
    return Rows(
        ("dataset", "OBJECT", "exposures", "exptime", "nights"), tuple(lines), {"exptime": "s"}
    )


def fields(frames: Sequence[RawFrame]) -> Rows:
    """Fields of the sky over all OBJECT names and years, with what was observed of each.

    `east` and `north`: between the outermost edges. Exposures without coordinates come last.
    """
    science = [f for f in _exposures(frames) if f.category == "OBJECT"]
    groups = fields_of(science)
    names = [*field_names(groups)]
    places: list[tuple[float | None, ...]] = [
        tuple(round(value, 5 if n < 2 else 1) for n, value in enumerate(extent(group)))
        for group in groups
    ]
    rest = [f for f in science if not is_placed(f)]
    if rest:
        groups, names = [*groups, rest], [*names, "unknown"]
        places.append((None,) * 4)
    lines = [
        (
            name,
            *place,
            len(some),
            round(sum(f.exptime for f in some), 1),
            tuple(sorted({f.object_orig for f in some})),
            tuple(sorted({f.ins_mode for f in some})),
            tuple(sorted({f.night for f in some})),
        )
        for name, place, some in zip(names, places, groups, strict=True)
    ]
    units = {"ra": "deg", "dec": "deg", "east": "arcsec", "north": "arcsec"}
    columns = ("field", *units, "exposures", "exptime", "OBJECT", "modes", "nights")
    return Rows(columns, tuple(lines), {**units, "exptime": "s"})


def nights(frames: Sequence[RawFrame]) -> Rows:
    """Nights, with the number of frames of each raw category."""
    raw = [f for f in frames if f.is_raw and f.category]
    categories = sorted({f.category for f in raw})
    counted = Counter((f.night, f.category) for f in raw)
    runs = {f.night: f.run for f in raw}
    return Rows(
        ("night", "run", *categories),
        tuple(
            (night, runs[night] or None, *(counted[night, c] or None for c in categories))
            for night in sorted(runs)
        ),
    )


def runs(frames: Sequence[RawFrame], settings: Settings) -> Rows:
    """Runs of the settings, with what they hold."""
    lines = []
    for name, span in settings.runs.items():
        some = [f for f in frames if f.is_raw and f.run == name]
        lines.append(
            (
                name,
                str(span.start) if span.start else None,
                str(span.end) if span.end else None,
                len({f.night for f in some}),
                sum(1 for f in some if f.category == "OBJECT"),
            )
        )
    return Rows(("run", "start_date", "end_date", "nights", "exposures"), tuple(lines))


def sequences(frames: Sequence[RawFrame]) -> Rows:
    """Calibration sequences: frames of one category, TPL START and INS MODE."""
    groups: dict[tuple[str, str, str], list[RawFrame]] = {}
    for frame in frames:
        if frame.is_raw and frame.category and frame.category not in SINGLE:
            key = (frame.tpl_start or frame.date_obs, frame.category, frame.ins_mode)
            groups.setdefault(key, []).append(frame)
    return Rows(
        ("sequence", "category", "mode", "night", "frames", "read_mode", "binning"),
        tuple(
            (
                start,
                category,
                mode,
                some[0].night,
                len(some),
                some[0].read_mode,
                f"{some[0].binx}x{some[0].biny}",
            )
            for (start, category, mode), some in sorted(groups.items())
        ),
    )


def exposures(frames: Sequence[RawFrame]) -> Rows:
    """Exposures of the sky, with their flags."""
    return Rows(
        ("exposure", "category", "dataset", "night", "run", "mode", "exptime", "flags"),
        tuple(
            (
                f.name,
                f.category,
                f.dataset,
                f.night,
                f.run or None,
                f.ins_mode,
                f.exptime,
                f.flags or None,
            )
            for f in _exposures(frames)
        ),
        {"exptime": "s"},
    )


def excluded(frames: Sequence[RawFrame]) -> Rows:
    """Frames that are not used, and why."""
    return Rows(
        ("name", "category", "night", "reason", "path"),
        tuple(
            (f.name, f.category or None, f.night, f.excluded, f.path) for f in frames if f.excluded
        ),
    )


def states(
    plan: Plan,
    resolutions: Mapping[str, Resolution],
    chosen: Iterable[Invocation],
    *,
    by: str,
) -> Rows:
    """State of tasks: a line for each night or exposure, a column for each block.

    Parameters
    ----------
    plan : Plan
        The plan.
    resolutions : mapping
        State of each invocation.
    chosen : iterable of Invocation
        What to show.
    by : str
        `night` (calibrations) or `exposure` (science).
    """
    groups: dict[tuple[str, str], list[str]] = {}
    blocks: dict[str, None] = {}
    for invocation in chosen:
        line = invocation.night if by == "night" else invocation.label
        groups.setdefault((line, invocation.block), []).append(invocation.name)
        blocks[invocation.block] = None
    cells = {}
    for key, names in groups.items():
        lines = planned_lines(plan, names, resolutions)
        done = sum(line.done for line in lines)
        members = sum(line.members for line in lines)
        # The most pressing state stands first.
        worst = min(lines, key=lambda line: list(State).index(line.state))
        cells[key] = str(worst.state) + (f" {done}/{members}" if members > 1 else "")
    return Rows(
        (by, *blocks),
        tuple(
            (line, *(cells.get((line, block)) for block in blocks))
            for line in sorted({line for line, _ in groups})
        ),
    )
