"""Which frames of the archive mend what the plan misses. Pure."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Sequence

from musebuild.archive.filters import nights
from musebuild.archive.model import ArchiveFrame, Window
from musebuild.plan.model import Wanted


def window_for(wanted: Wanted) -> Window:
    """Nights in which frames would do."""
    night = dt.date.fromisoformat(wanted.night)
    span = dt.timedelta(days=wanted.nights)
    return nights(night - span, night + span)


def choose(wanted: Wanted, offered: Iterable[ArchiveFrame]) -> list[ArchiveFrame]:
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

    nearest = min(map(distance, fitting))
    return [frame for frame in fitting if distance(frame) == nearest]


def told(wanted: Sequence[Wanted]) -> list[str]:
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
