"""What can be said against the inputs of a recipe just before it runs.

The pipeline takes a list of offsets that lacks an exposure without a word, and leaves that
exposure where its header puts it.
"""

from __future__ import annotations

from collections.abc import Iterable
from math import ceil
from pathlib import Path

from musebuild.errors import FrameError
from musebuild.fits.headers import read_headers
from musebuild.fits.offsets import OFFSET_LIST, listed_exposures
from musebuild.recipes.model import RecipeCall, RecipeOutcome

SHIFTED = ("PIXTABLE_OBJECT", "PIXTABLE_REDUCED")
"""Tags of what the pipeline shifts by its offset."""
SKY_MASK = "SKY_MASK"
TABLES = ("PIXTABLE_OBJECT", "PIXTABLE_SKY")
SHOWN = 3
"""Exposures that one message names."""


def refusal(call: RecipeCall) -> RecipeOutcome | None:
    """Why a recipe must not run on its inputs; None where nothing is known against it.

    Parameters
    ----------
    call : RecipeCall
        What the recipe will be given; only headers, lists of offsets and masks are read.
    """
    for said in (_lists(call), _masks(call)):
        if said:
            return RecipeOutcome((), failure=said, kind="input")
    return None


def _lists(call: RecipeCall) -> str:
    """What is wrong with a list of offsets; empty: nothing."""
    files = [Path(path) for tag, path in call.inputs if tag == OFFSET_LIST]
    if not files:
        return ""
    exposures = _exposures(Path(path) for tag, path in call.inputs if tag in SHIFTED)
    for file in files:
        listed = listed_exposures(file)
        if listed is None:
            return (
                f"{file.name} is no list of offsets: it has no table with DATE_OBS, RA_OFFSET "
                "and DEC_OFFSET"
            )
        missing = sorted(exposures - set(listed))
        if missing:
            more = len(missing) - SHOWN
            named = ", ".join(missing[:SHOWN]) + (f" and {more} more" if more > 0 else "")
            held = ", ".join(listed[:SHOWN]) + (" …" if len(listed) > SHOWN else "")
            return f"{file.name} has no offset for {named}; it has some for {held or 'none'}"
    return ""


def _masks(call: RecipeCall) -> str:
    """What is wrong with a mask of the sky; empty: nothing.

    The pipeline takes a mask of any shape without a word (seen with 12 x 10 pixels on a field of
    76 x 48), and fails with "the actual error was lost" where one selects nothing.
    """
    files = [Path(path) for tag, path in call.inputs if tag == SKY_MASK]
    if not files:
        return ""
    field = _field(Path(path) for tag, path in call.inputs if tag in TABLES)
    for file in files:
        mask = _mask(file)
        if mask is None:
            return f"{file.name} holds no image that could be a mask"
        selected, shape, on_sky = mask
        if not selected:
            return f"{file.name} selects no pixel: all of it is nought"
        # A mask in coordinates of the sky is turned with the field, and has another frame.
        if field is None or on_sky:
            continue
        (nx, ny), (fx, fy) = shape, field
        if abs(nx - fx) > max(8, fx / 10) or abs(ny - fy) > max(8, fy / 10):
            return (
                f"{file.name} is a mask of {nx} x {ny} pixels, and the field has {fx} x {fy}: "
                "take a SKY_MASK that muse_scipost or muse_create_sky made of such an exposure"
            )
    return ""


def _mask(path: Path) -> tuple[int, tuple[int, int], bool] | None:
    """Pixels that a mask selects, its size (x, y), and whether its coordinates are the sky's."""
    import numpy as np
    from astropy.io import fits

    try:
        with fits.open(path) as hdus:
            for hdu in hdus:
                if hdu.is_image and hdu.data is not None and hdu.data.ndim == 2:
                    ny, nx = hdu.data.shape
                    on_sky = str(hdu.header.get("CTYPE1", "")).startswith("RA")
                    return int(np.count_nonzero(hdu.data)), (nx, ny), on_sky
    except (OSError, ValueError, TypeError):
        pass
    return None


def _field(paths: Iterable[Path]) -> tuple[int, int] | None:
    """Size (x, y) of the field of pixel tables, in pixels; None where they do not tell."""
    prefix = "ESO DRS MUSE PIXTABLE LIMITS"
    limits: dict[str, list[float]] = {"X LOW": [], "X HIGH": [], "Y LOW": [], "Y HIGH": []}
    for path in paths:
        try:
            primary = read_headers(path).primary
        except FrameError:
            continue
        for name, values in limits.items():
            value = primary.get(f"{prefix} {name}")
            if isinstance(value, int | float):
                values.append(float(value))
    if not all(limits.values()):
        return None
    x = max(limits["X HIGH"]) - min(limits["X LOW"])
    y = max(limits["Y HIGH"]) - min(limits["Y LOW"])
    # Tables that were positioned on the sky count in radians.
    return (ceil(x) + 1, ceil(y) + 1) if min(x, y) > 10 else None


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
