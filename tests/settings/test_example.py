"""`settings.yml.example` is the reduction of IC4406: checked, and planned on its real headers."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from musebuild.check.everything import check_project
from musebuild.engine.project import Project
from musebuild.plan.model import Plan
from musebuild.settings.load import load_settings
from musebuild.settings.schema import schema
from tests.support.ic4406 import write_raw, write_statics

ROOT = Path(__file__).parent.parent.parent
EXAMPLE = ROOT / "settings.yml.example"


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    folder = tmp_path_factory.mktemp("ic4406")
    path = folder / "settings.yml"
    path.write_bytes(EXAMPLE.read_bytes())
    write_raw(folder / "raw")
    files = load_settings(EXAMPLE).static_calib
    write_statics(
        folder / "calib", {name: category for category, of in files.items() for name, _ in of}
    )
    found = Project(path, {"muse_calib_path": "calib"})
    yield found
    found.close()


@pytest.fixture(scope="module")
def plan(project: Project) -> Plan:
    return project.plan


def test_nothing_is_wrong_with_it(project: Project) -> None:
    problems = check_project(project)
    assert not [str(problem) for problem in problems if problem.severity == "error"]


def test_it_plans_the_whole_reduction(plan: Plan) -> None:
    counts = Counter(
        (plan.invocations[name].block, plan.invocations[name].ifu is not None)
        for name in plan.default
    )
    assert counts["muse_scibasic", True] == 24 * (6 + 1)
    for block in ("muse_scipost_rec", "muse_scipost", "muse_scipost_make_cube"):
        assert counts[block, False] == 6, block
    once = ("muse_exp_align", "muse_exp_combine", "mpdaf_combine")
    for block in (*once, "muse_twilight", "muse_standard"):
        assert counts[block, False] == 1, block
    assert counts["muse_bias", True] and counts["muse_bias", True] % 24 == 0


def test_what_cannot_run_is_left_out_with_the_reason(plan: Plan) -> None:
    blocks = {left.name for left in plan.left_out if left.name in ("imphot", "zap")}
    assert blocks == {"imphot", "zap"}
    assert not [str(left) for left in plan.left_out if left.error]


def test_frames_are_chosen_as_the_file_says(plan: Plan) -> None:
    exposure = next(n for n in plan.default if re.match("muse_scibasic:2017-06-16.*ifu01", n))
    inputs = {one.tag: one.path.rpartition("/")[2] for one in plan.invocations[exposure].inputs}
    assert inputs["GEOMETRY_TABLE"] == "geometry_table_wfm_gto17.fits"
    assert inputs["BADPIX_TABLE"] == "badpix_table.fits"
    assert not [n for n in plan.invocations if n.startswith("muse_bias:2017-06-14T09:01:03")]
    combined = plan.invocations["muse_exp_combine:IC4406_drs"]
    tags = Counter(one.tag for one in combined.inputs)
    assert tags["PIXTABLE_REDUCED"] == 6
    assert tags["OFFSET_LIST"] == 1
    (offsets,) = [one for one in combined.inputs if one.tag == "OFFSET_LIST"]
    assert offsets.invocation == "muse_exp_align:IC4406_drs"
    cubes = [n for n in plan.invocations if n.startswith("muse_scipost_make_cube:")]
    for name in cubes:
        (grid,) = [one for one in plan.invocations[name].inputs if one.tag == "OUTPUT_WCS"]
        assert grid.invocation == "muse_exp_combine:IC4406_drs"


def keys_of(part: dict[str, Any]) -> set[str]:
    """All keys that the schema names, at any depth."""
    found = set(part.get("properties", {}))
    inner = [*part.get("properties", {}).values(), *part.get("$defs", {}).values()]
    for one in [*inner, part.get("additionalProperties"), part.get("items")]:
        if isinstance(one, dict):
            found |= keys_of(one)
    return found


def test_each_key_is_explained_where_it_first_stands() -> None:
    lines = EXAMPLE.read_text(encoding="utf-8").splitlines()
    known = keys_of(schema()) - {"start_date", "end_date"}  # their mapping explains them
    seen: set[str] = set()
    for number, line in enumerate(lines, 1):
        found = re.match(r" *([A-Za-z_]+):", line)
        if found is None or found[1] in seen or found[1] not in known:
            continue
        seen.add(found[1])
        above = lines[max(0, number - 4) : number - 1]
        assert any(text.lstrip().startswith("# ") for text in above), f"line {number}: {found[1]}"
    assert len(seen) > 35


def test_its_first_line_names_the_schema_that_is_installed() -> None:
    first = EXAMPLE.read_text(encoding="utf-8").splitlines()[0]
    named = first.partition("$schema=")[2]
    installed = (ROOT / "musebuild" / named).read_bytes()
    assert installed == (ROOT / named).read_bytes()
    assert isinstance(yaml.safe_load(EXAMPLE.read_text(encoding="utf-8")), dict)
