"""The measurement of a cube finds what is right, and what is wrong."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from astropy.table import Table

from musebuild.errors import UsageError
from musebuild.simulation import SimulationOptions, measure
from musebuild.simulation.measure import (
    Measurement,
    format_measurements,
    measure_cube,
    measure_offsets,
)
from musebuild.simulation.night import Night, plan_night
from musebuild.simulation.photometry import moffat
from musebuild.simulation.spectra import GRID
from musebuild.simulation.truth import write_truth

SHAPE = (3681, 52, 80)
SCALE = 0.2 / 3600


@pytest.fixture
def night(tmp_path: Path) -> Night:
    return plan_night(SimulationOptions(tmp_path, exposures=3))


@pytest.fixture
def truth(tmp_path: Path, night: Night) -> Path:
    options = SimulationOptions(tmp_path)
    return write_truth(
        tmp_path / "truth.ecsv", options, night.field, night.pointings, night.exposures
    )


def write_cube(
    path: Path,
    night: Night,
    *,
    east: float = 0.0,
    brighter: float = 1.0,
    redder: float = 0.0,
    rows: int = SHAPE[1],
    velocity: float = 0.0,
) -> Path:
    """A cube of the night's field as a perfect reduction gives it, but for what is asked."""
    wavelength = 4750 + 1.25 * np.arange(SHAPE[0])
    y, x = np.indices(SHAPE[1:], dtype=float)
    images, spectra = [], []
    for source in (*night.field.points, *night.field.nebulae):
        dx = x - (40 - (source.east + east) / 0.2)
        dy = y - (26 + source.north / 0.2)
        if hasattr(source, "lines"):
            sigma = source.fwhm / 0.2 / 2.3548
            images.append(np.exp(-(dx**2 + dy**2) / 2 / sigma**2) / (2 * np.pi * sigma**2))
            spectrum = sum(
                flux * np.exp(-0.5 * ((wavelength - at - redder) / 1.1) ** 2) / 1.1 / 2.5066
                for at, flux in source.lines
            )
        else:
            images.append(moffat(dx, dy, 3.7, 2.6))
            spectrum = np.interp(wavelength, GRID, source.spectrum())
        spectra.append(brighter * 1e20 * spectrum)
    data = np.tensordot(np.array(spectra).T, np.array(images), axes=1).astype(np.float32)
    data += np.random.default_rng(5).normal(0, 5, SHAPE).astype(np.float32)
    data[:, rows:] = np.nan
    hdu = fits.ImageHDU(data, name="DATA")
    hdu.header.update(
        CTYPE1="RA---TAN", CTYPE2="DEC--TAN", CUNIT1="deg", CUNIT2="deg",
        CRPIX1=41.0, CRPIX2=27.0, CRVAL1=night.field.ra, CRVAL2=night.field.dec,
        CD1_1=-SCALE, CD1_2=0.0, CD2_1=0.0, CD2_2=SCALE,
        CTYPE3="AWAV", CUNIT3="Angstrom", CRPIX3=1.0, CRVAL3=4750.0, CD3_3=1.25,
    )  # fmt: skip
    primary = fits.PrimaryHDU()
    if velocity:
        factor = 1 + velocity / 299_792.458
        hdu.header["CRVAL3"] *= factor
        hdu.header["CD3_3"] *= factor
        primary.header["HIERARCH ESO DRS MUSE PIXTABLE RVCORR"] = velocity
    fits.HDUList([primary, hdu]).writeto(path)
    return path


def of(quantity: str, measurements: tuple[Measurement, ...]) -> list[Measurement]:
    return [one for one in measurements if one.quantity == quantity]


def test_a_right_cube_is_right(tmp_path: Path, night: Night, truth: Path) -> None:
    found = measure_cube(write_cube(tmp_path / "cube.fits", night), truth)
    assert len(of("position", found)) == 2 * 7
    assert len(of("flux", found)) == 4 * 7
    assert len(of("wavelength", found)) == 4
    assert all(one.ok for one in found), format_measurements(found)
    assert max(abs(one.difference) for one in of("flux", found)) < 0.01


@pytest.mark.parametrize(
    ("wrong", "quantity"),
    [({"east": 0.1}, "position"), ({"brighter": 1.05}, "flux"), ({"redder": 0.2}, "wavelength")],
)
def test_what_is_wrong_is_found(
    tmp_path: Path, night: Night, truth: Path, wrong: dict[str, float], quantity: str
) -> None:
    found = measure_cube(write_cube(tmp_path / "cube.fits", night, **wrong), truth)
    for one in found:
        is_wrong = one.quantity == quantity and not one.what.endswith("north")
        assert one.ok is not is_wrong, one
    (amount,) = wrong.values()
    expected = amount - 1 if quantity == "flux" else amount
    first = next(one for one in found if one.quantity == quantity)
    assert first.difference == pytest.approx(expected, abs=0.02)
    assert "NOT OK" in format_measurements(found)
    assert "NOT OK" in format_measurements(found, brief=True)


