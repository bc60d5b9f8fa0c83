"""`musebuild diff`: versions, settings, ledgers and lock files, side by side."""

from __future__ import annotations

import json
import shutil
import sqlite3
import time
from pathlib import Path
from typing import Any

import pytest

from musebuild.cache.migrations import CACHE_MIGRATIONS
from musebuild.cli.main import main
from musebuild.explain.lock import lock_side, read_lock
from tests.support.frames import write_raw
from tests.support.in_process import call_main
from tests.support.projects import MockProject, Ran, make_mock_project

BIAS = "muse_bias:2017-06-16T10:40:27.ifu0{}"
FLAT = "muse_flat:2017-06-16T10:48:07.ifu0{}"
MEDIAN = "ESO QC BIAS MASTER MEDIAN"


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory, night: Path) -> MockProject:
    """A project of which a part was built as 0.1, locked, and built otherwise as 0.2."""
    project = make_mock_project(tmp_path_factory.mktemp("diff") / "project", night)
    # Digests of frames that were written a moment ago are not trusted.
    time.sleep(0.3)
    project.rule(recipe="muse_bias", cards={MEDIAN: 500.25, "ESO QC BIAS RON": 2.5})
    build(project)
    assert main(["lock", "-d", str(project.folder), "muse_flat"]) == 0
    shutil.copy(project.folder / "settings.yml", project.folder / "one.yml")
    for name in ("musebuild.db", "musebuild.db-wal"):
        if (project.folder / name).exists():
            shutil.copy(project.folder / name, project.folder / name.replace("musebuild", "old"))
    project.unrule()
    project.rule(recipe="muse_bias", cards={MEDIAN: 501.5, "ESO QC BIAS RON": 2.5})
    write_raw(project.folder / "raw", "FLAT", "2017-06-16T10:50:17.159", tpl="2017-06-16T10:48:07")
    time.sleep(0.3)
    project.settings["version"] = 0.2
    project.params("muse_bias", overscan="none")
    build(project)
    return project


def build(project: MockProject) -> None:
    assert call_main(["run", "-q", "-d", str(project.folder), "muse_flat"]) == 0


def told(project: MockProject, *arguments: str, status: int = 1) -> str:
    ran = project.ask("diff", *arguments)
    assert ran.status == status, ran.text
    return ran.out


def found(project: MockProject, *arguments: str, status: int = 1) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(
        told(project, *arguments, "--format", "json", status=status)
    )
    return document


def test_two_versions_side_by_side(both: MockProject) -> None:
    document = found(both, "0.1", "0.2")
    assert document["equal"] is False
    assert {one["key"] for one in document["settings"]} == {"recipes.muse_bias"}
    assert {one["key"] for one in document["other settings"]} == {"version", "reduced_path"}
    assert document["tasks"]["same"] == 0
    # Where it began, and what follows from it.
    causes = {cause["task"]: cause for cause in document["causes"]}
    assert {task["task"] for task in document["tasks"]["different"]} == causes.keys()
    assert causes.keys() == {name.format(n) for name in (BIAS, FLAT) for n in (1, 2)}
    assert causes[BIAS.format(1)]["cause"] == "overscan was (not set), is none"
    assert causes[BIAS.format(1)]["below"] == [FLAT.format(1)]
    flat = next(t for t in document["tasks"]["different"] if t["task"] == FLAT.format(1))
    assert [c["text"] for c in flat["changes"] if c["association"]] == [
        "FLAT MUSE.2017-06-16T10:50:17.159.fits is new among the inputs"
    ]
    assert document["products"]["counts"] == {"different": 8}
    quality = document["quality"]
    assert (quality["compared"], len(quality["different"])) == (4, 2)
    assert quality["different"][0]["parameter"] == "QC_BIAS_MASTER_MEDIAN"
    values = [quality["different"][0][name] for name in ("first", "second", "change")]
    assert values == [500.25, 501.5, 1.25]
    assert document["pixels"] == {}


def test_what_people_read(both: MockProject) -> None:
    text = told(both, "0.1", "0.2", "--pixels")
    first, second, counts, *_ = text.splitlines()
    assert first.startswith("first:  version 0.1, last built 20")
    assert second.startswith("second: version 0.2")
    assert counts == "4 tasks in both: 0 the same, 4 made otherwise"
    for part in (
        "Set otherwise as well, which changes no product: reduced_path, version",
        f"{BIAS.format(1)} (and 1 more of muse_bias): overscan was (not set), is none",
        "by that differ 2 of muse_flat",
        "MASTER_BIAS  BIAS_MASTER_MEDIAN  500.25  501.5    1.25",
        "CHAN01: 48 of 48 differ (100 %), by at most",
    ):
        assert part in text
    only = told(both, "0.1", "0.2", "--only", "muse_flat:*.ifu01")
    assert "1 task in both" in only
    # The cause lies in a task that was not asked for.
    assert f"{BIAS.format(1)}: overscan was" in only
    assert "ifu02" not in only


