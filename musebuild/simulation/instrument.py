"""One IFU: where light of a wavelength and a place in the slice falls on its detector.

The trimmed detector has 4096 × 4112 pixels; wavelength runs up the columns, 48 slices stand
side by side. All positions count from 1, as in the DRS.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

from musebuild.simulation import slicer
from musebuild.simulation.spectra import GRID, STEP, line_spread

NX, NY = 4096, 4112
SLICES = 48
SLICE_SPAXELS = 75.0
"""Width of a slice on the sky in spaxels (`width` of the GEOMETRY_TABLE)."""
IFU_HEIGHT = 12
"""Spaxels that an IFU is high in the real field: 12 rows of 4 slices."""
DISPERSION = 1.25
"""Å per row; half-way up the detector the wavelength is `slicer.WAVELENGTH`."""
FAN = (0.25, 0.75)
"""Parts of a trace's bend that are linear and cubic in the row."""
STITCH_ROWS, STITCH_SHIFT = 512, 0.028
"""Rows are not quite evenly spaced on a CCD, whose mask is printed in steps of 512: wave length
and amplitude in pixels. It leaves the 0.025 Å rms that real wavelength solutions have."""
MARGIN = 3
"""Columns beside a slice that are computed too, for its soft edges."""
EDGE = 0.35
"""Blur of the slice's edge on the detector, in pixels."""

Float = NDArray[np.float32]
Array = NDArray[np.float64]


@dataclass(frozen=True)
class SliceMap:
    """Where the pixels of one slice look; arrays of shape (NY, columns)."""

    first_column: int
    """Index (from 0) of the first column of the arrays."""
    wavelength: Float
    """Å."""
    along: Float
    """Place in the slice, in spaxels from its middle; runs against x, as on the sky."""
    coverage: Float
    """Light that the pixel gets: the lit fraction of it, and the fall-off along the slice."""
    dispersion: Float
    """Å per pixel."""


