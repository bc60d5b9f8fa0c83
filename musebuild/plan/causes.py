"""What stops a plan, told once: alike causes together, the heaviest first, each with its effects.

Pure. What is left out points at its causes (`LeftOut.causes`); whoever tells of it folds them here.
"""

from __future__ import annotations

import datetime as dt
import re
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any

from musebuild.plan.model import CATEGORY, OF, Cause, LeftOut, Refused, Wanted

_NUMBERED = re.compile(r"(?P<key>.+): \{(?P<name>\w+): (?P<number>\d+)\}")
_MASTER = re.compile(r"recipes\.\w+\.frames: \{(\w+): master\}")
_NIGHT = re.compile(r"\d{4}-\d\d-\d\d")
MOST_EXPOSURES = 3
"""Exposures that a hint proposes to leave out."""
MOST_NAMED = 4
"""Nights, frames or tasks that one line names."""


@dataclass(frozen=True)
class Folded:
    """Causes that differ only in the night, frame or category that they are about."""

    causes: tuple[Cause, ...]
    lefts: tuple[LeftOut, ...]
    """All that they stop."""

    @property
    def first(self) -> Cause:
        """One that stands for all."""
        return self.causes[0]

    @cached_property
    def error(self) -> bool:
        """Whether they stop something that was asked for."""
        return any(left.error for left in self.lefts)

    @property
    def note(self) -> bool:
        """Whether they stop nothing, and should only be known."""
        return all(left.note for left in self.lefts)

    @cached_property
    def categories(self) -> tuple[str, ...]:
        """Categories that are missing."""
        return tuple(dict.fromkeys(cause.category for cause in self.causes if cause.category))

    @property
    def title(self) -> str:
        """The fact, with the nights, frames or exposures that it is about."""
        return self._filled(listed(self.about))

    @property
    def short(self) -> str:
        """The fact, whatever it is about."""
        return self._filled("").replace(" of  (", " (").strip(": ").removesuffix(" of")

    def _filled(self, of: str) -> str:
        return self.first.what.replace(CATEGORY, ", ".join(self.categories)).replace(OF, of)

    @cached_property
    def about(self) -> tuple[str, ...]:
        """Nights, tasks or exposures that they are about, in order."""
        return tuple(sorted({cause.of for cause in self.causes if cause.of}))

    @cached_property
    def where(self) -> tuple[tuple[str | int, ...], ...]:
        """Keys of the settings that they come from."""
        return tuple(dict.fromkeys(cause.where for cause in self.causes if cause.where))

    @cached_property
    def stops(self) -> Mapping[str, int]:
        """Block → how many of its tasks are stopped, in the order of the plan."""
        return Counter(left.name.partition(":")[0] for left in self.lefts if not left.note)

    @cached_property
    def exposures(self) -> Mapping[str, tuple[str, ...]]:
        """Dataset → its exposures that cannot be reduced."""
        found: dict[str, dict[str, None]] = {}
        for left in self.lefts:
            if left.dataset and left.exposure:
                found.setdefault(left.dataset, {})[left.exposure] = None
        return {dataset: tuple(names) for dataset, names in found.items()}

    @cached_property
    def others(self) -> Mapping[str, int]:
        """Raw category (STD, SKY) → exposures of no dataset that cannot be reduced."""
        found = {(left.raw, left.exposure) for left in self.lefts}
        return Counter(raw for raw, name in sorted(found) if name and raw not in ("", "OBJECT"))

    @cached_property
    def refused(self) -> tuple[tuple[str, Refused], ...]:
        """The nearest candidates, each once, with what it was refused for."""
        found: dict[str, tuple[str, Refused]] = {}
        for cause in self.causes:
            for one in cause.refused:
                found.setdefault(one.task, (cause.of, one))
        return tuple(found.values())

    @cached_property
    def hints(self) -> tuple[str, ...]:
        """What mends them: any one of these."""
        given = next((cause.hint for cause in self.causes if cause.hint), "")
        found = [given.replace(CATEGORY, ", ".join(self.categories))] if given else []
        found += [self.accepting] if self.accepting else []
        without: dict[str, dict[str, None]] = {}
        for cause in self.causes:
            if cause.optional and cause.block:
                without.setdefault(cause.block, {})[cause.category] = None
        texts = [
            f"recipes.{block}.frames.exclude: [{', '.join(names)}]"
            for block, names in without.items()
        ]
        if texts:
            found.append(f"go without: {' and '.join(texts)}")
        if self.first_exposures:
            names = ", ".join(f"'{name}'" for name in self.first_exposures)
            which = "it" if len(self.first_exposures) == 1 else "them"
            found.append(f"leave {which} out: frames.exclude: {{OBJECT: [{names}]}}")
        return tuple(found)

    @cached_property
    def first_exposures(self) -> tuple[str, ...]:
        """The few exposures that are stopped first, where others are stopped by them alone."""
        first = next((left for left in self.lefts if left.dataset and left.exposure), None)
        if first is None or not self.error:
            return ()
        block = first.name.partition(":")[0]
        names = [left.exposure for left in self.lefts if left.name.startswith(f"{block}:")]
        return tuple(names) if len(names) <= MOST_EXPOSURES else ()

    @cached_property
    def accepting(self) -> str:
        """What accepts the nearest candidate of each; empty where nothing does."""
        found: dict[str, str] = {}
        for cause in self.causes:
            ordered = sorted(cause.refused, key=lambda one: one.contradicts)
            text = next((one.setting for one in ordered if one.setting), "")
            parts = _NUMBERED.fullmatch(text)
            # Of two distances the larger serves both.
            key = f"{parts['key']}:{parts['name']}" if parts else text
            before = _NUMBERED.fullmatch(found.get(key, ""))
            if not (parts and before and int(before["number"]) >= int(parts["number"])):
                found[key] = text
        texts = [text for text in found.values() if text]
        if not texts or texts[0].startswith("take "):
            return next(iter(texts), "")
        masters = [_MASTER.fullmatch(text) for text in texts]
        if all(masters):
            named = {match[1]: None for match in masters if match}
            every = ", ".join(f"{name}: master" for name in named)
            return (
                f"accept the nearest: association.prefer: {{{every}}} "
                f"(in one block alone: {', '.join(texts)})"
            )
        return f"accept the nearest: {' and '.join(texts)}"

    def as_dict(self) -> dict[str, Any]:
        """All of it, for programs."""
        return {
            "kind": self.first.kind,
            "what": self.title,
            "where": [".".join(map(str, keys)) for keys in self.where],
            "categories": list(self.categories),
            "of": list(self.about),
            "stops": dict(self.stops),
            "tasks": sorted({left.name for left in self.lefts}),
            "candidates": [asdict(one) for _, one in self.refused],
            "hints": list(self.hints),
        }