@pytest.mark.parametrize(
    ("one", "two"),
    [
        ("0.1", "settings.lock"),
        ("old.db", "settings.lock"),
        ("old.db", "0.1"),
        ("settings.lock", "settings.lock"),
        ("0.2", "musebuild.db"),
    ],
)
def test_the_same_is_the_same_however_it_is_named(both: MockProject, one: str, two: str) -> None:
    assert "They do not differ." in told(both, one, two, status=0)


@pytest.mark.parametrize(
    ("one", "two"),
    [("settings.lock", "0.2"), ("old.db", "musebuild.db"), ("settings.lock", "musebuild.db")],
)
def test_causes_are_found_whatever_the_sides_are(both: MockProject, one: str, two: str) -> None:
    document = found(both, one, two)
    expected = found(both, "0.1", "0.2")
    assert {c["task"]: c["cause"] for c in document["causes"]} == {
        c["task"]: c["cause"] for c in expected["causes"]
    }
    assert document["quality"]["different"] == expected["quality"]["different"]
    assert document["settings"] == expected["settings"]


def test_one_side_is_compared_with_what_the_settings_ask_for(both: MockProject) -> None:
    text = told(both, "0.2", "--only", "muse_flat", status=0)
    assert "2 tasks in both: 2 the same" in text
    document = found(
        both, "0.2", "--only", "muse_flat", "--set", "recipes.muse_bias.params.overscan=7"
    )
    assert {task["kind"] for task in document["tasks"]["different"]} == {"unknown"}
    assert {c["cause"] for c in document["causes"]} == {"overscan was none, is 7"}
    # Settings files, of which one was built and one was not in this way.
    document = found(both, "one.yml", "settings.yml", "--only", "muse_bias")
    assert {c["cause"] for c in document["causes"]} == {"overscan was (not set), is none"}


def test_the_same_key_with_other_content_is_told(both: MockProject, tmp_path: Path) -> None:
    shutil.copytree(both.folder, tmp_path / "other")
    other = MockProject(tmp_path / "other", both.settings, [{"recipe": "muse_bias", "salt": "x"}])
    other.write()
    assert call_main(["run", "-q", "-a", "-d", str(other.folder), "muse_bias"]) == 0
    document = found(other, "musebuild.db", str(both.folder / "musebuild.db"))
    different = {task["task"]: task["kind"] for task in document["tasks"]["different"]}
    assert different == {BIAS.format(n): "content" for n in (1, 2)}
    assert "the recipe does not give the same twice" in document["causes"][0]["cause"]


LATER = [m for m in CACHE_MIGRATIONS if m.name in ("cache-settings", "cache-newest")]
"""Steps that the ledger of an older musebuild has not seen."""


def test_a_ledger_of_an_older_musebuild_is_read_and_left_as_it_is(
    both: MockProject, tmp_path: Path
) -> None:
    path = tmp_path / "older.db"
    shutil.copy(both.folder / "old.db", path)
    with sqlite3.connect(path) as db:
        db.execute("PRAGMA journal_mode=DELETE")
        for column in ("version", "reduced", "used"):
            db.execute(f"ALTER TABLE builds DROP COLUMN {column}")
        db.execute("DROP TABLE settings_used")
        db.execute("DROP INDEX manifests_newest")
        db.execute("UPDATE placed SET path = ? || path", [f"{both.folder}/"])
        db.execute("DELETE FROM meta WHERE name = 'folder'")
        db.executemany("DELETE FROM migrations WHERE name = ?", [(m.name,) for m in LATER])
    db.close()
    before = path.read_bytes()
    text = told(both, str(path), "0.1", status=0)
    assert "Settings: those of …" in text
    assert path.read_bytes() == before
    # The version that the settings name is found without a note of its builds.
    shutil.copytree(both.folder / "raw", tmp_path / "raw")
    (tmp_path / "settings.yml").write_text(
        f"db: older.db\nreduced_path: {both.folder}/reduced/0.1\ncache: {both.store}\n",
        encoding="utf-8",
    )
    assert main(["diff", "-d", str(tmp_path), "0.1", str(both.folder / "settings.lock")]) == 0


