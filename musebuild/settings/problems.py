"""Mistakes in a settings file, each with its place, told all at once."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from musebuild.errors import SettingsError
from musebuild.settings.model import Position, Settings
from musebuild.settings.nearest import nearest
from musebuild.settings.secrets import masked

MOST_SHOWN = 50
"""A file with more mistakes than this is best mended from the top."""
WIDEST = 110
"""A longer line of the file is shown in part."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One mistake (or warning) in the settings."""

    message: str
    """What is wrong, naming the key: `recipes.zap.initt: unknown key`."""
    position: Position
    length: int = 1
    """Characters to underline."""
    line: str = ""
    """The line of the file."""
    found: str = ""
    allowed: str = ""
    nearest: tuple[str, ...] = ()
    remedy: str = ""
    severity: Literal["error", "warning"] = "error"
    keys: tuple[str | int, ...] = ()

    def __str__(self) -> str:
        label = "" if self.severity == "error" else "warning: "
        place = f"{self.position}: " if self.position.file else ""
        lines = [f"{place}{label}{self.message}", *self._excerpt()]
        if self.found:
            lines.append(f"  found: {self.found}")
        if self.allowed:
            lines += textwrap.wrap(
                f"allowed: {self.allowed}",
                WIDEST,
                initial_indent="  ",
                subsequent_indent="    ",
                break_on_hyphens=False,
            )
        if self.nearest:
            lines.append(f"  did you mean {' or '.join(self.nearest)}?")
        if self.remedy:
            lines.append(f"  hint: {self.remedy}")
        return "\n".join(lines)

    def _excerpt(self) -> list[str]:
        if not self.line.strip():
            return []
        start = self.position.column - 1
        shown, shift = masked(self.line.rstrip()), 0
        if len(shown) > WIDEST:
            shift = max(0, min(start - WIDEST // 4, len(shown) - WIDEST))
            shown = shown[shift : shift + WIDEST]
        # A control character would move the underline, or worse, the terminal.
        shown = "".join(c if c.isprintable() else " " for c in shown)
        at = start - shift
        room = max(1, len(shown) - at)
        number = str(self.position.line)
        return [
            f"  {number} | {shown}",
            f"  {' ' * len(number)} | {' ' * at}{'^' * max(1, min(self.length, room))}",
        ]

    def to_dict(self) -> dict[str, Any]:
        """The problem as plain data, for machines."""
        return {
            "severity": self.severity,
            "message": self.message,
            "file": self.position.file,
            "line": self.position.line,
            "column": self.position.column,
            "length": self.length,
            "key": ".".join(str(key) for key in self.keys),
            "found": self.found,
            "allowed": self.allowed,
            "nearest": list(self.nearest),
            "remedy": self.remedy,
        }


class SettingsProblems(SettingsError):  # noqa: N818 (it holds many)
    """Every mistake that was found in the settings.

    Parameters
    ----------
    problems : sequence of Problem
        At least one.
    sound : Settings, optional
        The settings without what has a mistake, for further checks; None where nothing can be
        said of the rest.
    """

    def __init__(self, problems: Sequence[Problem], sound: Settings | None = None) -> None:
        self.problems = tuple(ordered(problems))
        self.sound = sound
        count = len(self.problems)
        first = self.problems[0]
        super().__init__(
            first.message if count == 1 else f"{count} mistakes in the settings",
            where=str(first.position),
            remedy=first.remedy or None,
        )

    def __str__(self) -> str:
        shown = [str(problem) for problem in self.problems[:MOST_SHOWN]]
        if len(self.problems) > MOST_SHOWN:
            shown.append(f"… and {len(self.problems) - MOST_SHOWN} more")
        if len(self.problems) > 1:
            shown.append(f"{len(self.problems)} mistakes in the settings")
        return "\n".join(shown)


def problem_at(
    settings: Settings, keys: Sequence[str | int], message: str, **details: Any
) -> Problem:
    """A problem with what stands at some keys of the settings, with its line.

    Parameters
    ----------
    settings : Settings
        The settings.
    keys : sequence
        Path of keys; where it is not in the file, its nearest parent that is.
    message : str
        What is wrong; the dotted key goes before it.
    **details
        Of `Problem`; `of_key=True` underlines the key rather than its value.
    """
    keys = tuple(keys)
    position = settings.where(*keys, of_key=details.pop("of_key", False))
    # What the file does not say stands nowhere in it.
    told = keys[0] in settings.tree if keys else False
    lines = settings.lines.get(position.file, ()) if told else ()
    return Problem(
        f"{'.'.join(map(str, keys))}: {message}",
        position,
        length=position.length,
        line=lines[position.line - 1] if 0 < position.line <= len(lines) else "",
        keys=keys,
        **details,
    )


def unknown_at(
    settings: Settings,
    keys: Sequence[str | int],
    message: str,
    name: str,
    known: Iterable[str],
    **details: Any,
) -> Problem:
    """A problem with a name that is not known, with those that are, and the nearest of them.

    Parameters
    ----------
    settings, keys, message
        As of `problem_at`.
    name : str
        What was written.
    known : iterable of str
        What would be valid.
    **details
        As of `problem_at`; they go before what follows from the names.
    """
    known = list(known)
    told = {"nearest": tuple(nearest(name, known)), "allowed": ", ".join(known)}
    return problem_at(settings, keys, message, **{**told, **details})


def ordered(problems: Iterable[Problem]) -> list[Problem]:
    """Problems in the order of the file, the same mistake (through aliases) told once."""

    def told(problem: Problem) -> str:
        return problem.message.removeprefix(f"{'.'.join(map(str, problem.keys))}: ")

    once = {(p.position, told(p), p.found): p for p in reversed([*problems])}
    return sorted(
        once.values(), key=lambda p: (p.position.file, p.position.line, p.position.column)
    )
