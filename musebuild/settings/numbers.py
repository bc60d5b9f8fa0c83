"""Numbers, whatever way they were written: 5000, 5000.0 and the text 5e3 are one."""

from __future__ import annotations

import math
from typing import Any

LARGEST_WHOLE = 2**53
"""Beyond it not every whole number is a double, so that such numbers stay doubles."""


def number(value: Any) -> int | float:
    """A number, or the number that a text says; an integer where it is whole.

    Parameters
    ----------
    value : int, float or str
        As Python reads numbers: `' 5000 '`, `'+5e3'` and `'5_000'` are 5000.

    Raises
    ------
    ValueError
        It is no number, or not a finite one.
    """
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise ValueError(f"{value} is no number")
    try:
        found = float(value)
    except OverflowError:
        found = math.inf
    if not math.isfinite(found):
        raise ValueError(f"{value} is not a finite number")
    return int(found) if found.is_integer() and abs(found) <= LARGEST_WHOLE else found


def text_of(value: Any) -> str:
    """A value as a text for a recipe: true and false in small letters."""
    return str(value).lower() if isinstance(value, bool) else str(value)


def without_spelling(value: Any) -> Any:
    """A value of which it is not known whether a number or a text is wanted.

    Numbers are compared as numbers. A text becomes a number, or a truth value, only if that is
    written just so: whoever takes texts is given the same one, and `007` or `1.10` may be names.
    """
    if isinstance(value, str):
        if value in ("true", "false"):
            return value == "true"
        try:
            found = number(value)
        except ValueError:
            return value
        return found if str(found) == value else value
    if isinstance(value, float) and math.isfinite(value):
        return number(value)
    return value
