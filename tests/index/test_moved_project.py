"""A project that was moved or copied knows what it knew: paths in its database are its own."""

from __future__ import annotations

import shutil
import sqlite3
import subprocess
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from musebuild.cache.migrations import CACHE_MIGRATIONS
from musebuild.engine import hashing
from musebuild.engine.project import Project
from musebuild.index import digests, readers
from musebuild.index.database import open_database, settle_folder
from musebuild.index.migrations import INDEX_MIGRATIONS
from musebuild.index.paths import PATH_COLUMNS, ProjectPaths
from tests.support.damaged_databases import before_checks
from tests.support.frames import mock_night
from tests.support.projects import MockProject, make_mock_project


class Work:
    """Counts the headers that are read, and the files that are hashed."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.read: Counter[str] = Counter()
        self.hashed: Counter[str] = Counter()
        read_row, digest_frame = readers.read_row, hashing.digest_frame

        def reading(path: str, additional: Any = ()) -> Any:
            self.read[path] += 1
            return read_row(path, additional)

        def hash_it(path: Path) -> Any:
            self.hashed[str(path)] += 1
            return digest_frame(path)

        monkeypatch.setattr(readers, "read_row", reading)
        monkeypatch.setattr(hashing, "digest_frame", hash_it)
        # Files that are as old as the test are believed all the same.
        monkeypatch.setattr(digests, "TICK_NS", 0)
        monkeypatch.setattr(digests, "COARSE_TICK_NS", 0)

    def clear(self) -> None:
        self.read.clear()
        self.hashed.clear()


@pytest.fixture
def work(monkeypatch: pytest.MonkeyPatch) -> Work:
    return Work(monkeypatch)


@pytest.fixture
def made(work: Work, tmp_path: Path) -> MockProject:
    """A small project, all built, whose raw frames lie in it."""
    night = mock_night(tmp_path / "night", ifus=(1,))
    project = make_mock_project(tmp_path / "one" / "project", night)
    project.build()
    assert work.hashed
    assert work.read
    work.clear()
    return project


def in_folder(project: MockProject, folder: Path) -> MockProject:
    return MockProject(folder, project.settings, project.rules)


def paths_of(project: MockProject) -> dict[tuple[str, str], set[str]]:
    with sqlite3.connect(project.folder / "musebuild.db") as connection:
        return {
            (table, column): {
                text for (text,) in connection.execute(f"SELECT DISTINCT {column} FROM {table}")
            }
            for table, column in PATH_COLUMNS
        }


def test_paths_in_the_database_are_relative_to_the_project(made: MockProject) -> None:
    found = paths_of(made)
    for name in ("raw", "digests", "qa_raw", "placed"):
        assert found[name, "path"]
    assert found["builds", "settings"] == {"settings.yml"}
    assert found["builds", "reduced"] == {"reduced/0.1"}
    assert any(text.startswith("raw/") for text in found["associations", "source"])
    assert not [text for some in found.values() for text in some if str(made.folder) in text]
    with sqlite3.connect(made.folder / "musebuild.db") as connection:
        records = "".join(text for (text,) in connection.execute("SELECT inputs FROM records"))
    assert '"raw/MUSE.' in records
    assert str(made.folder) not in records


def test_a_moved_project_is_up_to_date_at_once(
    made: MockProject, work: Work, tmp_path: Path
) -> None:
    before = len(made.journal)
    (tmp_path / "two").mkdir()
    shutil.move(made.folder, tmp_path / "two" / "renamed")
    moved = in_folder(made, tmp_path / "two" / "renamed")
    for command in (("list", "--status"), ("status",)):
        told = moved.ask(*command)
        assert told.status == 0
        for word in ("to run", "restore", "hashed", "waits"):
            assert word not in told.text
    ran = moved.build()
    assert "Everything is up to date" in ran.out
    assert len(moved.journal) == before
    assert not work.hashed
    assert not work.read


@pytest.mark.parametrize("how", ["-a", "-r"])
def test_a_copied_project_hashes_each_file_once_and_runs_nothing(
    how: str, made: MockProject, work: Work, tmp_path: Path
) -> None:
    before = len(made.journal)
    subprocess.run(["cp", how, made.folder, tmp_path / "copy"], check=True)
    copy = in_folder(made, tmp_path / "copy")
    copy.build()
    assert len(copy.journal) == before
    assert set(work.hashed.values()) == {1}
    assert all(path.startswith(str(copy.folder)) for path in work.hashed)
    work.clear()
    copy.build()
    assert len(copy.journal) == before
    assert not work.hashed
    # The project that it was copied from is as it was.
    work.clear()
    assert "Everything is up to date" in made.build().out
    assert not work.hashed
    assert not work.read


def test_frames_that_were_moved_are_not_hashed_again(made: MockProject, work: Work) -> None:
    before = len(made.journal)
    (made.folder / "raw").rename(made.folder / "frames")
    made.settings["raw_path"] = "frames"
    made.write()
    made.build()
    assert len(made.journal) == before
    assert not work.hashed


def test_frames_outside_of_the_project_stay_where_they_are(work: Work, tmp_path: Path) -> None:
    night = mock_night(tmp_path / "night", ifus=(1,))
    project = make_mock_project(tmp_path / "one", night)
    (project.folder / "raw").rename(tmp_path / "archive")
    project.settings["raw_path"] = str(tmp_path / "archive")
    project.write()
    project.build()
    stored = paths_of(project)["raw", "path"]
    assert stored
    assert all(path.startswith(f"{tmp_path}/archive/") for path in stored)
    work.clear()
    project.folder.rename(tmp_path / "two")
    moved = in_folder(project, tmp_path / "two")
    assert "Everything is up to date" in moved.build().out
    assert not work.hashed
    assert not work.read


def test_a_database_of_before_is_rewritten_once(made: MockProject, work: Work) -> None:
    before = len(made.journal)
    with sqlite3.connect(made.folder / "musebuild.db") as connection:
        before_checks(connection)
        for table, column in PATH_COLUMNS:
            kinds = " AND kind <> 'product'" if table == "associations" else ""
            connection.execute(
                f"UPDATE {table} SET {column} = ? || {column} WHERE {column} NOT LIKE '/%'{kinds}",
                [f"{made.folder}/"],
            )
        connection.execute("ALTER TABLE digests RENAME TO newer")
        connection.execute(
            "CREATE TABLE digests (path TEXT PRIMARY KEY, device INTEGER, inode INTEGER, "
            "size INTEGER, mtime_ns INTEGER, ctime_ns INTEGER, hashed_ns INTEGER, digest TEXT)"
        )
        connection.execute("INSERT INTO digests SELECT * FROM newer")
        connection.execute("DROP TABLE newer")
        connection.execute("DELETE FROM meta WHERE name = 'folder'")
        connection.execute("DELETE FROM migrations WHERE name = 'index-digests'")
    assert "Everything is up to date" in made.build().out
    assert len(made.journal) == before
    assert not work.hashed
    assert not work.read
    test_paths_in_the_database_are_relative_to_the_project(made)


def test_settings_of_several_folders_share_a_database(made: MockProject, work: Work) -> None:
    """Its paths are relative to one folder, whoever opens it."""
    other = made.folder / "variants" / "other"
    other.mkdir(parents=True)
    settings = made.settings | {
        "db": "../../musebuild.db",
        "raw_path": "../../raw",
        "muse_calib_path": "../../calib",
    }
    variant = MockProject(other, settings)
    variant.write()
    for _ in range(2):
        for one in (variant, made):
            opened = Project(one.folder / "settings.yml")
            assert opened.scan_report.unchanged == len(opened.raw)
            assert {Path(frame.path).parent for frame in opened.raw} == {made.folder / "raw"}
            opened.close()
    assert not work.read


def test_a_database_whose_folder_is_gone_takes_that_of_its_project(tmp_path: Path) -> None:
    file = tmp_path / "elsewhere" / "a.db"
    for folder in ("one", "two"):
        connection = open_database(file, (*INDEX_MIGRATIONS, *CACHE_MIGRATIONS))
        settle_folder(connection, file, tmp_path / folder)
        assert connection.paths.folder == str(tmp_path / folder)
        connection.close()


def test_what_lies_below_a_folder() -> None:
    connection = sqlite3.connect(":memory:")
    connection.execute("CREATE TABLE t (path TEXT)")
    every = ["/data/p/reduced/a", "/data/p/reduced_b", "/data/p/x", "/data/q/y", "/other/z"]
    paths = ProjectPaths("/data/p")
    connection.executemany("INSERT INTO t VALUES (?)", [(paths.stored(path),) for path in every])

    def below(folder: str) -> list[str]:
        condition, values = paths.below(folder)
        rows = connection.execute(f"SELECT path FROM t WHERE {condition} ORDER BY rowid", values)
        return [paths.absolute(path) for (path,) in rows]

    assert below("/data/p/reduced") == every[:1]
    assert below("/data/p") == every[:3]
    assert below("/data") == every[:4]
    assert below("/") == every
    assert below("/data/q") == ["/data/q/y"]
    assert [paths.absolute(paths.stored(path)) for path in every] == every
    assert [ProjectPaths("/").absolute(ProjectPaths("/").stored(path)) for path in every] == every
