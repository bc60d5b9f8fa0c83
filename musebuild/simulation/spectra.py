"""Spectra of lamps, sky, twilight and stars, and the spectrograph's response to them.

All spectra are sampled on `GRID` (air wavelengths in Å).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import CubicSpline
from scipy.ndimage import gaussian_filter1d
from scipy.special import expit

Array = NDArray[np.float64]

STEP = 0.25
GRID: Array = np.arange(4200.0, 9900.0, STEP)

PIXEL = 1.25
BROADENING = 0.12
"""How much wider lines are at the ends of the spectrum than in its middle."""
SODIUM_NOTCH = (5805.0, 5966.0)
"""Blocked in WFM-AO-N, against the light of the laser guide stars (Å)."""

PLANCK_LIGHT = 1.98644586e-8
"""h c in erg Å."""
COLLECTING_AREA = 483_250.7
"""cm²: effective area of the telescope, as the DRS takes it for its throughput."""
THROUGHPUT = (
    (4200.0, 0.060), (4500.0, 0.125), (4750.0, 0.175), (5000.0, 0.2213), (5500.0, 0.279),
    (6000.0, 0.314), (6500.0, 0.331), (7000.0, 0.3283), (7500.0, 0.292), (8000.0, 0.2460),
    (8500.0, 0.199), (9000.0, 0.1568), (9500.0, 0.117), (9900.0, 0.085),
)  # fmt: skip
"""Wavelength (Å), fraction of photons detected."""

# Air wavelengths (Å) of lines that stand alone at MUSE's resolution, and their relative
# strengths; the strong and lonely ones serve as FWHM references. Wavelengths: NIST ASD.
ARC_LINES: dict[str, tuple[tuple[float, float], ...]] = {
    "Ne": (
        (5330.778, 0.10), (5400.562, 0.35), (5764.419, 0.14), (5852.488, 1.00),
        (5881.895, 0.55), (5944.834, 0.60), (5975.534, 0.35), (6029.997, 0.30),
        (6074.338, 0.65), (6096.163, 0.70), (6143.063, 0.90), (6163.594, 0.45),
        (6217.281, 0.45), (6266.495, 0.65), (6304.789, 0.40), (6334.428, 0.80),
        (6382.992, 0.80), (6402.248, 1.10), (6506.528, 0.80), (6532.882, 0.50),
        (6598.953, 0.60), (6678.276, 0.80), (6717.043, 0.55), (6929.467, 0.80),
        (7032.413, 1.10), (7173.938, 0.40), (7245.167, 0.90), (7438.899, 0.50),
        (7488.871, 0.30), (7535.774, 0.25), (7943.181, 0.12), (8136.406, 0.12),
        (8300.326, 0.30), (8377.608, 0.50), (8418.427, 0.20), (8495.360, 0.35),
        (8591.259, 0.20), (8634.647, 0.35), (8853.867, 0.30), (9148.672, 0.14),
        (9201.759, 0.14), (9300.853, 0.12), (9425.379, 0.10),
    ),
    "Xe": (
        (4734.152, 0.20), (4807.019, 0.15), (4843.293, 0.06), (4916.507, 0.20),
        (5028.280, 0.10), (6318.062, 0.06), (6469.705, 0.06), (6668.920, 0.06),
        (6728.008, 0.10), (6827.315, 0.10), (6976.182, 0.08), (7119.598, 0.18),
        (7285.301, 0.06), (7336.480, 0.06), (7584.680, 0.10), (7802.651, 0.06),
        (7967.342, 0.18), (8057.258, 0.12), (8206.336, 0.35), (8231.635, 1.00),
        (8266.520, 0.30), (8280.116, 0.90), (8346.822, 0.60), (8409.189, 0.40),
        (8576.010, 0.06), (8648.540, 0.08), (8692.200, 0.06), (8739.372, 0.08),
        (8819.411, 0.90), (8862.317, 0.10), (8908.730, 0.06), (8930.830, 0.06),
        (8952.251, 0.50), (9045.447, 0.40), (9162.652, 0.45), (9374.759, 0.10),
        (9513.376, 0.10),
    ),
    "HgCd": (
        (4678.149, 0.45), (4799.912, 0.70), (5085.822, 1.00), (5460.750, 1.00),
        (5769.610, 0.20), (5790.670, 0.20), (6438.470, 0.80),
    ),
}  # fmt: skip
HG_LINES = frozenset({5460.750, 5769.610, 5790.670})

# Night-sky lines: group as in the DRS's model (1 OI green, 2 OI red, 3 Na, 4.. OH bands),
# air wavelength (Å), flux in 1e-20 erg/s/cm²/arcsec².
SKY_LINES: tuple[tuple[str, int, float, float], ...] = (
    ("OI 5577", 0, 5577.339, 26000.0),
    ("OI 6300", 1, 6300.304, 10200.0), ("OI 6364", 1, 6363.776, 3400.0),
    ("Na D2", 2, 5889.951, 1900.0), ("Na D1", 2, 5895.924, 1000.0),
    ("OH 8-2 Q1", 3, 5888.190, 600.0), ("OH 8-2 P1", 3, 5932.860, 900.0),
    ("OH 9-3 Q1", 4, 6257.960, 800.0), ("OH 9-3 P1", 4, 6287.430, 900.0),
    ("OH 9-3 P1 3", 4, 6306.870, 700.0), ("OH 6-1 Q1", 5, 6498.730, 1300.0),
    ("OH 6-1 P1", 5, 6533.040, 1700.0), ("OH 6-1 P1 3", 5, 6553.620, 1200.0),
    ("OH 7-2 Q1", 6, 6863.950, 2600.0), ("OH 7-2 P1", 6, 6900.830, 2100.0),
    ("OH 7-2 P1 3", 6, 6923.220, 2900.0), ("OH 8-3 Q1", 7, 7276.400, 3500.0),
    ("OH 8-3 P1", 7, 7316.280, 4200.0), ("OH 8-3 P1 3", 7, 7340.880, 4600.0),
    ("OH 9-4 Q1", 8, 7716.890, 3000.0), ("OH 9-4 P1", 8, 7750.640, 5200.0),
    ("OH 9-4 P1 2", 8, 7794.120, 5800.0), ("OH 9-4 P1 3", 8, 7821.510, 5600.0),
    ("OH 5-1 Q1", 9, 7913.700, 8800.0), ("OH 5-1 P1", 9, 7964.650, 10500.0),
    ("OH 5-1 P1 3", 9, 7993.330, 9300.0), ("OH 5-1 P1 4", 9, 8025.810, 5200.0),
    ("OH 6-2 Q1", 10, 8344.600, 14000.0), ("OH 6-2 P1", 10, 8399.170, 17500.0),
    ("OH 6-2 P1 3", 10, 8430.170, 17000.0), ("OH 6-2 P1 4", 10, 8465.350, 9800.0),
    ("OH 7-3 R1", 11, 8767.910, 12500.0), ("OH 7-3 Q1", 11, 8827.100, 21000.0),
    ("OH 7-3 P1", 11, 8885.850, 27000.0), ("OH 7-3 P1 3", 11, 8919.640, 24000.0),
    ("OH 7-3 P1 4", 11, 8957.810, 13500.0), ("OH 8-4 Q1", 12, 9323.980, 17500.0),
    ("OH 8-4 P1", 12, 9375.970, 21500.0), ("OH 8-4 P1 3", 12, 9419.700, 22000.0),
    ("OH 8-4 P1 4", 12, 9461.180, 12000.0),
)  # fmt: skip
RAMAN_LINES: tuple[tuple[str, float, float], ...] = (
    ("O2 Raman", 6484.39, 590.0),
    ("N2 Raman", 6827.17, 1520.0),
)
"""Light of the 589 nm lasers, shifted by the Raman effect (air Å, sky-line units). In truth
each is a band of rotational lines; the strengths are right in order only."""


def line_spread(spectrum: Array, slit_width: float, blur: float) -> Array:
    """A spectrum on `GRID` as it reaches the detector through one slice.

    The image of the slit is a box, the optics add a Gaussian, the pixel another box (carried
    by its variance): the form in which the DRS models the line-spread function too.

    Parameters
    ----------
    spectrum : array
    slit_width : float
        Å: mean width of the box; it is wider at the ends of the spectrum.
    blur : float
        Å: standard deviation of the Gaussian.
    """
    sigma = np.sqrt(blur**2 + PIXEL**2 / 12)
    spectrum = gaussian_filter1d(spectrum, sigma / STEP, mode="nearest", truncate=4.5)
    # Between the narrowest and the widest image, the share of each changes with the wavelength.
    narrow = _running_mean(spectrum, slit_width * (1 - BROADENING / 3))
    wide = _running_mean(spectrum, slit_width * (1 + BROADENING * 2 / 3))
    share = np.clip(((GRID - 7050) / 2300) ** 2, 0, 1.2)
    return np.asarray(narrow + share * (wide - narrow))


def _running_mean(spectrum: Array, width: float) -> Array:
    """Mean over a box of any width in Å; the light in it is conserved."""
    total = np.concatenate([[0.0], np.cumsum(spectrum)])
    edges = np.arange(len(total)) - 0.5
    place, half = np.arange(len(spectrum)), width / STEP / 2
    upper, lower = (np.interp(place + side * half, edges, total) for side in (1, -1))
    return np.asarray((upper - lower) / (2 * half))


def line_spectrum(wavelengths: Sequence[float], fluxes: Sequence[float]) -> Array:
    """Unresolved lines as flux density per Å on `GRID`, before the LSF.

    A line is shared between its two neighbouring grid points, so that its centroid is exact.
    """
    spectrum = np.zeros_like(GRID)
    for wavelength, flux in zip(wavelengths, fluxes, strict=True):
        place = (wavelength - GRID[0]) / STEP
        index = int(place)
        if 0 <= index < len(GRID) - 1:
            spectrum[index] += flux / STEP * (1 - (place - index))
            spectrum[index + 1] += flux / STEP * (place - index)
    return spectrum


def throughput(mode: str) -> Array:
    """Fraction of photons that telescope, optics and detector pass on, on `GRID`.

    That of MUSE, as the standard star of the reference night gave it (`QC STANDARD THRU`),
    with the blue cut-on of the nominal range and, with adaptive optics, the notch around the
    sodium lines.
    """
    # A little light leaks through the cut-on filter: without it the flat would be dark there,
    # and what is divided by it without bounds.
    cut_on = 0.03 + 0.97 * expit((GRID - 4665) / 14)
    total = CubicSpline(*zip(*THROUGHPUT, strict=True))(GRID) * cut_on
    if mode == "WFM-AO-N":
        low, high = SODIUM_NOTCH
        blocked = expit((GRID - low) / 2.5) * expit((high - GRID) / 2.5)
        total = total * (1 - 0.9995 * blocked)
    return np.asarray(total)


def lamp() -> Array:
    """The continuum lamp: smooth, red, as photons per Å (arbitrary scale)."""
    return np.asarray(np.exp(-0.5 * ((GRID - 7600) / 1700) ** 2))


def arc(lamp_name: str) -> tuple[list[float], list[float]]:
    """Wavelengths (Å) and relative strengths of an arc lamp."""
    lines = ARC_LINES[lamp_name]
    return [line[0] for line in lines], [line[1] for line in lines]


def star(magnitude: float, slope: float) -> Array:
    """Flux density of a smooth-spectrum star, in erg/s/cm²/Å.

    Parameters
    ----------
    magnitude : float
        AB magnitude at 5500 Å.
    slope : float
        Power of the wavelength (-2 is blue, 0 flat in f_λ).
    """
    at_5500 = 10 ** (-0.4 * (magnitude + 48.6)) * 2.99792458e18 / 5500**2
    return np.asarray(at_5500 * (GRID / 5500) ** slope)


def solar() -> Array:
    """Twilight: a smooth continuum with some of the sun's stronger lines (relative)."""
    continuum = (GRID / 6000) ** -1.2
    depth = np.zeros_like(GRID)
    for wavelength, width, strength in (
        (4861.3, 3.0, 0.5), (5172.7, 4.0, 0.4), (5183.6, 3.0, 0.4), (5269.5, 2.5, 0.3),
        (5890.0, 1.5, 0.5), (5895.9, 1.5, 0.45), (6562.8, 3.0, 0.6), (8498.0, 2.0, 0.4),
        (8542.1, 3.0, 0.5), (8662.1, 3.0, 0.5),
    ):  # fmt: skip
        depth += strength * np.exp(-0.5 * ((GRID - wavelength) / width) ** 2)
    return np.asarray(continuum * np.exp(-depth))


def sky_continuum() -> Array:
    """Sky background between the lines, in erg/s/cm²/Å/arcsec²: 21.5 mag at 5500 Å."""
    return star(21.5, -0.5)


def sky_lines(scale: float = 1.0, raman: bool = False) -> Array:
    """Sky emission lines before the LSF, in erg/s/cm²/Å/arcsec²."""
    total = line_spectrum(
        [line[2] for line in SKY_LINES], [scale * line[3] * 1e-20 for line in SKY_LINES]
    )
    if raman:
        total += line_spectrum(
            [line[1] for line in RAMAN_LINES], [line[2] * 1e-20 for line in RAMAN_LINES]
        )
    return total


def electrons(flux_density: Array, mode: str, exposure: float) -> Array:
    """Flux density at the telescope → electrons per Å on the detector, on `GRID`.

    Parameters
    ----------
    flux_density : array
        erg/s/cm²/Å.
    mode : str
        Instrument mode, for the throughput.
    exposure : float
        Seconds.
    """
    photons = flux_density * GRID / PLANCK_LIGHT
    return np.asarray(photons * COLLECTING_AREA * exposure * throughput(mode))
