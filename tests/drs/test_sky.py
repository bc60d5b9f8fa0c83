"""The sky of one sky exposure, by the real pipeline, against what was simulated."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from astropy.io import fits
from astropy.table import Table
from astropy.wcs import WCS
from numpy.typing import NDArray

from musebuild.simulation import SimulationOptions, atmosphere, simulate
from musebuild.simulation.field import MOFFAT_BETA, seeing_at
from musebuild.simulation.measure import measure_cube
from musebuild.simulation.night import plan_night
from musebuild.simulation.spectra import GRID, SKY_LINES, sky_continuum
from tests.drs.reduction import (
    FIRST,
    IFUS,
    MUSEBUILD,
    Reduction,
    call,
    read_settings,
    write_settings,
)

pytestmark = pytest.mark.drs
Array = NDArray[np.float64]
RED = {"lambdamin": 5990.0, "lambdamax": 6410.0}
"""Å: a band of the truth table, and two strong lines of the sky."""
CONTINUUM = (6010.0, 6240.0)
"""Å: no line of the sky."""
LINES = (6300.304, 6363.776)
"""Å: oxygen, in the night sky alone."""
SPAXEL = 0.04
"""arcsec²."""


@pytest.fixture(scope="module")
def sky(reduction: Reduction) -> str:
    """The sky exposure that is reduced beside the night, and what it was for; its name."""
    folder = reduction.folder
    options = SimulationOptions(folder / "sky", ifus=IFUS, short=True, sky=1)
    night = plan_night(options)
    frames = tuple(frame for frame in night.frames if frame.spec.dpr_type == "SKY")
    (raw,) = simulate(options, replace(night, frames=frames)).raw
    settings = read_settings(folder)
    recipes = settings["recipes"]
    # The field is empty: all of it is sky.
    recipes["muse_create_sky"] = {"params": {**RED, "fraction": 1.0, "ignore": 0.0}}
    params = {**recipes["muse_scipost"]["params"], **RED, "save": "cube", "filter": "white"}
    del params["skymethod"]
    recipes["muse_scipost_sky"] = {
        "sky": "exposures",
        "params": params,
        "init": {"output_dir": "of_sky"},
    }
    file = write_settings(folder / "sky.yml", settings)
    there = folder / "raw" / raw.name
    there.symlink_to(raw)
    task = f"muse_scipost_sky:{FIRST}"
    try:
        told = call(MUSEBUILD, "associations", "--settings", file.name, task, cwd=folder).stdout
        ran = call(MUSEBUILD, "run", "--settings", file.name, task, cwd=folder)
    finally:
        # Other tests know the night without it.
        there.unlink()
    assert ran.returncode == 0, ran.stdout + ran.stderr
    # The frames of each IFU, their sky, and the cube; all else is there.
    assert f"{len(IFUS) + 2} ran, 0 restored" in ran.stdout
    name = frames[0].spec.name
    (line,) = (text for text in told.splitlines() if "SKY_CONTINUUM" in text)
    assert f"muse_create_sky:{name}" in line
    assert "+0.1 h" in line or "+0.2 h" in line
    assert "2.5′ away" in line
    return name


def above(strength: float, wavelength: float, airmass: float) -> float:
    """What the pipeline makes of a sky that no air dims: it corrects for extinction."""
    dimmed = float(atmosphere.extinction(np.array([wavelength]))[0])
    return strength * 10 ** (0.4 * dimmed * airmass)


def truth_of(reduction: Reduction) -> tuple[float, float]:
    """Airmass of the sky exposure, and strength of its lines."""
    meta = Table.read(reduction.folder / "sky/truth.ecsv", format="ascii.ecsv").meta
    (told,) = meta["sky_exposures"]
    return told["airmass"], told["lines"]


def test_lines_and_continuum_of_the_sky_are_right(reduction: Reduction, sky: str) -> None:
    airmass, strength = truth_of(reduction)
    folder = reduction.reduced / "create_sky" / sky
    lines = Table.read(folder / "SKY_LINES.fits", hdu=1)
    true = {line[2]: line[3] * strength * SPAXEL for line in SKY_LINES}
    for wavelength in LINES:
        nearest = lines[np.argmin(np.abs(lines["lambda"] - wavelength))]
        expected = above(true[wavelength], wavelength, airmass)
        print(wavelength, nearest["flux"] / expected)
        assert nearest["flux"] == pytest.approx(expected, rel=0.03)
    table = Table.read(folder / "SKY_CONTINUUM.fits", hdu=1)
    low, high = CONTINUUM
    inside = (table["lambda"] > low) & (table["lambda"] < high)
    middle = float(np.interp((low + high) / 2, GRID, sky_continuum())) * 1e20 * SPAXEL
    measured = float(np.median(table["flux"][inside])) / above(middle, (low + high) / 2, airmass)
    print("continuum", measured)
    # The dark current, which is not subtracted by default, is 4 % of it.
    assert 1.0 < measured < 1.08


def blank(reduction: Reduction) -> tuple[Array, Array]:
    """Wavelengths and mean spectrum of the third of the field that is farthest from stars.

    Their light is taken off, as it is in the truth: what is left should be nought.
    """
    with fits.open(reduction.reduced / "of_sky" / FIRST / "DATACUBE_FINAL.fits") as hdus:
        header, data = hdus["DATA"].header, hdus["DATA"].data
    wave = header["CRVAL3"] + header["CD3_3"] * (np.arange(len(data)) + 1 - header["CRPIX3"])
    y, x = np.indices(data.shape[1:])
    ra, dec = WCS(header).celestial.pixel_to_world_values(x, y)
    truth = Table.read(reduction.truth, format="ascii.ecsv")
    seeing = truth.meta["exposures"][0]["seeing_arcsec"]
    rows = truth[(truth["kind"] == "band") & (truth["wavelength"] == 6200)]
    fwhm = float(seeing_at(np.array([6200.0]), seeing)[0])
    alpha2 = fwhm**2 / (4 * (2 ** (1 / MOFFAT_BETA) - 1))
    wings = np.zeros(x.shape)
    for row in rows:
        east = (ra - row["ra"]) * np.cos(np.radians(row["dec"])) * 3600
        north = (dec - row["dec"]) * 3600
        profile = (1 + (east**2 + north**2) / alpha2) ** -MOFFAT_BETA
        peak = row["flux"] * 1e20 * SPAXEL * (MOFFAT_BETA - 1) / (np.pi * alpha2)
        wings += peak * profile
    seen = np.isfinite(data).any(axis=0)
    far = seen & (wings < np.percentile(wings[seen], 33))
    return wave, np.asarray(np.nanmean(data[:, far], axis=1) - wings[far].mean())


def test_no_more_sky_is_left_than_changed(reduction: Reduction, sky: str) -> None:
    _, strength = truth_of(reduction)
    airmass = Table.read(reduction.truth, format="ascii.ecsv").meta["exposures"][0]["airmass"]
    wave, left = blank(reduction)
    low, high = CONTINUUM
    level = float(np.median(left[(wave > low) & (wave < high)]))
    sky_level = float(np.interp(6125, GRID, sky_continuum())) * 1e20 * SPAXEL
    print("left", level, "of", sky_level)
    assert abs(level) < 0.025 * sky_level
    for wavelength in LINES:
        near = np.abs(wave - wavelength) < 5
        line = float(np.sum(left[near] - level)) * 1.25
        true = next(one[3] for one in SKY_LINES if one[2] == wavelength) * SPAXEL
        # The pipeline fits nothing: the lines of this exposure are weaker by so much.
        changed = above(true * (1.0 - strength), wavelength, airmass)
        print(wavelength, line, "expected", changed, "of", true)
        assert abs(line - changed) < 0.03 * max(true, 250)


def test_stars_are_as_bright_as_they_are(reduction: Reduction, sky: str) -> None:
    cube = reduction.reduced / "of_sky" / FIRST / "DATACUBE_FINAL.fits"
    fluxes = [one for one in measure_cube(cube, reduction.truth) if one.quantity == "flux"]
    print([one.difference for one in fluxes])
    assert len(fluxes) == 7
    assert all(abs(one.difference) < 0.04 for one in fluxes)
