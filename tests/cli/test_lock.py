"""Lock files: what they hold, what `--locked` refuses, and what a reproduction finds."""

from __future__ import annotations

import json
import os
import re
import shutil
import time
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from musebuild.cli.main import main
from musebuild.explain.lock import LockedProduct, read_lock
from tests.support.frames import write_raw
from tests.support.in_process import call_main
from tests.support.projects import MockProject, make_mock_project

FLAT = "muse_flat:2017-06-16T10:48:07"
Call = Callable[..., tuple[int, str]]


@pytest.fixture(scope="module")
def locked(tmp_path_factory: pytest.TempPathFactory, night: Path) -> MockProject:
    """A project of which a part was built and locked."""
    project = make_mock_project(tmp_path_factory.mktemp("lock") / "project", night)
    # Digests of frames that were written a moment ago are not trusted.
    time.sleep(0.3)
    assert call_main(["run", "-q", "-d", str(project.folder), "muse_wavecal"]) == 0
    assert main(["lock", "-d", str(project.folder), "muse_wavecal"]) == 0
    return project


@pytest.fixture
def same(locked: MockProject) -> Iterator[MockProject]:
    """The locked project; settings and behaviour are set back afterwards."""
    settings = (locked.folder / "settings.yml").read_text(encoding="utf-8")
    yield locked
    (locked.folder / "settings.yml").write_text(settings, encoding="utf-8")
    locked.unrule()


