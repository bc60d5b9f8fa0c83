"""`musebuild adopt`: a project of another tool is left alone until it is taken over."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path

import pytest
from astropy.io import fits

from musebuild.cache.trees import MARK, is_our_tree, own_tree
from musebuild.engine.project import Project
from tests.support.projects import ALL, MockProject

EXPOSURE = "2017-06-16T01:34:56.867"


def product(path: Path, recipe: str = "muse_bias") -> Path:
    """A product as another tool leaves it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    header = fits.Header()
    header["INSTRUME"] = "MUSE"
    header["HIERARCH ESO PRO REC1 ID"] = recipe
    fits.PrimaryHDU(header=header).writeto(path)
    return path


def note(path: Path) -> Path:
    """A note as MuseRed leaves one in each folder."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text('{"recipe_name": "muse_bias", "nwarn": 0}')
    return path


def folder_of(project: MockProject, block: str) -> str:
    """The folder of a block's first invocation."""
    opened = Project(project.folder / "settings.yml")
    try:
        return next(i.folder for i in opened.plan.invocations.values() if i.block == block)
    finally:
        opened.close()


def musered(project: MockProject) -> dict[str, bytes]:
    """Make the project one of MuseRed: settings, database, some products; all their bytes."""
    project.settings["db"] = "musered.db"
    project.settings["flags"] = {"MINE": "my own"}
    project.write()
    with sqlite3.connect(project.folder / "musered.db") as db:
        db.execute("CREATE TABLE raw (id INTEGER, name TEXT)")
        db.execute(
            "CREATE TABLE flags_0_1 (id INTEGER, name TEXT, SATELLITE INTEGER, MINE INTEGER,"
            " FORGOTTEN INTEGER, BAD_SLICE INTEGER)"
        )
        rows = [(1, EXPOSURE, 2, 1, 1, None), (2, "2017-06-16T01:37:47.867", None, 0, 1, None)]
        db.executemany("INSERT INTO flags_0_1 VALUES (?,?,?,?,?,?)", rows)
    db.close()
    folder = folder_of(project, "muse_scipost")
    product(project.reduced / folder / "DATACUBE_FINAL.fits", "muse_scipost")
    note(project.reduced / folder / "muse_scipost.json")
    (project.reduced / folder / "remarks.txt").write_text("seen by me")
    product(project.reduced / "old" / "MASTER_BIAS.fits")
    return held(project.folder)


def held(folder: Path) -> dict[str, bytes]:
    """Bytes of all of the other tool's files."""
    names = [folder / "musered.db", *(folder / "reduced" / "0.1").rglob("*")]
    files = (path for path in names if path.is_file() and path.suffix != ".log")
    return {str(path): path.read_bytes() for path in files}


@pytest.mark.parametrize(
    ("make", "ours"),
    [
        (lambda root: None, True),
        (lambda root: (root / "logs").mkdir(), True),
        (lambda root: (root / "mine.fits").write_bytes(b""), True),
        (lambda root: product(root / "a" / "X.fits"), False),
        (lambda root: (note(root / "a" / "b.json"), (root / "a" / "x.fits").touch()), False),
        (lambda root: note(root / "a" / "b.json"), True),
        (lambda root: (product(root / "a" / "X.fits"), (root / MARK).touch()), True),
        (
            lambda root: (
                product(root / "a" / "X.fits"),
                product(root / "b" / "X.fits"),
                (root / "b" / "x.json").write_text('{"musebuild": "x"}'),
            ),
            True,
        ),
    ],
)
def test_whose_a_tree_is(make: object, ours: bool, tmp_path: Path) -> None:
    root = tmp_path / "0.1"
    assert is_our_tree(root)
    root.mkdir()
    make(root)  # type: ignore[operator]
    assert is_our_tree(root) is ours
    assert own_tree(root).name == ("0.1" if ours else "0.1.musebuild")


