"""The engine's promises once more, with the real pipeline from bias to wavecal."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from astropy.io import fits

from tests.drs.reduction import DOIT, MUSEBUILD, TASKS, Reduction, call, digests, other_project

pytestmark = pytest.mark.drs

CALIBRATIONS = ("MASTER_BIAS", "MASTER_FLAT", "WAVECAL_TABLE")


def test_a_changed_bias_frame_and_back(reduction: Reduction) -> None:
    frame = next((reduction.folder / "raw").glob("MUSE.2017-06-16T10:41:*.fits"))
    original = frame.read_bytes()
    try:
        with fits.open(frame, mode="update", output_verify="ignore") as hdus:
            hdus["CHAN01"].data[2000:2010, 2000:2010] += 40
        ran = call(DOIT, "muse_wavecal", cwd=reduction.folder)
        assert "3 ran, 0 restored" in ran.stdout, ran.stdout + ran.stderr
        # The other IFU of the frame is as it was.
        done = re.findall(r"done +(\w+):\S+(ifu\d\d)", ran.stdout)
        assert done == [(name, "ifu01") for name in ("muse_bias", "muse_flat", "muse_wavecal")]
    finally:
        frame.write_bytes(original)
    back = call(DOIT, cwd=reduction.folder)
    told = f"0 ran, 3 restored, {TASKS - 3} up to date"
    assert told in back.stdout, back.stdout + back.stderr


def test_a_recipe_that_runs_again_makes_the_same(reduction: Reduction) -> None:
    before = digests(reduction.folder, "exp_align")
    ran = call(DOIT, "-a", "-s", "muse_exp_align", cwd=reduction.folder)
    assert "1 ran" in ran.stdout, ran.stdout + ran.stderr
    assert len(before) >= 3
    assert digests(reduction.folder, "exp_align") == before
    # Early cutoff: nothing below it is stale.
    assert "Everything is up to date" in call(DOIT, cwd=reduction.folder).stdout


def test_esorex_makes_the_same_products(reduction: Reduction, bench: Path) -> None:
    folder = other_project(bench / "esorex", reduction, cpl={"runner": "esorex"}, ifus=[2])
    ran = call(MUSEBUILD, "run", "muse_wavecal", cwd=folder)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    made = digests(folder, *CALIBRATIONS)
    assert len(made) >= 4
    theirs = digests(reduction.folder, *CALIBRATIONS)
    assert made == {name: digest for name, digest in theirs.items() if "-02." in name}