def test_a_velocity_correction_is_undone(tmp_path: Path, night: Night, truth: Path) -> None:
    cube = write_cube(tmp_path / "cube.fits", night, velocity=25.0)
    lines = of("wavelength", measure_cube(cube, truth))
    assert len(lines) == 4
    assert all(one.ok for one in lines)


def test_sources_off_the_cube_are_left_out(tmp_path: Path, night: Night, truth: Path) -> None:
    # Stars 1 and 4 lie in the upper rows.
    found = measure_cube(write_cube(tmp_path / "cube.fits", night, rows=36), truth)
    named = {one.what.split()[2].rstrip(",") for one in of("position", found)}
    assert named == {"star2", "star3", "star5", "star6", "star7"}
    assert all(one.ok for one in found), format_measurements(found)


def test_the_field_of_another_night_is_named(tmp_path: Path, night: Night, truth: Path) -> None:
    other = plan_night(SimulationOptions(tmp_path, night="2018-01-10"))
    cube = write_cube(tmp_path / "cube.fits", other)
    with pytest.raises(UsageError, match="No source"):
        measure_cube(cube, truth)


@pytest.mark.parametrize("content", ["", "no FITS file\n" * 300])
def test_what_is_no_cube_is_named(tmp_path: Path, truth: Path, content: str) -> None:
    path = tmp_path / "cube.fits"
    path.write_text(content)
    with pytest.raises(UsageError, match=r"cube\.fits"):
        measure_cube(path, truth)


def test_what_is_no_truth_table_is_named(tmp_path: Path) -> None:
    path = tmp_path / "truth.ecsv"
    with pytest.raises(UsageError, match=r"truth\.ecsv"):
        measure_cube(path, path)
    path.write_text("# %ECSV 1.0\n# ---\n# datatype:\n# - {name: a, datatype: int64}\na\n1\n")
    with pytest.raises(UsageError, match=r"truth\.ecsv"):
        measure_cube(path, path)


def write_offsets(path: Path, truth: Path, *, error: float = 0.0, origin: float = 0.0) -> Path:
    rows = [
        (
            exposure["name"],
            (exposure["offset_east_arcsec"] + error * bool(number) + origin)
            / 3600 / np.cos(np.radians(exposure["dec"])),
            (exposure["offset_north_arcsec"] + origin) / 3600,
        )
        for number, exposure in enumerate(Table.read(truth).meta["exposures"])
    ]  # fmt: skip
    table = Table(rows=rows, names=("DATE_OBS", "RA_OFFSET", "DEC_OFFSET"))
    table.write(path, format="fits")
    return path


@pytest.mark.parametrize("origin", [0.0, 0.3])
def test_right_offsets_are_right(tmp_path: Path, truth: Path, origin: float) -> None:
    found = measure_offsets(write_offsets(tmp_path / "o.fits", truth, origin=origin), truth)
    assert len(found) == 2 * 2
    assert all(one.ok for one in found)


def test_a_wrong_offset_is_found(tmp_path: Path, truth: Path) -> None:
    found = measure_offsets(write_offsets(tmp_path / "o.fits", truth, error=0.03), truth)
    assert [one.ok for one in found] == [False, True, False, True]
    assert found[0].difference == pytest.approx(0.03, abs=1e-6)


def test_what_is_no_list_of_offsets_is_named(tmp_path: Path, truth: Path) -> None:
    with pytest.raises(UsageError, match=r"truth\.ecsv"):
        measure_offsets(truth, truth)
    Table({"DATE_OBS": ["2000-01-01"], "RA_OFFSET": [0.0], "DEC_OFFSET": [0.0]}).write(
        tmp_path / "other.fits"
    )
    with pytest.raises(UsageError, match="fewer than two"):
        measure_offsets(tmp_path / "other.fits", truth)


def test_what_is_no_number_is_not_ok() -> None:
    one = Measurement("flux", "flux of x", 1.0, float("nan"), "ratio", measure.FLUX_TOLERANCE)
    assert not one.ok
    good = Measurement("flux", "flux of y", 1.0, 1.0, "ratio", measure.FLUX_TOLERANCE)
    assert "1 NOT OK" in format_measurements([good, one], brief=True)
    assert "flux of x" in format_measurements([good, one], brief=True)


def test_no_measurements_make_no_lines() -> None:
    assert format_measurements([], brief=True) == ""