def test_the_store_of_a_lock_is_found_however_the_settings_name_it(both: MockProject) -> None:
    path = both.folder / "place.lock"
    lock = json.loads((both.folder / "settings.lock").read_text(encoding="utf-8"))
    for given in ({"place": ".musebuild/store", "limit": "5 GB"}, [".musebuild/store"], None):
        lock["settings"]["cache"] = given
        path.write_text(json.dumps(lock), encoding="utf-8")
        (store,) = lock_side("", read_lock(path), path).stores
        assert store.root == both.store


def foreign(folder: Path) -> None:
    with sqlite3.connect(folder / "theirs.db") as db:
        db.execute("CREATE TABLE raw (path TEXT)")
    db.close()
    (folder / "text.db").write_text("no database", encoding="utf-8")
    (folder / "empty.db").touch()
    (folder / "bad.lock").write_text("{}", encoding="utf-8")
    for name in ("newer", "damaged", "torn"):
        shutil.copy(folder / "old.db", folder / f"{name}.db")
    with sqlite3.connect(folder / "damaged.db") as db:
        db.execute("UPDATE records SET inputs = 'no JSON'")
    db.close()
    with (folder / "torn.db").open("r+b") as file:
        file.seek(4096)
        file.write(bytes(4096 * 20))
    with sqlite3.connect(folder / "newer.db") as db:
        db.execute("INSERT INTO migrations VALUES ('of-tomorrow')")
    db.close()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "compares two sides, and got 0"),
        (("0.1", "0.2", "0.3"), "compares two sides, and got 3"),
        (("0.1", "0.3"), "did you mean 0."),
        (("0.1", "nine"), "this project built 0.1, 0.2"),
        (("0.1", "settigns.yml"), "there is no file settigns.yml"),
        (("0.1", "theirs.db"), "theirs.db is not a ledger of musebuild"),
        (("0.1", "text.db"), "text.db is not a ledger of musebuild"),
        (("0.1", "empty.db"), "the file is empty"),
        (("0.1", "newer.db"), "was made by a newer musebuild"),
        (("0.1", "damaged.db"), "the ledger damaged.db is damaged"),
        (("0.1", "torn.db"), "cannot be read"),
        (("0.1", "bad.lock"), "is not a lock file"),
        (("0.1", "mock.yml"), "rules: unknown key"),
        (("0.1", "raw"), "there is no file raw/settings.yml"),
        (("0.1", "0.2", "--only", "muse_fla"), "did you mean muse_flat"),
        (("0.1", "0.2", "--format", "jason"), "did you mean json"),
    ],
)
def test_bad_input_is_answered_with_status_2(
    both: MockProject, arguments: tuple[str, ...], message: str
) -> None:
    if not (both.folder / "theirs.db").exists():
        foreign(both.folder)
    ran = both.ask("diff", *arguments)
    assert (ran.status, message in ran.err) == (2, True), ran.text
    assert "Traceback" not in ran.text


def test_sides_without_a_task_in_common_cannot_be_compared(
    both: MockProject, tmp_path: Path
) -> None:
    lock = json.loads((both.folder / "settings.lock").read_text(encoding="utf-8"))
    lock["tasks"] = [task for task in lock["tasks"] if task["name"].startswith("muse_bias")]
    (tmp_path / "bias.lock").write_text(json.dumps(lock), encoding="utf-8")
    lock["tasks"] = []
    (tmp_path / "none.lock").write_text(json.dumps(lock), encoding="utf-8")
    ran = both.ask("diff", str(tmp_path / "bias.lock"), str(tmp_path / "none.lock"))
    assert ran.status == 2
    assert "have no task in common" in ran.err


def test_a_version_that_is_not_there_any_more(project: MockProject) -> None:
    def ask(*arguments: str) -> Ran:
        return project.ask("diff", *arguments)

    assert "this project built nothing yet" in ask("0.3").err
    assert "nothing of version 0.1 was built" in ask("0.1").err
    project.settings["reduced_path"] = "reduced/all"
    project.write()
    assert call_main(["run", "-q", "-d", str(project.folder), "muse_bias"]) == 0
    project.settings["version"] = "0.2"
    project.params("muse_bias", overscan="none")
    assert call_main(["run", "-q", "-d", str(project.folder), "muse_bias"]) == 0
    assert "version 0.1 cannot be told from version 0.2" in ask("0.1", "0.2").err
    project.settings["reduced_path"] = "reduced/{version}"
    project.write()
    assert call_main(["run", "-q", "-d", str(project.folder), "muse_bias"]) == 0
    assert ask("0.2").status == 1
    assert main(["clean", "-d", str(project.folder)]) == 0
    assert "nothing of version 0.2 is there" in ask("0.2").err
