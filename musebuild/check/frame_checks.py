"""Files below `raw_path` that no task uses though people may think so."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path

from musebuild.plan.balance import Balance, Fate, Part
from musebuild.plan.model import LeftOut
from musebuild.settings.model import Settings
from musebuild.settings.problems import Problem, problem_at

MOST_NAMED = 3
HINTS = {
    "SKY": "reduce them with muse_scibasic, and take their sky: docs/sky.md",
}
"""Raw category → how its frames are used, where no block takes them by itself."""
_TOLD = {
    Fate.COPY: "used once: another file holds the same exposure",
    Fate.NO_CATEGORY: "",
    Fate.COMPRESSED: "",
}
"""Fates that are worth a warning, and what is told in place of the reason."""


def check_frames(found: Balance, settings: Settings) -> Iterator[Problem]:
    """A warning for each kind of file that is not used, and that one may miss.

    Parameters
    ----------
    found : Balance
        What becomes of all files.
    settings : Settings
        Where `raw_path` stands.
    """
    for part in found.parts:
        remedy = part.remedy
        if part.fate is Fate.NO_BLOCK and part.about in HINTS:
            text = f"{_count(part)} used by no block"
            remedy = HINTS[part.about]
        elif part.fate in _TOLD:
            text = f"{_count(part)} not used: {_TOLD[part.fate] or part.reason}"
        else:
            continue
        yield problem_at(
            settings,
            ["raw_path"],
            f"{text}: {_names(part, settings.raw_path)}",
            severity="warning",
            remedy=remedy or "`musebuild info --unused --all` names all files",
        )


def check_vanished(left_out: Iterable[LeftOut], settings: Settings) -> Iterator[Problem]:
    """An error for each cause why frames that builds used cannot be read any more.

    Parameters
    ----------
    left_out : iterable of LeftOut
        Of the plan; others are passed over.
    settings : Settings
        Where `raw_path` stands.
    """
    stopped = [left for left in left_out if left.vanished]
    causes: dict[tuple[str, str], list[LeftOut]] = defaultdict(list)
    for left in stopped:
        for one in left.missing:
            causes[one.reason, one.remedy].append(left)
    follow = sum(bool(left.because) for left in stopped)
    for (reason, remedy), lefts in causes.items():
        more = len(lefts) - MOST_NAMED
        told = ", ".join(left.name for left in lefts[:MOST_NAMED])
        told += f" and {more} more" if more > 0 else ""
        below = f", and what needs {'it' if len(lefts) == 1 else 'them'}" if follow else ""
        yield problem_at(
            settings,
            ["raw_path"],
            f"{reason}; that stops {told}{below}",
            severity="error" if any(left.error for left in lefts) else "warning",
            remedy=remedy,
        )


def _count(part: Part) -> str:
    number = len(part.files)
    return f"1 {part.about} frame is" if number == 1 else f"{number} {part.about} frames are"


def _names(part: Part, folder: Path) -> str:
    named = []
    for one in part.files[:MOST_NAMED]:
        name = one.path.removeprefix(f"{folder}/")
        detail = one.detail.replace(f"{folder}/", "")
        named.append(f"{name} ({detail})" if detail else name)
    more = len(part.files) - len(named)
    return ", ".join(named) + (f" and {more} more" if more else "")
