"""The layout of a store: what later parts bring is left alone, and what they write is read."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from musebuild.cache.collect import decide, objects_of, stored_objects
from musebuild.cache.keys import key_of
from musebuild.cache.layout import FORESEEN, LAYOUT, MARKER, check_layout, mark_layout
from musebuild.cache.model import Manifest
from musebuild.cache.reduced import ReducedTree
from musebuild.cache.store import OWNER_FILE, Store, manifest_from
from musebuild.cache.transfer import export_results, import_results
from musebuild.cache.verify import verify
from musebuild.errors import StoreError
from tests.cache.making import CONTENTS, FOLDER, memory_ledger, place_in, preimage_of, run

KEY = key_of(preimage_of())


def dropped(store: Store, name: str = "QC-01.fits") -> Manifest:
    """A result of which a product went on purpose."""
    manifest = run(store)
    (gone,) = (product.object for product in manifest.products if product.name == name)
    manifest = replace(manifest, dropped=(gone,))
    store.write_manifest(manifest)
    store.set_aside(store.path(gone))
    return manifest


def test_a_store_tells_its_layout_and_one_without_is_the_first(store: Store) -> None:
    check_layout(store.root)
    mark_layout(store.root)
    assert json.loads((store.root / MARKER).read_text()) == {"layout": LAYOUT}
    Store([store.root])


def test_a_store_of_a_newer_layout_is_refused_also_behind(store: Store, tmp_path: Path) -> None:
    (store.root / MARKER).write_text(json.dumps({"layout": LAYOUT + 1}))
    for roots in ([store.root], [tmp_path / "mine", store.root]):
        with pytest.raises(StoreError, match="newer musebuild"):
            Store(roots)


@pytest.mark.parametrize("text", ["", "{", "[]", '{"layout": null}'])
def test_a_damaged_marker_harms_nothing(store: Store, text: str) -> None:
    (store.root / MARKER).write_text(text)
    check_layout(store.root)


def test_a_manifest_says_no_more_than_older_versions_read(store: Store) -> None:
    run(store)
    body = store.manifest_file(KEY).read_text().partition("\n")[2]
    assert "dropped" not in json.loads(body)


def test_fields_of_a_later_version_are_passed_over(store: Store) -> None:
    manifest = run(store)
    data = json.loads(store.manifest_file(KEY).read_text().partition("\n")[2])
    data["pictures"], data["products"][0]["shape"] = ["a"], [1, 2]
    assert manifest_from(data) == manifest


def test_what_was_dropped_on_purpose_is_no_miss(store: Store, tmp_path: Path) -> None:
    manifest = dropped(store)
    assert store.lookup(KEY).manifest == manifest
    assert verify(store).sound
    tree = ReducedTree(tmp_path / "reduced", store, memory_ledger())
    place_in(tree, manifest)
    assert tree.in_place(FOLDER, manifest)
    assert not (tree.root / FOLDER / "QC-01.fits").exists()
    assert (tree.root / FOLDER / "MASTER_BIAS-01.fits").read_bytes() == next(
        iter(CONTENTS.values())
    )


def test_what_was_dropped_is_held_by_nothing(store: Store) -> None:
    manifest = dropped(store)
    assert set(manifest.dropped).isdisjoint(objects_of(manifest))
    found = decide([manifest], stored_objects(store), {KEY}, now=1e12)
    assert not found.drops and not found.objects


def test_results_with_dropped_products_travel(store: Store, tmp_path: Path) -> None:
    manifest = dropped(store)
    export_results(store, [manifest], tmp_path / "results.tar")
    other = Store([tmp_path / "other"])
    import_results(other, tmp_path / "results.tar")
    assert other.lookup(KEY).manifest == manifest


def test_folders_of_later_versions_are_left_alone(store: Store, tmp_path: Path) -> None:
    run(store)
    files = [store.root / name / "ab" / "cdef" for name in FORESEEN]
    for path in files:
        path.parent.mkdir(parents=True)
        path.write_text("x")
    attempt = store.root / "scratch" / "muse_bias.elsewhere-1-abcdef"
    (attempt / "attempt-7-0").mkdir(parents=True)
    (attempt / OWNER_FILE).write_text(json.dumps({"cluster": "mars", "job": "7"}))
    store.sweep()
    assert verify(store, repair=True).sound
    assert attempt.is_dir()
    assert all(path.read_text() == "x" for path in files)


def test_an_import_passes_over_what_later_versions_carry(store: Store, tmp_path: Path) -> None:
    import tarfile

    export_results(store, [run(store)], tmp_path / "results.tar")
    picture = tmp_path / "white.png"
    picture.write_text("x")
    with tarfile.open(tmp_path / "results.tar", "a") as archive:
        archive.add(picture, "pictures/ab/cdef/white.png")
    other = Store([tmp_path / "other"])
    assert import_results(other, tmp_path / "results.tar").objects == 3
    assert not (other.root / "pictures").exists()
