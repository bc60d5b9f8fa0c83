"""What differs between two ways in which a task is made. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from musebuild.cache.model import Record, UsedInput

Kind = Literal[
    "parameter",
    "version",
    "package",
    "environment",
    "recipe",
    "code",
    "key version",
    "content",
    "elsewhere",
    "added",
    "gone",
    "order",
]
MISSING = "(not set)"
"""Stands for the value of what is not there."""


@dataclass(frozen=True, slots=True)
class Change:
    """One thing that differs."""

    kind: Kind
    name: str
    """Of the parameter, package, variable; tag of an input."""
    before: Any = None
    after: Any = None
    old: UsedInput | None = None
    """Of an input: what it was."""
    new: UsedInput | None = None

    @property
    def upstream(self) -> str:
        """The task whose product changed, and is made by the same task as before."""
        if self.kind == "content" and self.new is not None and self.new.kind == "product":
            return self.new.source
        return ""


_PARTS: tuple[tuple[str, Kind], ...] = (
    ("params", "parameter"),
    ("packages", "package"),
    ("environment", "environment"),
)


def _values(before: Mapping[str, Any], after: Mapping[str, Any], kind: Kind) -> Iterable[Change]:
    for name in sorted(before.keys() | after.keys()):
        old, new = before.get(name, MISSING), after.get(name, MISSING)
        # 1, 1.0 and true are different parameters of a recipe.
        if old != new or type(old) is not type(new):
            yield Change(kind, name, old, new)


def compare(before: Record, now: Record) -> list[Change]:
    """What differs, in the order in which people ask: parameters, software, inputs.

    Parameters
    ----------
    before, now : Record
        An input of `now` without a digest counts as changed, if it is not a product: a file
        that is not hashed is new, or differs from the one that was.
    """
    changes: list[Change] = []
    if before.call.get("musebuild-key") != now.call.get("musebuild-key"):
        old, new = before.call.get("musebuild-key"), now.call.get("musebuild-key")
        changes.append(Change("key version", "key", old, new))
    if before.call.get("recipe") != now.call.get("recipe"):
        changes.append(Change("recipe", "recipe", before.call["recipe"], now.call["recipe"]))
    for part, kind in _PARTS[:1]:
        changes += _values(before.call.get(part, {}), now.call.get(part, {}), kind)
    if before.call.get("version") != now.call.get("version"):
        changes.append(
            Change("version", "DRS", before.call.get("version"), now.call.get("version"))
        )
    if before.call.get("code") != now.call.get("code"):
        changes.append(Change("code", str(now.call["recipe"])))
    for part, kind in _PARTS[1:]:
        changes += _values(before.call.get(part, {}), now.call.get(part, {}), kind)
    found = list(_inputs(before.inputs, now.inputs))
    if not found and not changes:
        found = list(_order(before.inputs, now.inputs))
    return changes + found


def _inputs(before: Iterable[UsedInput], now: Iterable[UsedInput]) -> Iterable[Change]:
    tags = dict.fromkeys([*(u.tag for u in before), *(u.tag for u in now)])
    for tag in tags:
        old = [used for used in before if used.tag == tag]
        new = [used for used in now if used.tag == tag]
        # The same data under another name are the same input.
        for used in list(new):
            same = [o for o in old if o.digest == used.digest and used.digest]
            if same:
                old.remove(next((o for o in same if o.source == used.source), same[0]))
                new.remove(used)
        for used in list(new):
            same = [o for o in old if (o.source, o.category) == (used.source, used.category)]
            if same:
                old.remove(same[0])
                new.remove(used)
                if used.digest or used.kind != "product":
                    yield Change("content", tag, old=same[0], new=used)
        for was, used in zip(old, new, strict=False):
            if was.source or used.digest or used.kind != "product":
                yield Change("elsewhere", tag, old=was, new=used)
        for was in old[len(new) :]:
            yield Change("gone", tag, old=was)
        for used in new[len(old) :]:
            yield Change("added", tag, new=used)


def _order(before: Iterable[UsedInput], now: Iterable[UsedInput]) -> Iterable[Change]:
    old = [(used.tag, used.digest) for used in before]
    new = [(used.tag, used.digest) for used in now]
    if old != new and all(digest for _, digest in new):
        yield Change("order", "inputs")
