"""Header cards that change without the content changing, with the reason of each.

The content digest leaves these out. A change of this list changes digests, and with them every
key: raise `DIGEST_VERSION` beside it.
"""

from __future__ import annotations

import re

DIGEST_VERSION = 1

VOLATILE: dict[str, str] = {
    r"DATE": "when the file was written",
    r"CHECKSUM": "follows from the other cards, and its comment holds the time of writing",
    r"DATASUM": "follows from the data, which are hashed; its comment holds the time of writing",
    r"PIPEFILE": "the name that the pipeline gave the file",
    r"ESO PRO REC\d+ (?:RAW|CAL)\d+ NAME": "names of the input files, not their content",
    r"ESO PRO REC\d+ PARAM\d+ (?:NAME|VALUE)": "parameters, recorded for information; they are "
    "in the key. Those in READ_LATER stay",
    r"ARCFILE": "the name of the file in the archive",
    r"ORIGFILE": "the name of the file at the telescope",
}

READ_LATER: dict[str, str] = {
    "overscan": "muse_basicproc checks the MASTER_BIAS's overscan parameters against its own",
    "ovscreject": "as overscan",
    "ovscsigma": "as overscan",
    "ovscignore": "as overscan",
}
"""Recorded parameters that a later recipe reads."""

_VOLATILE = re.compile("|".join(f"(?:{pattern})" for pattern in VOLATILE))
_PARAMETER = re.compile(r"(ESO PRO REC\d+ PARAM\d+) (?:NAME|VALUE)")


def is_volatile(keyword: str) -> bool:
    """Whether a card does not count, by its keyword alone."""
    return _VOLATILE.fullmatch(keyword) is not None


def parameter_of(keyword: str) -> str | None:
    """`ESO PRO REC1 PARAM7` of a card that records a parameter's name or value."""
    match = _PARAMETER.fullmatch(keyword)
    return match[1] if match else None
