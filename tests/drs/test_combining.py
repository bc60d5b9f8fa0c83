"""After the demo: cubes on one grid, combined with MPDAF; the standards of the run."""

from __future__ import annotations

import pytest
import yaml
from astropy.table import Table

from musebuild.simulation.measure import format_measurements, measure_cube
from tests.drs.reduction import MUSEBUILD, Reduction, call

pytestmark = pytest.mark.drs

BLOCKS = {
    "muse_scipost_make_cube": {
        "from_recipe": "muse_scipost",
        "frames": {"OFFSET_LIST": "OFFSET_LIST_drs", "OUTPUT_WCS": "muse_exp_combine"},
    },
    "mpdaf_combine": {"from_recipe": "muse_scipost_make_cube", "params": {"method": "sigclip"}},
    "muse_std_combine": {},
}


def test_the_chain_to_a_cube_of_mpdaf_in_a_new_version(reduction: Reduction) -> None:
    settings = yaml.safe_load((reduction.folder / "settings.yml").read_text(encoding="utf-8"))
    settings["version"] = "0.2"
    settings["runs"] = {"June": {"start_date": "2017-06-01", "end_date": "2017-06-30"}}
    settings["recipes"] |= BLOCKS
    file = reduction.folder / "combining.yml"
    file.write_text(yaml.safe_dump(settings, sort_keys=False), encoding="utf-8")
    wanted = ("mpdaf_combine", "muse_std_combine")
    ran = call(MUSEBUILD, "run", "--settings", file.name, *wanted, cwd=reduction.folder)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    # A new version reuses what did not change.
    assert "4 ran, 15 restored" in ran.stdout
    reduced = reduction.folder / "reduced" / "0.2"
    found = measure_cube(reduced / "mpdaf_combine/FIELD_mpdaf/DATACUBE_FINAL.fits", reduction.truth)
    print("\n" + format_measurements(found))
    assert not [m for m in found if not m.ok]
    table = Table.read(reduced / "mpdaf_combine/FIELD_mpdaf/STATPIX.fits")
    assert len(table) == 2
    response = Table.read(reduced / "std_combine/June/STD_RESPONSE.fits", hdu=1)
    assert len(response) == 3700
