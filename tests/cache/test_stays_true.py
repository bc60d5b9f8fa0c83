"""What is stored stays true: changed bytes are noticed before they are used, well hidden or not."""

from __future__ import annotations

import mmap
import os
import shutil
import sqlite3
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from blake3 import blake3

from musebuild.cache import reduced as reduced_module
from musebuild.cache import store as store_module
from musebuild.cache import verified as verified_module
from musebuild.cache.keys import key_of
from musebuild.cache.ledger import Ledger
from musebuild.cache.migrations import CACHE_MIGRATIONS
from musebuild.cache.model import Manifest, Product
from musebuild.cache.reduced import ReducedTree
from musebuild.cache.store import Store
from musebuild.cache.verified import Verified
from musebuild.engine.fingerprints import newest_change
from musebuild.errors import StoreError
from musebuild.index.database import open_database
from musebuild.index.digests import TICK_NS, trustworthy
from tests.cache.making import CONTENTS, FOLDER, place_in, preimage_of, run

KEY = key_of(preimage_of())
NAME = "MASTER_BIAS-01.fits"


class Place:
    """A store, a tree and their database; each `again` knows what was written down, no more."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.again()

    def again(self) -> None:
        """What the next process knows."""
        if hasattr(self, "store"):
            self.store.verified.write()
        connection = open_database(self.folder / "musebuild.db", CACHE_MIGRATIONS)
        self.store = Store([self.folder / "store"], Verified(lambda: connection))
        self.tree = ReducedTree(self.folder / "reduced", self.store, Ledger(connection))

    @property
    def object(self) -> Path:
        return self.store.object_path(self.store.root, blake3(CONTENTS[NAME]).hexdigest())

    @property
    def product(self) -> Path:
        return self.tree.root / FOLDER / NAME

    def found(self, manifest: Manifest) -> str:
        """What a look makes of it, as `judge` does."""
        found = self.store.lookup(KEY)
        if found.manifest and self.tree.in_place(FOLDER, manifest) and not found.proven:
            found = self.store.lookup(KEY, read=True)
        if found.manifest is None:
            return found.outcome
        return "up to date" if self.tree.in_place(FOLDER, manifest) else "not in place"


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Files of store and tree that are read, one after another."""
    hashed: list[Path] = []
    real = store_module.hash_file

    def noted(path: Path) -> str:
        if "scratch" not in Path(path).parts:
            hashed.append(Path(path))
        return real(path)

    monkeypatch.setattr(store_module, "hash_file", noted)
    monkeypatch.setattr(reduced_module, "hash_file", noted)
    return hashed


def later(path: Path) -> None:
    """Let the file system's clock go on, so that a change shows."""
    before = path.stat().st_ctime_ns
    probe = path.parent / ".clock"
    while True:
        probe.write_text("")
        now = probe.stat().st_ctime_ns
        probe.unlink()
        if now > before:
            return


def as_before(path: Path, change: Callable[[Path], None]) -> None:
    """Change a file and put back its mode and its times."""
    later(path)
    status = path.stat()
    path.chmod(0o644)
    change(path)
    path.chmod(status.st_mode & 0o7777)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


def written(path: Path) -> None:
    size = path.stat().st_size
    with path.open("r+b") as file:
        file.write(b"x" * size)


def mapped(path: Path) -> None:
    with path.open("r+b") as file, mmap.mmap(file.fileno(), 0) as bytes_:
        bytes_[10:14] = b"oops"


