"""The main job: raw frames to a right cube, by the real pipeline."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from astropy.io import fits

from musebuild.simulation.measure import format_measurements, measure_cube, measure_offsets
from tests.drs.quality import (
    compare_qc,
    format_comparisons,
    product_headers,
    reference_ranges,
)
from tests.drs.reduction import DOIT, MUSEBUILD, Reduction, call

pytestmark = pytest.mark.drs


def test_the_demo_ends_with_its_summary(reduction: Reduction) -> None:
    for part in (
        "15 ran, 0 restored, 0 up to date",
        f"Cube:    {reduction.cube}",
        "Preview: ",
        "The cube against the truth",
        "What to try next",
    ):
        assert part in reduction.out
    assert (reduction.folder / "preview.png").read_bytes().startswith(b"\x89PNG")


def test_the_demo_again_is_up_to_date(reduction: Reduction) -> None:
    again = call(MUSEBUILD, "demo", reduction.folder, cwd=reduction.folder.parent)
    assert again.returncode == 0
    assert "Everything is up to date (15 tasks)" in again.stdout
    assert "start" not in again.stdout
    plain = call(DOIT, cwd=reduction.folder)
    assert "Everything is up to date (15 tasks)" in plain.stdout


def test_the_cube_is_right(reduction: Reduction) -> None:
    offsets = reduction.reduced / "exp_align/FIELD_drs/OFFSET_LIST.fits"
    found = (
        *measure_offsets(offsets, reduction.truth),
        *measure_cube(reduction.cube, reduction.truth),
    )
    print("\n" + format_measurements(found))
    assert {m.quantity for m in found} == {"position", "flux", "wavelength", "offset"}
    assert not [m for m in found if not m.ok]


def test_the_quality_is_that_of_real_nights(reduction: Reduction) -> None:
    products = sorted(reduction.reduced.rglob("*.fits"))
    compared = compare_qc(reference_ranges(), product_headers(products))
    # What cannot be compared says why: the geometry of the simulation does not allow it.
    print("\n" + format_comparisons(compared))
    assert sum(1 for c in compared if c.verdict == "inside") > 20
    assert not [c for c in compared if not c.ok]


def test_products_name_their_inputs_readably(reduction: Reduction) -> None:
    header = fits.getheader(reduction.cube)
    names = {str(header[key]) for key in header if re.match(r"ESO PRO REC1 \w+ NAME", key)}
    assert {"MASTER_BIAS-01.fits", "badpix_table.fits", "TWILIGHT_CUBE.fits"} <= names
    assert "MUSE.2017-06-16T01:34:56.867.fits" in names


def test_list_and_info_of_a_real_reduction(reduction: Reduction) -> None:
    listed = call(DOIT, "list", "--status", cwd=reduction.folder).stdout
    assert listed.count("up to date  ") >= 15
    info = call(DOIT, "info", "muse_wavecal", cwd=reduction.folder).stdout
    assert "WAVECAL_TABLE-01.fits" in info
    log = re.search(r"log: (\S+)", info)
    assert log
    text = Path(log[1]).read_text(encoding="utf-8")
    assert re.search(r"\d\d:\d\d:\d\d \[ INFO  \] muse_", text)
