"""What cannot be simulated is refused with the option that is wrong."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from musebuild.errors import UsageError
from musebuild.simulation import SimulationOptions, simulate
from musebuild.simulation.night import plan_night


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        ({"ifus": (0,)}, "--ifus"),
        ({"ifus": (1, 25)}, "--ifus"),
        ({"ifus": ()}, "--ifus"),
        ({"ifus": (3, 3)}, "--ifus"),
        ({"exposures": 0}, "--exposures"),
        ({"exposures": 21}, "--exposures"),
        ({"sky": -1}, "--sky"),
        ({"sky": 21}, "--sky"),
        ({"mode": "NFM-AO-N"}, "--mode"),
        ({"geometry": "round"}, "--geometry"),
        ({"seed": -1}, "--seed"),
        ({"night": "15.6.2017"}, "--night"),
        ({"night": "2013-06-15"}, "--night"),
    ],
)
def test_wrong_options_are_named(tmp_path: Path, wrong: dict[str, Any], named: str) -> None:
    with pytest.raises(UsageError) as error:
        simulate(SimulationOptions(tmp_path / "night", **wrong))
    assert error.value.where == named
    assert not (tmp_path / "night").exists()


def test_a_file_in_place_of_the_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "night").write_text("mine")
    with pytest.raises(UsageError, match="no folder"):
        simulate(SimulationOptions(tmp_path / "night"))
    assert (tmp_path / "night").read_text() == "mine"


def test_a_night_holds_the_full_set_of_frames(tmp_path: Path) -> None:
    night = plan_night(SimulationOptions(tmp_path, exposures=3))
    count = Counter(frame.spec.dpr_type for frame in night.frames)
    assert count == {
        "BIAS": 5, "DARK": 3, "FLAT,LAMP": 5, "WAVE": 9, "FLAT,SKY": 3,
        "FLAT,LAMP,ILLUM": 1, "STD": 1, "OBJECT": 3,
    }  # fmt: skip
    lamps = Counter(f.spec.lamps for f in night.frames if f.spec.dpr_type == "WAVE")
    assert lamps == {("Ne",): 3, ("Xe",): 3, ("HgCd",): 3}


def test_a_short_night_holds_little_more_than_the_recipes_accept(tmp_path: Path) -> None:
    whole = plan_night(SimulationOptions(tmp_path, seed=4))
    short = plan_night(SimulationOptions(tmp_path, seed=4, short=True))
    count = Counter(frame.spec.dpr_type for frame in short.frames)
    assert count == {
        "BIAS": 5, "FLAT,LAMP": 3, "WAVE": 3, "FLAT,SKY": 3, "FLAT,LAMP,ILLUM": 1, "STD": 1,
        "OBJECT": 2,
    }  # fmt: skip
    assert {f.spec.of for f in short.frames if f.spec.dpr_type in ("FLAT,LAMP", "WAVE")} == {3}
    # The field and its exposures are those of the whole night.
    assert (short.field, short.exposures, short.pointings) == (
        whole.field,
        whole.exposures,
        whole.pointings,
    )


def test_frames_follow_one_another_in_one_night(tmp_path: Path) -> None:
    night = plan_night(SimulationOptions(tmp_path, exposures=20))
    starts = [frame.spec.start for frame in night.frames]
    assert starts == sorted(starts)
    assert len({frame.spec.filename for frame in night.frames}) == len(starts)
    # From noon to noon.
    assert (starts[-1] - starts[0]).total_seconds() < 24 * 3600
    exposures = [f.spec for f in night.frames if f.spec.dpr_type == "OBJECT"]
    standard = next(f.spec for f in night.frames if f.spec.dpr_type == "STD")
    assert exposures[-1].start < standard.start


def test_the_first_exposure_is_the_reference_of_the_offsets(tmp_path: Path) -> None:
    pointings = plan_night(SimulationOptions(tmp_path, exposures=4)).pointings
    assert (pointings[0].offset_east, pointings[0].offset_north) == (0, 0)
    assert len({(p.offset_east, p.offset_north) for p in pointings}) == 4
    assert len({(p.ra, p.dec) for p in pointings}) == 4
