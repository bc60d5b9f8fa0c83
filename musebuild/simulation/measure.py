"""Is the cube right? Measures a reduced simulation and holds it against the truth table."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from astropy.io import fits
from astropy.table import Table
from astropy.wcs import WCS
from numpy.typing import NDArray
from scipy.optimize import curve_fit

from musebuild.errors import UsageError
from musebuild.simulation.photometry import FieldFit, fit_stars, is_covered

POSITION_TOLERANCE = 0.05
"""Arcsec, a quarter of a spaxel: the geometry and the atmosphere's refraction must be right for
it, while the noise of the stars is a few thousandths."""
FLUX_TOLERANCE = 0.03
"""Ratio: what the response curve of one standard star gives in a clear night; its profile fit
alone is uncertain by about one percent."""
WAVELENGTH_TOLERANCE = 0.1
"""Å: a twelfth of a pixel; a wavelength solution has 0.03 Å rms, and a line a few hundredths."""
OFFSET_TOLERANCE = 0.01
"""Arcsec: a twentieth of a spaxel, which stars of this brightness centre to with ease."""

FLUX_UNIT = 1e-20
"""erg/s/cm²/Å: the unit of the DRS's cubes."""
LINE_WINDOW = 9.0
"""Å on each side of a line: as wide as the gap between Hα and [N II] allows."""
LINE_MASK = 12.0
"""Å about the nebula's lines that are left out of the broad bands."""
LINE_RADIUS = 1.2
"""Radius of the aperture for the nebula's spectrum, in units of its rough FWHM."""
NEBULA_FWHM = 1.7
"""Arcsec."""
LIGHT_SPEED = 299_792.458
"""km/s."""

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Measurement:
    """One quantity of a reduced simulation beside its true value."""

    quantity: str
    """`position`, `flux`, `wavelength` or `offset`."""
    what: str
    """Such as `position of star1, east`."""
    truth: float
    measured: float
    unit: str
    tolerance: float

    @property
    def difference(self) -> float:
        """Measured less true."""
        return self.measured - self.truth

    @property
    def ok(self) -> bool:
        """Whether the difference is within the tolerance; not so for what is no number."""
        return bool(abs(self.difference) <= self.tolerance)


@dataclass(frozen=True)
class _Cube:
    """A data cube on disk, of which only the planes that are needed are read."""

    data: fits.ImageHDU
    wcs: WCS
    wavelengths: Array
    """Å, of the planes, as seen from the ground."""

    def mean(self, planes: NDArray[np.intp]) -> Array:
        """Mean image of planes (in runs, so that each is read once)."""
        total = np.zeros(self.data.shape[1:])
        count = np.zeros(self.data.shape[1:])
        for run in np.split(planes, np.flatnonzero(np.diff(planes) > 1) + 1):
            part = np.asarray(self.data.section[run[0] : run[-1] + 1], dtype=np.float64)
            total += np.nansum(part, axis=0)
            count += np.isfinite(part).sum(axis=0)
        # A pixel that lacks half of the planes lies at the edge, where refraction moves it in
        # and out of the field.
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.where(count > len(planes) / 2, total / count, np.nan)

    def pixel(self, ra: float, dec: float) -> tuple[float, float]:
        """Place of a point on the sky, in pixels counted from 0."""
        x, y = self.wcs.world_to_pixel_values(ra, dec)
        return float(x), float(y)

    @property
    def scale(self) -> float:
        """Arcsec a pixel."""
        return float(np.sqrt(abs(np.linalg.det(self.wcs.pixel_scale_matrix))) * 3600)


