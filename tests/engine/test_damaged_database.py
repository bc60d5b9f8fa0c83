"""A damaged database costs nothing but what it held: made anew from frames and store."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

import musebuild
from musebuild.engine.build_state import Build
from musebuild.engine.migrations import MIGRATIONS
from musebuild.index.database import open_database
from musebuild.index.soundness import is_sound
from tests.support.damaged_databases import Trial
from tests.support.frames import mock_night
from tests.support.projects import make_mock_project

TASK = "muse_bias"


@pytest.fixture(scope="module")
def trial(tmp_path_factory: pytest.TempPathFactory) -> Trial:
    folder = tmp_path_factory.mktemp("damaged")
    mock_night(folder / "night", exposures=1, ifus=(1,))
    return Trial(make_mock_project(folder / "p", folder / "night"), (TASK,))


@pytest.mark.parametrize("seed", range(24))
def test_random_damage(trial: Trial, seed: int) -> None:
    how, wrong = trial.once(f"fast-{seed}")
    assert not wrong, f"{how}: {wrong}"


def statement(text: str) -> Callable[[Path], None]:
    def damage(path: Path) -> None:
        connection = sqlite3.connect(path)
        with connection:
            connection.execute(text)
        connection.close()

    return damage


def byte(offset: int, value: int) -> Callable[[Path], None]:
    def damage(path: Path) -> None:
        with path.open("r+b") as file:
            file.seek(offset)
            file.write(bytes([value]))

    return damage


@pytest.mark.parametrize(
    "damage",
    [
        statement("UPDATE raw SET path = NULL"),
        statement("UPDATE raw SET name = x'ff'"),
        statement("UPDATE raw SET INS_MODE = 'WFM-NOAO-E'"),
        statement("UPDATE meta SET value = 'word'"),
        statement("DROP VIEW weather"),
        statement("ALTER TABLE tasks RENAME COLUMN outcome TO outcomes"),
        statement("UPDATE digests SET digest = '{'"),
        statement("UPDATE migrations SET name = 'index-l' WHERE name = 'index-1'"),
        statement("DELETE FROM migrations WHERE name = 'index-frames'"),
        statement("DROP TABLE placed"),
        byte(0, 0x52),
        byte(18, 3),
        byte(19, 9),
        byte(59, 2),
    ],
)
def test_each_kind_is_told_in_one_line_and_mended(
    trial: Trial, damage: Callable[[Path], None]
) -> None:
    trial.renew()
    damage(trial.path)
    os.utime(next((trial.project.folder / "raw").glob("*.fits")))
    before = len(trial.project.journal)
    ran = trial.project.build(TASK)
    told = [line for line in ran.err.splitlines() if "damaged" in line]
    assert told == [
        "The database was damaged. It was moved to musebuild.db.damaged-1, and is made anew"
    ]
    assert len(trial.project.journal) == before
    assert is_sound(trial.path, MIGRATIONS)
    assert "up to date" in trial.project.build(TASK).out


@pytest.mark.parametrize(
    "command", [["list"], ["status"], ["check"], ["info-raw"], ["flag", "list"]]
)
def test_a_look_mends_it(trial: Trial, command: list[str]) -> None:
    trial.renew()
    statement("UPDATE raw SET path = NULL")(trial.path)
    statement("DELETE FROM meta")(trial.path)
    ran = trial.project.ask(*command)
    assert ran.status in (0, 1), ran.text
    assert "Traceback" not in ran.text


def test_python_mends_it(trial: Trial) -> None:
    trial.renew()
    statement("UPDATE raw SET path = NULL")(trial.path)
    project = musebuild.Project(trial.project.folder / "settings.yml")
    with pytest.warns(UserWarning, match="was damaged"):
        assert len(project.raw)


def test_what_a_project_holds_is_sound_and_carried_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mock_night(tmp_path / "night", exposures=1, ifus=(1,))
    project = make_mock_project(tmp_path / "p", tmp_path / "night")
    project.settings["additional_keywords"] = ["ESO TPL NEXP"]
    project.rule(recipe="muse_bias", cards={"ESO QC BIAS MASTER MEDIAN": 501.5})
    project.build(TASK)
    project.ask("flag", "add", "BAD_SLICE", "2017-06-16T01:34:56.867")
    path = project.folder / "musebuild.db"
    assert is_sound(path, MIGRATIONS)
    kept = ("flags", "events", "builds", "records", "placed", "digests", "used_files")
    before = rows(path, kept)
    assert all(before)
    path.with_suffix(".flags.csv").unlink()
    statement("DROP TABLE raw")(path)
    assert "was damaged" in project.ask("list").err
    assert rows(path, kept) == before
    assert is_sound(path, MIGRATIONS)


def rows(path: Path, tables: Sequence[str]) -> list[list[tuple[object, ...]]]:
    connection = sqlite3.connect(path)
    found = [connection.execute(f"SELECT * FROM {name}").fetchall() for name in tables]
    connection.close()
    return found


def test_what_is_no_damage_is_left_alone(trial: Trial, monkeypatch: pytest.MonkeyPatch) -> None:
    trial.renew()
    before = trial.path.read_bytes()

    def full(*args: object) -> None:
        error = sqlite3.OperationalError("database or disk is full")
        error.sqlite_errorcode = sqlite3.SQLITE_FULL
        raise error

    monkeypatch.setattr("musebuild.engine.project.settle_folder", full)
    ran = trial.project.ask("list")
    assert ran.status
    assert "is full" in ran.err

    def bug(*args: object) -> None:
        raise TypeError("ours")

    monkeypatch.setattr("musebuild.engine.project.settle_folder", bug)
    with pytest.raises(TypeError, match="ours"):
        trial.project.ask("list")
    assert trial.path.read_bytes() == before
    assert not list(trial.project.folder.glob("*damaged*"))


def test_one_of_a_newer_musebuild_is_left_alone_whatever_it_holds(tmp_path: Path) -> None:
    path = tmp_path / "musebuild.db"
    open_database(path, MIGRATIONS).close()
    statement("INSERT INTO migrations VALUES ('index-of-2030')")(path)
    statement("DROP TABLE placed")(path)
    assert is_sound(path, MIGRATIONS)


def test_damage_in_the_middle_of_a_build_loses_no_result(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mock_night(tmp_path / "night", exposures=1, ifus=(1, 2))
    project = make_mock_project(tmp_path / "p", tmp_path / "night")
    whole = Build.succeeded

    def damaged(self: Build, *args: object) -> object:
        monkeypatch.undo()
        statement("DROP TABLE products")(project.folder / "musebuild.db")
        return whole(self, *args)  # type: ignore[arg-type]

    monkeypatch.setattr(Build, "succeeded", damaged)
    ran = project.build(TASK, "-n", "2")
    assert "was damaged" in ran.err
    assert len(project.journal) == 2
    assert "up to date" in project.build(TASK).out
