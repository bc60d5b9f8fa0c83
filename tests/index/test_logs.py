"""Weather and observers' logs beside the frames."""

from __future__ import annotations

import shutil
import sqlite3
from pathlib import Path

import pytest

from musebuild.engine.project import Project
from musebuild.index.scan import problems
from musebuild.index.weather import parse_log
from tests.support.projects import MockProject

REAL = Path(__file__).parent / "data" / "MUSE.2017-06-16T01:34:56.867.NL.txt"


def rows(project: Project, question: str) -> list[tuple[object, ...]]:
    project.ingest()
    return list(project.db.conn.execute(question))


@pytest.fixture
def own(project: MockProject) -> Project:
    return Project(project.folder / "settings.yml")


def test_a_real_night_log(own: Project) -> None:
    shutil.copy(REAL, own.settings.raw_path)
    seen = rows(own, "SELECT * FROM weather_conditions ORDER BY date")
    assert len(seen) == 11
    assert seen[0] == (
        "2017-06-15",
        "2017-06-15T22:04:00",
        "ThickCirrus",
        "we started night with thick clouds",
    )
    assert seen[2][1] == "2017-06-16T00:06:00"
    assert seen[-1][1:] == ("2017-06-16T09:57:00", "Clear", "")
    assert rows(own, "SELECT exposure, night, obs_start, grade FROM weather_logs") == [
        ("2017-06-16T01:34:56.867", "2017-06-15", "2017-06-16T01:23:29", "X")
    ]
    assert rows(own, "SELECT seeing_min, seeing_max, temperature_max FROM weather_logs") == [
        (0.29, 1.1, 14.7)
    ]


def test_the_logs_of_one_night_tell_its_weather_once(own: Project) -> None:
    for name in (REAL.name, "MUSE.2017-06-16T01:36:56.867.NL.txt"):
        shutil.copy(REAL, own.settings.raw_path / name)
    assert rows(own, "SELECT COUNT(*) FROM weather_conditions") == [(11,)]
    (own.settings.raw_path / REAL.name).unlink()
    assert rows(own, "SELECT COUNT(*) FROM weather_conditions") == [(11,)]
    (own.settings.raw_path / "MUSE.2017-06-16T01:36:56.867.NL.txt").unlink()
    assert rows(own, "SELECT COUNT(*) FROM weather_conditions") == [(0,)]


def test_an_unchanged_log_is_not_read_again(own: Project) -> None:
    shutil.copy(REAL, own.settings.raw_path)
    assert own.ingest().weather_logs == 1
    assert own.ingest().weather_logs == 0


@pytest.mark.parametrize(
    "line", ["25:99\tClear\t", "no time\tClear", "22:04", "\x00\x01", "--:--\t\t"]
)
def test_malformed_lines_are_survived_and_told(own: Project, line: str) -> None:
    text = REAL.read_text(encoding="utf-8").replace("23:16\t", f"{line}\n23:16\t", 1)
    (own.settings.raw_path / REAL.name).write_text(text, encoding="utf-8")
    assert rows(own, "SELECT COUNT(*) FROM weather_conditions") == [(11,)]
    (problem,) = problems(own.connection)
    assert "1 lines of its table of weather cannot be understood" in problem.message
    # The weather stops no build.
    assert own.scan_report.problems == []


@pytest.mark.parametrize("data", [b"", b"\xff\xfe\x00", b"Weather observations:\n22:04"])
def test_any_bytes_are_survived(own: Project, data: bytes) -> None:
    (own.settings.raw_path / REAL.name).write_bytes(data)
    (own.settings.raw_path / "strange.NL.txt").write_bytes(data)
    assert rows(own, "SELECT COUNT(*) FROM weather_logs") == [(2,)]
    assert "its night is unknown" in problems(own.connection)[-1].message


def test_a_night_begins_after_noon() -> None:
    log = parse_log("Weather observations:\n12:00\tClear\ta\n11:59\tClear\tb\n", REAL.name)
    assert [seen.date for seen in log.observations] == [
        "2017-06-15T12:00:00",
        "2017-06-16T11:59:00",
    ]


def make_gto(path: Path) -> None:
    with sqlite3.connect(path) as db:
        db.execute("CREATE TABLE OBflags (OBstart TEXT, flag INTEGER)")
        db.execute("CREATE TABLE OBcomments (OBstart TEXT, comment TEXT, date TEXT, author TEXT)")
        db.execute("CREATE TABLE fcomments (arcfile TEXT, comment TEXT, date TEXT, author TEXT)")
        db.execute("INSERT INTO OBflags VALUES ('2017-06-16T01:23:29', 3)")
        db.execute("INSERT INTO OBcomments VALUES ('2017-06-16T01:23:29', 'fine', '2017', 'Ada')")
        db.execute(
            "INSERT INTO fcomments VALUES "
            "('MUSE.2017-06-16T01:34:56.867.fits', 'a trail', '2017', 'Eve')"
        )


def test_ranks_and_comments_are_joined_to_exposures(project: MockProject) -> None:
    make_gto(project.folder / "log.db")
    project.settings["GTO_logs"] = {"db": ["{workdir}/log.db"]}
    project.write()
    own = Project(project.folder / "settings.yml")
    own.ingest()
    own.db.conn.execute(
        "UPDATE raw SET OBS_START = '2017-06-16T01:23:29', row_check = NULL "
        "WHERE category = 'OBJECT'"
    )
    told = rows(
        own,
        "SELECT exposure, rank, comment, author FROM observing_log "
        "ORDER BY exposure, rank, comment",
    )
    first, second = "2017-06-16T01:34:56.867", "2017-06-16T01:36:56.867"
    assert told == [
        (first, None, "a trail", "Eve"),
        (first, None, "fine", "Ada"),
        (first, "B", None, None),
        (second, None, "fine", "Ada"),
        (second, "B", None, None),
    ]
    own.db.conn.commit()


@pytest.mark.parametrize("what", ["missing", "text", "empty"])
def test_a_log_that_cannot_be_read_is_told_and_stops_nothing(
    project: MockProject, what: str
) -> None:
    path = project.folder / "log.db"
    if what == "text":
        path.write_text("no database\n" * 100, encoding="utf-8")
    elif what == "empty":
        sqlite3.connect(path).close()
        path.write_bytes(b"")
    project.settings["GTO_logs"] = {"db": "{workdir}/log.db"}
    project.write()
    ran = project.ask("ingest")
    assert ran.status == 0, ran.err
    assert "log.db" in ran.out
    assert "GTO_logs" in ran.out


def test_ingest_counts(project: MockProject) -> None:
    assert "16 new" in (out := project.ask("ingest").out), out
    assert "0 new, 0 changed, 16 unchanged" in project.ask("ingest").out
    assert "16 changed" in project.ask("ingest", "--force").out
    (project.folder / "raw" / "web.fits").write_text("<html>", encoding="utf-8")
    ran = project.ask("ingest")
    assert ran.status == 1
    assert "web page" in ran.out