def measure_cube(cube: Path, truth: Path) -> tuple[Measurement, ...]:
    """Measure positions, fluxes and wavelengths in a data cube.

    Parameters
    ----------
    cube : Path
        DATACUBE_FINAL of `muse_scipost` or `muse_exp_combine`. A radial-velocity correction is
        undone where the header names it; else it must be off (`rvcorr: none`), as the
        simulated lines stand still in Paranal's frame.
    truth : Path
        `truth.ecsv` of the simulation.

    Returns
    -------
    tuple of Measurement
        For all sources on the cube: place of each star and of the nebula (arcsec from the
        pointing of the first exposure), fluxes (measured over true), wavelengths of the
        nebula's lines.

    Raises
    ------
    UsageError
        A file cannot be read as what it should be, or no source lies on the cube.
    """
    table = _read_truth(truth)
    with _opened(cube) as opened:
        found = (*_measure_stars(opened, table), *_measure_nebulae(opened, table))
    if not found:
        raise UsageError(
            f"No source of {truth.name} lies on {cube.name}",
            where=str(cube),
            why="cube and truth table seem to be of different simulations",
            remedy="give the truth.ecsv of the simulation that the cube was reduced from",
        )
    return found


def measure_offsets(offset_list: Path, truth: Path) -> tuple[Measurement, ...]:
    """Compare the offsets that an alignment found with those that were put in.

    Parameters
    ----------
    offset_list : Path
        OFFSET_LIST of `muse_exp_align`.
    truth : Path
        `truth.ecsv` of the simulation.

    Returns
    -------
    tuple of Measurement
        East and north, arcsec on the sky, of all exposures after the first.

    Raises
    ------
    UsageError
        A file cannot be read as what it should be, or they have no exposure in common.
    """
    exposures = {exposure["name"]: exposure for exposure in _read_truth(truth).meta["exposures"]}
    try:
        offsets = Table.read(offset_list)
        rows = [
            (str(row["DATE_OBS"]).strip(), float(row["RA_OFFSET"]), float(row["DEC_OFFSET"]))
            for row in offsets
        ]
    except (OSError, KeyError, ValueError) as error:
        raise UsageError(
            f"{offset_list.name} cannot be read as a list of offsets",
            where=str(offset_list),
            why=str(error),
            remedy="give the OFFSET_LIST of muse_exp_align",
        ) from None
    rows = [row for row in rows if row[0] in exposures]
    if len(rows) < 2:
        raise UsageError(
            f"{offset_list.name} has fewer than two exposures of {truth.name}",
            where=str(offset_list),
            remedy="give the truth.ecsv of the simulation that the offsets were measured on",
        )
    found = []
    # Offsets count from the list's first exposure, which may lie off itself.
    first, first_ra, first_dec = rows[0]
    for name, ra, dec in rows[1:]:
        true, reference = exposures[name], exposures[first]
        on_sky = np.cos(np.radians(true["dec"])) * 3600
        for direction, measured in (("east", (ra - first_ra) * on_sky),
                                    ("north", (dec - first_dec) * 3600)):  # fmt: skip
            key = f"offset_{direction}_arcsec"
            found.append(
                Measurement(
                    "offset", f"offset of {name}, {direction}", true[key] - reference[key],
                    float(measured), "arcsec", OFFSET_TOLERANCE,
                )
            )  # fmt: skip
    return tuple(found)


