"""Bad input: one clear message that names the thing and the remedy, no traceback, nothing lost."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.support.frames import write_raw
from tests.support.projects import MockProject, Ran

SCIENCE = "MUSE.2017-06-16T01:34:56.867.fits"


def check(ran: Ran, *parts: str, status: int = 2) -> None:
    assert ran.status == status, ran.text
    assert "Traceback" not in ran.text
    for part in parts:
        assert part in ran.text, ran.text


def test_no_settings_file(tmp_path: Path) -> None:
    check(MockProject(tmp_path).run("run"), "there is no settings.yml", "musebuild init")


def test_a_named_settings_file_that_is_missing(project: MockProject) -> None:
    check(project.ask("run", "--settings", "other.yml"), "other.yml", "--settings names it")


def test_no_raw_folder(project: MockProject) -> None:
    shutil.rmtree(project.folder / "raw")
    check(project.run("run"), "raw does not exist", "settings.yml", "correct raw_path")


def test_an_empty_raw_folder(project: MockProject) -> None:
    shutil.rmtree(project.folder / "raw")
    (project.folder / "raw").mkdir()
    check(project.ask("run"), "no raw frame below", "musebuild simulate")


def test_a_folder_that_cannot_be_made(project: MockProject) -> None:
    # A file in the way stops root, too.
    (project.folder / "blocked").write_text("", encoding="utf-8")
    project.settings["reduced_path"] = "blocked/reduced"
    project.write()
    check(project.ask("run"), "blocked/reduced cannot be made", "choose another folder")
    assert not project.journal


def test_a_store_that_cannot_be_made(project: MockProject) -> None:
    (project.folder / "blocked").write_text("", encoding="utf-8")
    project.settings["cache"] = "blocked/store"
    project.write()
    check(project.ask("run"), "blocked/store cannot be made")


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"", "is empty"),
        (b"hello, I am no FITS file\n" * 200, "is not a FITS file"),
        (b"<!DOCTYPE html><html><body>Please log in</body></html>", "web page"),
        (None, "truncated"),
    ],
    ids=["empty", "text", "html", "truncated"],
)
def test_a_bad_file_among_the_raw_frames_stops_nothing_else(
    project: MockProject, content: bytes | None, told: str
) -> None:
    bad = project.folder / "raw" / "MUSE.2017-06-16T03:00:00.000.fits"
    if content is None:
        content = (project.folder / "raw" / SCIENCE).read_bytes()[:-3000]
    bad.write_bytes(content)
    ran = project.ask("run")
    check(ran, bad.name, told, "hint:", status=1)
    assert (project.reduced / "exp_combine/FIELD_drs/DATACUBE_FINAL.fits").is_file()
    check(project.ask("list"), bad.name, status=0)
    bad.unlink()
    assert "Everything is up to date" in project.build().out


def test_a_truncated_science_frame_is_told_and_mended(project: MockProject) -> None:
    frame = project.folder / "raw" / SCIENCE
    whole = frame.read_bytes()
    frame.write_bytes(whole[:-3000])
    check(project.ask("run", "--continue"), SCIENCE, "truncated", status=1)
    frame.write_bytes(whole)
    project.build()
    assert (project.reduced / "exp_combine/FIELD_drs/DATACUBE_FINAL.fits").is_file()


def test_a_raw_frame_with_no_ifu_of_those_wanted(project: MockProject) -> None:
    write_raw(
        project.folder / "raw",
        "OBJECT",
        "2017-06-16T03:00:00.000",
        tpl="2017-06-16T01:34:08",
        target="FIELD",
        ifus=(9,),
    )
    project.settings["ifus"] = [1, 2]
    project.write()
    ran = project.ask("run", "--continue")
    check(ran, "MUSE.2017-06-16T03:00:00.000.fits", "it holds IFU 9", "want IFU 1, 2", status=1)
    # Its dataset cannot be combined without it, and the first pass of the others is made.
    assert "stops: 3 exposures of FIELD, muse_scibasic 1," in ran.out
    assert "hint: leave it out: frames.exclude: {OBJECT: ['2017-06-16T03:00:00.000']}" in ran.out
    assert (project.reduced / "rec/2017-06-16T01:34:56.867/DATACUBE_FINAL.fits").is_file()


def test_a_missing_static_calibration(project: MockProject) -> None:
    (project.folder / "calib" / "geometry_table.fits").unlink()
    ran = project.ask("run")
    check(ran, "no GEOMETRY_TABLE in", "ESO PRO CATG = GEOMETRY_TABLE", status=1)
    assert "muse_scipost" not in project.ran_since(0)


def test_a_missing_calibration_names_who_needs_it_and_the_remedy(project: MockProject) -> None:
    for path in (project.folder / "raw").glob("MUSE.2017-06-16T09:32:26.112.fits"):
        path.unlink()
    check(
        project.ask("run"),
        "muse_scipost",
        "no raw STD within 5 nights of 2017-06-15 (for STD_RESPONSE, STD_TELLURIC)",
        "frames.exclude: [STD_RESPONSE, STD_TELLURIC]",
        status=1,
    )


def test_a_wrong_recipe_path(project: MockProject) -> None:
    project.settings["cpl"] = {"recipe_path": "/nowhere/plugins"}
    project.write()
    check(project.ask("run"), "cpl.recipe_path", "/nowhere/plugins does not exist", "hint:")


def test_a_version_of_the_drs_that_is_not_there(project: MockProject) -> None:
    project.settings["cpl"] = {"drs_version": "1.0.1"}
    project.write()
    check(project.ask("run"), "1.0.1", "not installed", "change cpl.drs_version")


def test_a_version_of_the_drs_that_is_too_old(project: MockProject) -> None:
    plugins = project.folder / "plugins" / "muse-1.6.2"
    plugins.mkdir(parents=True)
    (plugins / "muse_bias.so").write_bytes(b"")
    project.settings["cpl"] = {"recipe_path": "plugins"}
    project.write()
    check(project.ask("run"), "Version 1.6.2 of the DRS is not supported", "install version")


def test_a_mistake_in_the_settings(project: MockProject) -> None:
    path = project.folder / "settings.yml"
    path.write_text(
        path.read_text(encoding="utf-8").replace("save:", "sav:") + "raw_pth: raw\n",
        encoding="utf-8",
    )
    check(project.run("run"), "settings.yml:", "did you mean raw_path?")


def test_a_dataset_without_exposures(project: MockProject) -> None:
    project.settings["datasets"]["NOTHERE"] = {}
    project.write()
    ran = project.ask("run", "-q")
    check(ran, "no exposure has OBJECT NOTHERE", "correct datasets.NOTHERE.OBJECT", status=1)


def test_a_database_of_another_tool_is_left_alone(project: MockProject) -> None:
    import sqlite3

    other = project.folder / "other.db"
    connection = sqlite3.connect(other)
    connection.execute("CREATE TABLE raw (a)")
    connection.commit()
    connection.close()
    before = other.read_bytes()
    project.settings["db"] = "other.db"
    project.write()
    project.build("muse_bias")
    assert other.read_bytes() == before
    assert (project.folder / "musebuild.db").is_file()


def test_a_number_that_is_none(project: MockProject) -> None:
    check(project.ask("run", "-n", "many"), "-n wants a whole number of at least 0, not many")


def test_set_without_a_value(project: MockProject) -> None:
    check(project.ask("run", "--set", "version"), "--set version is not KEY=VALUE")


def test_simulate_wants_a_folder(project: MockProject) -> None:
    check(project.ask("simulate"), "wants a folder")
    check(project.ask("simulate", "x", "--ifus", "99"), "There is no IFU 99")
    check(project.ask("simulate", "x", "--ifus", "one"), "is no list of IFUs")


def test_where_no_file_can_be_used_each_is_named_with_its_reason(project: MockProject) -> None:
    for path in (project.folder / "raw").iterdir():
        path.unlink()
    (project.folder / "raw" / "login.fits").write_text("<html>Please log in</html>")
    (project.folder / "raw" / "empty.fits").write_bytes(b"")
    ran = project.ask("list")
    assert ran.status == 2
    assert "there is no raw frame below" in ran.err
    assert "login.fits: " in ran.err
    assert "empty.fits: " in ran.err
    assert "Traceback" not in ran.text
