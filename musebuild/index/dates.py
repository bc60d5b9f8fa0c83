"""The language in which people name dates: an exposure, a night, a run, a pattern, a range. Pure.

| written | stands for |
|---|---|
| `2017-06-16T01:34:56.867` | an exposure, or the calibration sequence with that TPL START |
| `2017-06-15` | a night (it runs to 20:40 UT of the next day) |
| `2017-06`, `2017` | the nights of a month, of a year |
| `GTO17` | a run of the settings |
| `2017-06-1*` | exposures, sequences, nights and runs whose name matches (`*`, `?`, `[…]`) |
| `2017-06-13..2017-06-17` | a range of nights or moments, both ends in it; either may be missing |
"""

from __future__ import annotations

import datetime as dt
import fnmatch
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from musebuild.errors import UsageError
from musebuild.settings.model import DateRange
from musebuild.settings.nearest import did_you_mean

T = TypeVar("T")

_PART = re.compile(r"\d{4}(-\d\d)?")
_MOMENT = re.compile(r"\d{4}(-\d\d(-\d\d(T\d\d(:\d\d(:\d\d(\.\d+)?)?)?)?)?)?")
_LAST = "~"
"""Sorts after every digit: an end that is cut short takes in all that begins so."""


@dataclass(frozen=True, slots=True)
class When:
    """What dates can be asked of."""

    name: str = ""
    """An exposure's name, or a moment (ISO 8601)."""
    night: str = ""
    run: str = ""
    sequence: str = ""
    """TPL START."""


def matches(text: str, when: When) -> bool:
    """Whether one written date stands for something.

    Parameters
    ----------
    text : str
        As in the table at the top.
    when : When
        The thing.

    Examples
    --------
    >>> matches("2017-06-13..2017-06-15", When("2017-06-16T01:34:56.867", "2017-06-15"))
    True
    """
    text = text.strip()
    if ".." in text:
        start, _, end = text.partition("..")
        return _after(start.strip(), when) and _before(end.strip(), when)
    names = (when.name, when.night, when.run, when.sequence)
    if any(c in text for c in "*?["):
        return any(name and fnmatch.fnmatchcase(name, text) for name in names)
    if _PART.fullmatch(text) and when.night.startswith(text + "-"):
        return True
    return bool(text) and text in names


def _after(start: str, when: When) -> bool:
    if not start:
        return True
    value = when.name if "T" in start else when.night
    return bool(value) and value >= start


def _before(end: str, when: When) -> bool:
    if not end:
        return True
    value = when.name if "T" in end else when.night
    return bool(value) and value <= end + _LAST


def check_range(text: str) -> None:
    """Refuse a range whose ends are no dates.

    Raises
    ------
    UsageError
        Says how a range is written.
    """
    if ".." not in text:
        return
    start, end = (part.strip() for part in text.split("..", 1))
    for part in (start, end):
        if part and not _is_date(part):
            raise UsageError(
                f"{text} is not a range of dates: {part} is no date",
                remedy="write a range like 2017-06-13..2017-06-17, or with one end open: "
                "2017-06-13.. or ..2017-06-17",
            )
    if not start and not end:
        raise UsageError(
            f"{text} is a range without ends", remedy="name at least one end: 2017-06-13.."
        )
    if start and end and start > end + _LAST:
        raise UsageError(
            f"the range {text} ends before it begins", remedy=f"write it as {end}..{start}"
        )


def _is_date(text: str) -> bool:
    if not _MOMENT.fullmatch(text):
        return False
    full = text + {4: "-01-01", 7: "-01"}.get(len(text), "")
    try:
        dt.datetime.fromisoformat(full)
    except ValueError:
        return False
    return True


def choose(
    things: Iterable[T],
    texts: Sequence[str],
    when: Callable[[T], When],
    *,
    runs: Mapping[str, DateRange] | None = None,
    what: str = "frame",
) -> list[T]:
    """Things that any of the written dates stands for, in their order.

    Parameters
    ----------
    things : iterable
        Frames, exposures, rows.
    texts : sequence of str
        Written dates; none: all things.
    when : callable
        Of one thing.
    runs : mapping, optional
        Runs of the settings, to tell a run that holds nothing from a name that is wrong.
    what : str
        What the things are, for messages.

    Raises
    ------
    UsageError
        A date stands for nothing; the message has the nearest names.
    """
    pairs = [(thing, when(thing)) for thing in things]
    if not texts:
        return [thing for thing, _ in pairs]
    chosen: set[int] = set()
    for text in texts:
        check_range(text)
        found = {number for number, (_, at) in enumerate(pairs) if matches(text, at)}
        if not found:
            raise _nothing(text, [at for _, at in pairs], runs or {}, what)
        chosen |= found
    return [thing for number, (thing, _) in enumerate(pairs) if number in chosen]


def _nothing(
    text: str, known: Sequence[When], runs: Mapping[str, DateRange], what: str
) -> UsageError:
    remedy = "`musebuild info` shows nights, runs and exposures"
    if text in runs:
        return UsageError(
            f"the run {text} holds no {what}",
            why=f"it goes from {runs[text].start or 'the beginning'} to {runs[text].end or 'now'}",
            remedy=remedy,
        )
    nights = sorted({at.night for at in known if at.night and at.name.startswith(text + "T")})
    if nights and len(text) == 10:
        return UsageError(
            f"there is no {what} of the night {text}",
            why=f"what was taken on {text} before 20:40 UT belongs to the night {nights[0]}",
            remedy=f"write {nights[0]}, or the pattern '{text}*'",
        )
    names = dict.fromkeys(
        name for at in known for name in (at.night, at.run, at.name, at.sequence) if name
    )
    near = did_you_mean(text.replace("*", ""), [*runs, *names])
    return UsageError(
        f"{text} stands for no {what}",
        why=near or "it is no exposure, night, run, pattern or range of what is here",
        remedy=remedy,
    )
