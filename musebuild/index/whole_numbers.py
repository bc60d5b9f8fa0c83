"""Whole numbers that SQLite holds: of 64 bits, with a sign."""

from __future__ import annotations

MOST = (1 << 63) - 1


def signed(number: int) -> int:
    """A number of a device or inode, which some file systems draw from all 64 bits."""
    return number if -MOST <= number <= MOST else (number + MOST + 1) % (1 << 64) - MOST - 1


def moment(time_ns: int) -> int:
    """A time stamp [ns]; what lies beyond the year 2262 is in the future still."""
    return max(-MOST, min(time_ns, MOST))
