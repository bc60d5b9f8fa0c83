"""What cannot be done and why, for people: the heaviest cause first, each with what it stops."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Mapping, Sequence

from musebuild.plan.causes import Folded, folded, listed
from musebuild.plan.model import LeftOut
from musebuild.report.spans import count
from musebuild.settings.model import Settings

WIDTH = 140
"""Characters of a line; only a name that is longer goes beyond."""
LONGEST = 160
"""Characters of a line that nothing exceeds."""
MOST_LINES = 40
MOST_REFUSED = 2
"""Candidates that are named of one cause."""
MOST_PLACES = 3
"""Places in the settings that are named of one cause."""
MOST_TASKS = 2
"""Tasks that are named, not counted."""
MOST_OTHERS = 8
"""Reasons for what is left out though nothing is wrong."""
TIED = "\u00a0"
"""A blank at which no line ends."""
ALL = "`musebuild check --all`"


def causes_text(
    left_out: Iterable[LeftOut],
    settings: Settings | None = None,
    *,
    most: int | None = MOST_LINES,
    width: int = WIDTH,
) -> list[str]:
    """Lines on all that was asked for and cannot be done; none where all can be.

    Parameters
    ----------
    left_out : iterable of LeftOut
        Of the plan, or of what was asked for.
    settings : Settings, optional
        To tell where in the file something stands.
    most : int or None
        Lines at most, the rest is counted; None: all, with the names of the tasks.
    width : int
        Of a line.
    """
    left_out = list(left_out)
    causes = folded(left_out)
    return told(causes, settings, most=most, width=width)


def told(
    causes: Iterable[Folded],
    settings: Settings | None = None,
    *,
    most: int | None = MOST_LINES,
    width: int = WIDTH,
) -> list[str]:
    """The same of causes that are folded already."""
    wrong = [cause for cause in causes if cause.error]
    if not wrong:
        return []
    scope = _scope({left.name: left for cause in wrong for left in cause.lefts}.values())
    lines = _wrapped(f"Cannot be done: {scope}. {count(len(wrong), 'cause')}:", "", width)
    lines += _numbered(wrong, settings, None if most is None else most - len(lines), width)
    return [_cut(line) for line in lines]


def besides_text(
    left_out: Iterable[LeftOut], *, most: int | None = MOST_OTHERS, width: int = LONGEST
) -> list[str]:
    """Lines on what else should be known: notes, and what is left out though nothing is wrong.

    Parameters
    ----------
    left_out, most, width
        As of `causes_text`.
    """
    return besides(folded(left_out), most=most, width=width)


def besides(
    causes: Iterable[Folded],
    *,
    settings: Settings | None = None,
    label: str = "left out",
    hints: bool = False,
    most: int | None = MOST_OTHERS,
    width: int = LONGEST,
) -> list[str]:
    """The same of causes that are folded already, each with a label."""
    causes = list(causes)
    lines = notes_text(left for cause in causes if cause.note for left in cause.lefts)
    others = [cause for cause in causes if not cause.error and not cause.note]
    shown = others if most is None else others[:most]
    for cause in shown:
        names = [left.name for left in cause.lefts]
        stops = ", ".join(names) if len(names) <= MOST_TASKS else _counts(cause.stops)
        title = cause.title
        text = title if title.startswith(f"{stops}:") else f"{stops}: {title}"
        lines += _wrapped(f"{label}: {text}", "", width)
        if hints and cause.where:
            lines += _wrapped(f"in: {_places(cause.where, settings)}", "  ", width)
        if hints and cause.hints:
            lines += _wrapped(f"hint: {'; or '.join(cause.hints)}", "  ", width)
    if len(shown) < len(others):
        lines.append(f"… and {count(len(others) - len(shown), 'more reason')}: {ALL}")
    return [_cut(line) for line in lines]


def notes_text(left_out: Iterable[LeftOut]) -> list[str]:
    """Lines on what is not left out, and should be known before anything runs."""
    return [
        _cut(f"note: {left.name}: {cause.told}")
        for left in left_out
        if left.note
        for cause in left.causes
    ]


def cause_lines(
    cause: Folded,
    settings: Settings | None = None,
    *,
    names: bool = False,
    width: int = WIDTH,
) -> list[str]:
    """One cause: the fact and where it stands, the nearest candidates, what it stops, hints.

    Parameters
    ----------
    cause : Folded
    settings : Settings, optional
        To tell where in the file something stands.
    names : bool
        Tell the tasks by name, too.
    width : int
        Of a line.
    """
    lines = _wrapped(cause.title, "", width)
    if any(category not in cause.title for category in cause.categories):
        lines += _wrapped(f"so there is no {', '.join(cause.categories)}", "  ", width)
    if cause.where:
        lines += _wrapped(f"in: {_places(cause.where, settings)}", "  ", width)
    refused = cause.refused if names else cause.refused[:MOST_REFUSED]
    for of, one in refused:
        night = f" (for {of})" if of and len(cause.about) > 1 else ""
        lines += _wrapped(f"nearest: {one.task} {one.reason}{night}", "  ", width)
    stops = ", ".join([*_people(cause.exposures), *_of_others(cause.others), _counts(cause.stops)])
    lines += _wrapped(f"stops: {stops}", "  ", width)
    if names:
        lines += [f"  {left.name}" for left in cause.lefts]
    for hint in cause.hints:
        lines += _wrapped(f"hint: {hint}", "  ", width)
    return lines


def _numbered(
    causes: Sequence[Folded], settings: Settings | None, most: int | None, width: int
) -> list[str]:
    lines: list[str] = []
    for number, cause in enumerate(causes, 1):
        first, *rest = cause_lines(cause, settings, names=most is None, width=width - 3)
        block = [f"{number}. {first}", *(f"   {line}" for line in rest)]
        more = len(causes) - number + 1
        if most is not None and len(lines) + len(block) > most - (more > 1):
            return [*lines, f"… and {count(more, 'more cause')}: {ALL}"]
        lines += block
    return lines


def _scope(left_out: Iterable[LeftOut]) -> str:
    """What cannot be done, in an observer's words."""
    wrong = [left for left in left_out if left.error]
    exposures: dict[str, dict[str, None]] = {}
    for left in wrong:
        if left.exposure:
            exposures.setdefault(left.dataset, {})[left.exposure] = None
    people = _people({name: tuple(of) for name, of in exposures.items()})
    if people:
        return ", ".join(people)
    names = [left.name for left in wrong]
    return listed(list(dict.fromkeys(names)), 3)


