"""The calibrations of the real IC4406 exposures, as an observer would choose them from the headers.

What is expected was worked out by hand from the times, nights, modes and temperatures in
`tests/support/data/ic4406_raw_headers.csv`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from musebuild.engine.project import Project
from musebuild.plan.model import Plan
from musebuild.report.associations import Association, associations
from musebuild.settings.load import load_settings
from tests.support.ic4406 import write_raw, write_statics

SETTINGS = Path(__file__).parent.parent / "settings" / "data" / "ic4406.yml"
Change = Callable[[dict[str, Any]], None]


@pytest.fixture(scope="module")
def planned(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[Change], Plan]]:
    """Plans the real set with a change of its settings."""
    folder = tmp_path_factory.mktemp("ic4406")
    write_raw(folder / "raw")
    files = load_settings(SETTINGS).static_calib
    named = {name: category for category, of in files.items() for name, _ in of}
    write_statics(folder / "calib", named)
    projects = []

    def plan(change: Change) -> Plan:
        tree = yaml.safe_load(SETTINGS.read_text(encoding="utf-8"))
        tree["muse_calib_path"] = "calib"
        tree["cpl"] = {"runner": "mock"}
        change(tree)
        path = folder / f"settings{len(projects)}.yml"
        path.write_text(yaml.safe_dump(tree, sort_keys=False), encoding="utf-8")
        projects.append(Project(path))
        return projects[-1].plan

    yield plan
    for project in projects:
        project.close()


def taken(plan: Plan, task: str) -> dict[str, Association]:
    """Category → what a task takes."""
    names = [name for name, made in plan.invocations.items() if made.task == task]
    return {one.tag: one for one in associations(plan, names)[task]}


def test_exposures_take_the_sequences_of_their_night_and_the_nearest_of_others(
    planned: Callable[[Change], Plan],
) -> None:
    plan = planned(lambda tree: None)
    held = taken(plan, "muse_scibasic:2017-06-16T01:34:56.867")
    expected = {
        "MASTER_BIAS": ("muse_bias:2017-06-16T10:40:27", "same night", 0),
        "MASTER_FLAT": ("muse_flat:2017-06-16T12:15:46", "same night", 0),
        "TRACE_TABLE": ("muse_flat:2017-06-16T12:15:46", "same night", 0),
        "WAVECAL_TABLE": ("muse_wavecal:2017-06-16T12:32:03", "same night", 0),
        # The only sky flats are of the evening three nights later: just within the offset.
        "TWILIGHT_CUBE": ("muse_twilight:2017-06-18T22:04:55", "other night", 3),
    }
    for category, (source, grade, nights) in expected.items():
        one = held[category]
        assert one.quality is not None
        assert (one.source, one.quality.grade, one.quality.nights) == (source, grade, nights)
    held = taken(plan, "muse_scipost_rec:2017-06-16T01:34:56.867")
    for category in ("STD_RESPONSE", "STD_TELLURIC"):
        one = held[category]
        assert one.quality is not None
        assert one.source == "muse_standard:2017-06-19T09:32:26.112"
        assert one.quality.nights == 3


@pytest.mark.parametrize(
    ("exposure", "illum"),
    [
        # 12.53 °C: 12.54 °C at 01:25, 12.48 at 01:57, 12.26 at 03:08.
        ("2017-06-16T01:34:56.867", "MUSE.2017-06-16T01:25:02.867.fits.fz"),
        ("2017-06-16T01:37:47.867", "MUSE.2017-06-16T01:25:02.867.fits.fz"),
        # 12.49 °C.
        ("2017-06-16T01:43:32.868", "MUSE.2017-06-16T01:57:38.868.fits.fz"),
        ("2017-06-16T01:49:19.866", "MUSE.2017-06-16T01:57:38.868.fits.fz"),
        # The standard: the one of 08:21, since the other of that night is 10 hours earlier.
        ("2017-06-19T09:32:26.112", "MUSE.2017-06-19T08:21:48.110.fits.fz"),
    ],
)
def test_the_illumination_flat_is_the_nearest_in_temperature(
    exposure: str, illum: str, planned: Callable[[Change], Plan]
) -> None:
    one = taken(planned(lambda tree: None), f"muse_scibasic:{exposure}")["ILLUM"]
    assert Path(one.source).name == illum


def test_of_two_nights_as_near_the_later_one(planned: Callable[[Change], Plan]) -> None:
    flat = "muse_flat:2017-06-19T12:04:11"
    one = taken(planned(lambda tree: None), flat)["MASTER_BIAS"]
    assert one.source == "muse_bias:2017-06-20T10:38:50"
    assert one.quality is not None
    assert one.quality.nights == 1

    def without(tree: dict[str, Any]) -> None:
        tree["frames"]["exclude"]["BIAS"].append({"TPL_START": "2017-06-20T10:38:50"})

    one = taken(planned(without), flat)["MASTER_BIAS"]
    assert one.source == "muse_bias:2017-06-18T11:03:09"
    assert one.quality is not None
    assert one.quality.nights == -1


def test_what_the_settings_exclude_is_not_planned(planned: Callable[[Change], Plan]) -> None:
    tasks = {made.task for made in planned(lambda tree: None).invocations.values()}
    assert "muse_bias:2017-06-14T09:01:03" not in tasks

    def with_it(tree: dict[str, Any]) -> None:
        del tree["frames"]

    tasks = {made.task for made in planned(with_it).invocations.values()}
    assert "muse_bias:2017-06-14T09:01:03" in tasks


def test_a_smaller_offset_refuses_the_sky_flats_and_says_what_would_take_them(
    planned: Callable[[Change], Plan],
) -> None:
    def near(tree: dict[str, Any]) -> None:
        tree["recipes"]["muse_scibasic"]["frames"] = {"offsets": {"TWILIGHT_CUBE": 2}}

    plan = planned(near)
    left = [left for left in plan.left_out if left.name == "muse_scibasic:2017-06-16T01:34:56.867"]
    assert left
    assert left[0].error
    (missing,) = left[0].causes
    assert missing.category == "TWILIGHT_CUBE"
    (refused,) = missing.refused
    assert refused.task == "muse_twilight:2017-06-18T22:04:55"
    assert "3 nights later" in refused.reason
    assert refused.setting == "recipes.muse_scibasic.frames.offsets: {TWILIGHT_CUBE: 3}"
