"""Selections of exposures, from the settings and flags to what runs."""

from __future__ import annotations

import sqlite3

import pytest
from astropy.io import fits

from musebuild.engine.project import Project
from musebuild.engine.view import look
from musebuild.index.meta import generation
from musebuild.index.selection import select_exposures
from tests.support.frames import write_raw
from tests.support.projects import MockProject

FIRST, SECOND, THIRD = (f"2017-06-16T01:3{n}:56.867" for n in (4, 6, 8))


@pytest.fixture
def three(project: MockProject) -> MockProject:
    """A project with three exposures, whose combination leaves flagged ones out."""
    write_raw(project.folder / "raw", "OBJECT", THIRD, tpl="2017-06-16T01:34:08", target="FIELD")
    project.settings["recipes"]["muse_exp_combine"]["exclude_flags"] = True
    project.write()
    return project


def test_a_flag_reruns_the_combination_alone_and_its_end_restores_it(three: MockProject) -> None:
    three.build()
    cube = next(three.reduced.glob("exp_combine/FIELD_drs/DATACUBE_FINAL*"))
    first = cube.read_bytes()
    before = len(three.journal)
    assert "up to date" in three.build().out
    assert three.ask("flag", "add", "SATELLITE", SECOND).status == 0
    three.build()
    assert three.ran_since(before) == {"muse_exp_combine": 1}
    assert cube.read_bytes() != first
    shown = three.ask("info", "muse_exp_combine").out
    assert f"{SECOND} is left out: flagged SATELLITE" in " ".join(shown.split())
    assert three.ask("flag", "remove", "SATELLITE", SECOND).status == 0
    after = len(three.journal)
    three.build()
    assert not three.ran_since(after), "it comes back from the store"
    assert cube.read_bytes() == first


def test_a_flag_changes_what_a_remembered_build_rests_on(three: MockProject) -> None:
    def is_planned_anew() -> bool:
        own = Project(three.folder / "settings.yml")
        try:
            view = look(own, remember=True)
            view.complete()
            return "plan" in vars(own)
        finally:
            own.close()

    assert is_planned_anew()
    assert not is_planned_anew()
    three.ask("flag", "add", "SATELLITE", FIRST)
    assert is_planned_anew()
    three.ask("flag", "remove", "SATELLITE", FIRST)
    assert is_planned_anew()


@pytest.mark.parametrize(
    ("given", "expected", "problem"),
    [
        ({"raw": f"name < '{THIRD}' AND category = 'OBJECT'"}, {FIRST, SECOND}, ""),
        ({"raw": {"name": [FIRST, THIRD]}}, {FIRST, THIRD}, ""),
        ({"flags": "flag = 'SATELLITE'"}, {SECOND}, ""),
        ({"flags": {"flag": "SATELLITE"}, "raw": f"name = '{FIRST}'"}, {FIRST, SECOND}, ""),
        ({"raw": "1 = 0"}, set(), ""),
        ({"raw": "EXPTME > 1"}, set(), "no column EXPTME; did you mean EXPTIME"),
        (
            {"raw": "abs(DET_BINX * 0 - 9223372036854775807 - 1) > 0"},
            set(),
            "the condition on raw fails",
        ),
        ({"qa_raw": f"SP_See IS NULL AND name < '{SECOND}'"}, {FIRST}, ""),
        ({"qa_raw": "PR_fwhmR < 1"}, set(), "nothing fills PR_fwhmR of qa_raw"),
        ({"qa_rwa": "SP_See < 1"}, set(), "no table qa_rwa to select from; did you mean qa_raw"),
        ({"gto_logs": "rnak = 'A'"}, set(), "no column rnak; did you mean rank"),
        ({"flags": "SATELITE > 1"}, set(), "no column SATELITE; did you mean SATELLITE"),
        ({"reduced": "recipe = 'muse_scipost'"}, set(), "no column recipe; did you mean recipe_n"),
        ({"qc_IMAGE_FOV": "ifuu = 1"}, set(), "no column ifuu; did you mean ifu"),
        ({"qa_raw": "SP_Seee < 1"}, set(), "no column SP_Seee; did you mean SP_See"),
    ],
)
def test_what_conditions_select(
    three: MockProject, given: dict[str, object], expected: set[str], problem: str
) -> None:
    three.ask("flag", "add", "SATELLITE", SECOND)
    three.settings["recipes"]["muse_exp_combine"]["names_with_selection"] = {"best": given}
    three.write()
    own = Project(three.folder / "settings.yml")
    assert own.raw
    selected = select_exposures(own.connection, own.settings)["muse_exp_combine"]["best"]
    assert selected.exposures == expected
    assert problem in selected.problem
    assert bool(problem) == bool(selected.problem)
    own.close()


