"""A lock file that was made before rules of classification and association changed."""

from __future__ import annotations

import json
import tarfile
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from musebuild.engine.project import Project
from musebuild.explain.lock import read_lock
from musebuild.explain.rules import rule_texts
from tests.support.projects import MockProject

ARCHIVE = Path(__file__).parent / "data" / "locked_before_the_rules.tar.xz"
"""Raw frames, settings and lock file of a mock project, as musebuild locked it when muse_lsf took
no MASTER_FLAT, every twilight a VIGNETTING_MASK, and an acquisition exposure was combined."""


@pytest.fixture
def before(tmp_path: Path) -> MockProject:
    with tarfile.open(ARCHIVE) as archive:
        archive.extractall(tmp_path, filter="data")
    return MockProject(tmp_path)


def test_what_was_locked_is_reproduced_product_by_product(before: MockProject) -> None:
    ran = before.ask("reproduce", "settings.lock", "--json", "found.json", "--into", "again")
    assert ran.status == 0, ran.text
    assert "64 products" in ran.out
    assert "reproduced" in ran.out
    found = json.loads((before.folder / "found.json").read_text(encoding="utf-8"))
    lock = json.loads((before.folder / "settings.lock").read_text(encoding="utf-8"))
    verdicts = {(one["task"], one["name"]): one["verdict"] for one in found["products"]}
    locked = {(task["name"], p["name"]) for task in lock["tasks"] for p in task["products"]}
    assert verdicts.keys() == locked
    assert set(verdicts.values()) <= {"same bytes", "same content"}
    # Whoever goes on in that folder goes on by the rules of today.
    again = MockProject(before.folder / "again")
    assert "MASTER_FLAT" in again.ask("associations", "muse_lsf").out
    assert "muse_lsf:" in again.ask("list", "--pending").out


def test_the_rules_that_choose_otherwise_now_are_named(before: MockProject) -> None:
    ran = before.ask("run", "--locked")
    assert ran.status == 1
    told = [line.strip() for line in ran.text.splitlines() if "rule: " in line]
    assert any("muse_lsf takes MASTER_FLAT by default" in line for line in told), ran.text
    assert any(
        "muse_twilight takes VIGNETTING_MASK only for frames from before MJD 57823" in line
        for line in told
    )
    assert any("MUSE.2017-06-16T01:31:56.867.fits is " in line for line in told), ran.text
    assert not before.journal
    # What a setting chooses is told of the setting.
    ran = before.ask("run", "--locked", "--set", "recipes.muse_lsf.frames.exclude=MASTER_FLAT")
    assert "muse_lsf takes MASTER_FLAT by default" not in ran.text
    assert "recipes.muse_lsf" in ran.text


def test_a_frame_that_is_classified_otherwise_now_is_named(before: MockProject) -> None:
    lock = read_lock(before.folder / "settings.lock")
    with closing(Project(before.folder / "settings.yml")) as project:
        name = "MUSE.2017-06-16T01:31:56.867.fits"
        project.raw = [
            replace(frame, category="ACQUISITION") if frame.filename == name else frame
            for frame in project.raw
        ]
        told = list(rule_texts(lock.tasks, project, ()))
        assert f"{name} is ACQUISITION now, locked is OBJECT" in told
        assert not list(rule_texts(lock.tasks, project, [("frames", "exclude")]))


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("raw/MUSE.2017-06-16T10:40:37.154.fits", "raw/../../x.fits", "is not in the lock"),
        ('"muse_lsf:2017', '"muse_lsf:../2017', "its name is no task's"),
        ('"recipe": "muse_lsf"', '"recipe": "muse_lfs"', "there is no recipe muse_lfs"),
        ('"muse_flat:2017-06-16T10:48:07.ifu01"\n', '"muse_flat:x.ifu01"\n', "is not in the lock"),
    ],
)
def test_a_damaged_lock_is_refused(before: MockProject, old: str, new: str, told: str) -> None:
    path = before.folder / "settings.lock"
    text = path.read_text(encoding="utf-8")
    head, tasks, rest = text.partition('"tasks"')
    assert old in rest
    path.write_text(head + tasks + rest.replace(old, new, 1), encoding="utf-8")
    ran = before.ask("reproduce", "settings.lock")
    assert ran.status == 2
    assert told in ran.text
    assert not before.journal


def test_a_lock_tells_the_level_of_each_association(built: MockProject) -> None:
    assert built.ask("lock", "muse_flat").status == 0
    lock = json.loads((built.folder / "settings.lock").read_text(encoding="utf-8"))
    flat = next(task for task in lock["tasks"] if task["name"].startswith("muse_flat"))
    levels = {used[0]: used[3:] for used in flat["inputs"]}
    assert levels == {"FLAT": [], "MASTER_BIAS": [0], "BADPIX_TABLE": [0]}
    assert built.ask("run", "--locked").status == 0
