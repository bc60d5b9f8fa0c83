"""Sizes of memory and spans of time as people write them."""

from __future__ import annotations

import math
import re

_BYTES = {
    "": 1,
    "b": 1,
    **{p + u: 1000**e for e, p in enumerate("kmgtp", 1) for u in ("", "b")},
    **{p + u: 1024**e for e, p in enumerate("kmgtp", 1) for u in ("i", "ib")},
}
_SECONDS = {
    "": 1.0,
    **dict.fromkeys(("s", "sec", "second", "seconds"), 1.0),
    **dict.fromkeys(("m", "min", "minute", "minutes"), 60.0),
    **dict.fromkeys(("h", "hour", "hours"), 3600.0),
    **dict.fromkeys(("d", "day", "days"), 86400.0),
}
_SIZE = re.compile(r"\s*(\d+(?:\.\d+)?(?:e\d+)?)\s*([a-z]*)\s*", re.IGNORECASE)
_SPAN = re.compile(r"\s*(\d+(?:\.\d+)?)\s*([a-z]*)\s*", re.IGNORECASE)
_LEAST_BARE = 1_000_000


def parse_bytes(text: str | int | float) -> int:
    """Bytes of a size such as `20 GB`, `1.5GiB` or a number of bytes.

    Parameters
    ----------
    text : str or number
        k, M, G, T, P count in thousands; Ki, Mi, Gi, Ti, Pi in 1024.

    Returns
    -------
    int
        At least 1.

    Raises
    ------
    ValueError
        It is no size, or a number so small that a unit must be missing.
    """
    if isinstance(text, bool):
        raise ValueError(f"{text} is no size; write it like 20 GB")
    match = _SIZE.fullmatch(str(text))
    if match is None or match[2].lower() not in _BYTES:
        raise ValueError(f"{text} is no size; write it like 20 GB or 512 MB")
    value = float(match[1]) * _BYTES[match[2].lower()]
    if not match[2] and value < _LEAST_BARE:
        raise ValueError(f"{text} has no unit; write it like {text} GB")
    if not math.isfinite(value) or value < 1 or value > 2**62:
        raise ValueError(f"{text} is no size that a machine can have")
    return int(value)


def parse_seconds(text: str | int | float) -> float:
    """Seconds of a span of time such as `90`, `2 h` or `1h 30min`.

    Parameters
    ----------
    text : str or number
        A bare number counts seconds.

    Returns
    -------
    float
        More than 0.

    Raises
    ------
    ValueError
        It is no span of time.
    """
    written = str(text)
    at = 0
    total = 0.0
    while at < len(written) and not isinstance(text, bool):
        match = _SPAN.match(written, at)
        if match is None or match[2].lower() not in _SECONDS:
            break
        total += float(match[1]) * _SECONDS[match[2].lower()]
        at = match.end()
    if isinstance(text, bool) or at < len(written) or not math.isfinite(total) or total <= 0:
        raise ValueError(f"{text} is no span of time; write it like 90, 30 min or 2 h")
    return total


def format_bytes(count: int) -> str:
    """A size for people: `1.5 GB`."""
    value = float(count)
    for unit in ("B", "kB", "MB", "GB", "TB"):
        if value < 1000 or unit == "TB":
            return f"{value:.0f} {unit}" if value >= 100 or unit == "B" else f"{value:.3g} {unit}"
        value /= 1000
    raise AssertionError("unreachable")
