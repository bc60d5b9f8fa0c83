"""What can be said against cubes and numbers before they are combined."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from astropy.io import fits

from musebuild.errors import RecipeError


def check_choice(
    files: Sequence[Path],
    method: str,
    *,
    mosaic: bool,
    output_wcs: Path | None,
    weights: Mapping[str, float] | None,
) -> None:
    if len(files) < 2:
        raise RecipeError("there is one cube only, and nothing to combine", remedy="add exposures")
    if mosaic and output_wcs is None:
        raise RecipeError(
            "a mosaic needs the grid that it lies on",
            remedy="name a cube with frames: {OUTPUT_WCS: FILE}",
        )
    if mosaic and method != "pysigclip":
        raise RecipeError(
            f"MPDAF makes no mosaic with the method {method}", remedy="set method: pysigclip"
        )
    if weights and method.endswith("median"):
        raise RecipeError(
            f"the method {method} knows no weights", remedy="set method: sigclip, or pysigclip"
        )


def date_of(path: Path) -> str:
    """DATE-OBS of a cube that has data and variances.

    MPDAF's C code ends the process where there are none.
    """
    with fits.open(path, memmap=True) as hdus:
        lacking = [name for name in ("DATA", "STAT") if name not in hdus]
        if lacking:
            raise RecipeError(
                f"{path.name} has no extension {' and none '.join(lacking)}",
                remedy="combine cubes as muse_scipost and muse_scipost_make_cube make them",
            )
        date = hdus[0].header.get("DATE-OBS")
    if not date:
        raise RecipeError(
            f"{path.name} has no DATE-OBS, by which its exposure is known",
            remedy="combine cubes as muse_scipost and muse_scipost_make_cube make them",
        )
    return str(date)


def check_numbers(
    scales: Sequence[float],
    weights: Sequence[float],
    nclip: float | Sequence[float],
    variance: str,
) -> None:
    if not all(np.isfinite(scale) and scale > 0 for scale in scales):
        raise RecipeError(
            "a flux scale must be above 0",
            remedy="correct scales; to leave an exposure out, see exclude_flags and select",
        )
    if not all(np.isfinite(weight) and weight >= 0 for weight in weights) or not any(weights):
        raise RecipeError(
            "weights must be 0 or above, and one of them above 0", remedy="correct weights"
        )
    if not isinstance(nclip, float) and len(nclip) != 2:
        raise RecipeError(
            f"nclip has {len(nclip)} numbers",
            remedy="give one, or two for values below and above: nclip: [3, 5]",
        )
    if variance != "propagate":
        raise RecipeError(
            f"with weights the variance is propagated, and var: {variance} has no effect",
            remedy="leave out var, or weights",
        )


def by_exposure(
    given: Mapping[str, float] | None, dates: Sequence[str], name: str, usual: float
) -> list[float]:
    """A value for each exposure."""
    unknown = sorted(set(given or {}) - set(dates))
    if unknown:
        raise RecipeError(
            f"{name} names {', '.join(unknown)}, which is not combined",
            why=f"there is {', '.join(dates)}",
            remedy="name exposures by their DATE-OBS",
        )
    return [float((given or {}).get(date, usual)) for date in dates]


def grid_of(path: Path) -> tuple[tuple[int, ...], dict[str, float], dict[str, str]]:
    header = fits.getheader(path, "DATA")
    shape = tuple(int(header[f"NAXIS{axis}"]) for axis in (1, 2, 3))
    numbers = ("CRVAL", "CRPIX", "CD1_", "CD2_", "CD3_")
    cards = {
        f"{name}{axis}": float(header[f"{name}{axis}"])
        for name in numbers
        for axis in (1, 2, 3)
        if f"{name}{axis}" in header
    }
    return shape, cards, {f"CTYPE{axis}": str(header.get(f"CTYPE{axis}")) for axis in (1, 2, 3)}


def check_grids(files: Sequence[Path], output: Path | None) -> None:
    """All cubes on one grid; with `output`, on whole pixels of its grid and within it."""
    reference = output or files[0]
    shape, cards, types = grid_of(reference)
    free = ("CRPIX1", "CRPIX2") if output else ()
    for path in files:
        own_shape, own, own_types = grid_of(path)
        differs = [
            f"{name} {own.get(name)} and {value}"
            for name, value in cards.items()
            if name not in free and not np.isclose(own.get(name, np.nan), value, 1e-9, 1e-9)
        ]
        differs += [f"{k} {own_types[k]} and {v}" for k, v in types.items() if own_types[k] != v]
        if own_shape[2] != shape[2] or (not output and own_shape != shape):
            differs.insert(0, f"{_size(own_shape)} and {_size(shape)} pixels")
        if differs:
            raise RecipeError(
                f"{path.name} and {reference.name} lie on different grids",
                why="; ".join(differs[:4]),
                remedy="make the cubes with one OUTPUT_WCS (muse_scipost_make_cube)",
            )
        if output:
            _check_inside(path, own_shape, own, shape, cards, reference)


def _check_inside(
    path: Path,
    own_shape: tuple[int, ...],
    own: Mapping[str, float],
    shape: tuple[int, ...],
    cards: Mapping[str, float],
    reference: Path,
) -> None:
    for axis in (1, 2):
        start = cards[f"CRPIX{axis}"] - own[f"CRPIX{axis}"]
        if abs(start - round(start)) > 0.01:
            raise RecipeError(
                f"{path.name} lies between the pixels of {reference.name}",
                why=f"it is shifted by {start:.3f} pixels along axis {axis}",
                remedy="make the cubes with this OUTPUT_WCS (muse_scipost_make_cube)",
            )
        if round(start) < 0 or round(start) + own_shape[axis - 1] > shape[axis - 1]:
            raise RecipeError(
                f"{path.name} does not lie within {reference.name}",
                why=f"along axis {axis} it takes pixels {round(start) + 1} to "
                f"{round(start) + own_shape[axis - 1]} of {shape[axis - 1]}",
                remedy="name an OUTPUT_WCS that covers all exposures",
            )


def _size(shape: Sequence[int]) -> str:
    return " × ".join(map(str, shape))


def check_velocities(files: Sequence[Path]) -> None:
    """All wavelengths seen from one place: a shift of up to 30 km/s shows nowhere else."""
    frames = {path.name: str(fits.getheader(path).get("SPECSYS") or "") for path in files}
    named = sorted(set(frames.values()) - {""})
    if len(named) > 1:
        first, other = (next(n for n, frame in frames.items() if frame == one) for one in named[:2])
        raise RecipeError(
            f"the wavelengths of {first} are of {named[0]}, and those of {other} of {named[1]}",
            why="SPECSYS of their headers says so",
            remedy="make all cubes with one rvcorr (muse_scipost)",
        )


def check_filled(path: Path) -> None:
    with fits.open(path, memmap=True) as hdus:
        data = hdus["DATA"].data
        if not any(np.isfinite(plane).any() for plane in data):
            raise RecipeError(
                f"{path.name} holds no value that is a number",
                where=path.name,
                remedy="look at the log of what made it, or exclude the exposure",
            )