def format_measurements(measurements: Iterable[Measurement], *, brief: bool = False) -> str:
    """The measurements as a table for people.

    Parameters
    ----------
    measurements : iterable of Measurement
    brief : bool
        One line for each kind of quantity, with its largest difference.

    Returns
    -------
    str
        Lines without a newline at the end.
    """
    everything = list(measurements)
    if brief:
        return "\n".join(_brief_lines(everything))
    rows = [("", "truth", "measured", "difference", "tolerance", "")]
    for one in everything:
        digits = 4 if one.quantity == "offset" else 3
        rows.append(
            (
                one.what,
                f"{one.truth:.{digits}f}",
                f"{one.measured:.{digits}f}",
                f"{one.difference:+.{digits}f}",
                f"{one.tolerance:g} {one.unit}",
                "ok" if one.ok else "NOT OK",
            )
        )
    widths = [max(len(row[column]) for row in rows) for column in range(6)]
    return "\n".join(
        "  ".join(
            cell.ljust(width) if column in (0, 4, 5) else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    )


def _brief_lines(measurements: Sequence[Measurement]) -> Iterator[str]:
    for quantity in dict.fromkeys(one.quantity for one in measurements):
        group = [one for one in measurements if one.quantity == quantity]
        # What is no number is the worst of all.
        worst = max(group, key=lambda one: np.nan_to_num(abs(one.difference), nan=np.inf))
        bad = sum(not one.ok for one in group)
        verdict = "ok" if not bad else f"{bad} NOT OK"
        yield (
            f"{quantity:<11} {len(group):>3} measured, largest difference "
            f"{abs(worst.difference):.3f} {worst.unit} ({worst.what}); "
            f"tolerance {worst.tolerance:g}: {verdict}"
        )


def _read_truth(path: Path) -> Table:
    try:
        table = Table.read(path, format="ascii.ecsv")
        _ = table["source"], table["kind"], table.meta["exposures"][0]["name"]
    except (OSError, ValueError, KeyError, IndexError) as error:
        raise UsageError(
            f"{path.name} cannot be read as a truth table",
            where=str(path),
            why=str(error),
            remedy="give the truth.ecsv that the simulation wrote",
        ) from None
    return table


@contextmanager
def _opened(path: Path) -> Iterator[_Cube]:
    with ExitStack() as stack:
        try:
            hdus = stack.enter_context(fits.open(path))
            header = hdus["DATA"].header
            axis = np.arange(header["NAXIS3"]) + 1 - header["CRPIX3"]
            wavelengths = (header["CRVAL3"] + header["CD3_3"] * axis) / _doppler(hdus[0].header)
            cube = _Cube(hdus["DATA"], WCS(header).celestial, wavelengths)
        except (OSError, KeyError, TypeError, ValueError) as error:
            raise UsageError(
                f"{path.name} cannot be read as a data cube",
                where=str(path),
                why=str(error),
                remedy="give the DATACUBE_FINAL of muse_scipost or muse_exp_combine",
            ) from None
        yield cube


def _doppler(header: fits.Header) -> float:
    """Factor by which a radial-velocity correction has stretched the wavelengths."""
    velocity = float(header.get("ESO DRS MUSE PIXTABLE RVCORR", 0.0))
    return 1 + velocity / LIGHT_SPEED


def _measure_stars(cube: _Cube, table: Table) -> Iterator[Measurement]:
    bands = table[table["kind"] == "band"]
    names = list(dict.fromkeys(str(name) for name in bands["source"]))
    if not names:
        return
    first = {name: bands[bands["source"] == name][0] for name in names}
    places = [cube.pixel(float(first[n]["ra"]), float(first[n]["dec"])) for n in names]
    lines = [float(row["wavelength"]) for row in table[table["kind"] == "line"]]
    wanted = sorted({(float(row["wavelength"]), float(row["width"])) for row in bands})
    fits_of: dict[float, FieldFit] = {}
    for middle, width in wanted:
        inside = np.abs(cube.wavelengths - middle) <= width / 2
        for line in lines:
            inside &= np.abs(cube.wavelengths - line) > LINE_MASK
        planes = np.flatnonzero(inside)
        if not len(planes):
            continue
        image = cube.mean(planes)
        if any(is_covered(image, x, y) for x, y in places):
            fits_of[middle] = fit_stars(image, places)
    for index, name in enumerate(names):
        found = [(band, fit.stars[index]) for band, fit in fits_of.items()]
        stars = [(band, star) for band, star in found if star is not None]
        if not stars:
            continue
        x, y = (float(np.mean([getattr(star, axis) for _, star in stars])) for axis in "xy")
        yield from _positions(cube, table, name, first[name], x, y)
        for band, star in stars:
            row = bands[(bands["source"] == name) & (bands["wavelength"] == band)][0]
            yield Measurement(
                "flux", f"flux of {name} at {band:.0f} Å, measured over true",
                1.0, star.flux * FLUX_UNIT / float(row["flux"]), "ratio", FLUX_TOLERANCE,
            )  # fmt: skip


def _positions(
    cube: _Cube, table: Table, name: str, row: Table.Row, x: float, y: float
) -> Iterator[Measurement]:
    """East and north of the first exposure's pointing, true and measured."""
    centre = table.meta["exposures"][0]
    ra, dec = cube.wcs.pixel_to_world_values(x, y)
    cos_dec = np.cos(np.radians(float(row["dec"])))
    for direction, truth, measured, factor in (
        ("east", _turn(row["ra"] - centre["ra"]), _turn(ra - centre["ra"]), cos_dec),
        ("north", row["dec"] - centre["dec"], dec - centre["dec"], 1.0),
    ):
        yield Measurement(
            "position", f"position of {name}, {direction}", float(truth * factor * 3600),
            float(measured * factor * 3600), "arcsec", POSITION_TOLERANCE,
        )  # fmt: skip


def _turn(degrees: float) -> float:
    """A difference of right ascensions across nought hours, too."""
    return (float(degrees) + 180) % 360 - 180


def _measure_nebulae(cube: _Cube, table: Table) -> Iterator[Measurement]:
    lines = table[table["kind"] == "line"]
    for name in dict.fromkeys(str(name) for name in lines["source"]):
        rows = lines[lines["source"] == name]
        x, y = cube.pixel(float(rows[0]["ra"]), float(rows[0]["dec"]))
        radius = LINE_RADIUS * NEBULA_FWHM / cube.scale
        if not is_covered(np.asarray(cube.data.section[len(cube.wavelengths) // 2]), x, y):
            continue
        for row in rows:
            wavelength = float(row["wavelength"])
            planes = np.flatnonzero(np.abs(cube.wavelengths - wavelength) <= LINE_WINDOW)
            if len(planes) < 8:
                continue
            measured = _centroid(cube, planes, x, y, radius, wavelength)
            yield Measurement(
                "wavelength", f"wavelength of {name}'s line {wavelength:.2f}", wavelength,
                measured, "Å", WAVELENGTH_TOLERANCE,
            )  # fmt: skip


def _centroid(
    cube: _Cube, planes: NDArray[np.intp], x: float, y: float, radius: float, wavelength: float
) -> float:
    """Middle of a line in the spectrum of an aperture; NaN where no line can be fitted."""
    height, width = cube.data.shape[1:]
    rows = slice(max(0, int(y - radius)), min(height, int(y + radius) + 2))
    columns = slice(max(0, int(x - radius)), min(width, int(x + radius) + 2))
    part = np.asarray(
        cube.data.section[planes[0] : planes[-1] + 1, rows, columns], dtype=np.float64
    )
    row_index, column_index = np.indices(part.shape[1:])
    distance = np.hypot(row_index + rows.start - y, column_index + columns.start - x)
    spectrum = np.nansum(part[:, distance <= radius], axis=1)
    offsets = cube.wavelengths[planes] - wavelength

    level = float(np.median(spectrum))
    start = (level, 0.0, float(spectrum.max()) - level, float(offsets[spectrum.argmax()]), 1.2)
    try:
        found, _ = curve_fit(_line_profile, offsets, spectrum, p0=start)
    except (RuntimeError, ValueError):
        return float("nan")
    return wavelength + float(found[3])


def _line_profile(
    at: Array, level: float, slope: float, peak: float, middle: float, sigma: float
) -> Array:
    """A Gaussian on a sloping continuum."""
    return np.asarray(level + slope * at + peak * np.exp(-0.5 * ((at - middle) / sigma) ** 2))