@dataclass(frozen=True)
class Instrument:
    """The optics of one IFU, the same in all its exposures.

    Parameters
    ----------
    ifu : int
    geometry : str
        `compact` or `real`.
    ifus : tuple of int
        All IFUs of the simulation: in the compact layout they stand above each other.
    seed : int
    """

    ifu: int
    geometry: str
    ifus: tuple[int, ...]
    seed: int

    def rng(self, purpose: int) -> np.random.Generator:
        """Random numbers of this IFU for one purpose, independent of all others."""
        return np.random.default_rng([self.seed, self.ifu, purpose])

    @cached_property
    def centres(self) -> Array:
        """Columns of the slices' centres half-way up the detector."""
        jitter = self.rng(1).uniform(-0.35, 0.35, SLICES)
        # First and last centre as on the real detectors; closer to the edge than about
        # 51 pixels a slice is not traced.
        return np.asarray(np.linspace(79.0, 4013.0, SLICES) + jitter, dtype=np.float64)

    @cached_property
    def widths(self) -> Array:
        """Widths of the slices in pixels."""
        widths = 75.94 + self.rng(2).uniform(-0.12, 0.12, SLICES)
        for number, more in (slicer.WIDE | slicer.NARROW).items():
            widths[number - 1] += more
        return np.asarray(widths)

    @cached_property
    def transmission(self) -> Array:
        """Relative transmission of each slice."""
        scatter = 1 + 0.01 * self.rng(3).standard_normal(SLICES).clip(-2, 2)
        return np.asarray(slicer.TRANSMISSION * scatter)

    @cached_property
    def illumination(self) -> Array:
        """How the light falls off along each slice: linear and square coefficients, (48, 2)."""
        rng = self.rng(6)
        return np.stack(
            [0.04 * rng.standard_normal(SLICES).clip(-2, 2), np.full(SLICES, -0.2)], axis=1
        )

    @cached_property
    def wavelengths(self) -> Array:
        """Å in the middle of each slice, half-way up the detector."""
        return np.asarray(slicer.WAVELENGTH + self.rng(7).uniform(-4, 4))

    @cached_property
    def pixel_response(self) -> Float:
        """Pixel-to-pixel sensitivity, shape (NY, NX), mean 1."""
        noise = self.rng(4).standard_normal((NY, NX), dtype=np.float32)
        return np.asarray(1 + 0.012 * noise, dtype=np.float32)

    @cached_property
    def sky_x(self) -> Array:
        """x of each slice's middle on the sky, in spaxels."""
        if self.geometry == "compact":
            return np.zeros(SLICES)
        # Four stacks side by side: slices 1 to 12 of the CCD in one, and so on.
        stack = np.arange(SLICES) // 12
        return np.asarray((stack - 1.5) * SLICE_SPAXELS, dtype=np.float64)

    @cached_property
    def sky_y(self) -> Array:
        """y of each slice on the sky, in spaxels, before the centre is taken off."""
        if self.geometry == "compact":
            block = self.ifus.index(self.ifu)
            rows = block * SLICES + np.arange(SLICES) - (len(self.ifus) * SLICES - 1) / 2
        else:
            rows = (self.ifu - 12.5) * IFU_HEIGHT + np.arange(SLICES) % 12 - 5.5
        return np.asarray(rows, dtype=np.float64)

    @cached_property
    def slice_sky(self) -> NDArray[np.int32]:
        """Numbers of the slices on the sky, 1 to 48 (`SliceSky`)."""
        return np.arange(1, SLICES + 1, dtype=np.int32)

    @cached_property
    def maps(self) -> tuple[SliceMap, ...]:
        """The map of each slice."""
        return tuple(self._map(index) for index in range(SLICES))

    def _map(self, index: int) -> SliceMap:
        y = np.arange(1, NY + 1, dtype=np.float64)
        t = (y - (NY + 1) / 2) / (NY / 2)
        linear, cubic = FAN
        reach = slicer.SLOPE[index] * (NY / 2) / (linear + 3 * cubic)
        centre = self.centres[index] + reach * (linear * t + cubic * t**3)
        width = self.widths[index]
        first = int(np.floor((centre - width / 2).min())) - MARGIN
        last = int(np.ceil((centre + width / 2).max())) + MARGIN
        x = np.arange(first, last + 1, dtype=np.float64)
        u = (x[None, :] - centre[:, None]) / width
        offset = (x[None, :] - centre[:, None]) / EDGE
        half = width / 2 / EDGE
        coverage = _soft_step(offset + half) * _soft_step(half - offset)

        # Tilt and curvature of the slit's image, uneven rows, a little distortion.
        bottom, top = slicer.TILT_BOTTOM[index], slicer.TILT_TOP[index]
        tilt = ((bottom + top) / 2 + (top - bottom) / 2 * t) / DISPERSION
        uneven = STITCH_SHIFT * np.sin(2 * np.pi * y / STITCH_ROWS)
        rows = (y + uneven)[:, None] - tilt[:, None] * u - 2.4 * u**2
        s = (rows - (NY + 1) / 2) / (NY / 2)
        half_range = DISPERSION * NY / 2
        wavelength = self.wavelengths[index] + half_range * s - 11.0 * s**2 + 4.0 * (s**3 - s)
        dispersion = (half_range - 22.0 * s + 4.0 * (3 * s**2 - 1)) / (NY / 2)
        fall, square = self.illumination[index]
        coverage *= 1 + fall * u + square * u**2
        return SliceMap(
            first_column=first - 1,
            wavelength=wavelength.astype(np.float32),
            along=(-u * SLICE_SPAXELS).astype(np.float32),
            coverage=coverage.astype(np.float32),
            dispersion=dispersion.astype(np.float32),
        )

    def expose(self, spectrum: Array, along_slice: Array | None = None) -> Float:
        """Image of a source that fills the slit, in electrons.

        Parameters
        ----------
        spectrum : array
            On `GRID`, electrons per Å and spaxel, before the line-spread function.
        along_slice : array, optional
            Shape (48,): factor for each slice.

        Returns
        -------
        array
            Shape (4112, 4096).
        """
        image = np.zeros((NY, NX), dtype=np.float32)
        for index, place in enumerate(self.maps):
            factor = self.transmission[index]
            if along_slice is not None:
                factor *= along_slice[index]
            seen = self.disperse(index, spectrum, Places.of(place.wavelength))
            seen *= np.float32(factor)
            self.add(image, place, seen)
        image *= self.pixel_response
        return image

    def disperse(self, index: int, spectrum: Array, places: Places) -> Float:
        """A spectrum on `GRID` as the pixels of a slice see it, shape of its map."""
        spread = line_spread(spectrum, slicer.SLIT_WIDTH[index], slicer.BLUR[index])
        return places.sample(spread)

    def add(self, image: Float, place: SliceMap, per_spaxel: Float) -> None:
        """Add the light of one slice, in electrons per Å and spaxel, to an image.

        The array of the light is used up.
        """
        # A pixel along the slice is 75/width of a spaxel wide on the sky, but the DRS compares
        # pixels with pixels (flat, standard, object alike), so the ratio cancels out.
        columns = slice(place.first_column, place.first_column + place.wavelength.shape[1])
        per_spaxel *= place.coverage
        per_spaxel *= place.dispersion
        image[:, columns] += per_spaxel


def _soft_step(distance: Array) -> Array:
    return np.asarray(ndtr(distance))


@dataclass(frozen=True, slots=True)
class Places:
    """Where the wavelengths of pixels lie on `GRID`: worked out once for all that is sampled."""

    index: NDArray[np.intp]
    """Of the grid point below."""
    fraction: Float
    """Of a step, from there."""

    @classmethod
    def of(cls, wavelength: Float) -> Places:
        """The places of wavelengths in Å."""
        place = (wavelength - np.float32(GRID[0])) * np.float32(1 / STEP)
        index = place.astype(np.intp)
        np.clip(index, 0, len(GRID) - 2, out=index)
        return cls(index, (place - index).astype(np.float32))

    def sample(self, spectrum: Array) -> Float:
        """A spectrum on `GRID` there, by linear interpolation."""
        table = spectrum.astype(np.float32)
        low = table.take(self.index)
        seen = np.diff(table).take(self.index)
        seen *= self.fraction
        seen += low
        return np.asarray(seen, dtype=np.float32)
