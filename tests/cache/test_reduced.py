"""The reduced tree: a view of the store in which nothing of others is ever touched."""

from __future__ import annotations

import errno
import fcntl
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from musebuild.cache.model import Manifest
from musebuild.cache.reduced import ReducedTree, is_as_placed
from musebuild.cache.store import Store
from musebuild.errors import StoreError
from tests.cache.conftest import Project
from tests.cache.making import CONTENTS, FOLDER, TASK, memory_ledger, place_in, run

BIAS = "MASTER_BIAS-01.fits"


@pytest.fixture(params=["reflink", "hard link", "copy"])
def how(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Each way in which products come into the tree."""

    def refuse(*args: object) -> None:
        raise OSError(errno.EXDEV, "Invalid cross-device link")

    def clone(target: int, request: int, source: int) -> None:
        os.write(target, Path(f"/proc/self/fd/{source}").read_bytes())

    monkeypatch.setattr(fcntl, "ioctl", clone if request.param == "reflink" else refuse)
    if request.param == "copy":
        monkeypatch.setattr(os, "link", refuse)
    return str(request.param)


def files(tree: ReducedTree) -> dict[str, bytes]:
    """All files of the tree: path below the root → bytes."""
    return {
        str(path.relative_to(tree.root)): path.read_bytes()
        for path in tree.root.rglob("*")
        if path.is_file()
    }


def expected(contents: dict[str, bytes] = CONTENTS) -> dict[str, bytes]:
    return {f"{FOLDER}/{name}": content for name, content in contents.items()}


def products(tree: ReducedTree) -> dict[str, bytes]:
    """The files that are no notes."""
    return {name: data for name, data in files(tree).items() if not name.endswith(".json")}


def edit(path: Path) -> bytes:
    """Change a product in place, as astropy's update mode does; its bytes afterwards."""
    path.chmod(0o644)
    with path.open("r+b") as file:
        file.write(b"EDITED")
    return path.read_bytes()


# placing


def test_products_stand_in_the_tree(how: str, project: Project) -> None:
    manifest = run(project.store)
    assert not project.tree.in_place(FOLDER, manifest)
    report = place_in(project.tree, manifest)
    assert (report.how, report.placed, report.edited) == (how, 2, [])
    assert products(project.tree) == expected()
    assert project.tree.in_place(FOLDER, manifest)
    assert project.tree.in_place(FOLDER, manifest, project.ledger.all_placed())


def test_the_note_beside_them(project: Project) -> None:
    manifest = run(project.store)
    place_in(project.tree, manifest)
    note = json.loads((project.tree.root / FOLDER / "muse_bias.json").read_text())
    assert note == {"musebuild": TASK, "recipe": "muse_bias", "key": manifest.key}


def test_placing_twice_changes_nothing(how: str, project: Project) -> None:
    manifest = run(project.store)
    place_in(project.tree, manifest)
    before = files(project.tree)
    assert place_in(project.tree, manifest).edited == []
    assert files(project.tree) == before
    assert project.tree.in_place(FOLDER, manifest)


def test_new_products_replace_the_old_ones(how: str, project: Project) -> None:
    first = run(project.store)
    place_in(project.tree, first)
    second = run(project.store, {BIAS: b"a better bias"}, level=2)
    assert place_in(project.tree, second).edited == []
    # QC-01.fits is not made any more.
    assert products(project.tree) == expected({BIAS: b"a better bias"})
    assert project.tree.in_place(FOLDER, second)
    assert not project.tree.in_place(FOLDER, first)
    assert project.store.lookup(first.key).outcome == "hit"


def test_going_back_gives_the_old_products_again(how: str, project: Project) -> None:
    first = run(project.store)
    place_in(project.tree, first)
    place_in(project.tree, run(project.store, {BIAS: b"a better bias"}, level=2))
    place_in(project.tree, first)
    assert products(project.tree) == expected()


def test_the_tree_of_another_version_stays_as_it_is(project: Project, tmp_path: Path) -> None:
    manifest = run(project.store)
    place_in(project.tree, manifest)
    before = files(project.tree)
    other = ReducedTree(tmp_path / "version 0.2", project.store, project.ledger)
    place_in(other, manifest)
    assert files(project.tree) == before
    other.remove(TASK)
    assert files(project.tree) == before
    assert not files(other)


def test_moving_to_another_folder_leaves_none_behind(project: Project) -> None:
    manifest = run(project.store)
    place_in(project.tree, manifest)
    place_in(project.tree, manifest, "BIAS/another")
    assert set(files(project.tree)) == {
        f"BIAS/another/{name}" for name in (*CONTENTS, "muse_bias.json")
    }
    assert not (project.tree.root / FOLDER).exists()


@pytest.mark.parametrize(
    "change",
    [
        Path.unlink,
        edit,
        lambda path: os.utime(path),
        lambda path: (path.unlink(), path.write_bytes(b"x" * 4200)),
        lambda path: (path.unlink(), path.mkdir()),
    ],
)
def test_what_is_not_as_it_was_placed_is_noticed_by_stat(
    change: Callable[[Path], object], how: str, project: Project
) -> None:
    manifest = run(project.store)
    place_in(project.tree, manifest)
    change(project.tree.root / FOLDER / BIAS)
    assert not project.tree.in_place(FOLDER, manifest)


def test_a_deleted_tree_comes_back(how: str, project: Project) -> None:
    manifest = run(project.store)
    place_in(project.tree, manifest)
    shutil.rmtree(project.tree.root)
    assert not project.tree.in_place(FOLDER, manifest)
    assert project.store.lookup(manifest.key).outcome == "hit"
    place_in(project.tree, manifest)
    assert products(project.tree) == expected()


def test_a_lost_ledger_costs_nothing(how: str, project: Project) -> None:
    manifest = run(project.store)
    place_in(project.tree, manifest)
    anew = ReducedTree(project.tree.root, project.store, memory_ledger())
    assert not anew.in_place(FOLDER, manifest)
    assert place_in(anew, manifest).edited == []
    assert products(anew) == expected()
    assert anew.in_place(FOLDER, manifest)


def test_a_touched_product_is_no_edit(how: str, project: Project) -> None:
    manifest = run(project.store)
    place_in(project.tree, manifest)
    os.utime(project.tree.root / FOLDER / BIAS)
    assert project.store.lookup(manifest.key).outcome == "hit"
    assert place_in(project.tree, manifest).edited == []
    assert project.tree.in_place(FOLDER, manifest)


# edits


def test_invariant_7_an_edited_product_is_noticed_kept_aside_and_never_served(
    how: str, project: Project, tmp_path: Path
) -> None:
    manifest = run(project.store)
    place_in(project.tree, manifest)
    path = project.tree.root / FOLDER / BIAS
    edited = edit(path)
    assert not project.tree.in_place(FOLDER, manifest)
    # Through a hard link the edit reached the object: then the store has none to serve.
    outcome = project.store.lookup(manifest.key).outcome
    assert outcome == ("object damaged" if how == "hard link" else "hit")
    report = place_in(project.tree, run(project.store))
    aside = path.with_name(f"{BIAS}.edited-1")
    assert report.edited == [str(aside)]
    assert aside.read_bytes() == edited
    assert path.read_bytes() == CONTENTS[BIAS]
    assert project.store.lookup(manifest.key).outcome == "hit"
    project.store.restore(manifest.products[0], tmp_path / "restored")
    assert (tmp_path / "restored").read_bytes() == CONTENTS[BIAS]
    assert project.tree.in_place(FOLDER, manifest)


def test_each_edit_is_kept(project: Project) -> None:
    for number in (1, 2, 3):
        place_in(project.tree, run(project.store))
        path = project.tree.root / FOLDER / BIAS
        path.unlink()
        path.write_bytes(b"edit %d" % number)
    place_in(project.tree, run(project.store))
    folder = project.tree.root / FOLDER
    for number in (1, 2, 3):
        assert (folder / f"{BIAS}.edited-{number}").read_bytes() == b"edit %d" % number


def test_an_edited_note_is_kept(project: Project) -> None:
    place_in(project.tree, run(project.store))
    note = project.tree.root / FOLDER / "muse_bias.json"
    note.write_text("my own remarks")
    report = place_in(project.tree, run(project.store))
    assert report.edited == [f"{note}.edited-1"]
    assert Path(report.edited[0]).read_text() == "my own remarks"


def test_a_folder_at_the_place_of_a_product_is_kept(project: Project) -> None:
    place_in(project.tree, run(project.store))
    path = project.tree.root / FOLDER / BIAS
    path.unlink()
    path.mkdir()
    (path / "mine").write_text("mine")
    place_in(project.tree, run(project.store))
    assert (path.with_name(f"{BIAS}.edited-1") / "mine").read_text() == "mine"
    assert path.read_bytes() == CONTENTS[BIAS]


# files of others


def a_file(path: Path) -> None:
    path.write_bytes(b"of somebody")


def a_folder(path: Path) -> None:
    path.mkdir()
    (path / "file").write_bytes(b"of somebody")


def a_dangling_link(path: Path) -> None:
    path.symlink_to("nowhere")


def a_pipe(path: Path) -> None:
    os.mkfifo(path)


@pytest.mark.parametrize("name", [BIAS, "muse_bias.json"])
@pytest.mark.parametrize("make", [a_file, a_folder, a_dangling_link, a_pipe])
def test_invariant_11_a_foreign_file_in_the_way_stops_us(
    make: Callable[[Path], None], name: str, project: Project
) -> None:
    manifest = run(project.store)
    path = project.tree.root / FOLDER / name
    path.parent.mkdir(parents=True)
    make(path)
    before = path.lstat()
    with pytest.raises(StoreError) as caught:
        place_in(project.tree, manifest)
    error = caught.value
    assert name in error.what
    assert error.where == str(path)
    assert f"mv {path}" in str(error.remedy)
    assert path.lstat() == before
    # Nothing else was begun.
    assert [p.name for p in path.parent.iterdir()] == [name]
    assert project.ledger.all_placed() == {}
    path.rename(path.with_name("old"))
    place_in(project.tree, manifest)
    assert project.tree.in_place(FOLDER, manifest)


def test_invariant_11_a_file_at_the_place_of_our_folder(project: Project) -> None:
    manifest = run(project.store)
    project.tree.root.mkdir()
    blocking = project.tree.root / "BIAS"
    blocking.write_text("of somebody")
    with pytest.raises(StoreError, match="in the way") as caught:
        place_in(project.tree, manifest)
    assert caught.value.where == str(blocking)
    assert blocking.read_text() == "of somebody"


def test_a_foreign_file_with_the_same_bytes_is_no_loss(project: Project) -> None:
    manifest = run(project.store)
    path = project.tree.root / FOLDER / BIAS
    path.parent.mkdir(parents=True)
    path.write_bytes(CONTENTS[BIAS])
    place_in(project.tree, manifest)
    assert project.tree.in_place(FOLDER, manifest)


def test_neighbours_stay(project: Project) -> None:
    manifest = run(project.store)
    folder = project.tree.root / FOLDER
    folder.mkdir(parents=True)
    (folder / "notes.txt").write_text("mine")
    place_in(project.tree, manifest)
    project.tree.remove(TASK)
    assert [path.name for path in folder.iterdir()] == ["notes.txt"]


# removing


def test_removing_takes_our_links_and_empty_folders_only(how: str, project: Project) -> None:
    manifest = run(project.store)
    place_in(project.tree, manifest)
    removed = project.tree.remove(TASK)
    assert {Path(path).name for path in removed} == {*CONTENTS, "muse_bias.json"}
    assert list(project.tree.root.iterdir()) == []
    assert project.ledger.all_placed() == {}
    assert project.store.lookup(manifest.key).outcome == "hit"
    assert project.tree.remove(TASK) == []


def test_invariant_11_removing_leaves_edits(how: str, project: Project) -> None:
    place_in(project.tree, run(project.store))
    path = project.tree.root / FOLDER / BIAS
    edited = edit(path)
    removed = project.tree.remove(TASK)
    assert str(path) not in removed
    assert products(project.tree) == {f"{FOLDER}/{BIAS}": edited}


def test_removing_leaves_files_of_other_tasks(project: Project) -> None:
    manifest = run(project.store)
    place_in(project.tree, manifest)
    project.tree.place("FLAT", manifest, task="another", sidecar_name="muse_flat.json", sidecar={})
    project.tree.remove(TASK)
    assert set(files(project.tree)) == {f"FLAT/{name}" for name in (*CONTENTS, "muse_flat.json")}


# a build that died


def placed_as_before(manifest: Manifest, project: Project) -> None:
    """Forget in the ledger what was placed last, as a kill before its commit does."""
    before = project.ledger.all_placed()
    place_in(project.tree, manifest)
    project.ledger.set_placed(before.values(), project.ledger.all_placed().keys() - before.keys())


def test_products_that_a_killed_build_placed_are_no_edits(how: str, project: Project) -> None:
    place_in(project.tree, run(project.store))
    second = run(project.store, {BIAS: b"a better bias", "QC-01.fits": b"!"}, level=2)
    placed_as_before(second, project)
    assert place_in(project.tree, second).edited == []
    assert set(files(project.tree)) == {f"{FOLDER}/{n}" for n in (*CONTENTS, "muse_bias.json")}


def test_parts_of_a_killed_build_are_swept(project: Project) -> None:
    manifest = run(project.store)
    child = os.fork()
    if child == 0:
        os.replace = lambda *args: os._exit(9)  # type: ignore[assignment]
        place_in(project.tree, manifest)
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 9
    assert list((project.tree.root / FOLDER).glob(".*.part"))
    assert project.tree.root.rglob("*.fits")
    place_in(project.tree, manifest)
    assert not list((project.tree.root / FOLDER).glob(".*.part"))


def test_a_full_disk_is_said_with_a_remedy(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    manifest = run(project.store)

    def full(*args: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Store, "restore", full)
    with pytest.raises(StoreError) as caught:
        place_in(project.tree, manifest)
    assert caught.value.why == "No space left on device"
    assert "safe in the store" in str(caught.value.remedy)


def test_what_was_never_placed_is_not_as_placed(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("a")
    assert not is_as_placed(str(tmp_path / "a"), None)


def test_a_product_that_was_edited_before_the_ledger_was_lost_is_moved_aside(
    project: Project,
) -> None:
    manifest = run(project.store)
    note = {"products": {product.name: product.category for product in manifest.products}}

    def place(tree: ReducedTree) -> list[str]:
        name = "muse_bias.json"
        return tree.place(FOLDER, manifest, task=TASK, sidecar_name=name, sidecar=note).edited

    place(project.tree)
    path = project.tree.root / FOLDER / "QC-01.fits"
    path.unlink()
    path.write_bytes(b"my own")
    edited = place(ReducedTree(project.tree.root, project.store, memory_ledger()))
    assert [Path(one).read_bytes() for one in edited] == [b"my own"]
    assert path.read_bytes() == CONTENTS["QC-01.fits"]
