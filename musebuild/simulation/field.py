"""The field on the sky: sources, where they fall in an exposure, and what each spaxel sees."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from musebuild.simulation import atmosphere, spectra
from musebuild.simulation.instrument import IFU_HEIGHT, NX, NY, Instrument, Places
from musebuild.simulation.spectra import GRID

SPAXEL = 0.2
"""Arcseconds."""
MOFFAT_BETA = 2.4
"""As seeing makes it; after resampling a fit gives 2.5. That matters: the DRS starts its fit to
the standard star there, and hardly leaves it, as the derivative for beta in muse_utils.c
(muse_moffat_2d_derivative, 2.8.7) has the wrong sign. With 2.8 all fluxes come out 3 % low."""
REACH = 40.0
"""Spaxels beyond which a source gives no light: outside of it lies 0.05 % of a star."""

Array = NDArray[np.float64]
Float = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class PointSource:
    """A star. Offsets are from the field's centre, in arcsec, east and north."""

    name: str
    east: float
    north: float
    magnitude: float
    """AB, at 5500 Å."""
    slope: float
    """f_λ ∝ λ**slope."""

    def spectrum(self) -> Array:
        """Flux density on `GRID` in erg/s/cm²/Å."""
        return spectra.star(self.magnitude, self.slope)


@dataclass(frozen=True, slots=True)
class Nebula:
    """An extended source of emission lines with a round Gaussian profile."""

    name: str
    east: float
    north: float
    fwhm: float
    """Arcsec."""
    lines: tuple[tuple[float, float], ...]
    """Air wavelength [Å], flux of the whole nebula [erg/s/cm²]."""

    def spectrum(self) -> Array:
        """Flux density on `GRID` in erg/s/cm²/Å, before the LSF."""
        return spectra.line_spectrum(
            [line[0] for line in self.lines], [line[1] for line in self.lines]
        )


@dataclass(frozen=True, slots=True)
class Pointing:
    """Where an exposure looks, and through what air."""

    ra: float
    dec: float
    """Degrees, as the header says."""
    airmass: float
    parallactic_angle: float
    """Degrees."""
    seeing: float
    """FWHM at 7000 Å, arcsec."""
    transparency: float = 1.0
    offset_east: float = 0.0
    offset_north: float = 0.0
    """How far from their true places the sources appear, going by the header, in arcsec: what
    an alignment must find."""


@dataclass(frozen=True, slots=True)
class Field:
    """Sources around a centre."""

    ra: float
    dec: float
    points: tuple[PointSource, ...]
    nebulae: tuple[Nebula, ...] = field(default_factory=tuple)


def demo_field(geometry: str, ifus: Sequence[int], ra: float, dec: float) -> Field:
    """Several point sources and an emission-line nebula, placed to fit the lit part of the field.

    Parameters
    ----------
    geometry : str
        `compact` or `real`.
    ifus : sequence of int
        In the real geometry they set how high the lit strip is.
    ra, dec : float
        Centre, degrees.
    """
    wide, high = 1.0, 1.0
    if geometry == "real":
        # 60 arcsec instead of 15; sources, dithers and pointing errors stay inside the strip.
        half_height = (max(ifus) - min(ifus) + 1) * IFU_HEIGHT * SPAXEL / 2
        wide, high = 2.6, 0.45 * half_height / 2.9
    stars = tuple(
        PointSource(name, east * wide, north * high, magnitude, slope)
        for name, east, north, magnitude, slope in (
            ("star1", 4.1, 2.1, 17.8, -1.0),
            ("star2", -4.6, 1.2, 18.4, -0.3),
            ("star3", 2.3, -2.6, 18.9, 0.5),
            ("star4", -1.6, 2.9, 19.3, -1.6),
            ("star5", -5.2, -2.8, 18.2, 0.2),
            ("star6", 5.4, -0.6, 19.0, -0.6),
            ("star7", 0.9, 0.6, 19.6, 0.0),
        )
    )
    nebula = Nebula(
        "nebula",
        -1.9 * wide,
        -1.4 * high,
        1.6,
        ((5006.84, 2.4e-15), (6562.80, 3.0e-15), (6583.45, 0.9e-15), (8683.40, 1.2e-15)),
    )
    return Field(ra, dec, stars, (nebula,))


def standard_field(ra: float, dec: float) -> Field:
    """The standard star, alone."""
    return Field(ra, dec, (PointSource("standard", 0.0, 0.0, 11.0, -1.8),))


def seeing_at(wavelength: Array, seeing: float) -> Array:
    """FWHM [arcsec] at a wavelength [Å]: Kolmogorov's λ**-0.2 about 7000 Å."""
    return np.asarray(seeing * (wavelength / 7000.0) ** -0.2)


