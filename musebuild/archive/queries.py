"""Finds out what is wanted from the archive, and records it before anything is fetched."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from musebuild.archive.client import ArchiveError, Client
from musebuild.archive.filters import check_names, nights, window_of
from musebuild.archive.model import ArchiveFrame, Window
from musebuild.archive.wanted import WantedFrames, log_of
from musebuild.errors import UsageError
from musebuild.plan.model import Wanted
from musebuild.settings.flow import flow
from musebuild.settings.model import Cone, Dataset, Settings
from musebuild.settings.nearest import did_you_mean

BATCH = 50
"""Exposures whose calibrations are asked for at once; each answer is recorded at once, too."""
MODES = ("WFM-NOAO-N", "WFM-NOAO-E", "WFM-AO-N", "WFM-AO-E", "NFM-AO-N")
ANY_MODE = frozenset({"BIAS", "DARK"})
"""Categories that serve all modes."""
MISSING = "missing"
LOCKED = "locked"


class ArchiveQueries:
    """Asks the archive, and records what is wanted.

    Parameters
    ----------
    client : Client
    records : WantedFrames
    settings : Settings
    say : callable
        Told what a person should know.
    """

    def __init__(
        self, client: Client, records: WantedFrames, settings: Settings, say: Callable[[str], None]
    ) -> None:
        self.client, self.records, self.settings, self.say = client, records, settings, say
        self._calibrations: dict[Window, list[ArchiveFrame]] = {}

    def dataset(self, dataset: Dataset, window: Window, *, force: bool) -> None:
        """Exposures of a dataset, their night logs, and the calibrations that ESO names.

        Raises
        ------
        UsageError
            No archive_filter, an unknown name or a wrong value in it, dates reversed.
        ArchiveError
            The archive cannot be asked, or has none.
        """
        filters = dataset.archive_filter or around(dataset.position)
        where = str(self.settings.where("datasets", dataset.name, "archive_filter"))
        if not filters:
            raise UsageError(
                f"the dataset {dataset.name} has no archive_filter",
                where=where,
                remedy=f"say how to find it: datasets.{dataset.name}.archive_filter: "
                + flow({"obs_targ_name": (*dataset.objects, dataset.name)[0]}),
            )
        check_names(filters, self.client.names(), where=where)
        frames = self.client.find(filters, window_of(filters) & window)
        science = frames if "dp_cat" in filters else [f for f in frames if f.kind == "SCIENCE"]
        if not science:
            asked = ", ".join(f"{name}: {value}" for name, value in filters.items())
            raise ArchiveError(
                f"the archive has no science frame of {dataset.name}",
                where=where,
                why=f"archive_filter is {asked}"
                + (f"; {len(frames)} other frames fit" if frames else ""),
                remedy="correct it (`musebuild retrieve --help-query` tells what can be asked), "
                "or --start and --end",
            )
        exposures = [frame for frame in science if frame.kind == "SCIENCE"]
        plural = "s" * (len(exposures) != 1)
        self.say(f"{dataset.name}: {len(exposures)} science frame{plural} in the archive")
        name = dataset.name
        self.records.want(name, [*science, *map(log_of, exposures)])
        known = set() if force else self.records.associated(name)
        new = [frame.dp_id for frame in exposures if frame.dp_id not in known]
        for start in range(0, len(new), BATCH):
            batch = new[start : start + BATCH]
            answer = self.client.associated(batch)
            self.records.want(name, answer.frames, associated=batch, incomplete=answer.incomplete)
            self.say(f"{name}: {len(answer.frames)} calibrations for {len(batch)} of them")
        for dp_id in self.records.incomplete(name):
            self.say(f"{dp_id}: ESO does not name all of its calibrations")

    def calibrations(self, night: dt.date, mode: str) -> str:
        """All calibrations of a night; gives the purpose under which they are recorded."""
        if mode and mode not in MODES:
            raise UsageError(
                f"--ins-mode {mode} is no mode of MUSE",
                why=f"there are {', '.join(MODES)}",
                remedy=did_you_mean(mode, MODES) or None,
            )
        frames = [
            frame
            for frame in self._in_window(nights(night, night))
            if not mode or frame.ins_mode in ("", mode) or frame.category in ANY_MODE
        ]
        if not frames:
            raise ArchiveError(
                f"the archive has no calibrations of the night {night}"
                + (f" in {mode}" if mode else ""),
                remedy="name another night (it runs to 20:40 UT of the next day)",
            )
        purpose = f"calib {night}" + (f" {mode}" if mode else "")
        self.say(f"{night}: {len(frames)} calibrations in the archive")
        self.records.want(purpose, frames)
        return purpose

    def locked(self, frames: Sequence[ArchiveFrame]) -> None:
        """Exactly the frames of a lock file, whatever was wanted of another one."""
        self.records.forget(LOCKED)
        self.records.want(LOCKED, frames)
        self.say(f"{len(frames)} frames of the archive in the lock file")

    def _in_window(self, window: Window) -> list[ArchiveFrame]:
        if window not in self._calibrations:
            found = self.client.find({"dp_cat": "CALIB"}, window)
            self._calibrations[window] = [f for f in found if f.kind in ("CALIB", "")]
        return self._calibrations[window]

    def missing(self, wanted: Iterable[Wanted], here: Iterable[str]) -> Sequence[str]:
        """Frames that mend what the plan misses; gives the names of those that are not here."""
        have = set(here)
        found: dict[str, ArchiveFrame] = {}
        for item in dict.fromkeys(wanted):
            chosen = nearest_night(item, self._in_window(window_for(item)))
            new = [frame for frame in chosen if frame.dp_id not in have]
            (text,) = wanted_texts([item])
            if new:
                self.say(f"{text}: {len(new)} frames in the archive, of {new[0].night}")
            else:
                self.say(f"{text}: the archive has none that is not here")
            found |= {frame.dp_id: frame for frame in new}
        self.records.want(MISSING, found.values())
        return list(found)


def window_for(wanted: Wanted) -> Window:
    """Nights in which frames would do."""
    night = dt.date.fromisoformat(wanted.night)
    span = dt.timedelta(days=wanted.nights)
    return nights(night - span, night + span)


def nearest_night(wanted: Wanted, offered: Iterable[ArchiveFrame]) -> list[ArchiveFrame]:
    """All frames of the category in the nearest night that has some.

    At equal distance the later night goes first, as in the plan.

    Parameters
    ----------
    wanted : Wanted
    offered : iterable of ArchiveFrame
        Frames of the archive, of any category and night.
    """
    fitting = [
        frame
        for frame in offered
        if frame.category in wanted.categories
        and (not wanted.ins_mode or not frame.ins_mode or frame.ins_mode == wanted.ins_mode)
        and frame.moment in window_for(wanted)
    ]
    if not fitting:
        return []
    night = dt.date.fromisoformat(wanted.night)

    def distance(frame: ArchiveFrame) -> tuple[int, int]:
        days = (dt.date.fromisoformat(frame.night) - night).days
        return abs(days), -days

    least = min(map(distance, fitting))
    return [frame for frame in fitting if distance(frame) == least]


def wanted_texts(wanted: Sequence[Wanted]) -> list[str]:
    """What is missing, in words: `BIAS of 2017-06-15`."""
    found = []
    for item in wanted:
        text = f"{' or '.join(item.categories)} of {item.night}"
        if item.nights:
            text += f" (or up to {item.nights} night{'s' * (item.nights > 1)} away)"
        if item.ins_mode:
            text += f" in {item.ins_mode}"
        found.append(text)
    return list(dict.fromkeys(found))


def around(cone: Cone | None) -> dict[str, Any]:
    """Column filters that find what points into a circle on the sky; none where there is none."""
    if cone is None:
        return {}
    return {
        "coord1": str(cone.ra),
        "coord2": str(cone.dec),
        "format": "decimal",
        "box": str(2 * cone.radius),
    }
