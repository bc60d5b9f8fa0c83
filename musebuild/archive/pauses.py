"""How long to wait before a download is tried again. Pure."""

from __future__ import annotations

import datetime as dt
import email.utils

FIRST = 1.0
"""Seconds before the first repetition; each further pause is twice as long."""
LONGEST = 120.0
PATIENCE = 8
"""So many attempts in a row that brought no byte, and a frame is given up."""


def retry_after(text: str | None, now: dt.datetime) -> float | None:
    """Seconds that a server asks to wait (HTTP header Retry-After: seconds, or a date).

    Examples
    --------
    >>> retry_after("3", dt.datetime(2026, 1, 1, tzinfo=dt.timezone.utc))
    3.0
    """
    if not text:
        return None
    text = text.strip()
    if text.isdigit():
        return float(text)
    try:
        moment = email.utils.parsedate_to_datetime(text)
    except (TypeError, ValueError):
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=dt.UTC)
    return max(0.0, (moment - now).total_seconds())


def pause(fruitless: int, asked: float | None, share: float, first: float = FIRST) -> float:
    """Seconds to wait.

    Parameters
    ----------
    fruitless : int
        Attempts in a row that brought no byte, from 1 on.
    asked : float or None
        What the server asks for; it is heeded, however long.
    share : float
        Random number from 0 to 1: several downloads that broke together must not come back
        together. The pause is between half and all of what it grew to.
    first : float
        Pause after the first attempt [s].
    """
    grown = min(LONGEST, first * 2.0 ** max(0, fruitless - 1)) if first else 0.0
    return max(asked or 0.0, grown * (0.5 + share / 2))
