"""Values of YAML's scalars: what YAML 1.1 reads oddly means what it looks like."""

from __future__ import annotations

import datetime as dt
import re
from typing import Any

TAG = "tag:yaml.org,2002:"
"""What the tags of YAML itself begin with."""
_DATE = re.compile(r"\d{4}-\d\d-\d\d")
_EXPONENT = re.compile(r"[-+]?\d+(\.\d*)?[eE][-+]?\d+")
_TRUE = {"yes", "true", "on"}


def value_of(tag: str, text: str, is_plain: bool) -> Any:
    """The value of a scalar.

    Parameters
    ----------
    tag : str
        As YAML resolves it.
    text : str
        As written, quotes aside.
    is_plain : bool
        Whether it is written without quotes.

    Raises
    ------
    ValueError
        It looks like a date or number, and is none.
    """
    match tag.removeprefix(TAG):
        case "null":
            return None
        case "bool":
            return text.lower() in _TRUE
        case "int" if ":" not in text:  # 1:30 is no number to base 60
            return _integer(text.replace("_", ""))
        case "float" if ":" not in text:
            return _floating(text.replace("_", "").lower())
        case "timestamp" if _DATE.fullmatch(text):
            try:
                return dt.date.fromisoformat(text)
            except ValueError:
                raise ValueError(f"there is no date {text}") from None
        case "str" if is_plain and _EXPONENT.fullmatch(text):
            return float(text)
        case _:
            return text  # a time stamp names an exposure or a sequence


def _integer(text: str) -> int | float:
    sign = -1 if text.startswith("-") else 1
    digits = text.lstrip("+-")
    try:
        if digits.startswith("0b"):
            return sign * int(digits[2:], 2)
        if digits.startswith("0x"):
            return sign * int(digits[2:], 16)
        if len(digits) > 1 and digits.startswith("0"):
            return sign * int(digits, 8)
        return sign * int(digits)
    except ValueError:
        raise ValueError(f"{text[:40]} is no number that can be read") from None


def _floating(text: str) -> float:
    sign = -1.0 if text.startswith("-") else 1.0
    digits = text.lstrip("+-")
    if digits == ".inf":
        return sign * float("inf")
    return float("nan") if digits == ".nan" else sign * float(digits)