def test_invariant_11_another_tools_project_is_left_alone_then_adopted_and_given_back(
    project: MockProject,
) -> None:
    before = musered(project)
    ran = project.build()
    assert "holds what another tool made, and is left alone" in ran.out
    assert "musebuild adopt" in ran.out
    assert held(project.folder) == before
    beside = project.folder / "reduced" / "0.1.musebuild"
    assert list(beside.rglob("DATACUBE_FINAL.fits"))
    assert "Everything is up to date" in project.ask("run").out
    checked = project.ask("check").out
    assert "musered.db is another tool's" in checked
    assert "0.1 holds what another tool made" in checked
    assert checked.count("`musebuild adopt`") == 2

    told = project.ask("adopt", "--dry-run")
    assert told.status == 0, told.text
    assert "2 files of 1 folder would be moved" in told.out
    assert "DATACUBE_FINAL.fits, muse_scipost.json" in told.out
    assert "2 flags of 1 exposure would be taken over from musered.db" in told.out
    assert "The flag FORGOTTEN of 2 exposures is not taken over" in told.out
    assert held(project.folder) == before

    done = project.ask("adopt")
    assert done.status == 0, done.text
    aside = project.folder / "reduced" / "0.1.aside-1"
    moved = sorted(p.name for p in aside.rglob("*") if p.is_file())
    assert moved == ["DATACUBE_FINAL.fits", "adopted.json", "muse_scipost.json"]
    assert (project.folder / "musered.db").read_bytes() == before[
        str(project.folder / "musered.db")
    ]
    assert list(project.reduced.rglob("remarks.txt"))
    flags = json.loads(project.ask("flag", "list", EXPOSURE, "--format", "json").out)
    assert {one["flag"]: one["value"] for one in flags} == {"MINE": 1, "SATELLITE": 2}
    assert {one["author"] for one in flags} == {"MuseRed"}
    assert {one["reason"] for one in flags} == {"adopted from musered.db, flags_0_1"}
    ran = project.build()
    assert f"0 ran, {ALL} restored" in ran.out
    assert "Cube: reduced/0.1/exp_combine/FIELD_drs/DATACUBE_FINAL.fits" in ran.out
    assert not list(beside.rglob("*.fits"))
    assert "There is nothing to take over" in project.ask("adopt").out

    undone = project.ask("adopt", "--undo")
    assert undone.status == 0, undone.text
    assert "2 files moved back" in undone.out
    assert "2 flags taken away" in undone.out
    assert held(project.folder) == before
    assert not aside.exists()
    assert "nothing was adopted" in project.ask("adopt", "--undo").text


def test_a_product_in_our_tree_is_refused_before_the_first_recipe_runs(
    project: MockProject,
) -> None:
    folder = folder_of(project, "muse_bias")
    project.reduced.mkdir(parents=True)
    (project.reduced / MARK).touch()
    path = product(project.reduced / folder / "MASTER_BIAS-01.fits")
    (project.reduced / "scibasic").write_text("a file where a folder shall be")
    ran = project.ask("run")
    assert ran.status == 1
    assert "files lie that musebuild did not make" in ran.text
    assert str(path) in ran.text
    assert str(project.reduced / "scibasic") in ran.text
    assert "musebuild adopt" in ran.text
    assert not project.journal
    done = json.loads(project.ask("adopt", "--format", "json").out)
    assert [Path(one["from"]).name for one in done["moved"]] == ["MASTER_BIAS-01.fits", "scibasic"]
    # What stands where a file came from is not overwritten when it comes back.
    path.write_text("newer")
    undone = project.ask("adopt", "--undo", "--format", "json")
    assert undone.status == 1
    (kept,) = json.loads(undone.out)["kept"]
    assert kept["reason"] == f"{path} is there"
    assert path.read_text() == "newer"
    path.unlink()
    assert project.ask("adopt", "--undo").status == 0
    assert path.stat().st_size


def test_flags_of_other_versions(project: MockProject) -> None:
    musered(project)
    db = sqlite3.connect(project.folder / "musered.db")
    db.execute("ALTER TABLE flags_0_1 RENAME TO flags_0_2")
    db.commit()
    assert "2 flags of 1 exposure" in project.ask("adopt", "--dry-run").out
    ran = project.ask("adopt", "--dry-run", "--flags", "0.3")
    assert ran.status == 2
    assert "holds no flags of version 0.3" in ran.text
    db.execute("CREATE TABLE flags_0_3 (name TEXT)")
    db.commit()
    ran = project.ask("adopt", "--dry-run")
    assert ran.status == 2
    assert "it holds those of 0.2 and 0.3" in ran.text
    assert "2 flags" in project.ask("adopt", "--dry-run", "--flags", "0.2").out
    db.execute("DROP TABLE flags_0_2")
    db.execute("DROP TABLE flags_0_3")
    db.commit()
    db.close()
    assert "flag" not in project.ask("adopt", "--dry-run").out.partition("from now on")[2]
