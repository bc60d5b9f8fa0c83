"""What blocks name and what is not there, as `musebuild check` tells it."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.frames import write_raw
from tests.support.projects import MockProject

LATER = "2017-06-16T01:34:56.876"


@pytest.mark.parametrize(
    ("block", "keys", "told"),
    [
        (
            "muse_exp_combine",
            {"select": {"raw": {"name": [LATER]}}},
            (f"there is no exposure {LATER}", "did you mean 2017-06-16T01:34:56.867"),
        ),
        (
            "muse_exp_combine",
            {"names_with_selection": {"one": {"raw": {"name": LATER}}}},
            (f"there is no exposure {LATER}", "FIELD_one"),
        ),
        (
            "muse_exp_combine",
            {"select": {"raw": "EXPTIME > 9000"}},
            ("select takes 0 of 2 exposures",),
        ),
        (
            "muse_scibasic",
            {"frames": {"include": ["MASTER_DARK"]}},
            ("no task of muse_scibasic takes a MASTER_DARK: no MASTER_DARK (no raw DARK",),
        ),
    ],
)
def test_what_matches_nothing_is_a_warning(
    project: MockProject, block: str, keys: dict[str, Any], told: tuple[str, ...]
) -> None:
    project.settings["recipes"][block] = {**project.settings["recipes"].get(block, {}), **keys}
    project.write()
    checked = project.ask("check")
    assert checked.status == 0, checked.text
    for text in ("warning: ", *told):
        assert text in checked.text


def test_what_a_level_leaves_out_is_one_warning(project: MockProject) -> None:
    # Its twilight and its standard are hours from the illumination flat.
    project.settings["association"] = {"worst": {"ILLUM": 0}}
    project.write()
    checked = project.ask("check")
    assert checked.status == 0
    assert checked.text.count("warning: ") == 1
    assert "association.worst: of muse_twilight:2017-06-15T22:04:55, muse_scibasic:" in checked.text
    assert "ILLUM: 1" in project.ask("info", "muse_twilight:2017-06-15T22:04:55").text


@pytest.mark.parametrize("association", [{"worst": {"BIAS": 0}}, {"prefer": {"OBJECT": "master"}}])
def test_of_what_is_not_chosen_there_is_no_level(
    project: MockProject, association: dict[str, Any]
) -> None:
    project.settings["association"] = association
    project.write()
    checked = project.ask("check")
    assert checked.status == 2
    assert "no choice is made of" in checked.text


def test_a_recipe_without_frames_says_what_it_takes(project: MockProject) -> None:
    for name, taken in (("muse_dark", "DARK"), ("muse_create_sky", "PIXTABLE_SKY")):
        ran = project.ask("run", name)
        assert ran.status == 2
        assert f"{name} has nothing to do: it takes {taken}, and there is none" in ran.text


def test_names_of_targets_that_no_exposure_has(project: MockProject) -> None:
    raw = project.folder / "raw"
    for hour, name in enumerate(("stray", "other")):
        write_raw(raw, "OBJECT", f"2017-06-16T0{3 + hour}:00:00.000", target=name)
    project.settings["datasets"] = {"DEEP": {"OBJECT": ["FIELD", "Stary"]}}
    project.settings["frames"] = {"exclude": {"object": ["2017-06-16T03:00:00.000"]}}
    project.write()
    told = project.ask("check").text
    assert "warning: datasets.DEEP.OBJECT: no exposure has OBJECT Stary" in told
    assert "did you mean stray?" in told
    # The same is said of both, each under its own name.
    for name in ("stray", "other"):
        assert f"warning: {name}: 1 exposure of this OBJECT" in told
    assert "there is no DPR type or category object" in told
    assert "did you mean OBJECT" in told


@pytest.mark.parametrize("seconds", [0.0, -5.0, "abc"])
def test_an_exposure_without_a_time(project: MockProject, seconds: object) -> None:
    cards = {"EXPTIME": seconds}
    date = "2017-06-16T03:00:00.000"
    write_raw(project.folder / "raw", "OBJECT", date, target="FIELD", cards=cards)
    assert f"MUSE.{date}.fits: EXPTIME is no time above 0" in project.ask("check").text
