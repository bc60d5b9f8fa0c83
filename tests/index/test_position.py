"""Datasets by position: what people write, and which exposures that takes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from musebuild.index.columns import dataset_of, datasets_of
from musebuild.settings.load import load_settings
from musebuild.settings.model import Cone, Settings
from musebuild.settings.problems import SettingsProblems
from musebuild.settings.sky import declination, radius, right_ascension, separation, within
from tests.support.frames import write_raw
from tests.support.projects import MockProject

DEEP = "datasets: {DEEP: {position: {ra: 00:40:00, dec: -45:00:00, radius: 1 arcmin}}}\n"


def loaded(folder: Path, text: str) -> Settings:
    path = folder / "settings.yml"
    path.write_text(text, encoding="utf-8")
    return load_settings(path, environment={})


@pytest.mark.parametrize(
    ("read", "text", "value"),
    [
        (right_ascension, "14:22:26.21", 215.609208333),
        (right_ascension, "14h22m26.21s", 215.609208333),
        (right_ascension, "215.6", 215.6),
        (declination, "-44:09:02.0", -44.150555556),
        (declination, "-00:00:36", -0.01),
        (declination, "-0d30m", -0.5),
        (declination, -12.5, -12.5),
        (radius, "90", 0.025),
        (radius, "1.5 arcmin", 0.025),
        (radius, "0.025deg", 0.025),
    ],
)
def test_degrees_and_sixtieths(read: Any, text: object, value: float) -> None:
    assert read(text) == pytest.approx(value, abs=1e-9)


@pytest.mark.parametrize(
    ("read", "text"),
    [
        (right_ascension, "24:00:00"),
        (right_ascension, "-1"),
        (right_ascension, "14d00m00s"),
        (right_ascension, "14:61:00"),
        (right_ascension, "nan"),
        (declination, "91"),
        (declination, "10h00m00s"),
        (declination, "north"),
        (radius, "0"),
        (radius, "10 deg"),
        (radius, "1 parsec"),
        (radius, "-3"),
    ],
)
def test_anything_else_is_refused(read: Any, text: str) -> None:
    with pytest.raises(ValueError, match=r"it is n|minutes and seconds"):
        read(text)


def test_mistakes_are_told_together_where_they_stand(tmp_path: Path) -> None:
    with pytest.raises(SettingsProblems) as told:
        loaded(tmp_path, "datasets: {A: {position: {ra: 400, radius: 1 parsec}}}\n")
    assert {problem.keys[2:] for problem in told.value.problems} == {
        ("position", "ra"),
        ("position",),
        ("position", "radius"),
    }


@given(
    st.floats(0, 359.9), st.floats(-89, 89), st.floats(0, 0.2), st.sampled_from([0, 90, 180, 270])
)
def test_a_circle_holds_what_is_near_also_across_24_hours(
    ra: float, dec: float, away: float, angle: int
) -> None:
    cone = Cone(ra, dec, 0.1)
    other = (ra, dec + away if angle < 180 else dec - away)
    distance = separation(ra, dec, *other)
    assert distance == pytest.approx(away, abs=1e-9)
    assert within(cone, *other) == (distance <= 0.1)
    assert separation(359.95, 0, 0.05, 0) == pytest.approx(0.1)
    assert not within(cone, None, dec)
    assert not within(cone, "10 00 00", dec)


def test_a_position_takes_every_name_and_a_name_beside_it_only_its_own(tmp_path: Path) -> None:
    deep = loaded(tmp_path, DEEP)
    here, there = ("OBJECT", 10.0, -45.01), ("OBJECT", 10.0, -45.1)
    assert dataset_of("ANY", deep, *here) == "DEEP"
    assert dataset_of("ANY", deep, *there) == "ANY"
    assert dataset_of("ANY", deep, "STD", *here[1:]) == "ANY", "a standard is no exposure of it"
    assert dataset_of("DEEP", deep, *there) == "", "it has the name, and is elsewhere"
    assert dataset_of("ANY", deep, "OBJECT", None, None) == "ANY"
    both = loaded(tmp_path, DEEP.replace("{position", "{OBJECT: [A, B], position"))
    assert [dataset_of(name, both, *here) for name in "AC"] == ["DEEP", "C"]
    two = loaded(tmp_path, DEEP.replace("{DEEP", "{A: {}, DEEP"))
    assert datasets_of("A", two, *here) == ["A", "DEEP"]


def test_a_name_that_a_dataset_does_not_list_is_not_of_it(tmp_path: Path) -> None:
    other = loaded(tmp_path, "datasets: {FIELD: {OBJECT: OTHER}}\n")
    assert dataset_of("OTHER", other) == "FIELD"
    assert dataset_of("FIELD", other) == ""


def test_one_cube_of_a_place_from_headers_alone(project: MockProject) -> None:
    raw = project.folder / "raw"
    for path in raw.glob("MUSE.2017-06-16T01:3*.fits"):
        path.unlink()
    for number, (target, dec) in enumerate([("A", -45.0), ("b2", -45.001), ("A", -45.2)]):
        cards = {"RA": 10.0, "DEC": dec}
        write_raw(raw, "OBJECT", f"2017-06-16T01:3{number}:56.867", target=target, cards=cards)
    project.settings["datasets"] = {
        "DEEP": {"position": {"ra": "00:40:00", "dec": "-45:00:00", "radius": "30 arcsec"}}
    }
    project.settings["ifus"] = 1
    project.write()
    listed = project.ask("list").text
    assert "muse_exp_combine:DEEP_drs" in listed
    assert "A: 1 exposure of this OBJECT belong to no dataset" in listed
    fields = json.loads(project.ask("info", "--fields", "--format", "json").out)
    assert [(f["field"], f["OBJECT"], f["exposures"], f["exptime"]) for f in fields] == [
        ("J004000-450000", ["A", "b2"], 2, 1200.0),
        ("J004000-451200", ["A"], 1, 600.0),
    ]
    assert fields[0]["east"] == pytest.approx(60, abs=0.2)
    assert fields[0]["north"] == pytest.approx(63.6, abs=0.2)
    # Written in other words it means the same, and further away other exposures.
    project.settings["datasets"]["DEEP"]["position"] = {"ra": 10.0, "dec": -45.2, "radius": 20}
    project.write()
    assert "DEEP has 1 exposure: there is nothing to align or combine" in project.ask("list").text
    project.settings["datasets"]["DEEP"]["position"]["dec"] = -46
    project.write()
    checked = project.ask("check")
    assert checked.status != 0
    assert "no exposure points within 20 arcsec of its position; the nearest is A" in checked.text
    project.settings["datasets"] = {
        "A": {},
        "DEEP": {"position": {"ra": 10.0, "dec": -45.0, "radius": 20}},
    }
    project.write()
    told = project.ask("check").text
    assert "DEEP: 1 of its exposures belongs to the dataset A already" in told
    assert "no exposure points within" not in told
