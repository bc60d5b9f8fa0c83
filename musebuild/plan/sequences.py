"""Raw frames → calibration sequences and exposures."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from musebuild.index.model import RawFrame
from musebuild.plan.planned_task import Setup, binning_of, setup_of
from musebuild.recipes.model import Recipe


@dataclass(frozen=True, slots=True)
class Group:
    """Raw frames that one task takes."""

    label: str
    frames: tuple[RawFrame, ...]
    setup: Setup
    """Of the frame in the middle."""

    @property
    def first(self) -> RawFrame:
        """The first frame."""
        return self.frames[0]

    @property
    def channels(self) -> tuple[int, ...]:
        """IFUs that some frame holds."""
        return tuple(sorted({channel for frame in self.frames for channel in frame.channels}))

    def with_channel(self, ifu: int) -> tuple[RawFrame, ...]:
        """Frames that hold an IFU."""
        return tuple(frame for frame in self.frames if ifu in frame.channels)


def _group(label: str, frames: Sequence[RawFrame]) -> Group:
    ordered = tuple(frames)
    if len(ordered) > 1:
        ordered = tuple(sorted(frames, key=lambda f: (f.mjd_obs, f.name, f.path)))
    return Group(label, ordered, setup_of(ordered[len(ordered) // 2]))


def sequences(frames: Iterable[RawFrame]) -> list[Group]:
    """Calibration sequences: frames of one TPL START, INS MODE and detector set-up.

    Frames without TPL START are taken together by night. Where one TPL START has several modes
    or set-ups, the label names what tells them apart.
    """
    groups: dict[tuple[str, str, str, str], list[RawFrame]] = defaultdict(list)
    for frame in frames:
        label = frame.tpl_start or frame.night
        binning = binning_of(frame.binx, frame.biny)
        groups[label, frame.ins_mode, frame.read_mode, binning].append(frame)
    alike: dict[str, list[tuple[str, str, str, str]]] = defaultdict(list)
    for key in groups:
        alike[key[0]].append(key)
    found = []
    for label, keys in alike.items():
        # Of mode, read-out mode and binning only those that differ are named.
        differing = [n for n in (1, 2, 3) if len({key[n] for key in keys}) > 1]
        for key in keys:
            name = ".".join([label, *(_plain(key[n]) for n in differing)])
            found.append(_group(name, groups[key]))
    return sorted(found, key=lambda g: (g.setup.mjd, g.label))


def _plain(text: str) -> str:
    """A text as a part of a task's and a folder's name."""
    return "".join(c if c.isalnum() or c in "-+." else "_" for c in text) or "none"


def exposures(frames: Iterable[RawFrame]) -> list[Group]:
    """One group for each exposure."""
    return [_group(f.name, [f]) for f in sorted(frames, key=lambda f: (f.mjd_obs, f.name))]


def too_small(group: Group, frames: Sequence[RawFrame], recipe: Recipe, ifu: int | None) -> str:
    """Why frames are not enough for a recipe; empty where they are.

    Parameters
    ----------
    group : Group
        The whole sequence.
    frames : sequence of RawFrame
        Those that the invocation would take.
    recipe : Recipe
        With its least number and its lamps.
    ifu : int or None
        Named in the reason.
    """
    of_ifu = f" with IFU {ifu}" if ifu is not None and len(frames) < len(group.frames) else ""
    if len(frames) < recipe.least:
        count = len(frames)
        return (
            f"{count} {group.first.category} frame{'s' if count != 1 else ''}{of_ifu}, "
            f"and {recipe.name} needs at least {recipe.least}"
        )
    lit = {lamp for frame in frames for lamp in frame.lamps}
    dark = [lamp for lamp in recipe.lamps if lamp not in lit]
    if dark:
        return f"no exposure of the lamp{'s' if len(dark) > 1 else ''} {', '.join(dark)}{of_ifu}"
    return ""