def listed(names: Sequence[str], most: int = MOST_NAMED) -> str:
    """The first of some names, and how many more there are; nights in a row as a range."""
    spans = _spans(names)
    more = len(spans) - most
    return ", ".join(spans[:most]) + (f" and {more} more" if more > 0 else "")


def _spans(names: Sequence[str]) -> list[str]:
    found: list[tuple[str, str]] = []
    for name in names:
        if found and _NIGHT.fullmatch(name) and _NIGHT.fullmatch(found[-1][1]):
            day = dt.date.fromisoformat(found[-1][1]) + dt.timedelta(days=1)
            if day.isoformat() == name:
                found[-1] = found[-1][0], name
                continue
        found.append((name, name))
    return [first if first == last else f"{first} to {last}" for first, last in found]


def folded(left_out: Iterable[LeftOut]) -> list[Folded]:
    """Causes of what is left out: alike ones together, errors and the heaviest first.

    Parameters
    ----------
    left_out : iterable of LeftOut
        Of the plan.
    """
    groups: dict[tuple[object, ...], tuple[dict[Cause, None], dict[str, LeftOut]]] = {}
    for left in left_out:
        for cause in left.causes:
            key = cause.what, cause.hint, cause.kind, left.note
            causes, lefts = groups.setdefault(key, ({}, {}))
            causes[cause] = None
            lefts[left.name] = left
    found = [Folded(tuple(causes), tuple(lefts.values())) for causes, lefts in groups.values()]
    return sorted(found, key=lambda one: (not one.error, one.note, -len(one.lefts)))


def numbers_of(left_out: Iterable[LeftOut]) -> dict[Cause, int]:
    """Cause → its number, in the order in which they come."""
    found: dict[Cause, int] = {}
    for left in left_out:
        for cause in left.causes:
            found.setdefault(cause, len(found))
    return found


def as_plain(left_out: Sequence[LeftOut]) -> dict[str, Any]:
    """What is left out as plain data: causes once, and what points at them by number."""
    numbers = numbers_of(left_out)
    return {
        "causes": [asdict(cause) for cause in numbers],
        "left_out": [
            {
                name: [numbers[cause] for cause in left.causes] if name == "causes" else value
                for name in LeftOut.__slots__
                for value in (getattr(left, name),)
            }
            for left in left_out
        ],
    }


def from_plain(data: Mapping[str, Any]) -> tuple[LeftOut, ...]:
    """What `as_plain` made plain, perhaps by way of JSON."""
    causes = [_cause_from(item) for item in data["causes"]]
    return tuple(
        LeftOut(**{**item, "causes": tuple(causes[number] for number in item["causes"])})
        for item in data["left_out"]
    )


def _cause_from(data: Mapping[str, Any]) -> Cause:
    wanted = data["wanted"]
    return Cause(
        **{
            **data,
            "where": tuple(data["where"]),
            "refused": tuple(Refused(**one) for one in data["refused"]),
            "wanted": wanted and Wanted(**{**wanted, "categories": tuple(wanted["categories"])}),
        }
    )


def joined(several: Iterable[Collection[Cause]]) -> tuple[Cause, ...]:
    """Causes of several, each once."""
    return tuple(dict.fromkeys(cause for causes in several for cause in causes))
