"""Flags of exposures, from the command line."""

from __future__ import annotations

import json

import pytest

from musebuild.engine.project import Project
from musebuild.index.flags import PREDEFINED, add_flag, flags_by_exposure
from musebuild.index.meta import generation
from tests.support.projects import MockProject

JSON = ("--format", "json")
FIRST, SECOND = "2017-06-16T01:34:56.867", "2017-06-16T01:36:56.867"


def test_a_flag_comes_and_goes_with_author_and_reason(project: MockProject) -> None:
    ran = project.ask("flag", "add", "SATELLITE", FIRST, "-m", "a trail", "--author", "Ada")
    assert ran.out == (
        "SATELLITE: 1 exposure flagged\n"
        "  so far without effect: no block leaves out exposures with SATELLITE\n"
        "  hint: `exclude_flags: true` under recipes.muse_exp_combine\n"
    ), ran.err
    (row,) = json.loads(project.ask("flag", "find", "SATELLITE", "--format", "json").out)
    assert (row["exposure"], row["author"], row["reason"]) == (FIRST, "Ada", "a trail")
    assert row["date"].startswith("20")
    # Who flags again does not change who was first.
    again = project.ask("flag", "add", "SATELLITE", FIRST, "--author", "Eve")
    assert "1 had it already" in again.out
    assert "Ada" in project.ask("flag", "find", "SATELLITE").out
    assert "from 1 exposure" in project.ask("flag", "remove", "SATELLITE", FIRST).out
    assert project.ask("flag", "find", "SATELLITE").out == "No exposure has it.\n"


@pytest.mark.parametrize("flags", [True, ["SATELLITE"], {"SATELLITE": 2}])
def test_it_is_told_which_blocks_heed_a_flag(project: MockProject, flags: object) -> None:
    project.settings["recipes"]["muse_exp_combine"]["exclude_flags"] = flags
    project.write()
    told = "  heeded by muse_exp_combine from the next build on"
    assert told in project.ask("flag", "add", "SATELLITE", FIRST).out
    assert told in project.ask("flag", "remove", "SATELLITE", FIRST).out
    other = project.ask("flag", "add", "BAD_SLICE", FIRST).out
    assert (told in other) == (flags is True)


def test_a_flag_may_have_a_value(project: MockProject) -> None:
    def value() -> list[int]:
        return [one["value"] for one in json.loads(project.ask("flag", "find", *JSON).out)]

    project.ask("flag", "add", "SATELLITE", FIRST, "--author", "Ada")
    assert value() == [1]
    ran = project.ask("flag", "add", "SATELLITE", FIRST, "--value", "2", "--author", "Eve")
    assert "1 exposure flagged" in ran.out
    # Whoever says no value leaves it, and the author is that of the value.
    assert "1 had it" in project.ask("flag", "add", "SATELLITE", FIRST, "--author", "Bob").out
    assert value() == [2]
    assert "Eve" in project.ask("flag", "find", "--value", "2").out
    assert project.ask("flag", "find", "SATELLITE", "--value", "3").out == "No exposure has it.\n"
    assert "flag SATELLITE = 2 (Eve" in project.ask("info-exp", FIRST).out
    assert project.ask("flag", "add", "SATELLITE", FIRST, "--value", "0").status == 2
    # It outlives the database, with its copy.
    for path in project.folder.glob("musebuild.db*"):
        path.unlink()
    assert value() == [2]
    copy = project.folder / "musebuild.flags.csv"
    # One of an earlier musebuild knows no values.
    copy.write_text(f"exposure,flag,author,date,reason\n{FIRST},SATELLITE,Ada,2020,\n")
    for path in project.folder.glob("musebuild.db*"):
        path.unlink()
    assert value() == [1]


