"""Light through the air above Paranal: airmass, extinction, differential refraction."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

LATITUDE = -24.62794830
LONGITUDE = -70.40479659
ELEVATION = 2648.0

TEMPERATURE = 12.0
"""Degrees Celsius, at the ground."""
HUMIDITY = 14.5
"""Relative, in percent."""
PRESSURE = 743.0
"""hPa."""
HPA_TO_MMHG = 0.75006158
REFERENCE_WAVELENGTH = 7000.0
"""Å; where refraction is nought, as in muse_scipost's `lambdaref`."""

Array = NDArray[np.float64]


def altitude_and_parallactic_angle(hour_angle: float, declination: float) -> tuple[float, float]:
    """Zenith distance and parallactic angle at Paranal.

    Parameters
    ----------
    hour_angle, declination : float
        Degrees.

    Returns
    -------
    zenith_distance, parallactic_angle : float
        Degrees.
    """
    h, d, p = np.radians([hour_angle, declination, LATITUDE])
    cos_z = np.sin(p) * np.sin(d) + np.cos(p) * np.cos(d) * np.cos(h)
    angle = np.arctan2(np.sin(h), np.tan(p) * np.cos(d) - np.sin(d) * np.cos(h))
    return float(np.degrees(np.arccos(cos_z))), float(np.degrees(angle))


def airmass(zenith_distance: float) -> float:
    """Airmass by Young & Irvine (1967, AJ 72, 945), as the DRS computes it.

    Parameters
    ----------
    zenith_distance : float
        Degrees.
    """
    secant = 1 / np.cos(np.radians(zenith_distance))
    return float(secant * (1 - 0.0012 * (secant**2 - 1)))


def extinction(wavelength: Array) -> Array:
    """Extinction of a clear night, in mag/airmass, at wavelengths in Å.

    Rayleigh scattering and a little aerosol, of the size seen on Paranal
    (Patat et al. 2011, A&A 527, A91).
    """
    micron = wavelength / 1e4
    return 0.0072 * micron**-4.05 + 0.013 * micron**-1.38


def refractive_index(wavelength: Array) -> Array:
    """Refractive index of air (Filippenko 1982, PASP 94, 715, eqs. 1 to 3).

    Parameters
    ----------
    wavelength : array
        Å.
    """
    inverse_square = (1e4 / wavelength) ** 2
    kelvin = TEMPERATURE + 273.15
    # Saturation pressure of water in hPa (Owens 1967), as the DRS takes it.
    saturation = -10474.0 + 116.43 * kelvin - 0.43284 * kelvin**2 + 0.00053840 * kelvin**3
    vapour = HUMIDITY / 100 * saturation * HPA_TO_MMHG
    pressure = PRESSURE * HPA_TO_MMHG
    n = 64.328 + 29498.1 / (146 - inverse_square) + 255.4 / (41 - inverse_square)
    n = n * pressure / 720.883
    n *= (1 + (1.049 - 0.0157 * TEMPERATURE) * 1e-6 * pressure) / (1 + 0.003661 * TEMPERATURE)
    n -= (0.0624 - 0.000680 * inverse_square) / (1 + 0.003661 * TEMPERATURE) * vapour
    return 1 + n * 1e-6


def refraction_shift(
    wavelength: Array, mean_airmass: float, parallactic_angle: float
) -> tuple[Array, Array]:
    """How far light of each wavelength is displaced on the detector side, in spaxels.

    The inverse of what the DRS adds to the positions (muse_dar.c): x runs west, y north,
    for a position angle of nought.

    Parameters
    ----------
    wavelength : array
        Å.
    mean_airmass : float
    parallactic_angle : float
        Degrees, mean of the exposure.

    Returns
    -------
    dx, dy : array
        Displacement against the position at 7000 Å, in units of 0.2″.
    """
    zenith_distance = np.arccos(1 / mean_airmass)
    base = np.tan(zenith_distance) * np.degrees(1) * 3600 / 0.2
    reference = refractive_index(np.array([REFERENCE_WAVELENGTH]))[0]
    shift = base * (reference - refractive_index(wavelength))
    angle = np.radians(parallactic_angle)
    return np.sin(angle) * shift, -np.cos(angle) * shift
