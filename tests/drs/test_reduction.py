"""The main job: raw frames to a right cube, by the real pipeline."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

from musebuild.simulation.measure import format_measurements, measure_cube, measure_offsets
from tests.drs.quality import (
    compare_qc,
    format_comparisons,
    product_headers,
    reference_ranges,
)
from tests.drs.reduction import DOIT, FIRST, IFUS, MUSEBUILD, SECOND, TASKS, Reduction, call

pytestmark = pytest.mark.drs


def test_the_demo_ends_with_its_summary(reduction: Reduction) -> None:
    for part in (
        f"{TASKS} ran, 0 restored, 0 up to date",
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
    assert f"Everything is up to date ({TASKS} tasks)" in again.stdout
    assert "start" not in again.stdout
    plain = call(DOIT, cwd=reduction.folder)
    assert f"Everything is up to date ({TASKS} tasks)" in plain.stdout


def test_the_cube_is_right(reduction: Reduction) -> None:
    offsets = reduction.reduced / "exp_align/FIELD_drs/OFFSET_LIST.fits"
    found = (
        *measure_offsets(offsets, reduction.truth),
        *measure_cube(reduction.cube, reduction.truth),
    )
    print("\n" + format_measurements(found))
    assert {m.quantity for m in found} == {"position", "flux", "wavelength", "offset"}
    assert not [m for m in found if not m.ok]


def test_all_bands_and_lines_are_right(
    reduction: Reduction, parts_of_a_cube: tuple[Path, ...]
) -> None:
    # The band and the lines about 6300 Å are those of the second pass of the demo.
    cubes = (reduction.reduced / f"scipost/{SECOND}/DATACUBE_FINAL.fits", *parts_of_a_cube)
    found = [one for cube in cubes for one in measure_cube(cube, reduction.truth)]
    print("\n" + format_measurements(found))
    assert not [m for m in found if not m.ok]
    count = Counter(m.quantity for m in found)
    assert count == {"position": len(cubes) * 7 * 2, "flux": 7 * 4, "wavelength": 4}


def test_two_ifus_are_split_and_come_together(reduction: Reduction) -> None:
    by_ifu = ("MASTER_BIAS", "MASTER_FLAT", "TRACE_TABLE", "WAVECAL_TABLE", "LSF_PROFILE")
    for name in by_ifu:
        assert len(list(reduction.reduced.rglob(f"{name}-0?.fits"))) == len(IFUS), name
    for exposure in (FIRST, SECOND):
        tables = list(reduction.reduced.rglob(f"{exposure}/PIXTABLE_OBJECT_0001-0?.fits"))
        assert len(tables) == len(IFUS)
    # What takes all IFUs names the tables of both.
    taken = {
        "TWILIGHT_CUBE.fits": ("MASTER_BIAS", "MASTER_FLAT", "TRACE_TABLE", "WAVECAL_TABLE"),
        "STD_RESPONSE*.fits": ("PIXTABLE_STD_0001",),
        f"scipost/{FIRST}/DATACUBE_FINAL.fits": ("PIXTABLE_OBJECT_0001", "LSF_PROFILE"),
    }
    for product, inputs in taken.items():
        (path,) = sorted(reduction.reduced.rglob(product))
        names = input_names(path)
        assert {f"{name}-0{ifu}.fits" for name in inputs for ifu in IFUS} <= names, product
    # The cube is as high as both: 48 spaxels each, and light in every row that all exposures saw.
    image = fits.getdata(reduction.cube.with_name("IMAGE_FOV_0001.fits"), "DATA")
    rows = np.isfinite(image).sum(axis=1)
    assert np.count_nonzero(rows > 60) > 2 * 48 - 8


def input_names(path: Path) -> set[str]:
    """Names of the files that a product was made from, as its header has them."""
    header = fits.getheader(path)
    return {
        str(header[key]) for key in header if re.match(r"ESO PRO REC\d+ (RAW|CAL)\d+ NAME", key)
    }


def test_the_quality_is_that_of_real_nights(reduction: Reduction) -> None:
    products = sorted(reduction.reduced.rglob("*.fits"))
    second = [path for path in products if path.stem.endswith("-02")]
    compared = compare_qc(
        reference_ranges(), product_headers(p for p in products if p not in second)
    )
    # What cannot be compared says why: the geometry of the simulation does not allow it.
    print("\n" + format_comparisons(compared))
    assert sum(1 for c in compared if c.verdict == "inside") > 20
    assert not [c for c in compared if not c.ok]
    # In most IFUs the chance of the simulation puts a slice or two just beyond the 24 real ones.
    compared = compare_qc(reference_ranges(), product_headers(second))
    print("\nThe other IFU:\n" + format_comparisons(compared))
    inside = sum(1 for c in compared if c.verdict == "inside")
    outside = sum(1 for c in compared if not c.ok)
    assert inside > 400
    assert outside < 0.01 * inside


def test_products_name_their_inputs_readably(reduction: Reduction) -> None:
    names = input_names(reduction.cube)
    assert {"MASTER_BIAS-01.fits", "badpix_table.fits", "TWILIGHT_CUBE.fits"} <= names
    assert f"MUSE.{FIRST}.fits" in names


def test_list_and_info_of_a_real_reduction(reduction: Reduction) -> None:
    listed = call(DOIT, "list", "--status", cwd=reduction.folder).stdout
    assert listed.count("up to date  ") >= 15
    info = call(DOIT, "info", "muse_wavecal", cwd=reduction.folder).stdout
    assert "WAVECAL_TABLE-01.fits" in info
    log = re.search(r"log: (\S+)", info)
    assert log
    text = Path(log[1]).read_text(encoding="utf-8")
    assert re.search(r"\d\d:\d\d:\d\d \[ INFO  \] muse_", text)
