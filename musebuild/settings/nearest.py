"""The valid names that come nearest to a mistyped one."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


def nearest(name: str, choices: Iterable[str], n: int = 3) -> list[str]:
    """Names of `choices` that a person who wrote `name` may have meant.

    Parameters
    ----------
    name : str
        What was written.
    choices : iterable of str
        What would be valid.
    n : int
        At most so many.

    Returns
    -------
    list of str
        Nearest first; empty where nothing comes near.
    """
    folded: dict[str, list[str]] = {}
    for choice in choices:
        folded.setdefault(choice.casefold().replace("-", "_"), []).append(choice)
    wanted = name.casefold().replace("-", "_")
    found = [
        choice
        for close in difflib.get_close_matches(wanted, folded, n=n, cutoff=0.6)
        for choice in folded[close]
    ]
    if len(found) < n and len(wanted) >= 3:
        # `scipost` for `muse_scipost`: too short a part for the ratio, yet plainly meant.
        parts = sorted(
            (c for key, group in folded.items() if wanted in key for c in group if c not in found),
            key=len,
        )
        found += parts
    return found[:n]


def did_you_mean(name: str, choices: Iterable[str]) -> str:
    """A phrase that names the nearest choices; empty where nothing comes near."""
    found = nearest(name, choices)
    return f"did you mean {' or '.join(found)}?" if found else ""
