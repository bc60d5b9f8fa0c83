"""Logs of recipes, in esorex's format."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from pathlib import Path

LINE = re.compile(
    r"(?:\d\d:\d\d:\d\d)?\s*\[\s*(DEBUG|INFO|WARNING|ERROR)\s*\]\s*([\w.-]+):\s*"
    r"(?:\[tid=\d+\]\s*)?(.*)"
)
MOST_WARNINGS = 200
MOST_ERRORS = 12
LEFT_ERRORS = "the recipe returned 0, but left errors behind: what it made is not to be trusted"
"""What is said of such a recipe."""


def messages(lines: Iterable[str], level: str) -> list[str]:
    """Messages of one level in a log, with the function that wrote each."""
    found = []
    for line in lines:
        match = LINE.match(line.strip())
        if match and match[1] == level:
            found.append(f"{match[2]}: {match[3].strip()}")
    return found


def returned(code: int, errors: Sequence[str], said: str = "") -> str:
    """What to say of a recipe that returned an error: the pipeline's own sentence first.

    Parameters
    ----------
    code : int
        What it returned.
    errors : sequence of str
        Errors of its log, as `messages` gives them.
    said : str
        What else is known, where the log has no errors.
    """
    own = [error for error in errors if not error.startswith("esorex: ")]
    sentence = _FUNCTION.sub("", own[-1]) if own else said
    if not sentence:
        return f"the recipe returned {code} without a message"
    return f"{sentence.rstrip('.')} (the recipe returned {code})"


_FUNCTION = re.compile(r"^[\w.-]+: ")


def read_log(path: Path) -> list[str]:
    """Lines of a log; none where it is missing."""
    try:
        return path.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return []
