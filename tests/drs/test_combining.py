"""After the demo: cubes on one grid, combined; the standards of the run; offsets by hand."""

from __future__ import annotations

import pytest
from astropy.io import fits
from astropy.table import Table

from musebuild.simulation.measure import format_measurements, measure_cube
from tests.drs.reduction import (
    BAND,
    MUSEBUILD,
    TASKS,
    Reduction,
    call,
    read_settings,
    write_settings,
)

pytestmark = pytest.mark.drs

BLOCKS = {
    "muse_scipost_make_cube": {
        "from_recipe": "muse_scipost",
        "frames": {"OFFSET_LIST": "OFFSET_LIST_drs", "OUTPUT_WCS": "muse_exp_combine"},
    },
    "mpdaf_combine": {"from_recipe": "muse_scipost_make_cube", "params": {"method": "sigclip"}},
    "muse_std_combine": {},
    # One exposure with the combined response, and with offsets that stand in the settings.
    "muse_scipost_hand": {
        "init": {"output_dir": "hand"},
        "frames": {
            "OFFSET_LIST": "OFFSET_LIST_by_hand",
            "STD_RESPONSE": "muse_std_combine",
            "STD_TELLURIC": "muse_std_combine",
        },
        "params": {"skymethod": "none", "save": "cube", "filter": "white", "rvcorr": "none"} | BAND,
    },
}
SCALE = 1.5


def test_the_chain_to_a_cube_of_mpdaf_in_a_new_version(reduction: Reduction) -> None:
    settings = read_settings(reduction.folder)
    settings["version"] = "0.2"
    settings["runs"] = {"June": {"start_date": "2017-06-01", "end_date": "2017-06-30"}}
    settings["recipes"] |= BLOCKS
    exposures = Table.read(reduction.truth).meta["exposures"]
    offsets = {
        one["name"]: {"east": one["offset_east_arcsec"], "north": one["offset_north_arcsec"]}
        for one in exposures
    }
    last = exposures[-1]["name"]
    offsets[last]["scale"] = SCALE
    settings["recipes"]["exp_align_by_hand"] = {"offsets": offsets}
    file = write_settings(reduction.folder / "combining.yml", settings)
    wanted = ("mpdaf_combine", "muse_std_combine", f"muse_scipost_hand:{last}")
    ran = call(MUSEBUILD, "run", "--settings", file.name, *wanted, cwd=reduction.folder)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    # A new version reuses what did not change.
    assert f"6 ran, {TASKS} restored" in ran.stdout
    reduced = reduction.folder / "reduced" / "0.2"
    found = measure_cube(reduced / "mpdaf_combine/FIELD_mpdaf/DATACUBE_FINAL.fits", reduction.truth)
    print("\n" + format_measurements(found))
    assert not [m for m in found if not m.ok]
    table = Table.read(reduced / "mpdaf_combine/FIELD_mpdaf/STATPIX.fits")
    assert len(table) == 2
    cubes = [reduced / f"scipost_cubes/{one['name']}/DATACUBE_FINAL.fits" for one in exposures]
    assert {fits.getheader(cube)["SPECSYS"] for cube in cubes} == {"TOPOCENT"}, "rvcorr: none"
    response = Table.read(reduced / "std_combine/June/STD_RESPONSE.fits", hdu=1)
    assert len(response) == 3700
    assert abs(offsets[last]["east"]) + abs(offsets[last]["north"]) > 0.2, "it was off"
    found = measure_cube(reduced / f"hand/{last}/DATACUBE_FINAL.fits", reduction.truth)
    print("\n" + format_measurements(found))
    assert not [m for m in found if not m.ok and m.quantity != "flux"]
    fluxes = [m.measured for m in found if m.quantity == "flux"]
    assert fluxes
    assert all(abs(flux / SCALE - 1) < 0.03 for flux in fluxes), "FLUX_SCALE of the list"
