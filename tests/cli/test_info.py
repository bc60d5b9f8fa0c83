"""What people ask of a project."""

from __future__ import annotations

import csv
import io
import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from astropy.table import Table

from tests.support.frames import write_raw
from tests.support.projects import MockProject, make_mock_project

FIRST, SECOND = "2017-06-16T01:34:56.867", "2017-06-16T01:36:56.867"
LOG = Path(__file__).parent.parent / "index" / "data" / f"MUSE.{FIRST}.NL.txt"


@pytest.fixture(scope="module")
def partly(tmp_path_factory: pytest.TempPathFactory, night: Path) -> MockProject:
    """Calibrated, with a second night, a run, an exclusion and a bad file; only asked."""
    project = make_mock_project(tmp_path_factory.mktemp("info") / "project", night)
    raw = project.folder / "raw"
    write_raw(raw, "OBJECT", "2017-07-02T01:00:00.000", target="FIELD")
    write_raw(raw, "BIAS", "2017-07-02T10:00:00.000")
    (raw / "web.fits").write_text("<html>log in</html>", encoding="utf-8")
    project.settings["runs"] = {"GTO17": {"start_date": "2017-04-01", "end_date": "2017-06-30"}}
    project.settings["frames"] = {"exclude": {"raw": [{"night": "2017-07-01"}]}}
    project.rule(recipe="muse_flat", warnings=["a slice is faint"])
    project.ask("run", "muse_flat")
    return project


def rows(project: MockProject, *arguments: str) -> list[dict[str, Any]]:
    ran = project.ask(*arguments, "--format", "json")
    assert ran.status == 0, ran.err
    found: list[dict[str, Any]] = json.loads(ran.out)
    return found


def test_the_project_at_a_glance(partly: MockProject) -> None:
    out = partly.ask("info").out
    for text in ("datasets", "GTO17", "2017-06-15", FIRST, "2017-06-16T10:40:27", "web page"):
        assert text in out
    assert "2 frames not used: --excluded" in out
    whole = json.loads(partly.ask("info", "--format", "json").out)
    assert set(whole) == {"datasets", "nights", "runs", "sequences", "exposures"}
    assert whole["datasets"][0]["exposures"] == 2
    assert whole["runs"] == [
        {
            "run": "GTO17",
            "start_date": "2017-04-01",
            "end_date": "2017-06-30",
            "nights": 1,
            "exposures": 2,
        }
    ]


def test_tables_by_night_and_exposure(partly: MockProject) -> None:
    (night,) = rows(partly, "info", "--raw")
    assert (night["BIAS"], night["OBJECT"], night["ILLUM"]) == (3, 2, 1)
    (calib,) = rows(partly, "info", "--calib")
    assert calib["muse_flat"] == "up to date 2/2"
    assert calib["muse_wavecal"].startswith("to run")
    science = rows(partly, "info", "--science")
    assert [row["exposure"] for row in science][:2] == [FIRST, SECOND]
    assert science[0]["muse_scipost"] == "waits"


def test_excluded_frames_and_problems(partly: MockProject) -> None:
    hidden = rows(partly, "info", "--excluded")
    assert {row["night"] for row in hidden} == {"2017-07-01"}
    assert all("frames.exclude.raw" in row["reason"] for row in hidden)
    (problem,) = rows(partly, "info", "--problems")
    assert problem["path"].endswith("web.fits")
    assert "web page" in problem["message"]


def test_problems_are_told_where_no_frame_can_be_used(project: MockProject) -> None:
    for path in (project.folder / "raw").iterdir():
        path.write_text("<html>", encoding="utf-8")
    assert len(rows(project, "info", "--problems")) == 16


def test_dates_and_runs_choose(partly: MockProject) -> None:
    assert len(rows(partly, "info", "--exposures", "--run", "GTO17")) == 3
    assert [row["exposure"] for row in rows(partly, "info", "--exposures", "--date", SECOND)] == [
        SECOND
    ]
    assert len(rows(partly, "info", "--excluded", "--date", "2017-07")) == 2


def test_every_format_holds_the_same(partly: MockProject) -> None:
    expected = [row["exposure"] for row in rows(partly, "info", "--exposures")]
    text = partly.ask("info", "--exposures", "--format", "csv").out
    assert [row["exposure"] for row in csv.DictReader(io.StringIO(text))] == expected
    table = Table.read(
        partly.ask("info", "--exposures", "--format", "ecsv").out, format="ascii.ecsv"
    )
    assert list(table["exposure"]) == expected
    assert str(table["exptime"].unit) == "s"


@pytest.mark.parametrize(
    ("questions", "number"),
    [
        (["DPR_TYPE:BIAS"], 4),
        (["ESO DPR TYPE:BIAS"], 4),
        (["dpr.type:FLAT*"], 7),
        (["EXPTIME:>1"], 3),
        (["EXPTIME:<=1", "category:!BIAS", "night:2017-06-15"], 11),
        (["OBJECT:FIELD", "EXPTIME:600"], 3),
        (["EXPTIME:600.0", "--date", "GTO17"], 2),
        (["OBJECT:nothing"], 0),
        (["OBJECT:!*"], 0),
        (["OBJECT:' OR 1=1 --"], 0),
        ([], 18),
    ],
)
def test_raw_frames_by_key_and_value(
    partly: MockProject, questions: list[str], number: int
) -> None:
    assert len(rows(partly, "info-raw", *questions)) == number


