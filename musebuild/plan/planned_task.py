"""What the plan makes, as the associations see it: one record for each task."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from dataclasses import dataclass
from dataclasses import field as made_with
from functools import cache

from musebuild.index.columns import optics_of
from musebuild.index.model import RawFrame
from musebuild.plan.model import LeftOut


@cache
def day_of(night: str) -> int:
    """Number of a night's day, so that nights can be counted; 0 where there is none."""
    return dt.date.fromisoformat(night).toordinal() if night else 0


CRITERIA = ("ins_mode", "field", "filter", "read_mode", "binning")
"""What two set-ups may have to agree in, as `match` in the catalogue names it."""
_optics = cache(optics_of)


@dataclass(frozen=True, slots=True)
class Setup:
    """When and how frames were taken. What a header does not tell is empty."""

    night: str
    mjd: float
    ins_mode: str = ""
    read_mode: str = ""
    """DET READ CURNAME."""
    binning: str = ""
    temp: float | None = None
    """INS TEMP7 VAL [°C]."""
    read_id: str = ""
    """DET READ CURID."""
    field: str = ""
    """`WFM` or `NFM` (INS OPTI2); empty: as INS MODE says."""
    filter: str = ""
    """`nominal` or `extended` (INS OPTI1); empty: as INS MODE says."""

    kind: tuple[str, ...] = made_with(init=False, compare=False, repr=False)
    """All of it but the time: what agrees with one set-up agrees with all of its kind."""

    def __post_init__(self) -> None:
        kind = (
            self.ins_mode,
            self.read_mode,
            self.read_id,
            self.binning,
            self.field,
            self.filter,
        )
        object.__setattr__(self, "kind", kind)

    def value(self, criterion: str) -> str:
        """What is compared by a criterion of the catalogue; empty where it is not known."""
        if criterion == "field":
            return self.field or _optics(self.ins_mode)[0]
        if criterion == "filter":
            return self.filter or _optics(self.ins_mode)[1]
        if criterion == "read_mode":
            return self.read_mode or self.read_id
        return str(getattr(self, criterion))

    def agrees(self, other: Setup, criteria: tuple[str, ...]) -> str:
        """The first criterion in which two set-ups contradict each other; empty where they agree.

        A keyword that a header lacks contradicts nothing.
        """
        if self.kind == other.kind:
            return ""
        for name in criteria:
            if _contradicts(name, self, other):
                return name
        return ""


def _contradicts(criterion: str, one: Setup, other: Setup) -> bool:
    mine, theirs = one.value(criterion), other.value(criterion)
    if criterion == "read_mode":
        # Its number tells a read-out mode; names are compared where one lacks it.
        by_number = one.read_id and other.read_id
        mine, theirs = (
            (one.read_id, other.read_id) if by_number else (one.read_mode, other.read_mode)
        )
    if mine and theirs:
        return mine != theirs
    # Without INS MODE the light path that it stands for is compared as far as it is known.
    return criterion == "ins_mode" and bool(one.agrees(other, ("field", "filter")))


@dataclass(slots=True)
class PlannedTask:
    """A task of the plan: the invocations of one block for one sequence, exposure or dataset."""

    block: str
    label: str
    setup: Setup
    categories: tuple[str, ...]
    by_ifu: dict[int | None, str] = made_with(default_factory=dict)
    """IFU (None: not split) → name of the invocation."""
    raw: str = ""
    """Raw category, for tasks that take raw frames."""
    dataset: str = ""
    part: str = ""
    """The part of its dataset that it belongs to (`musebuild.plan.parts`); empty: it is whole."""
    run: str = ""
    exposure: str = ""
    date: str = ""
    """DATE-OBS of its first frame."""
    result: str = ""
    """Name of a result that others use by name: `drs` of `OFFSET_LIST_drs`."""
    tpl_start: str = ""
    """TPL START of its first frame."""
    folder: str = ""
    """Where its products go, below `reduced_path`."""
    aligned: tuple[str, ...] | None = None
    """DATE-OBS of the exposures that its OFFSET_LIST holds; None: that is not known."""
    left: LeftOut | None = None
    """Why it is left out, in whole or in part; None: it is made."""

    @property
    def task(self) -> str:
        """Name of the task."""
        return f"{self.block}:{self.label}"

    @property
    def row(self) -> dict[str, str]:
        """Columns by which the settings may exclude it."""
        return {
            "name": self.exposure or self.label,
            "label": self.label,
            "TPL_START": self.tpl_start,
            "night": self.setup.night,
            "run": self.run,
            "OBJECT": self.dataset,
            "dataset": self.dataset,
            "INS_MODE": self.setup.ins_mode,
            "DET_READ_CURNAME": self.setup.read_mode,
            "recipe": self.block,
        }


class Candidates:
    """Tasks that make one category, by night, so that the nearest need not be looked for."""

    def __init__(self) -> None:
        self._by_day: dict[int, list[PlannedTask]] = {}

    def add(self, made: PlannedTask) -> None:
        """Take a task in."""
        self._by_day.setdefault(day_of(made.setup.night), []).append(made)

    def nights(self, day: int, offset: int) -> Iterator[tuple[int, list[PlannedTask]]]:
        """Nights within an offset that have some, the nearest first, of two as near the later.

        Yields
        ------
        nights : int
            From the given one; positive: later.
        made : list of PlannedTask
        """
        by_day = self._by_day
        if 2 * offset < len(by_day):
            for away in range(offset + 1):
                for nights in (away, -away) if away else (0,):
                    if found := by_day.get(day + nights):
                        yield nights, found
            return
        near = [other - day for other in by_day if abs(other - day) <= offset]
        for nights in sorted(near, key=lambda n: (abs(n), n < 0)):
            yield nights, by_day[day + nights]

    def all_nights(self, day: int) -> Iterator[tuple[int, list[PlannedTask]]]:
        """All nights, the nearest first; for reports."""
        furthest = max((abs(other - day) for other in self._by_day), default=0)
        return self.nights(day, furthest)


@cache
def binning_of(x: int, y: int) -> str:
    """Binning as text: 1x1."""
    return f"{x}x{y}"


def setup_of(frame: RawFrame) -> Setup:
    """Set-up of a raw frame."""
    return Setup(
        frame.night,
        frame.mjd_obs,
        frame.ins_mode,
        # Where DET READ CURNAME is missing, the index has the number in its place.
        frame.read_mode if frame.read_mode != frame.read_id else "",
        binning_of(frame.binx, frame.biny),
        frame.temp7,
        frame.read_id,
        frame.field,
        frame.filter,
    )