def cut_and_grown(path: Path) -> None:
    size = path.stat().st_size
    os.truncate(path, size // 2)
    os.truncate(path, size)


def copied_over(path: Path) -> None:
    """As `cp -p` of another product of the same size and the same date."""
    other = path.with_name("other")
    other.write_bytes(bytes(reversed(path.read_bytes())))
    os.utime(other, ns=(path.stat().st_atime_ns, path.stat().st_mtime_ns))
    shutil.copy2(other, path)
    other.unlink()


@pytest.mark.parametrize("change", [written, mapped, cut_and_grown, copied_over])
@pytest.mark.parametrize("through", ["object", "product"])
def test_a_change_with_mode_and_times_put_back_is_noticed(
    place: Place, change: Callable[[Path], None], through: str
) -> None:
    manifest = run(place.store)
    place_in(place.tree, manifest)
    assert place.found(manifest) == "up to date"
    as_before(getattr(place, through), change)
    for _ in range(2):
        place.again()
        assert place.found(manifest) == "object damaged"
        with pytest.raises(StoreError, match="damaged"):
            place.store.restore(manifest.products[0], place.folder / "taken")
        assert not (place.folder / "taken").exists()


def replaced(path: Path) -> None:
    other = path.with_name("other")
    other.write_bytes(b"x" * path.stat().st_size)
    other.replace(path)


def test_an_object_that_was_replaced_is_noticed_and_its_link_too(place: Place) -> None:
    manifest = run(place.store)
    place_in(place.tree, manifest)
    as_before(place.object, replaced)
    place.again()
    assert place.found(manifest) == "object damaged"
    place.store.clear(KEY)
    run(place.store)
    # The link in the tree is the only one of the first object, and is read.
    assert place.found(manifest) == "up to date"
    as_before(place.product, replaced)
    place.again()
    assert place.found(manifest) == "not in place"


def test_our_own_links_need_no_reading(place: Place, reads: list[Path]) -> None:
    manifest = run(place.store)
    place_in(place.tree, manifest)
    for _ in range(2):
        place.again()
        assert place.found(manifest) == "up to date"
        for number in range(3):
            place.store.restore(manifest.products[0], place.folder / f"{number}.fits")
    place.again()
    place.tree.remove("muse_bias:2017-06-15:01")
    place.again()
    place_in(place.tree, manifest)
    assert place.found(manifest) == "up to date"
    assert reads == []


def test_the_link_of_somebody_else_costs_one_reading(place: Place, reads: list[Path]) -> None:
    manifest = run(place.store)
    place_in(place.tree, manifest)
    later(place.object)
    os.link(place.object, place.folder / "backup")
    place.again()
    wait_for_tick()
    assert place.found(manifest) == "up to date"
    place.again()
    assert place.found(manifest) == "up to date"
    assert reads == [place.object]


def wait_for_tick() -> None:
    """What changed within the last tick is not remembered; the tests make it short."""
    time.sleep(0.002)


@pytest.fixture(autouse=True)
def _short_tick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(verified_module, "tick_of", lambda _: 1_000_000)


def test_what_others_made_is_read_when_it_is_first_used(place: Place, reads: list[Path]) -> None:
    manifest = run(Store([place.folder / "store"]))
    # A look says that it is there, and reads nothing.
    assert place.found(manifest) == "not in place"
    assert reads == []
    place_in(place.tree, manifest)
    assert sorted(reads) == sorted(place.store.path(p.object) for p in manifest.products)
    place.again()
    assert place.found(manifest) == "up to date"
    assert len(reads) == 2


def test_what_others_damaged_is_never_placed(place: Place) -> None:
    manifest = run(Store([place.folder / "store"]))
    as_before(place.object, written)
    with pytest.raises(StoreError, match="damaged"):
        place_in(place.tree, manifest)
    assert place.store.lookup(KEY, read=True).outcome == "object damaged"
    assert not place.product.exists()


def test_a_copy_in_the_tree_is_watched_for_itself(
    place: Place, monkeypatch: pytest.MonkeyPatch, reads: list[Path]
) -> None:
    def no_link(*_: object) -> None:
        raise PermissionError(1, "no links here")

    manifest = run(place.store)
    monkeypatch.setattr(os, "link", no_link)
    place_in(place.tree, manifest)
    place.again()
    assert place.found(manifest) == "up to date"
    assert reads == []
    later(place.product)
    place.product.chmod(0o400)
    place.again()
    # The same bytes under another mode.
    assert place.found(manifest) == "up to date"
    assert reads == [place.product]
    as_before(place.product, written)
    place.again()
    assert place.found(manifest) == "not in place"
    report = place_in(place.tree, manifest)
    assert [Path(path).read_bytes()[:1] for path in report.edited] == [b"x"]
    assert place.product.read_bytes() == CONTENTS[NAME]


def test_times_in_whole_seconds_are_not_believed(
    place: Place, monkeypatch: pytest.MonkeyPatch, reads: list[Path]
) -> None:
    monkeypatch.setattr(verified_module, "whole_seconds", lambda _: True)
    manifest = run(place.store)
    place_in(place.tree, manifest)
    reads.clear()
    place.again()
    wait_for_tick()
    assert place.found(manifest) == "up to date"
    assert len(reads) == 2
    place.again()
    # What was quiet when it was read is believed, there too.
    assert place.found(manifest) == "up to date"
    assert len(reads) == 2


def test_an_inode_beyond_what_sqlite_holds(tmp_path: Path) -> None:
    connection = open_database(tmp_path / "musebuild.db", CACHE_MIGRATIONS)
    path = tmp_path / "object"
    path.write_bytes(b"x")
    numbers = list(path.stat())
    numbers[1] = 2**64 - 5
    known = Verified(lambda: connection)
    extra = {"st_ctime_ns": 10**18 + 1, "st_mtime_ns": 1}
    status = os.stat_result(numbers, extra)
    known.was_changed_by_us(str(path), "a", status)
    known.write()
    assert Verified(lambda: connection).holds(str(path), "a", status)
    assert not Verified(lambda: connection).holds(str(path), "b", status)
    numbers[1] -= 1
    assert not Verified(lambda: connection).holds(str(path), "a", os.stat_result(numbers, extra))


def test_what_was_placed_before_there_was_this_memory_counts_as_it_did(
    tmp_path: Path, reads: list[Path]
) -> None:
    before = [one for one in CACHE_MIGRATIONS if one.name != "cache-verified"]
    connection = open_database(tmp_path / "musebuild.db", before)
    store = Store([tmp_path / "store"])
    manifest = run(store)
    tree = ReducedTree(tmp_path / "reduced", store, Ledger(connection))
    # An older musebuild has no memory of it, and writes none.
    store.verified.write = lambda: None  # type: ignore[method-assign]
    place_in(tree, manifest)
    connection.close()
    place = Place(tmp_path)
    assert place.found(manifest) == "up to date"
    assert reads == []
    place.again()
    later(place.object)
    as_before(place.object, written)
    place.again()
    assert place.found(manifest) == "object damaged"


def test_a_database_that_cannot_be_written_costs_time_alone(place: Place) -> None:
    manifest = run(place.store)
    place_in(place.tree, manifest)
    with sqlite3.connect(place.folder / "musebuild.db") as connection:
        connection.execute("DELETE FROM verified")
    place.again()
    assert place.found(manifest) == "up to date"


def test_an_object_of_the_same_bytes_is_read_before_it_stands_for_a_new_one(
    place: Place,
) -> None:
    run(place.store)
    as_before(place.object, written)
    other = Store([place.folder / "store"])
    product = place.folder / "again.fits"
    product.write_bytes(CONTENTS[NAME])
    name = other.put(product)
    assert other.path(name).read_bytes() == CONTENTS[NAME]


def test_what_a_worker_left_is_taken_over_only_as_it_left_it(
    place: Place, reads: list[Path]
) -> None:
    worker = Store([place.folder / "store"])
    manifest = run(worker)
    product: Product = manifest.products[0]
    known = worker.known_identity(worker.text_path(product.object), product.object)
    assert known is not None
    place.store.take_over(product.object, known)
    place.store.restore(product, place.folder / "a.fits")
    assert reads == []
    as_before(place.object, written)
    place.store.take_over(product.object, known)
    with pytest.raises(StoreError, match="damaged"):
        place.store.restore(product, place.folder / "b.fits")


@pytest.mark.parametrize(("ctime_ns", "believed"), [(5 * 10**9, False), (5 * 10**9 + 1, True)])
def test_what_changed_in_the_same_whole_second_is_not_believed(
    ctime_ns: int, believed: bool
) -> None:
    # Read half a second after its change, on a file system that is known to be fine.
    assert trustworthy((1, 2, 3, 10**9, ctime_ns), 5 * 10**9 + 5 * 10**8, TICK_NS) is believed
    times = {"st_mtime_ns": 10**9, "st_ctime_ns": ctime_ns}
    status = os.stat_result((0o100444, 2, 1, 1, 0, 0, 3, 1, 1, 5), times)
    assert (newest_change([("a", status)]) > ctime_ns) is not believed
