"""What becomes of every file, as `check`, `list`, a build and `info --unused` tell it."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest
from astropy.io import fits
from hypothesis import HealthCheck, given
from hypothesis import settings as profile
from hypothesis import strategies as st

from musebuild.engine.balance import project_balance
from musebuild.engine.project import Project
from tests.support.frames import write_raw
from tests.support.projects import MockProject, make_mock_project


@pytest.fixture(scope="module")
def mixed(tmp_path_factory: pytest.TempPathFactory, night: Path) -> MockProject:
    """A night with a sky exposure, a stray target and a file that is no frame; only asked."""
    project = make_mock_project(tmp_path_factory.mktemp("balance") / "project", night)
    raw = project.folder / "raw"
    sky = {"ESO DPR TYPE": "SKY", "ESO DPR CATG": "SCIENCE"}
    write_raw(raw, "SKY", "2017-06-16T01:35:56.867", target="FIELD", cards=sky)
    write_raw(raw, "OBJECT", "2017-06-16T02:35:56.867", target="STRAY")
    (raw / "web.fits").write_text("<html>log in</html>", encoding="utf-8")
    return project


def test_one_line_in_check_list_and_build(mixed: MockProject) -> None:
    check, listed = mixed.ask("check").out, mixed.ask("list").out
    line = next(text for text in listed.splitlines() if text.startswith("19 files: 16 used, "))
    assert "1 of no dataset (STRAY 1)" in line
    assert "1 not readable" in line
    assert line in check.splitlines()
    assert mixed.ask("run", "muse_bias").out.splitlines()[0] == line
    # What is remembered says the same.
    assert mixed.ask("run", "muse_bias").out.splitlines()[0] == line
    assert line in mixed.ask("list").out.splitlines()
    assert line not in mixed.ask("list", "-q").out


def test_info_unused_groups_and_names(mixed: MockProject) -> None:
    out = mixed.ask("info", "--unused").out
    assert out.startswith("19 files: 16 used")
    assert "STRAY, of no dataset" in out
    assert "web.fits" in out
    assert "web page" in out
    assert "muse_bias:" not in out
    whole = mixed.ask("info", "--unused", "--all").out
    assert "MUSE.2017-06-16T10:40:37.154.fits: muse_bias:2017-06-16T10:40:27" in whole
    found = json.loads(mixed.ask("info", "--unused", "--format", "json").out)
    assert found["files"] == 19
    assert sum(sum(kind.values()) for kind in found["counts"].values()) == 19
    assert len(found["unused"]) == 3
    every = json.loads(mixed.ask("info", "--unused", "--all", "--format", "json").out)
    assert len(every["all"]) == 19
    assert mixed.ask("info", "--all").status == 2


def test_the_line_is_never_stale(project: MockProject) -> None:
    assert project.ask("run", "muse_bias").out.startswith("16 files: 16 used\n")
    project.settings["frames"] = {"exclude": {"raw": ["2017-06-16T01:36:56.867"]}}
    project.write()
    assert "16 files: 15 used, 1 excluded (OBJECT 1)\n" in project.ask("list").out
    del project.settings["frames"]
    project.write()
    (project.folder / "raw" / "MUSE.2017-06-16T01:36:56.867.fits").unlink()
    assert "15 files: 15 used\n" in project.ask("list").out


def _raw(raw: Path, number: int) -> None:
    category = ("BIAS", "OBJECT", "SKY", "DARK", "FOO")[number % 5]
    cards = {"ESO DPR TYPE": "FOO"} if category == "FOO" else {}
    write_raw(raw, category, f"2017-06-16T0{number % 7}:00:{number:02d}.000", cards=cards)


def _copy(raw: Path, number: int) -> None:
    _raw(raw, number)
    for path in sorted(raw.glob("MUSE*.fits"))[:1]:
        shutil.copy(path, raw / f"copy of {number}.fits")


def _cut(raw: Path, number: int) -> None:
    path = write_raw(raw, "BIAS", f"2017-06-17T0{number % 7}:00:{number:02d}.000")
    path.write_bytes(path.read_bytes()[: 100 * number])


def _named(name: str) -> Callable[[Path, int], None]:
    def write(raw: Path, number: int) -> None:
        (raw / name.format(number)).write_bytes(b"?" * number)

    return write


def _folder(raw: Path, number: int) -> None:
    below = raw / f"night {number % 3}"
    below.mkdir(exist_ok=True)
    _raw(below, number)


def _link(raw: Path, number: int) -> None:
    (raw / f"away{number}.fits").symlink_to("/nowhere/a.fits")


KINDS = (
    _raw,
    _copy,
    _cut,
    _folder,
    _link,
    *map(
        _named,
        ("web{}.fits", "MUSE{}.fits.Z", "{}.fits.part", "notes{}.txt", "README{}", ".hidden{}",
         "MUSE.2017-06-16T01:34:{}.867.NL.txt", "x{}.fit", "ä{}.FITS"),
    ),
)  # fmt: skip


@profile(
    max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.lists(st.tuples(st.sampled_from(KINDS), st.integers(10, 59)), max_size=12))
def test_invariant_13_the_numbers_are_those_of_the_folder(
    night: Path, tmp_path: Path, files: list[tuple[Callable[[Path, int], None], int]]
) -> None:
    folder = Path(tempfile.mkdtemp(dir=tmp_path))
    project = make_mock_project(folder / "project", night)
    raw = project.folder / "raw"
    for write, number in dict.fromkeys(files):
        with contextlib.suppress(FileExistsError):
            write(raw, number)
    there = sum(len(names) for _, _, names in os.walk(raw))
    own = Project(project.folder / "settings.yml")
    found = project_balance(own)
    own.close()
    assert sum(counted.total() for counted in found.counts.values()) == there
    assert found.line.startswith(f"{there} files: ")


def test_files_of_one_exposure_that_differ_are_told(project: MockProject) -> None:
    raw = project.folder / "raw"
    name = "MUSE.2017-06-16T01:36:56.867.fits"
    fits.setval(raw / name, "ARCFILE", value=name)
    shutil.copy(raw / name, raw / "other.fits")
    fits.setval(raw / "other.fits", "OBJECT", value="STRAY")
    told = f"other.fits (the same exposure as {name}"
    checked = project.ask("check")
    assert f"{told}, but its primary header differs)" in checked.out
    assert "musebuild check-integrity" in checked.out
    built = project.ask("run")
    assert f"{told}) not used: its primary header differs" in built.text
    project.settings["frames"] = {"exclude": {"raw": ["other.fits"]}}
    project.write()
    assert told not in project.ask("check").out


def test_hidden_folders_are_counted(project: MockProject) -> None:
    (project.folder / "raw/.Trash").mkdir()
    (project.folder / "raw/.Trash/a.fits").touch()
    out = project.ask("info", "--unused").out
    assert "     1  folder not looked into: hidden, as its name begins with a point" in out
    assert "16 files: 16 used" in out
