"""Offsets between exposures: those of the settings, and lists that lack an exposure. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from math import cos, radians
from typing import Any

from musebuild.index.model import FileFrame, RawFrame
from musebuild.plan.blocks import PlannedBlock
from musebuild.plan.model import Cause
from musebuild.plan.planned_task import PlannedTask
from musebuild.settings.nearest import nearest

OFFSET_LIST = "OFFSET_LIST"
SHOWN = 3
"""Exposures that one message names."""
DIGITS = 12
"""Of an offset in degrees: far below what matters, and the same on every machine."""


@dataclass(frozen=True, slots=True)
class Given:
    """Offsets of one dataset from the settings."""

    rows: tuple[Mapping[str, Any], ...] = ()
    """Of its exposures by time, with the columns of the pipeline's table."""
    problem: str = ""
    """Why there is no list; empty: there is one."""
    remedy: str = ""
    error: bool = True
    """False: none was asked for."""


@dataclass(slots=True)
class ByHand:
    """Offsets of one block from the settings.

    Parameters
    ----------
    planned : PlannedBlock
        A block of a recipe that makes a list by hand.
    frames : iterable of RawFrame
        All raw exposures, also excluded ones.
    """

    planned: PlannedBlock
    frames: Iterable[RawFrame]
    known: Mapping[str, RawFrame] = field(init=False)
    """Name or DATE-OBS → exposure."""
    given: Mapping[str, Mapping[str, Any]] = field(init=False)
    """DATE-OBS → its offset; of what is not known, as the settings name it."""

    def __post_init__(self) -> None:
        self.known = {
            name: frame for frame in self.frames for name in (frame.name, frame.date_obs) if name
        }
        self.given = {
            self.known[name].date_obs if name in self.known else name: offset
            for name, offset in self._named.items()
        }

    @property
    def _named(self) -> Mapping[str, Mapping[str, Any]]:
        named: Mapping[str, Mapping[str, Any]] = self.planned.block.extra.get("offsets") or {}
        return named

    def unknown(self) -> list[tuple[str, str]]:
        """Exposures of the settings that there are not, each with what mends it."""
        found = []
        for name in self._named:
            if name in self.known:
                continue
            near = nearest(name, {frame.name for frame in self.known.values()})
            meant = f"did you mean {' or '.join(near)}? " if near else ""
            found.append((name, f"{meant}`musebuild info --exposures` lists them"))
        return found

    def of(self, dataset: str, chosen: Sequence[PlannedTask]) -> Given:
        """The list of one dataset.

        Parameters
        ----------
        dataset : str
            For messages.
        chosen : sequence of PlannedTask
            Its exposures.
        """
        block = f"recipes.{self.planned.name}.offsets"
        if not self.given:
            return Given(problem="the settings give no offsets", remedy=f"add {block}")
        lacks = [made.exposure for made in chosen if made.date not in self.given]
        if len(lacks) == len(chosen):
            return Given(problem=f"{block} names no exposure of {dataset}", error=False)
        if lacks:
            return Given(
                problem=f"{block} lacks {_some(lacks)} of the {len(chosen)} exposures of {dataset}",
                remedy="add them ({east: 0, north: 0} leaves one where it is), or leave them out "
                f"with recipes.{self.planned.name}.select or exclude_flags",
            )
        rows = []
        for made in sorted(chosen, key=lambda made: (made.setup.mjd, made.date)):
            offset, frame = self.given[made.date], self.known[made.date]
            if offset.get("east") is not None and frame.dec is None:
                return Given(
                    problem=f"{frame.filename} has no DEC, which east and north need",
                    remedy=f"give RA_OFFSET and DEC_OFFSET in degrees in {block}",
                )
            rows.append(_row(frame, offset))
        return Given(tuple(rows))


def _row(frame: RawFrame, offset: Mapping[str, Any]) -> dict[str, Any]:
    if offset.get("east") is not None:
        ra = offset["east"] / 3600 / cos(radians(frame.dec or 0.0))
        dec = offset["north"] / 3600
    else:
        ra, dec = offset["RA_OFFSET"], offset["DEC_OFFSET"]
    row: dict[str, Any] = {
        "DATE_OBS": frame.date_obs,
        "MJD_OBS": float(frame.mjd_obs),
        # Without a negative zero, which would make another key.
        "RA_OFFSET": round(float(ra), DIGITS) + 0.0,
        "DEC_OFFSET": round(float(dec), DIGITS) + 0.0,
    }
    if offset.get("scale") is not None:
        row["FLUX_SCALE"] = float(offset["scale"])
    return row


def _some(names: Sequence[str]) -> str:
    more = len(names) - SHOWN
    return ", ".join(names[:SHOWN]) + (f" and {more} more" if more > 0 else "")


def lacking(
    listed: Collection[str] | None, name: str, dates: Sequence[str], block: str, maker: str = ""
) -> Cause | None:
    """What is said of a list of offsets that lacks exposures; None where it lacks none.

    The pipeline leaves an exposure that it does not find in the list where it is, and says nothing.

    Parameters
    ----------
    listed : collection of str or None
        DATE-OBS of the exposures in the list; None: it is no list.
    name : str
        The list, for people.
    dates : sequence of str
        DATE-OBS of the exposures that are to be shifted.
    block : str
        Who takes the list.
    maker : str
        The task that makes the list; empty: it is a file.
    """
    if listed is None:
        return _cause(
            f"{name} is no list of offsets: it has no table with DATE_OBS, RA_OFFSET and "
            "DEC_OFFSET",
            f"name another file with recipes.{block}.frames.{OFFSET_LIST}",
            block,
        )
    missing = [date for date in dates if date not in listed]
    if not missing:
        return None
    if maker:
        return _cause(
            f"{maker} makes no offset for {{of}}",
            f"let recipes.{maker.partition(':')[0]} and recipes.{block} select the same exposures",
            block,
            _some(missing),
        )
    return _cause(
        f"{name} has no offset for {{of}}; DATE_OBS in it: {_some(sorted(listed))}",
        "add rows with the DATE-OBS of these exposures, or exclude them with frames.exclude.OBJECT",
        block,
        _some(missing),
    )


def _cause(what: str, hint: str, block: str, of: str = "") -> Cause:
    where = ("recipes", block, "frames", OFFSET_LIST)
    return Cause(what, hint, "file", of, OFFSET_LIST, block, where)


def lacking_file(files: Iterable[FileFrame], dates: Sequence[str], block: str) -> Cause | None:
    """The same of files that the settings name."""
    for file in files:
        said = lacking(file.exposures, file.path.rpartition("/")[2], dates, block)
        if said is not None:
            return said
    return None
