"""Parameters that MuseRed's settings give, and that mean something else than a parameter here."""

from __future__ import annotations

from typing import Any

from musebuild.settings.model import ALWAYS, DateRange, Settings
from musebuild.settings.values import Values

COMBINE = "mpdaf_combine"
OUTPUT_WCS = "OUTPUT_WCS"
MOSAIC_METHOD = "pysigclip"
"""The only one by which MPDAF makes mosaics."""
CACHE_CUBES = "cache_cubes"
"""Where MuseRed keeps copies of the cubes while it combines them; without effect on the result."""

Files = tuple[tuple[str, DateRange], ...]


def keys_of_frame(settings: Settings, block: str, category: str) -> tuple[str, ...]:
    """Keys at which the settings name a frame of a block.

    Parameters
    ----------
    settings : Settings
        The settings.
    block, category : str
        Of the frame.
    """
    moved = ("recipes", block, "params", OUTPUT_WCS.lower())
    if category == OUTPUT_WCS and moved in settings.positions:
        return moved
    return ("recipes", block, "frames", category)


def as_mosaic(
    values: Values, name: str, params: dict[str, Any], frames: dict[str, Files]
) -> tuple[dict[str, Any], dict[str, Files]]:
    """Parameters and frames of a block of `mpdaf_combine`, as they are meant here.

    `output_wcs` is a frame, known to the key by its content, and asks for a mosaic on its grid.
    `cache_cubes` changes nothing that is made, and is dropped.

    Parameters
    ----------
    values : Values
        Gathers what is wrong.
    name : str
        Of the block.
    params, frames : dict
        As the settings give them.
    """
    params = {key: value for key, value in params.items() if key != CACHE_CUBES}
    grid = params.pop(OUTPUT_WCS.lower(), None)
    if grid in (None, ""):
        return params, frames
    keys = ("recipes", name, "params", OUTPUT_WCS.lower())
    if not isinstance(grid, str):
        values.problem(keys, "this cannot be used here", allowed="a FITS file, or a block")
        return params, frames
    given = frames.get(OUTPUT_WCS)
    if given is not None and given != ((grid, ALWAYS),):
        values.problem(
            keys,
            f"the grid is given twice: here, and under frames.{OUTPUT_WCS}",
            remedy=f"keep one of them; here it asks for a mosaic, as mosaic: true with "
            f"frames.{OUTPUT_WCS} does",
        )
        return params, frames
    if params.get("mosaic", True) is not True:
        values.problem(
            keys,
            "it asks for a mosaic on this grid, and mosaic: false for none",
            remedy="take out one of them",
        )
    params = {"mosaic": True, "method": MOSAIC_METHOD, **params}
    return params, {**frames, OUTPUT_WCS: values.value(grid, {"x-means": "files"}, keys)}