def test_raw_frames_show_what_is_asked(partly: MockProject) -> None:
    first = rows(partly, "info-raw", "INS_TEMP7_VAL:>0")[0]
    assert first["INS_TEMP7_VAL"] == 12.5
    assert set(rows(partly, "info-raw", "--columns", "name,ins mode")[0]) == {"name", "INS_MODE"}
    assert "inode" in rows(partly, "info-raw", "--columns", "all")[0]


def test_the_reduction_log_of_an_exposure(partly: MockProject) -> None:
    shutil.copy(LOG, partly.folder / "raw")
    partly.ask("flag", "add", "SATELLITE", FIRST, "--author", "Ada", "-m", "a trail")
    out = partly.ask("info-exp", FIRST).out
    for text in (
        "target: FIELD",
        "flag SATELLITE (Ada",
        "weather at 2017-06-16T00:06:00: ThinCirrus",
        f"muse_scibasic:{FIRST}: ",
        "takes MASTER_FLAT muse_flat:2017-06-16T10:48:07",
        "muse_exp_combine:FIELD_drs",
    ):
        assert text in out, text
    assert len(rows(partly, "info", "--weather", "--date", "2017-06-15")) == 11
    assert rows(partly, "info", "--comments") == []
    (known,) = rows(partly, "info-exp", FIRST)
    assert known["flags"][0]["reason"] == "a trail"
    assert known["tasks"][0]["task"] == f"muse_scibasic:{FIRST}"


def test_the_short_log_of_a_night(partly: MockProject) -> None:
    lines = rows(partly, "info-exp", "--night", "2017-06-15", "--short")
    assert {row["exposure"] for row in lines} >= {FIRST, SECOND}
    assert {row["state"] for row in lines} >= {"waits"}
    assert partly.ask("info-exp", "--night", "2017-06-15", "--short").out.count(FIRST) >= 2


def test_warnings_of_recipes(partly: MockProject) -> None:
    assert rows(partly, "info-warnings") == [{"block": "muse_flat", "tasks": 1, "warnings": 2}]
    listed = rows(partly, "info-warnings", "--mode", "list")
    assert [row["warnings"] for row in listed] == [1, 1]
    detail = rows(partly, "info-warnings", "--mode", "detail", "muse_flat:*.ifu01")
    assert [row["warning"] for row in detail] == ["a slice is faint"]
    assert partly.ask("info-warnings", "muse_bias").out == "No recipe warned.\n"


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("info", "--date", "2017-06-14"), "did you mean 2017-06-15"),
        (("info", "--run", "GTO18"), "did you mean GTO17"),
        (("info", "muse_bias", "--nights"), "not both"),
        (("info", "--format", "csv"), "holds one table"),
        (("info-raw", "DPR_TYP:BIAS"), "did you mean DPR_TYPE"),
        (("info-raw", "BIAS"), "is not KEY:VALUE"),
        (("info-raw", "--columns", "nam"), "did you mean"),
        (("info-exp",), "wants an exposure"),
        (("info-exp", "2017-06-16T01:34:57"), "did you mean 2017-06-16T01:34:56.867"),
        (("info-exp", "--night", "2017-06-16"), "belongs to the night 2017-06-15"),
        (("info-warnings", "--mode", "details"), "did you mean detail"),
        (("info-warnings", "muse_flatt"), "did you mean muse_flat"),
    ],
)
def test_bad_input_is_answered(partly: MockProject, arguments: tuple[str, ...], told: str) -> None:
    ran = partly.ask(*arguments)
    assert ran.status == 2, ran.text
    assert told in ran.err
    assert "Traceback" not in ran.text


@pytest.mark.parametrize(
    ("date", "tasks"),
    [
        (FIRST, {"muse_scibasic", "muse_scipost_rec", "muse_scipost"}),
        ("2017-06-16T10:40:27", {"muse_bias"}),
        ("2017-06-16T01:3*", {"muse_scibasic", "muse_scipost_rec", "muse_scipost"}),
        ("2017-06-16T10:40..2017-06-16T10:50", {"muse_bias", "muse_flat"}),
    ],
)
def test_dates_name_tasks(partly: MockProject, date: str, tasks: set[str]) -> None:
    names = partly.ask("list", "-q", date).out.split()
    assert {name.partition(":")[0] for name in names} == tasks


def test_a_month_and_a_range_of_nights_name_all_of_their_tasks(partly: MockProject) -> None:
    night = partly.ask("list", "-q", "2017-06-15").out
    assert night
    for date in ("2017-06", "2017-06-14..2017-06-15"):
        assert partly.ask("list", "-q", date).out == night
    wrong = partly.ask("list", "2017-06-15..2017-06-1x")
    assert wrong.status == 2
    assert "is no date" in wrong.err
