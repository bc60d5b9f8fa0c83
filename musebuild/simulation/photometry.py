"""Photometry of crowded stars: one profile, fitted to all stars of an image at once.

The stars of the simulated field stand a few FWHM apart. Fitted one by one, each takes its
neighbours' wings for background, and the faint ones come out a tenth too faint; fitted
together, with a profile and a background that they share, they do not.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import least_squares

Array = NDArray[np.float64]

CORE = 2.0
"""Pixels about a star that must all hold data for it to be measured."""
REACH = 30.0
"""Pixels: only the part of an image this near to a star is fitted."""
SLACK = 3.0
"""Pixels by which a star may lie off its expected place."""


@dataclass(frozen=True, slots=True)
class StarFit:
    """A star as the fit found it."""

    x: float
    """Pixels, counted from 0."""
    y: float
    flux: float
    """Sum over the image, in its unit."""


@dataclass(frozen=True, slots=True)
class FieldFit:
    """What `fit_stars` found: stars that could not be measured are None."""

    stars: tuple[StarFit | None, ...]
    fwhm: float
    """Pixels."""
    beta: float
    background: float


def moffat(dx: Array, dy: Array, fwhm: float, beta: float) -> Array:
    """Round Moffat profile of unit volume."""
    alpha2 = fwhm**2 / (4 * (2 ** (1 / beta) - 1))
    return np.asarray((beta - 1) / (np.pi * alpha2) * (1 + (dx**2 + dy**2) / alpha2) ** -beta)


def is_covered(image: Array, x: float, y: float, radius: float = CORE) -> bool:
    """Whether all pixels about a place hold data."""
    if not np.isfinite([x, y]).all():
        return False
    columns = np.arange(int(np.floor(x - radius)), int(np.ceil(x + radius)) + 1)
    rows = np.arange(int(np.floor(y - radius)), int(np.ceil(y + radius)) + 1)
    height, width = image.shape
    if columns[0] < 0 or rows[0] < 0 or columns[-1] >= width or rows[-1] >= height:
        return False
    return bool(np.isfinite(image[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]).all())


def fit_stars(image: Array, places: Sequence[tuple[float, float]]) -> FieldFit:
    """Fit Moffat profiles of one shape and a level background to all stars at once.

    Parameters
    ----------
    image : array
        NaN where there are no data.
    places : sequence of (x, y)
        Where the stars are expected, in pixels counted from 0. Stars off the edge are part of
        the fit, for their wings, but keep their place and are not measured.

    Returns
    -------
    FieldFit

    Raises
    ------
    ValueError
        No star lies on the image.
    """
    covered = [is_covered(image, x, y) for x, y in places]
    if not any(covered):
        raise ValueError("no star lies on the image")
    rows, columns = (np.asarray(axis, dtype=np.float64) for axis in np.indices(image.shape))
    near = np.zeros(image.shape, dtype=bool)
    for x, y in places:
        near |= np.hypot(columns - x, rows - y) < REACH
    used = near & np.isfinite(image)
    x_pixels, y_pixels, values = columns[used], rows[used], image[used]

    free = [index for index, on_image in enumerate(covered) if on_image]

    def moved(parameters: Array) -> Array:
        xy = np.asarray(places, dtype=np.float64).copy()
        xy[free] += np.reshape(parameters[2:], (-1, 2))
        return xy

    def solve(parameters: Array) -> tuple[Array, Array]:
        # Fluxes and background enter linearly: only shape and places need iterations.
        profiles = [
            moffat(x_pixels - x, y_pixels - y, parameters[0], parameters[1])
            for x, y in moved(parameters)
        ]
        design = np.stack([*profiles, np.ones_like(values)], axis=1)
        amplitudes, *_ = np.linalg.lstsq(design, values, rcond=None)
        return np.asarray(amplitudes), np.asarray(design @ amplitudes - values)

    start = np.concatenate([[4.0, 2.8], np.zeros(2 * len(free))])
    slack = np.full(2 * len(free), SLACK)
    result = least_squares(
        lambda parameters: solve(parameters)[1],
        start,
        bounds=(
            np.concatenate([[1.0, 1.3], -slack]),
            np.concatenate([[20.0, 20.0], slack]),
        ),
        x_scale=np.concatenate([[1.0, 1.0], np.full(2 * len(free), 0.1)]),
    )
    amplitudes, _ = solve(result.x)
    found = moved(result.x)
    stars = tuple(
        StarFit(float(found[i, 0]), float(found[i, 1]), float(amplitudes[i])) if on_image else None
        for i, on_image in enumerate(covered)
    )
    return FieldFit(stars, float(result.x[0]), float(result.x[1]), float(amplitudes[-1]))