@pytest.fixture
def call(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Call:
    """Run a command in a folder; (exit status, all that it printed)."""

    def run(folder: Path, *arguments: str) -> tuple[int, str]:
        monkeypatch.chdir(folder)
        capsys.readouterr()
        status = main(list(arguments))
        captured = capsys.readouterr()
        return status, captured.out + captured.err

    return run


def test_a_lock_holds_frames_tasks_and_products(locked: MockProject) -> None:
    lock = read_lock(locked.folder / "settings.lock")
    assert lock.software.drs == "mock"
    assert lock.targets == ("muse_wavecal",)
    names = [task.name for task in lock.tasks]
    assert len(names) == 6
    assert names.index("muse_bias:2017-06-16T10:40:27.ifu01") < names.index(f"{FLAT}.ifu01")
    frame = next(f for f in lock.frames if "10:41:37" in f.path)
    assert frame.archive == "MUSE.2017-06-16T10:41:37.154"
    assert (frame.place, frame.tags) == ("raw", ("BIAS",))
    assert {f.archive for f in lock.frames if f.place == "calib"} == {""}
    flat = next(task for task in lock.tasks if task.name == f"{FLAT}.ifu01")
    assert flat.record is not None
    made = [used.tag for used in flat.record.inputs if used.kind == "product"]
    assert made == ["MASTER_BIAS"]
    (product,) = flat.products[:1]
    assert isinstance(product, LockedProduct)
    assert {"PRIMARY", "CHAN01"} == set(product.hdus)


def test_only_what_is_made_can_be_locked(project: MockProject, call: Call) -> None:
    status, text = call(project.folder, "lock")
    assert status == 1
    assert "22 of 22 tasks are not made" in text
    assert not (project.folder / "settings.lock").exists()


def test_locked_builds_what_was_locked(same: MockProject, call: Call) -> None:
    status, text = call(same.folder, "run", "--locked")
    assert (status, "6 tasks" in text) == (0, True), text


def test_locked_refuses_with_all_that_differs(
    same: MockProject, call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    same.params("muse_flat", samples=5)
    monkeypatch.setenv("MUSE_PLOT", "1")
    raw = same.folder / "raw"
    frame = next(raw.glob("*10:41:37*"))
    before = frame.read_bytes()
    write_raw(raw, "BIAS", "2017-06-16T10:41:37.154", tpl="2017-06-16T10:40:27", value=1)
    more = write_raw(raw, "BIAS", "2017-06-16T10:43:37.154", tpl="2017-06-16T10:40:27")
    status, text = call(same.folder, "run", "--locked")
    assert status == 1
    for part in (
        "recipes.muse_flat.params.samples is 5, locked is (not set)",
        "MUSE_PLOT is 1, locked is (not set)",
        f"{frame.name} has other data than the locked one",
        f"{more.name} is used, and is not in the lock",
        "muse_bias:2017-06-16T10:40:27.ifu02 would be made otherwise",
    ):
        assert part in text
    frame.write_bytes(before)
    more.unlink()


def test_what_has_the_same_data_is_as_the_lock_says(same: MockProject, call: Call) -> None:
    raw = same.folder / "raw"
    frame = next(raw.glob("*10:41:37*"))
    (raw / "night").mkdir()
    frame.rename(raw / "night" / frame.name)
    # What is told of a block that the lock does not have is what is set in it.
    same.settings["recipes"]["muse_flat"] = {"enabled": True}
    same.write()
    status, text = call(same.folder, "run", "--locked")
    assert (status, "6 tasks" in text) == (0, True), text
    (raw / "night" / frame.name).rename(frame)
    del same.settings["recipes"]["muse_flat"]
    # An IFU less is a task less; its frames are used by the others.
    status, text = call(same.folder, "run", "--locked", "--set", "ifus=1")
    assert (status, "frame:" in text) == (1, False), text
    assert "settings: ifus is 1, locked is all" in text
    assert f"task: {FLAT}.ifu02 is locked, and is not in the plan" in text


def test_settings_that_are_not_understood_are_told(same: MockProject, call: Call) -> None:
    path = same.folder / "settings.lock"
    before = path.read_text(encoding="utf-8")
    data = json.loads(before)
    data["settings"]["recipes"] = ["of tomorrow"]
    path.write_text(json.dumps(data), encoding="utf-8")
    status, text = call(same.folder, "run", "--locked")
    assert status == 1
    assert "(1 difference), and --locked refuses" in text
    assert "settings: those of the lock are not understood" in text
    path.write_text(before, encoding="utf-8")


def test_a_reproduction_has_the_same_content(
    same: MockProject, call: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Recipes see the locked variables; those of this process stay as they are.
    monkeypatch.setenv("MUSE_PLOT", "1")
    status, text = call(
        same.folder, "reproduce", "--into", str(tmp_path / "new"), "--json", "found.json"
    )
    assert status == 0, text
    assert text.endswith("reproduced\n")
    assert os.environ["MUSE_PLOT"] == "1"
    found = json.loads((same.folder / "found.json").read_text(encoding="utf-8"))
    assert found["reproduced"] is True
    assert {p["verdict"] for p in found["products"]} <= {"same bytes", "same content"}
    # Nothing came from the cache of the locked project.
    assert len(list((tmp_path / "new" / "store" / "manifests").glob("*/*.json"))) == 6
    status, text = call(same.folder, "reproduce", "--into", str(tmp_path / "new"))
    assert status == 2
    assert "is not empty" in text


def test_a_reproduction_tells_what_differs_and_how_much(same: MockProject, call: Call) -> None:
    same.rule(recipe="muse_flat", ifu=2, salt="another machine")
    same.rule(recipe="muse_wavecal", ifu=1, fail="no lines found")
    status, text = call(same.folder, "reproduce", "--junit", "found.xml", "--json", "found.json")
    assert status == 1
    assert re.search(r"different: \S+\.ifu02 MASTER_FLAT-02.fits: CHAN02: \d+ of 48 pixels", text)
    assert "by at most" in text
    assert "muse_wavecal:2017-06-16T10:55:57.ifu01 was not made" in text
    suite = ElementTree.parse(same.folder / "found.xml").getroot()[0]
    assert suite.get("errors") == "1"
    messages = {f.get("message") for case in suite for f in case.findall("failure")}
    assert messages == {"different", "missing"}
    found = json.loads((same.folder / "found.json").read_text(encoding="utf-8"))
    assert found["reproduced"] is False
    assert list(found["failures"]) == ["muse_wavecal:2017-06-16T10:55:57.ifu01"]
    assert {p["verdict"] for p in found["products"] if p["differences"]} == {"different"}


def test_frames_that_are_not_the_locked_ones_are_refused(
    same: MockProject, call: Call, tmp_path: Path
) -> None:
    raw = tmp_path / "raw"
    shutil.copytree(same.folder / "raw", raw)
    next(raw.glob("*10:40:37*")).unlink()
    write_raw(raw, "BIAS", "2017-06-16T10:41:37.154", tpl="2017-06-16T10:40:27", value=1)
    moved = next(raw.glob("*10:42:37*"))
    (raw / "2017").mkdir()
    moved.rename(raw / "2017" / moved.name)
    status, text = call(same.folder, "reproduce", "--raw", str(raw))
    assert status == 1
    assert "2 of" in text
    assert "10:40:37.154.fits is missing" in text
    assert "10:41:37.154.fits has other data than the locked frame" in text
    assert "musebuild retrieve --locked" in text


@pytest.mark.parametrize("text", ["{}", "no json", '{"musebuild-lock": 2}', '{"frames": 1}'])
def test_a_file_that_is_no_lock_is_told(tmp_path: Path, call: Call, text: str) -> None:
    (tmp_path / "settings.lock").write_text(text, encoding="utf-8")
    status, said = call(tmp_path, "reproduce")
    assert status == 2
    assert "lock file" in said
    assert "hint:" in said


def test_a_report_that_cannot_be_written_is_told_before_recipes_run(
    same: MockProject, call: Call
) -> None:
    status, text = call(same.folder, "reproduce", "--junit", "nowhere/found.xml")
    assert status == 2
    assert "there is no folder nowhere" in text
    assert "start" not in text


def test_other_software_than_the_locked_is_told(same: MockProject, call: Call) -> None:
    data = json.loads((same.folder / "settings.lock").read_text(encoding="utf-8"))
    data["software"]["drs"] = "muse-9.9"
    data["software"]["packages"]["mpdaf"] = "0.1"
    (same.folder / "other.lock").write_text(json.dumps(data), encoding="utf-8")
    status, text = call(same.folder, "reproduce", "other.lock")
    assert status == 1
    assert "the DRS is mock, locked is muse-9.9" in text
    assert re.search(r"mpdaf is \S+, locked is 0.1", text)
    assert "--any-software" in text


@pytest.mark.parametrize("path", ["../outside.fits", "/outside.fits"])
def test_a_locked_frame_stays_below_its_folder(same: MockProject, call: Call, path: str) -> None:
    data = json.loads((same.folder / "settings.lock").read_text(encoding="utf-8"))
    data["frames"][0]["path"] = path
    (same.folder / "outside.lock").write_text(json.dumps(data), encoding="utf-8")
    status, text = call(same.folder, "reproduce", "outside.lock")
    assert status == 1
    assert f"'{path}' does not lie below its folder" in text
