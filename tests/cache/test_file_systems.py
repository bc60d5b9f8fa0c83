"""The store on real file systems: with reflinks and without, full, read-only, bind-mounted."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from musebuild.cache.place import place
from musebuild.cache.store import OBJECT_TIME, Store
from musebuild.errors import StoreError
from musebuild.index.database import open_database
from musebuild.index.digests import DigestMemory, identity
from musebuild.index.migrations import INDEX_MIGRATIONS
from tests.cache.making import CONTENTS, FOLDER, open_ledger, place_in, run
from tests.support.mounts import file_system, read_only


@pytest.mark.parametrize(
    ("kind", "how"), [("xfs", "reflink"), ("ext4", "hard link"), ("tmpfs", "hard link")]
)
def test_products_are_placed_in_the_best_way(kind: str, how: str, tmp_path: Path) -> None:
    from musebuild.cache.reduced import ReducedTree

    with file_system(kind, tmp_path) as root:
        store = Store([root / "store"])
        manifest = run(store)
        ledger = open_ledger(tmp_path / "musebuild.db")
        tree = ReducedTree(root / "reduced", store, ledger)
        assert place_in(tree, manifest).how == how
        for name, content in CONTENTS.items():
            product = root / "reduced" / FOLDER / name
            assert product.read_bytes() == content
            assert product.stat().st_mtime == OBJECT_TIME
        assert tree.in_place(FOLDER, manifest)
        ledger.connection.close()


def test_an_edit_of_a_reflink_does_not_reach_the_store(tmp_path: Path) -> None:
    with file_system("xfs", tmp_path) as root:
        store = Store([root / "store"])
        manifest = run(store)
        product = manifest.products[0]
        target = root / "product.fits"
        assert store.restore(product, target) == "reflink"
        target.chmod(0o644)
        target.write_bytes(b"edited")
        assert store.lookup(manifest.key).outcome == "hit"
        assert store.restore(product, target) == "reflink"
        assert target.read_bytes() == CONTENTS[product.name]


@pytest.mark.parametrize(("one", "other"), [("ext4", "tmpfs"), ("xfs", "ext4")])
def test_from_one_file_system_to_another_is_a_copy(one: str, other: str, tmp_path: Path) -> None:
    with file_system(one, tmp_path) as source, file_system(other, tmp_path) as target:
        (source / "object").write_bytes(b"content")
        assert place(source / "object", target / "product.fits") == "copy"
        assert (target / "product.fits").read_bytes() == b"content"


@pytest.mark.parametrize("kind", ["tmpfs", "xfs", "ext4"])
def test_a_file_system_that_is_really_full(kind: str, tmp_path: Path) -> None:
    with file_system(kind, tmp_path, size="1m") as root:
        store = Store([root / "store"])
        first = run(store)
        product = tmp_path / "large.fits"
        product.write_bytes(os.urandom(20 << 20))
        with pytest.raises(StoreError, match="cannot be put into the store") as caught:
            store.put(product)
        assert caught.value.why == "No space left on device"
        assert product.stat().st_size == 20 << 20
        assert not list((store.root / "scratch").iterdir())
        assert store.lookup(first.key).outcome == "hit"
        # What was there is still usable, and room is there again.
        assert run(store, {"small.fits": b"x"}, level=2).products


def test_a_read_only_store_says_so_and_is_read_all_the_same(tmp_path: Path) -> None:
    team = Store([tmp_path / "team"])
    manifest = run(team)
    with read_only(tmp_path / "team"):
        with pytest.raises(StoreError, match="cannot be put into the store") as caught:
            again = tmp_path / "a.fits"
            again.write_bytes(b"new")
            Store([tmp_path / "team"]).put(again)
        assert caught.value.why == "Read-only file system"
        assert again.read_bytes() == b"new"
        both = Store([tmp_path / "mine", tmp_path / "team"])
        assert both.lookup(manifest.key).outcome == "hit"
        target = tmp_path / "product.fits"
        both.restore(manifest.products[0], target)
        assert target.read_bytes() == CONTENTS[manifest.products[0].name]
    assert team.lookup(manifest.key).outcome == "hit"


def test_a_digest_is_not_believed_through_another_mount(tmp_path: Path) -> None:
    """Another folder over the same path has other files, whatever their names and times."""
    from musebuild.fits.digest import digest_frame
    from tests.fits.making import raw_frame

    memory = DigestMemory(open_database(tmp_path / "musebuild.db", INDEX_MIGRATIONS))
    for folder, gain in (("raw", 1.0), ("other", 2.0)):
        (tmp_path / folder).mkdir()
        path = raw_frame(tmp_path / folder / "a.fits", cards=[("GAIN", gain)])
        os.utime(path, (10, 10))
    path = tmp_path / "raw" / "a.fits"
    digest = digest_frame(path)
    known = identity(path.stat())
    memory.remember(path, digest, known, known[4] + 10**11)
    memory.commit()
    assert memory.known(path) == digest
    with read_only(tmp_path / "raw"):
        # The same file through another mount of the same folder.
        assert memory.known(path) in (digest, None)
    import subprocess

    done = subprocess.run(["mount", "--bind", tmp_path / "other", tmp_path / "raw"])
    if done.returncode:
        pytest.skip("this machine mounts nothing")
    try:
        assert memory.known(path) is None
    finally:
        subprocess.run(["umount", "--lazy", tmp_path / "raw"], check=True)
    assert memory.known(path) == digest
