"""The engine's promises once more, with the real pipeline from bias to wavecal."""

from __future__ import annotations

from pathlib import Path

import pytest
from astropy.io import fits

from tests.drs.reduction import DOIT, Reduction, call, digests, other_project

pytestmark = pytest.mark.drs

ESOREX = {"cpl": {"runner": "esorex"}}
CALIBRATIONS = ("MASTER_BIAS", "MASTER_FLAT", "WAVECAL_TABLE")


def test_a_changed_bias_frame_and_back(reduction: Reduction) -> None:
    frame = next((reduction.folder / "raw").glob("MUSE.2017-06-16T10:41:*.fits"))
    original = frame.read_bytes()
    try:
        with fits.open(frame, mode="update", output_verify="ignore") as hdus:
            hdus["CHAN01"].data[2000:2010, 2000:2010] += 40
        ran = call(DOIT, "muse_wavecal", cwd=reduction.folder)
        assert "3 ran, 0 restored" in ran.stdout, ran.stdout + ran.stderr
        for recipe in ("muse_bias", "muse_flat", "muse_wavecal"):
            assert f"done      {recipe}:" in ran.stdout
    finally:
        frame.write_bytes(original)
    back = call(DOIT, cwd=reduction.folder)
    assert "0 ran, 3 restored, 12 up to date" in back.stdout, back.stdout + back.stderr


def test_a_recipe_that_runs_again_makes_the_same(reduction: Reduction) -> None:
    before = digests(reduction.folder, "MASTER_BIAS")
    ran = call(DOIT, "-a", "muse_bias", cwd=reduction.folder)
    assert "1 ran" in ran.stdout, ran.stdout + ran.stderr
    assert len(before) == 1
    assert digests(reduction.folder, "MASTER_BIAS") == before
    # Early cutoff: nothing below it is stale.
    assert "Everything is up to date" in call(DOIT, cwd=reduction.folder).stdout


def test_esorex_makes_the_same_products(reduction: Reduction, bench: Path) -> None:
    folder = other_project(bench / "esorex", reduction, **ESOREX)
    ran = call(DOIT.with_name("musebuild"), "run", "muse_wavecal", cwd=folder)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    made = digests(folder, *CALIBRATIONS)
    assert len(made) >= 4
    assert made == digests(reduction.folder, *CALIBRATIONS)
