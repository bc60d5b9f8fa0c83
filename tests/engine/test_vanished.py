"""Frames that earlier builds used and that are gone: a disk that is not mounted, a folder that is
closed, a file that is deleted, moved or damaged."""

from __future__ import annotations

import gzip
import os
import re
import shutil
import tempfile
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import yaml

from tests.support.frames import write_raw
from tests.support.projects import MockProject, Ran

SECOND = "MUSE.2017-06-16T01:36:56.867.fits"
NOBODY = 65534


def contents(project: MockProject) -> dict[str, bytes]:
    return {
        str(path.relative_to(project.reduced)): path.read_bytes()
        for path in project.reduced.rglob("*.fits")
    }


def untouched(project: MockProject, *arguments: str) -> Ran:
    """A build that must run nothing, make nothing poorer, and fail."""
    before, ran = contents(project), len(project.journal)
    done = project.ask("run", *arguments)
    assert done.status == 1, done.text
    assert len(project.journal) == ran
    assert contents(project) == before
    return done


def test_a_deleted_exposure_makes_no_poorer_cube(built: MockProject) -> None:
    raw = built.folder / "raw"
    kept = (raw / SECOND).read_bytes()
    (raw / SECOND).unlink()
    first = untouched(built)
    assert f"raw/{SECOND} is not there any more" in first.out
    assert "--without-vanished" in first.out
    assert first.out.splitlines()[0].endswith("; 1 that earlier builds used cannot be read")
    # Remembered or not, it stays so until the frame is back.
    assert untouched(built).out == first.out
    check = built.ask("check")
    assert check.status == 2
    assert "Cannot be done: muse_scibasic:2017-06-16T01:36:56.867, " in check.out
    assert f"raw/{SECOND} is not there any more" in check.out
    assert f"raw/{SECOND} is not there any more" in built.ask("list").out
    named = built.ask("run", "muse_exp_combine")
    assert named.status == 2
    assert "is not there any more" in named.err
    (raw / SECOND).write_bytes(kept)
    assert built.build().out.splitlines()[-1] == "Everything is up to date (22 tasks)."


def test_what_does_not_need_it_runs(built: MockProject) -> None:
    (built.folder / "raw" / SECOND).unlink()
    write_raw(built.folder / "raw", "BIAS", "2017-06-17T10:00:00.000")
    built.params("muse_scipost_rec", lambdamin=4800.0)
    before = len(built.journal)
    assert built.ask("run").status == 1
    # The first exposure's own, and not the alignment of both.
    assert built.ran_since(before) == {"muse_scipost": 1}


def test_one_of_a_sequence(built: MockProject) -> None:
    (built.folder / "raw" / "MUSE.2017-06-16T10:41:37.154.fits").unlink()
    out = untouched(built).out
    assert "10:41:37.154.fits is not there any more" in out


def test_a_frame_that_was_never_used_is_not_missed(built: MockProject) -> None:
    extra = write_raw(built.folder / "raw", "BIAS", "2017-07-16T10:00:00.000")
    assert built.ask("list").status == 0
    extra.unlink()
    built.build()


@pytest.mark.parametrize("how", ["empty", "missing", "dangling"])
def test_a_night_on_a_disk_that_is_not_mounted(built: MockProject, how: str) -> None:
    raw, disk = built.folder / "raw", built.folder / "disk"
    (raw / "night").mkdir()
    for path in raw.glob("MUSE.2017-06-16T10*.fits"):
        path.rename(raw / "night" / path.name)
    assert "Everything is up to date" in built.build().out
    (raw / "night").rename(disk)
    if how == "empty":
        (raw / "night").mkdir()
    elif how == "dangling":
        (raw / "night").symlink_to("/nowhere/night")
    told = {
        "empty": "raw/night is empty (disk not mounted?): 9 frames of it were used",
        "missing": "raw/night is not there any more (disk not mounted?): 9 frames of it were used",
        "dangling": "raw/night is a link to /nowhere/night, which is not there (disk not mounted?)",
    }
    out = untouched(built).out
    assert told[how] in out
    assert out.count(told[how]) == 1
    if how == "empty":
        (raw / "night").rmdir()
    elif how == "dangling":
        (raw / "night").unlink()
    disk.rename(raw / "night")
    assert "Everything is up to date" in built.build().out


