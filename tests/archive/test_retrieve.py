"""From a target's name to the first build, and what is asked of the archive on the way."""

from __future__ import annotations

import json
import shutil
import sqlite3
from dataclasses import replace

import pytest

from musebuild.archive.eso import asks_tap
from tests.archive.commands import raw_files, retrieve
from tests.support.archive_frames import Stored, compressed
from tests.support.archive_server import ArchiveServer, Fault
from tests.support.projects import MockProject

Capsys = pytest.CaptureFixture[str]
SCIENCE = "MUSE.2017-06-16T01:34:56.867"


def rows(project: MockProject, query: str) -> list[tuple[object, ...]]:
    with sqlite3.connect(project.folder / "musebuild.db") as database:
        return database.execute(query).fetchall()


def test_a_target_comes_with_calibrations_and_night_logs(
    archive: ArchiveServer, empty: MockProject, capsys: Capsys
) -> None:
    said = retrieve(empty, capsys, "FIELD")
    assert said.status == 0, said.text
    assert "2 science frames" in said.out
    assert "14 calibrations" in said.out
    assert "16 new frames" in said.out
    assert "still misses" not in said.out
    weather = "SELECT night, conditions FROM weather_conditions"
    assert rows(empty, weather) == [("2017-06-15", "Clear")]
    for name, frame in archive.frames.items():
        ending = ".txt" if name.endswith(".NL") else ".fits"
        assert (empty.folder / "raw" / f"{name}{ending}").read_bytes() == frame.content


def test_a_frame_that_is_not_the_locked_one_is_told(
    archive: ArchiveServer, empty: MockProject, capsys: Capsys
) -> None:
    name = archive.calibrations[0]
    lock = {
        "musebuild-lock": 1,
        "made": "2026-11-25T03:00:00+00:00",
        "targets": [],
        "settings": {},
        "software": {"musebuild": "0.1", "drs": "mock", "key_version": 1, "digest_version": 1},
        "frames": [
            {
                "path": f"{name}.fits",
                "place": "raw",
                "tags": ["SKYFLAT"],
                "digest": "0" * 64,
                "size": 1,
                "archive": name,
            },
            {
                "path": "lines.fits",
                "place": "calib",
                "tags": ["LINE_CATALOG"],
                "digest": "0" * 64,
                "size": 1,
                "archive": "",
            },
        ],
        "tasks": [],
    }
    (empty.folder / "old.lock").write_text(json.dumps(lock))
    said = retrieve(empty, capsys, "--locked", "old.lock")
    assert said.status == 1
    assert raw_files(empty) == {f"{name}.fits"}
    assert "1 file of the lock file did not come from the archive" in said.out
    assert "other data than the locked frame" in said.err


def test_a_lock_file_that_is_not_there(
    archive: ArchiveServer, empty: MockProject, capsys: Capsys
) -> None:
    said = retrieve(empty, capsys, "--locked")
    assert said.status == 2
    assert "musebuild lock" in said.err


def test_what_is_here_is_not_fetched_again(
    archive: ArchiveServer, empty: MockProject, capsys: Capsys
) -> None:
    retrieve(empty, capsys, "FIELD")
    before = archive.asked("/dataPortal/")
    said = retrieve(empty, capsys, "FIELD")
    assert said.status == 0
    assert "All 18 files are here already" in said.out
    assert archive.asked("/dataPortal/") == before
    assert archive.asked("calselector") == 1, "the answer is remembered"
    retrieve(empty, capsys, "FIELD", "--force")
    assert archive.asked("calselector") == 2
    assert archive.asked("/dataPortal/") == before


@pytest.mark.parametrize("name", [f"{SCIENCE}.fits.fz", f"deep/er/{SCIENCE}.fits.gz"])
def test_another_compression_counts(
    archive: ArchiveServer, empty: MockProject, capsys: Capsys, name: str
) -> None:
    import gzip

    path = empty.folder / "raw" / name
    path.parent.mkdir(parents=True)
    content = archive.frames[SCIENCE].content
    path.write_bytes(gzip.compress(content) if name.endswith("gz") else content)
    said = retrieve(empty, capsys, "FIELD")
    assert said.status == 0, said.text
    assert not archive.sent(SCIENCE)
    assert len(archive.sent(f"{SCIENCE}.NL")) == 1


