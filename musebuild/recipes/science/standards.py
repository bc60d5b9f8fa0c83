"""Combination of the standard stars of a run."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from astropy.io import fits
from numpy.typing import NDArray

from musebuild.errors import RecipeError

FIRST, LAST, STEPS = 4500.0, 9500.0, 3700
"""Å, Å, and number of wavelengths of a combined curve."""


def muse_std_combine(std_response: list[Path], std_telluric: list[Path]) -> dict[str, Path]:
    """Combine the standards of a run: the median of their curves, the mean of their errors.

    Parameters
    ----------
    std_response, std_telluric : list of Path
        STD_RESPONSE (lambda, response, resperr) and STD_TELLURIC (lambda, ftelluric, ftellerr)
        of `muse_standard`.

    Raises
    ------
    RecipeError
        A table lacks a column or holds no rows.
    """
    response = _combined(std_response, "response", "resperr", outside=None)
    # Outside of its bands a telluric correction is 1.
    telluric = _combined(std_telluric, "ftelluric", "ftellerr", outside=(1.0, 0.0))
    _write(std_response[0], response, ("response", "resperr"), "STD_RESPONSE.fits")
    _write(std_telluric[0], telluric, ("ftelluric", "ftellerr"), "STD_TELLURIC.fits")
    return {
        "STD_RESPONSE": Path("STD_RESPONSE.fits"),
        "STD_TELLURIC": Path("STD_TELLURIC.fits"),
    }


def wavelengths() -> NDArray[np.float64]:
    """The wavelengths of a combined curve, in Å."""
    return np.linspace(FIRST, LAST, STEPS)


def _combined(
    files: Sequence[Path], value: str, error: str, outside: tuple[float, float] | None
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    grid = wavelengths()
    values, errors = [], []
    for path in files:
        with fits.open(path) as hdus:
            table = hdus[1].data
            lacks = {"lambda", value, error} - set(hdus[1].columns.names)
            if lacks or not len(table):
                raise RecipeError(
                    f"{path.name} holds no curve",
                    why=f"it lacks {', '.join(sorted(lacks))}" if lacks else "it has no rows",
                    remedy="exclude the standard star, or reduce it again",
                )
            own = np.asarray(table["lambda"], np.float64)
            edges = [{}, {}] if outside is None else [{"left": o, "right": o} for o in outside]
            values.append(np.interp(grid, own, table[value], **edges[0]))
            errors.append(np.interp(grid, own, table[error], **edges[1]))
    return np.median(values, axis=0), np.mean(errors, axis=0)


def _write(
    first: Path,
    curve: tuple[NDArray[np.float64], NDArray[np.float64]],
    names: tuple[str, str],
    name: str,
) -> None:
    with fits.open(first) as hdus:
        primary = fits.PrimaryHDU(header=hdus[0].header)
        units = {column.name: column.unit for column in hdus[1].columns}
    columns = [
        fits.Column(label, "D", unit=units.get(label), array=array)
        for label, array in zip(("lambda", *names), (wavelengths(), *curve), strict=True)
    ]
    fits.HDUList([primary, fits.BinTableHDU.from_columns(columns)]).writeto(name)