NIGHT_LOG = """Grade: B
OBS.START: 2017-06-16T01:23:29
Seeing: 0.5-0.9
Weather observations:
Time\tConditions\tComment
01:30\tThickCirrus\tclouds
01:36\tClear\t
"""


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"gto_logs": "rank IN ('A', 'B')"}, {FIRST, SECOND}),
        ({"gto_logs": {"rank": "C"}}, {THIRD}),
        ({"gto_logs": "rank = 'B' AND comment LIKE '%trail%'"}, {SECOND}),
        ({"observing_log": "comment LIKE '%trail%'"}, {SECOND}),
        ({"weather_logs": {"grade": "B"}}, {FIRST}),
        ({"weather": "conditions = 'Clear'"}, {SECOND, THIRD}),
        ({"weather_conditions": "weather_conditions.conditions != 'Clear'"}, {FIRST}),
        ({"weather": "seeing_max < 1 AND grade = 'B'"}, {FIRST}),
        ({"flags": "SATELLITE > 1"}, {THIRD}),
        ({"flags_0_1": {"SATELLITE": [1, 2]}}, {SECOND, THIRD}),
        ({"flags_0_1": "flags_0_1.satellite = 1"}, {SECOND}),
        ({"flags": "flag = 'SATELLITE' AND value > 1"}, {THIRD}),
        ({"flags": f"SATELLITE IS NULL AND name IN ('{FIRST}', '{SECOND}')"}, {FIRST}),
        ({"flags": "SATELLITE = 2 AND BAD_SLICE = 3"}, {THIRD}),
    ],
)
def test_every_table_with_names_of_exposures_can_be_asked(
    three: MockProject, given: dict[str, object], expected: set[str]
) -> None:
    raw = three.folder / "raw"
    (raw / f"MUSE.{FIRST}.NL.txt").write_text(NIGHT_LOG)
    for name, start in ((FIRST, 1), (SECOND, 1), (THIRD, 2)):
        path = next(raw.glob(f"MUSE.{name}*"))
        fits.setval(path, "HIERARCH ESO OBS START", value=f"2017-06-16T01:0{start}:00.123")
    with sqlite3.connect(three.folder / "log.db") as log:
        log.execute("CREATE TABLE OBflags (OBstart TEXT, flag INTEGER)")
        log.execute("CREATE TABLE OBcomments (OBstart TEXT, comment TEXT, date TEXT, author TEXT)")
        log.execute("CREATE TABLE fcomments (arcfile TEXT, comment TEXT, date TEXT, author TEXT)")
        ranks = [("2017-06-16T01:01:00", 3), ("2017-06-16T01:02:00", 4)]
        log.executemany("INSERT INTO OBflags VALUES (?, ?)", ranks)
        log.execute(f"INSERT INTO fcomments VALUES ('MUSE.{SECOND}.fits', 'a trail', '', 'Eve')")
    log.close()
    three.settings["GTO_logs"] = {"db": "log.db"}
    three.settings["recipes"]["muse_exp_combine"]["select"] = given
    three.write()
    three.ask("flag", "add", "SATELLITE", SECOND)
    three.ask("flag", "add", "SATELLITE", THIRD, "--value", "2")
    three.ask("flag", "add", "BAD_SLICE", THIRD, "--value", "3")
    own = Project(three.folder / "settings.yml")
    assert own.raw
    selected = select_exposures(own.connection, own.settings)["muse_exp_combine"][""]
    assert not selected.problem
    # A night log tells the weather of calibrations as well.
    assert selected.exposures & {FIRST, SECOND, THIRD} == expected
    before = generation(own.connection)
    own.close()
    # Another rank, or another night log, is a change of what the plan rests on.
    with sqlite3.connect(three.folder / "log.db") as log:
        log.execute("UPDATE OBflags SET flag = 2, OBstart = OBstart || ' '")
    log.close()
    (raw / f"MUSE.{SECOND}.NL.txt").write_text(NIGHT_LOG)
    own = Project(three.folder / "settings.yml")
    own.ingest()
    assert generation(own.connection) == before + 2
    own.close()


def test_several_combinations_of_one_block(three: MockProject) -> None:
    block = three.settings["recipes"]["muse_exp_combine"]
    block["names_with_selection"] = {
        "early": {"raw": f"name < '{THIRD}'"},
        "one": {"raw": {"name": THIRD}},
    }
    three.write()
    ran = three.ask("run", "-c")
    assert (three.reduced / "exp_combine" / "FIELD_early").is_dir()
    assert not (three.reduced / "exp_combine" / "FIELD_one").exists()
    told = " ".join(ran.text.split())
    assert "the selection one with exclude_flags takes 1 of 3 exposures" in told