def test_a_renamed_file_is_known_by_its_header(
    archive: ArchiveServer, empty: MockProject, capsys: Capsys
) -> None:
    path = empty.folder / "raw" / "my favourite.fits"
    path.parent.mkdir()
    path.write_bytes(archive.frames[SCIENCE].content)
    assert retrieve(empty, capsys, "FIELD").status == 0
    assert not archive.sent(SCIENCE)


def test_a_packed_frame_is_uncompressed(
    archive: ArchiveServer, empty: MockProject, capsys: Capsys
) -> None:
    frame = archive.frames[SCIENCE]
    archive.add([replace(frame, content=compressed(frame.content), filename=f"{SCIENCE}.fits.Z")])
    archive.fail(SCIENCE, Fault(drop=1000), Fault(damage=True))
    said = retrieve(empty, capsys, "FIELD")
    assert said.status == 0, said.text
    assert (empty.folder / "raw" / f"{SCIENCE}.fits").read_bytes() == frame.content
    assert not list((empty.folder / "raw").glob("*.Z"))


def test_a_dry_run_shows_sizes_and_changes_nothing(
    archive: ArchiveServer, empty: MockProject, capsys: Capsys
) -> None:
    said = retrieve(empty, capsys, "FIELD", "--dry-run")
    assert said.status == 0
    size = sum(len(f.content) for f in archive.frames.values()) / 1000
    # The TAP service tells whole kilobytes.
    assert any(
        f"To come: 18 files, {size - less:.0f} kB; 0 are here already." in said.out
        for less in (0, 1)
    )
    (line,) = [line for line in said.out.splitlines() if line.startswith(f"{SCIENCE} ")]
    assert line.split()[1:] == [
        "OBJECT",
        "2017-06-15",
        "WFM-NOAO-N",
        "14" if asks_tap() else "14.4",
        "kB",
    ]
    assert not (empty.folder / "raw").exists()
    assert not archive.sent(SCIENCE)


def test_what_is_wanted_is_recorded_before_it_is_fetched(
    archive: ArchiveServer, empty: MockProject, capsys: Capsys
) -> None:
    # The exposure comes, and then the archive breaks down: no calibration comes.
    empty.settings["retrieve_data"]["parallel"] = 4
    empty.write()
    for name in archive.calibrations:
        archive.fail(name, *[Fault(status=500)] * 9)
    said = retrieve(empty, capsys, "FIELD")
    assert said.status == 1
    # One after the other fails: the rest is not tried any more.
    assert "not tried any more" in said.err
    assert "did not come: failed" in said.err
    assert f"{SCIENCE}.fits" in raw_files(empty)
    states = "SELECT state, count(*) FROM archive_frames WHERE kind = 'CALIB' GROUP BY state"
    found = dict(rows(empty, states))
    assert sum(found.values()) == 14
    assert 8 <= found["failed"] <= 11
    assert found["wanted"] == 14 - found["failed"]
    archive.faults.clear()
    # The next call completes it, although all exposures are here.
    said = retrieve(empty, capsys, "FIELD")
    assert said.status == 0, said.text
    assert len(raw_files(empty)) == 18
    assert archive.asked("calselector") == 1
    assert rows(empty, "SELECT DISTINCT state FROM archive_frames") == [("here",)]


def test_a_calselector_that_fails_is_asked_again(
    archive: ArchiveServer, empty: MockProject, capsys: Capsys
) -> None:
    archive.fail("calselector", Fault(status=400))
    said = retrieve(empty, capsys, "FIELD")
    assert said.status == 1
    assert "calselector" in said.err
    assert retrieve(empty, capsys, "FIELD").status == 0
    assert len(raw_files(empty)) == 18


def test_nights_from_start_to_end(
    archive: ArchiveServer, empty: MockProject, capsys: Capsys
) -> None:
    assert retrieve(empty, capsys, "FIELD", "--start", "2017-06-15", "--dry-run").status == 0
    said = retrieve(empty, capsys, "FIELD", "--start", "2017-06-16")
    assert said.status == 1
    assert "the archive has no science frame of FIELD" in said.err
    assert retrieve(empty, capsys, "FIELD", "--end", "2017-06-14").status == 1


def test_the_calibrations_of_a_night(
    archive: ArchiveServer, empty: MockProject, capsys: Capsys
) -> None:
    said = retrieve(empty, capsys, "--calib", "2017-06-15", "--ins-mode", "WFM-NOAO-N")
    assert said.status == 0, said.text
    assert raw_files(empty) == {f"{name}.fits" for name in archive.calibrations}