def expose_field(
    instrument: Instrument,
    target: Field,
    pointing: Pointing,
    centre: tuple[float, float],
    mode: str,
    seconds: float,
    sky_scale: float,
) -> Float:
    """Image of a field on one detector, in electrons, without bias and noise.

    Parameters
    ----------
    instrument : Instrument
    target : Field
    pointing : Pointing
    centre : tuple of float
        Middle of the field of view in the coordinates of the geometry table (spaxels): where
        the DRS puts RA, DEC of the header.
    mode : str
    seconds : float
        Exposure time.
    sky_scale : float
        Strength of the sky's emission lines.

    Returns
    -------
    array
        Shape (4112, 4096).
    """
    air = 10 ** (-0.4 * atmosphere.extinction(GRID) * pointing.airmass) * pointing.transparency
    raman = mode == "WFM-AO-N"
    sky = spectra.sky_continuum() + spectra.sky_lines(sky_scale, raman)
    sky_electrons = spectra.electrons(sky * SPAXEL**2, mode, seconds)
    shift_x, shift_y = atmosphere.refraction_shift(
        GRID, pointing.airmass, pointing.parallactic_angle
    )
    fwhm = seeing_at(GRID, pointing.seeing) / SPAXEL

    sources = []
    everything: list[PointSource | Nebula] = [*target.points, *target.nebulae]
    for source in everything:
        x, y = place_on_field(source.east, source.north, target, pointing, centre)
        extended = source.fwhm / SPAXEL if isinstance(source, Nebula) else 0.0
        light = spectra.electrons(source.spectrum() * air, mode, seconds)
        sources.append((x, y, extended, light))

    image = np.zeros((NY, NX), dtype=np.float32)
    for index, place in enumerate(instrument.maps):
        places = Places.of(place.wavelength)
        total = instrument.disperse(index, sky_electrons, places)
        dx_table, dy_table, fwhm_table = (
            places.sample(table) for table in (shift_x, shift_y, fwhm)
        )
        star = Moffat.of(fwhm_table)
        slice_x, slice_y = instrument.sky_x[index], instrument.sky_y[index]
        for x, y, extended, light in sources:
            if abs(slice_y - y) > REACH:
                continue
            dx = place.along + np.float32(slice_x - x)
            dx -= dx_table
            dy = np.float32(slice_y - y) - dy_table
            profile = _gaussian(dx, dy, extended) if extended else star.profile(dx, dy)
            profile *= instrument.disperse(index, light, places)
            total += profile
        total *= np.float32(instrument.transmission[index])
        instrument.add(image, place, total)
    image *= instrument.pixel_response
    return image


def place_on_field(
    east: float,
    north: float,
    target: Field,
    pointing: Pointing,
    centre: tuple[float, float],
) -> tuple[float, float]:
    """Where a source falls, in spaxels of the geometry table (x runs west, y north)."""
    to_east = (pointing.ra - target.ra) * 3600 * np.cos(np.radians(target.dec))
    to_north = (pointing.dec - target.dec) * 3600
    x = centre[0] - (east - to_east + pointing.offset_east) / SPAXEL
    y = centre[1] + (north - to_north + pointing.offset_north) / SPAXEL
    return x, y


@dataclass(frozen=True, slots=True)
class Moffat:
    """Moffat profile of unit volume; its width is that of the seeing at each pixel."""

    alpha2: Float
    """Square of the width, in spaxels."""
    norm: Float
    """Value in the middle."""

    @classmethod
    def of(cls, fwhm: Float) -> Moffat:
        """From the FWHM in spaxels."""
        alpha2 = (fwhm / np.float32(2 * np.sqrt(2 ** (1 / MOFFAT_BETA) - 1))) ** 2
        return cls(alpha2, (np.float32(MOFFAT_BETA) - 1) / (np.float32(np.pi) * alpha2))

    def profile(self, dx: Float, dy: Float) -> Float:
        """The profile at the middle of each spaxel."""
        # exp(log1p) is several times faster here than a general power.
        light = dx * dx + dy * dy
        light /= self.alpha2
        np.log1p(light, out=light)
        light *= -np.float32(MOFFAT_BETA)
        np.exp(light, out=light)
        light *= self.norm
        return light


def _gaussian(dx: Float, dy: Float, fwhm: float) -> Float:
    sigma2 = np.float32((fwhm / 2.3548) ** 2)
    return np.asarray(
        np.exp(-(dx * dx + dy * dy) / (2 * sigma2)) / (2 * np.float32(np.pi) * sigma2),
        dtype=np.float32,
    )
