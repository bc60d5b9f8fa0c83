"""What can be said against the inputs of a recipe just before it runs.

The pipeline takes a list of offsets that lacks an exposure without a word, and leaves that
exposure where its header puts it.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from musebuild.errors import FrameError
from musebuild.fits.headers import read_headers
from musebuild.fits.offsets import OFFSET_LIST, listed_exposures
from musebuild.recipes.model import RecipeCall, RecipeOutcome

SHIFTED = ("PIXTABLE_OBJECT", "PIXTABLE_REDUCED")
"""Tags of what the pipeline shifts by its offset."""
SHOWN = 3
"""Exposures that one message names."""


def refusal(call: RecipeCall) -> RecipeOutcome | None:
    """Why a recipe must not run on its inputs; None where nothing is known against it.

    Parameters
    ----------
    call : RecipeCall
        What the recipe will be given; only headers and lists of offsets are read.
    """
    files = [Path(path) for tag, path in call.inputs if tag == OFFSET_LIST]
    if not files:
        return None
    exposures = _exposures(Path(path) for tag, path in call.inputs if tag in SHIFTED)
    for file in files:
        listed = listed_exposures(file)
        if listed is None:
            return RecipeOutcome(
                (),
                failure=f"{file.name} is no list of offsets: it has no table with DATE_OBS, "
                "RA_OFFSET and DEC_OFFSET",
                kind="input",
            )
        missing = sorted(exposures - set(listed))
        if missing:
            more = len(missing) - SHOWN
            named = ", ".join(missing[:SHOWN]) + (f" and {more} more" if more > 0 else "")
            return RecipeOutcome(
                (),
                failure=f"{file.name} has no offset for {named}",
                errors=(f"it has offsets for {', '.join(listed) or 'no exposure'}",),
                kind="input",
            )
    return None


def _exposures(paths: Iterable[Path]) -> set[str]:
    """DATE-OBS of frames, as far as they have one."""
    found = set()
    for path in paths:
        try:
            date = read_headers(path).primary.get("DATE-OBS")
        except FrameError:
            # The recipe itself says so, in its own words.
            continue
        if isinstance(date, str) and date.strip():
            found.add(date.strip())
    return found
