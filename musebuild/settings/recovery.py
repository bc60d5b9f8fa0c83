"""Reading on after a syntax error: the top-level part that holds it is taken out.

The parts of a settings file stand side by side, so that what is wrong in one says nothing of the
others, which may hold mistakes of their own.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

MOST_CUTS = 10
"""A file with more syntax errors than this is best mended from the top."""
LARGEST = 300_000
"""Characters; a longer text is not read again and again."""

_STARTS = re.compile(r"[^\s#\-\]}]")
_NAME = re.compile(r"""(?:"([^"]*)"|'([^']*)'|([^\s"'#][^:#]*?))\s*:(?:\s|$)""")
_ANCHOR = re.compile(r"(?:^|[\s\[{,:])&([^\s,\[\]{}]+)")


@dataclass(frozen=True, slots=True)
class Part:
    """A top-level part of a settings file."""

    first: int
    """Its first line, counted from 1."""
    last: int
    name: str
    """Its key; empty where it has none."""
    anchors: tuple[str, ...]
    """Anchors in it, which aliases elsewhere may name."""


def part_at(lines: Sequence[str], number: int) -> Part | None:
    """The part of a text that holds a line; None where nothing is left there.

    Parameters
    ----------
    lines : sequence of str
        The text.
    number : int
        Of the line, counted from 1; beyond the end means the last.
    """
    if not lines:
        return None
    at = max(0, min(number, len(lines)) - 1)
    first = next((i for i in range(at, -1, -1) if _STARTS.match(lines[i])), 0)
    after = (i for i in range(first + 1, len(lines)) if _STARTS.match(lines[i]))
    last = next((i for i in after if i > at), len(lines))
    held = lines[first:last]
    if not any(line.strip() for line in held):
        return None
    found = _NAME.match(lines[first])
    name = next((g for g in found.groups() if g is not None), "") if found else ""
    anchors = tuple(name for line in held for name in _ANCHOR.findall(line))
    return Part(first + 1, last, name, anchors)


def without(lines: Sequence[str], part: Part) -> list[str]:
    """A text with empty lines in the place of a part, so that all others keep their numbers."""
    blank = [""] * (part.last - part.first + 1)
    return [*lines[: part.first - 1], *blank, *lines[part.last :]]
