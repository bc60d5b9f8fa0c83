"""Combination of the standard stars of a run."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Literal

import numpy as np
from astropy.io import fits
from numpy.typing import NDArray

from musebuild.errors import RecipeError
from musebuild.recipes.science.headers import combined_header

LMIN, LMAX, NL = 4500.0, 9500.0, 3700
"""Å, Å, and number of wavelengths of a combined curve, unless the settings say otherwise."""
FLAT_CORRECTED = "ESO DRS MUSE FLUX FFCORR"
"""Whether the spectrum of the lamp flat was taken off before the response was measured."""
METHODS: dict[str, Callable[..., NDArray[np.float64]]] = {"median": np.median, "mean": np.mean}


def muse_std_combine(
    std_response: list[Path],
    std_telluric: list[Path],
    *,
    method: Literal["median", "mean"] = "median",
    lmin: float = LMIN,
    lmax: float = LMAX,
    nl: int = NL,
) -> dict[str, Path]:
    """Combine the standards of a run: the median of their curves, the mean of their errors.

    Parameters
    ----------
    std_response, std_telluric : list of Path
        STD_RESPONSE (lambda, response, resperr) and STD_TELLURIC (lambda, ftelluric, ftellerr)
        of `muse_standard`.
    method : str
        How the curves are combined at each wavelength.
    lmin, lmax : float
        First and last wavelength of the result [Å].
    nl : int
        Number of wavelengths, equally spaced. Curves are interpolated linearly; beyond its ends a
        response keeps its last value, and a telluric correction is 1.

    Raises
    ------
    RecipeError
        A table lacks a column or holds no rows, or there are no such wavelengths.
    """
    if not (np.isfinite([lmin, lmax]).all() and 0 < lmin < lmax and nl >= 2):
        raise RecipeError(
            f"there are no {nl} wavelengths from {lmin:g} to {lmax:g} Å",
            remedy="give lmin below lmax, and nl of 2 or more",
        )
    _check_corrected(std_response)
    grid = np.linspace(lmin, lmax, nl)
    names = ("response", "resperr"), ("ftelluric", "ftellerr")
    response = _combined(std_response, *names[0], grid, METHODS[method], outside=None)
    # Outside of its bands a telluric correction is 1.
    telluric = _combined(std_telluric, *names[1], grid, METHODS[method], outside=(1.0, 0.0))
    _write(std_response, grid, response, names[0], "STD_RESPONSE.fits")
    _write(std_telluric, grid, telluric, names[1], "STD_TELLURIC.fits")
    return {
        "STD_RESPONSE": Path("STD_RESPONSE.fits"),
        "STD_TELLURIC": Path("STD_TELLURIC.fits"),
    }


def _check_corrected(files: Sequence[Path]) -> None:
    """Refuse to mix responses of which only some hold the colour of the lamp flat."""
    with_it = [path for path in files if fits.getheader(path).get(FLAT_CORRECTED) is True]
    if with_it and len(with_it) < len(files):
        raise RecipeError(
            f"{len(with_it)} of {len(files)} responses were corrected for the lamp flat, and "
            "the others were not",
            why=f"{FLAT_CORRECTED} of {with_it[0].name} is true",
            remedy="reduce all standards with the same settings",
        )


def _combined(
    files: Sequence[Path],
    value: str,
    error: str,
    grid: NDArray[np.float64],
    combine: Callable[..., NDArray[np.float64]],
    outside: tuple[float, float] | None,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
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
    return combine(values, axis=0), np.mean(errors, axis=0)


def _write(
    files: Sequence[Path],
    grid: NDArray[np.float64],
    curve: tuple[NDArray[np.float64], NDArray[np.float64]],
    names: tuple[str, str],
    name: str,
) -> None:
    primary = fits.PrimaryHDU(header=combined_header(files, in_one_place=False))
    with fits.open(files[0]) as hdus:
        units = {column.name: column.unit for column in hdus[1].columns}
    columns = [
        fits.Column(label, "D", unit=units.get(label), array=array)
        for label, array in zip(("lambda", *names), (grid, *curve), strict=True)
    ]
    fits.HDUList([primary, fits.BinTableHDU.from_columns(columns)]).writeto(name)