def test_all_of_the_raw_folder(built: MockProject) -> None:
    raw, disk = built.folder / "raw", built.folder / "disk"
    raw.rename(disk)
    raw.mkdir()
    assert "raw is empty (disk not mounted?): 16 frames of it were used" in untouched(built).out
    raw.rmdir()
    raw.symlink_to("/nowhere/raw")
    away = built.ask("run")
    assert away.status == 2
    assert "a link to /nowhere/raw (disk not mounted?)" in away.err


def test_the_raw_folder_itself(built: MockProject) -> None:
    raw = built.folder / "raw"
    raw.rename(built.folder / "away")
    check = built.ask("check")
    assert check.status == 2
    assert "raw does not exist, and builds used 16 frames of it" in check.out
    assert check.out.count("does not exist") == 1
    (built.folder / "away").rename(raw)
    assert built.ask("check").status == 0


def test_static_calibrations(built: MockProject) -> None:
    calib, disk = built.folder / "calib", built.folder / "disk"
    (calib / "badpix_table.fits").rename(built.folder / "kept.fits")
    # The recipes could do without: nothing else would tell.
    assert "calib/badpix_table.fits is not there any more" in untouched(built).out
    # Another of its category takes its place.
    shutil.copy(built.folder / "kept.fits", calib / "badpix_table_new.fits")
    assert "Everything is up to date" in built.build().out
    (calib / "badpix_table_new.fits").rename(calib / "badpix_table.fits")
    calib.rename(disk)
    out = untouched(built).out
    assert re.search(
        r"calib is not there any more \(disk not mounted\?\): \d frames of it were", out
    )
    assert out.count("disk not mounted") == 1


def _renamed(raw: Path) -> None:
    (raw / "other").mkdir()
    (raw / SECOND).rename(raw / "other" / SECOND)


def _underscored(raw: Path) -> None:
    (raw / SECOND).rename(raw / "MUSE_OBS167_0002.fits")


def _packed(raw: Path) -> None:
    (raw / f"{SECOND}.gz").write_bytes(gzip.compress((raw / SECOND).read_bytes()))
    (raw / SECOND).unlink()


@pytest.mark.parametrize("how", [_renamed, _underscored, _packed])
def test_what_moved_is_not_missed(built: MockProject, how: Callable[[Path], None]) -> None:
    how(built.folder / "raw")
    before = len(built.journal)
    assert built.ask("run").status == 0
    assert len(built.journal) == before


def test_another_raw_path(built: MockProject) -> None:
    shutil.copytree(built.folder / "raw", built.folder / "more")
    built.settings["raw_path"] = "more"
    built.write()
    built.build()
    (built.folder / "fewer").mkdir()
    for path in sorted((built.folder / "raw").glob("*.fits")):
        if path.name != SECOND:
            shutil.copy(path, built.folder / "fewer")
    built.settings["raw_path"] = "fewer"
    built.write()
    assert "more is not below raw_path any more: 1 frame of it was used" in untouched(built).out


def test_what_the_settings_leave_out_is_not_missed(built: MockProject) -> None:
    write_raw(built.folder / "raw", "OBJECT", "2017-06-16T01:38:56.867", target="FIELD")
    built.build()
    (built.folder / "raw" / "MUSE.2017-06-16T01:38:56.867.fits").unlink()
    untouched(built)
    built.settings["frames"] = {"exclude": {"raw": ["2017-06-16T01:38:56.867"]}}
    built.write()
    built.build()
    assert built.ask("check").status == 0


def test_doing_without(built: MockProject) -> None:
    write_raw(built.folder / "raw", "OBJECT", "2017-06-16T01:38:56.867", target="FIELD")
    built.build()
    third = built.folder / "raw" / "MUSE.2017-06-16T01:38:56.867.fits"
    kept = third.read_bytes()
    third.unlink()
    untouched(built)
    ran = built.ask("run", "--without-vanished")
    assert ran.status == 0, ran.text
    assert ran.out.startswith("From now on without 1 frame that earlier builds used.\n")
    assert "Everything is up to date" in built.build().out
    assert built.ask("check").status == 0
    # And when it comes back it is used again.
    third.write_bytes(kept)
    before = len(built.journal)
    built.build()
    assert len(built.journal) == before
    third.unlink()
    untouched(built)


