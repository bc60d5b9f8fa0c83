"""Figures of the live display: how long a build will take, and what a recipe is doing now."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from musebuild.recipes.logs import LINE

DEMO_SECONDS: Mapping[str, tuple[float, bool]] = {
    "muse_bias": (10.0, False),
    "muse_dark": (13.0, False),
    "muse_flat": (14.0, False),
    "muse_wavecal": (10.0, False),
    "muse_lsf": (36.0, False),
    "muse_scibasic": (13.0, False),
    "muse_twilight": (32.0, True),
    "muse_standard": (48.0, True),
    "muse_scipost": (46.0, True),
    "muse_exp_align": (1.0, False),
    "muse_exp_combine": (60.0, True),
}
"""Recipe → seconds that it takes on the simulated night with one IFU, one thread; whether one
invocation takes all IFUs together, and so as many times longer."""
TAIL = 4096
"""Bytes at the end of a log that are looked at."""


def first_seconds(
    known: Mapping[str, float], recipes: Iterable[str], ifus: int
) -> dict[str, float]:
    """Mean times of recipes; of those that never ran here, those of the simulated night.

    The latter are scaled by what the recipes that did run here take, compared with there.

    Parameters
    ----------
    known : mapping
        Recipe → mean time of its runs here.
    recipes : iterable of str
        Those that are wanted.
    ifus : int
        IFUs that are reduced.
    """
    there = {
        recipe: seconds * (max(ifus, 1) if together else 1)
        for recipe, (seconds, together) in DEMO_SECONDS.items()
    }
    both = known.keys() & there.keys()
    expected = sum(there[recipe] for recipe in both)
    scale = sum(known[recipe] for recipe in both) / expected if expected else 1.0
    missing = set(recipes) - known.keys()
    return {**known, **{name: there[name] * scale for name in missing if name in there}}


def last_message(log: Path) -> str:
    """What a recipe logged last at the level of information; empty: nothing yet.

    Parameters
    ----------
    log : Path
        It may be written meanwhile, or be missing; only its end is read.
    """
    try:
        with log.open("rb") as stream:
            size = stream.seek(0, 2)
            stream.seek(max(size - TAIL, 0))
            lines = stream.read().decode("utf-8", "replace").split("\n")
    except OSError:
        return ""
    # The last one may be half written.
    for line in reversed(lines[:-1]):
        match = LINE.match(line.strip())
        if match and match[1] == "INFO" and match[3].strip():
            return "".join(one if one.isprintable() else " " for one in match[3].strip())
    return ""