def test_a_night_flags_its_science_exposures_only(project: MockProject) -> None:
    assert "2 exposures flagged" in project.ask("flag", "add", "BAD_SKY_SUB", "2017-06-15").out
    project.ask("flag", "add", "BAD_SLICE", SECOND)
    both = project.ask("flag", "find", "BAD_SKY_SUB", "BAD_SLICE", "--all", "--format", "csv").out
    assert FIRST not in both
    assert both.count(SECOND) == 2
    assert project.ask("flag", "list", FIRST).out.count("BAD_") == 1


def test_the_predefined_flags_and_those_of_the_settings_are_known(project: MockProject) -> None:
    project.settings["flags"] = {"MY_FLAG": "this is a super useful flag"}
    project.write()
    out = project.ask("flag", "list").out
    assert "this is a super useful flag" in out
    assert all(name in out for name in PREDEFINED)
    assert len(PREDEFINED) == 11
    assert project.ask("flag", "add", "MY_FLAG", FIRST).status == 0
    # Out of the settings again, it can still be found and taken away.
    del project.settings["flags"]
    project.write()
    assert "no longer in the settings" in project.ask("flag", "list").out
    assert project.ask("flag", "remove", "MY_FLAG", FIRST).status == 0


def test_flags_come_with_the_frames_and_are_a_change_of_the_index(project: MockProject) -> None:
    own = Project(project.folder / "settings.yml")
    assert all(frame.flags == () for frame in own.raw)
    before = generation(own.connection)
    assert add_flag(own.db, [FIRST], "BAD_SLICE", author="Ada") == 1
    assert generation(own.connection) > before
    assert flags_by_exposure(own.connection) == {FIRST: ("BAD_SLICE",)}
    own.close()
    again = Project(project.folder / "settings.yml")
    assert {frame.name for frame in again.raw if frame.flags} == {FIRST}
    again.close()


@pytest.mark.parametrize("how", ["deleted", "damaged"])
def test_flags_outlive_the_database(project: MockProject, how: str) -> None:
    project.ask("flag", "add", "BAD_SLICE", FIRST, "--author", "Ada", "-m", 'a "wide", faint one')
    before = project.ask("flag", "find", "--format", "json").out
    for path in project.folder.glob("musebuild.db*"):
        path.unlink()
    if how == "damaged":
        (project.folder / "musebuild.db").write_bytes(b"")
    assert project.ask("flag", "find", "--format", "json").out == before
    # What was taken away does not come back.
    project.ask("flag", "remove", "BAD_SLICE", FIRST)
    assert project.ask("flag", "find").out == "No exposure has it.\n"
    for path in project.folder.glob("musebuild.db*"):
        path.unlink()
    assert project.ask("flag", "find").out == "No exposure has it.\n"


@pytest.mark.parametrize(
    "text", ["", "exposure\n1\n", "\0\0", "a,b\n1,2,3\n", "exposure,flag\nx,y"]
)
def test_a_copy_that_cannot_be_read_stops_nothing(project: MockProject, text: str) -> None:
    (project.folder / "musebuild.flags.csv").write_text(text, encoding="utf-8")
    assert project.ask("flag", "find").out == "No exposure has it.\n"


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ((), "wants one action: add, remove, list, find"),
        (("ad",), "did you mean add"),
        (("add", "BAD_SLICE"), "flag add wants exposures besides the flag"),
        (("add", "BAD_SLIC", FIRST), "did you mean BAD_SLICE"),
        (("add", "BAD_SLICE", "2017-06-16"), "belongs to the night 2017-06-15"),
        (("find", "SATELITE"), "did you mean SATELLITE"),
        (("list", "--format", "jsn"), "did you mean json"),
        (("remove", "NEVER", FIRST), "there is no flag NEVER"),
    ],
)
def test_bad_input_is_answered(project: MockProject, arguments: tuple[str, ...], told: str) -> None:
    ran = project.ask("flag", *arguments)
    assert ran.status == 2
    assert told in ran.err
    assert "Traceback" not in ran.text