def test_a_frame_that_is_cut_off(built: MockProject) -> None:
    path = built.folder / "raw" / SECOND
    path.write_bytes(path.read_bytes()[:1000])
    before = contents(built)
    ran = built.ask("run")
    assert ran.status == 1
    assert contents(built) == before
    assert f"raw/{SECOND} cannot be read any more" in ran.out


def test_a_build_that_was_stopped_has_used_what_it_planned(project: MockProject) -> None:
    project.rule(recipe="muse_bias", fail="no")
    assert project.ask("run").status == 1
    project.unrule()
    (project.folder / "raw" / SECOND).unlink()
    assert project.ask("run").status == 1
    assert not (project.reduced / "exp_combine").exists()


def test_a_build_that_was_refused_has_used_nothing(project: MockProject) -> None:
    project.settings["recipes"]["muse_flat"] = {"frames": {"exclude": "MASTER_BIASS"}}
    project.write()
    assert project.ask("run").status == 2
    del project.settings["recipes"]["muse_flat"]
    project.write()
    (project.folder / "raw" / SECOND).unlink()
    assert "cannot be read" not in project.ask("run").out


@pytest.fixture
def outside() -> Iterator[Path]:
    """A folder that another user can enter."""
    folder = Path(tempfile.mkdtemp(prefix="musebuild-nobody-"))
    folder.chmod(0o755)
    yield folder
    for path, _, _ in os.walk(folder):
        Path(path).chmod(0o755)
    shutil.rmtree(folder)


def as_nobody(folder: Path, work: Callable[[], None]) -> None:
    """Do something in a child process that may not read everything, and owns a folder."""
    if os.geteuid() == 0:
        for path, folders, names in os.walk(folder):
            for name in (*folders, *names):
                os.chown(f"{path}/{name}", NOBODY, NOBODY, follow_symlinks=False)
        os.chown(folder, NOBODY, NOBODY)
    child = os.fork()
    if child == 0:
        status = 1
        try:
            if os.geteuid() == 0:
                os.setgroups([])
                os.setgid(NOBODY)
                os.setuid(NOBODY)
            work()
            status = 0
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(status)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def test_a_folder_that_lost_its_permission(built: MockProject, outside: Path) -> None:
    project = built.copy(outside / "project")
    raw = project.folder / "raw"
    (raw / "night").mkdir()
    for path in raw.glob("MUSE.2017-06-16T10*.fits"):
        path.rename(raw / "night" / path.name)

    def work() -> None:
        project.build()
        for mode in (0o000, 0o444):
            (raw / "night").chmod(mode)
            out = untouched(project).out
            assert "raw/night cannot be read (permission denied): 9 frames of it" in out, out
        (raw / "night").chmod(0o755)
        (raw / SECOND).chmod(0o000)
        out = untouched(project).out
        assert f"raw/{SECOND} cannot be read any more" in out, out
        (raw / SECOND).chmod(0o644)
        project.build()

    as_nobody(outside, work)


def test_settings_with_a_raw_path_of_their_own_miss_nothing_of_others(built: MockProject) -> None:
    """Two settings files in one folder, and so one database."""
    folder = built.folder
    second = folder / "second"
    second.mkdir()
    for path in sorted((folder / "raw").glob("*.fits")):
        if path.name != SECOND:
            shutil.copy(path, second)
    other = dict(built.settings, raw_path="second", reduced_path="reduced2")
    (folder / "other.yml").write_text(yaml.safe_dump(other), encoding="utf-8")
    for _ in range(2):
        ran = built.ask("--settings", "other.yml", "run")
        assert ran.status == 0, ran.text
        assert "earlier builds used" not in ran.text
        assert "not below raw_path" not in built.ask("--settings", "other.yml", "check").text
        assert "Everything is up to date" in built.build().out
    # Each misses its own all the same, whoever looked last.
    (folder / "raw" / SECOND).unlink()
    assert built.ask("--settings", "other.yml", "run", "--without-vanished").status == 0
    assert f"raw/{SECOND} is not there any more" in untouched(built).out
    assert built.ask("--settings", "other.yml", "run").status == 0