def test_a_night_in_another_mode_has_its_biases_only(
    archive: ArchiveServer, empty: MockProject, capsys: Capsys
) -> None:
    said = retrieve(empty, capsys, "--calib", "2017-06-15", "--ins-mode", "NFM-AO-N", "--dry-run")
    assert said.status == 0
    assert "To come: 3 files" in said.out
    assert retrieve(empty, capsys, "--calib", "2017-06-16").status == 1


def test_missing_fetches_exactly_what_the_plan_says_is_missing(
    archive: ArchiveServer, empty: MockProject, capsys: Capsys
) -> None:
    retrieve(empty, capsys, "FIELD")
    raw = empty.folder / "raw"
    lost = {f.dp_id for f in archive.frames.values() if f.dpr_type in ("BIAS", "FLAT,LAMP")}
    for name in lost:
        (raw / f"{name}.fits").unlink()
    assert "(for MASTER_BIAS)" in empty.ask("list").text
    archive.requests.clear()
    said = retrieve(empty, capsys, "--missing")
    assert said.status == 0, said.text
    assert "The plan misses no raw frames." in said.out
    fetched = {name for name in archive.frames if archive.sent(name)}
    assert fetched == lost
    assert "(for MASTER_BIAS)" not in empty.ask("list").text


def test_what_the_archive_does_not_have_either_is_told(
    archive: ArchiveServer, empty: MockProject, capsys: Capsys
) -> None:
    stars = [name for name, f in archive.frames.items() if f.dpr_type == "STD"]
    for name in stars:
        del archive.frames[name]
        archive.calibrations.remove(name)
    said = retrieve(empty, capsys, "FIELD")
    assert said.status == 0
    assert "The plan still misses: STD of 2017-06-15 (or up to 5 nights away)" in said.out
    said = retrieve(empty, capsys, "--missing")
    assert said.status == 1
    assert "the archive has none that is not here" in said.out
    assert "Still missing: STD of 2017-06-15" in said.out


def test_a_later_call_finds_new_exposures(
    archive: ArchiveServer, empty: MockProject, capsys: Capsys, night_in_store: list[Stored]
) -> None:
    held = {name: f for name, f in archive.frames.items() if name.startswith(SCIENCE)}
    for name in held:
        del archive.frames[name]
    assert "1 science frame " in retrieve(empty, capsys, "FIELD").out
    archive.frames |= held
    said = retrieve(empty, capsys, "FIELD")
    assert "Index: 1 new frame." in said.out
    assert len(raw_files(empty)) == 18


def test_an_incomplete_set_of_calibrations_is_told(
    archive: ArchiveServer, empty: MockProject, capsys: Capsys
) -> None:
    archive.incomplete.add(SCIENCE)
    said = retrieve(empty, capsys, "FIELD", "--dry-run")
    assert f"{SCIENCE}: ESO does not name all of its calibrations" in said.out


def test_an_exposure_without_a_night_log_is_no_error(
    archive: ArchiveServer, empty: MockProject, capsys: Capsys
) -> None:
    del archive.frames[f"{SCIENCE}.NL"]
    said = retrieve(empty, capsys, "FIELD")
    assert said.status == 0, said.text
    assert len(raw_files(empty)) == 17


def test_what_can_be_asked(archive: ArchiveServer, empty: MockProject, capsys: Capsys) -> None:
    said = retrieve(empty, capsys, "--help-query")
    assert said.status == 0
    assert "obs_targ_name" in said.out
    assert ("ist.muse" if asks_tap() else "Observation and proposal parameters") in said.out


def test_the_folder_of_raw_frames_holds_nothing_of_ours_but_partial_files(
    archive: ArchiveServer, empty: MockProject, capsys: Capsys
) -> None:
    retrieve(empty, capsys, "FIELD")
    parts = empty.folder / "raw" / ".retrieve"
    assert not [p for p in parts.rglob("*") if p.is_file() and p.parent.name != "locks"]
    shutil.rmtree(parts)


def test_a_frame_that_is_here_and_damaged_is_told(
    archive: ArchiveServer, empty: MockProject, capsys: Capsys
) -> None:
    path = empty.folder / "raw" / f"{SCIENCE}.fits"
    path.parent.mkdir()
    path.write_bytes(archive.frames[SCIENCE].content[:5000])
    said = retrieve(empty, capsys, "FIELD")
    assert said.status == 1
    assert f"{SCIENCE}.fits is here, and cannot be used" in said.err
    assert "remove it, and retrieve again" in said.err
    path.unlink()
    assert retrieve(empty, capsys, "FIELD").status == 0
