"""Exposures of an empty sky: in turn with those of the field, and empty."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from astropy.table import Table

from musebuild.simulation import SimulationOptions
from musebuild.simulation.night import SKY_EXPOSURE, plan_night
from tests.simulation.conftest import simulate_few


def kinds(folder: Path, exposures: int, sky: int) -> str:
    night = plan_night(SimulationOptions(folder, exposures=exposures, sky=sky))
    frames = [f.spec for f in night.frames if f.spec.dpr_type in ("OBJECT", "SKY")]
    assert [spec.number for spec in frames] == list(range(1, exposures + sky + 1))
    assert {spec.of for spec in frames} == {exposures + sky}
    for one, other in pairwise(frames):
        assert (other.start - one.start).total_seconds() >= one.exposure + 10
    return "".join(spec.dpr_type[0] for spec in frames)


@pytest.mark.parametrize(
    ("exposures", "sky", "order"),
    [(2, 1, "OSO"), (2, 2, "OSOS"), (3, 2, "OSOSO"), (1, 2, "OSS"), (2, 3, "OSSOS"), (2, 0, "OO")],
)
def test_they_follow_the_exposures_in_turn(
    tmp_path: Path, exposures: int, sky: int, order: str
) -> None:
    assert kinds(tmp_path, exposures, sky) == order


def test_a_night_with_them_has_the_other_frames_of_one_without(tmp_path: Path) -> None:
    with_sky = plan_night(SimulationOptions(tmp_path, sky=1))
    without = plan_night(SimulationOptions(tmp_path))
    outside = ("OBJECT", "SKY")
    assert [f for f in with_sky.frames if f.spec.dpr_type not in outside] == [
        f for f in without.frames if f.spec.dpr_type not in outside
    ]
    assert with_sky.field == without.field


def test_one_shows_nothing_but_the_sky_and_repeats(tmp_path: Path) -> None:
    raw = []
    for name in "ab":
        options = SimulationOptions(tmp_path / name, sky=1)
        report = simulate_few(options, "SKY")
        raw.append(report.raw[0].read_bytes())
    assert raw[0] == raw[1]
    meta = Table.read(report.truth, format="ascii.ecsv").meta
    (told,) = meta["sky_exposures"]
    first = meta["exposures"][0]
    north, east = ((told[key] - first[key]) * 3600 for key in ("dec", "ra"))
    assert north == pytest.approx(120, abs=0.1)
    assert east * np.cos(np.radians(told["dec"])) == pytest.approx(90, abs=0.1)
    assert (told["lines"], told["exptime"]) == (1.04, SKY_EXPOSURE)
    with fits.open(report.raw[0]) as sky:
        header = sky[0].header
        image = sky[1].data[1990:2010].mean(axis=0) - 1201.5
    assert report.raw[0].name == f"MUSE.{told['name']}.fits"
    assert (header["OBJECT"], header["ESO DPR TYPE"]) == ("FIELD", "SKY")
    assert (header["RA"], header["DEC"]) == (told["ra"], told["dec"])
    # Along a row of the detector the same light in all slices: none holds a star.
    lit = image[image > np.percentile(image, 60)]
    assert np.percentile(lit, 99) < 3 * np.median(lit)