def _of_others(others: Mapping[str, int]) -> list[str]:
    """Exposures of no dataset."""
    return [count(number, f"{raw} exposure") for raw, number in others.items()]


def _people(exposures: Mapping[str, Sequence[str]]) -> list[str]:
    """Exposures of datasets."""
    told = [f"{count(len(names), 'exposure')} of {dataset}" for dataset, names in exposures.items()]
    if len(told) > MOST_PLACES:
        number = sum(map(len, exposures.values()))
        told = [f"{count(number, 'exposure')} of {len(exposures)} datasets"]
    return told


def _counts(stops: Mapping[str, int]) -> str:
    """Tasks by their blocks."""
    return ", ".join(f"{block}{TIED}{number}" for block, number in stops.items())


def _places(places: Sequence[Sequence[str | int]], settings: Settings | None) -> str:
    shown = []
    for keys in places[:MOST_PLACES]:
        dotted = ".".join(map(str, keys))
        position = settings.where(*keys) if settings is not None else None
        there = position is not None and position.in_file
        place = str(position).rpartition("/")[2]
        shown.append(f"{place} ({dotted})" if there else dotted)
    more = len(places) - MOST_PLACES
    return ", ".join(shown) + (f" and {more} more" if more > 0 else "")


def fitted(text: str) -> list[str]:
    """Lines of a text, none longer than any may be."""
    return [
        part
        for line in text.splitlines()
        for part in (_wrapped(line, "", LONGEST) if len(line) > LONGEST else [line])
    ]


def _wrapped(text: str, indent: str, width: int) -> list[str]:
    lines = textwrap.wrap(
        text,
        width,
        initial_indent=indent,
        subsequent_indent=f"{indent}  ",
        break_long_words=False,
        break_on_hyphens=False,
    )
    return [line.replace(TIED, " ") for line in lines]


def _cut(line: str) -> str:
    return line if len(line) <= LONGEST else f"{line[: LONGEST - 1]}…"
