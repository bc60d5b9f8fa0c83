"""kill -9 and a full disk at every step of an invocation: nothing wrong, nothing finished lost.

Each test first counts the steps of an undisturbed invocation, then visits them all.
"""

from __future__ import annotations

import errno
import os
import resource
import shutil
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from musebuild.cache.keys import key_of
from musebuild.cache.locks import KeyLock
from musebuild.cache.reduced import ReducedTree
from musebuild.cache.store import Store, hash_file
from musebuild.errors import StoreError
from tests.cache.faults import NEVER_FULL, Faults, die, no_space
from tests.cache.making import CONTENTS, FOLDER, open_ledger, place_in, preimage_of, run

OLD = {"MASTER_BIAS-01.fits": b"an older bias", "QC-01.fits": b"an older table"}
KEY = key_of(preimage_of(1))
FEWEST_STEPS = 30


class Site:
    """A project on disk, opened anew by each build."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def build(self) -> str:
        """What a build does with one invocation: restore it, or lock, run, record and place."""
        store = Store([self.folder / "store"])
        ledger = open_ledger(self.folder / "musebuild.db")
        lock = KeyLock(store.root, KEY)
        try:
            store.sweep()
            found = store.lookup(KEY)
            if found.manifest is None:
                assert lock.try_acquire()
            manifest = found.manifest or run(store)
            ledger.record(manifest)
            tree = ReducedTree(self.folder / "reduced", store, ledger)
            report = place_in(tree, manifest)
            assert report.edited == []
            assert tree.in_place(FOLDER, manifest)
            return found.outcome
        finally:
            lock.release()
            ledger.connection.close()

    def prepare(self) -> None:
        """Make and place what an earlier build made, of another key."""
        store = Store([self.folder / "store"])
        ledger = open_ledger(self.folder / "musebuild.db")
        place_in(ReducedTree(self.folder / "reduced", store, ledger), run(store, OLD, level=2))
        ledger.connection.close()

    def check_nothing_half(self) -> None:
        """Whatever has a name is whole."""
        store = Store([self.folder / "store"])
        for name, path in store.object_files():
            assert hash_file(path) == name
        for key, path in store.manifest_files():
            manifest = store.read_manifest(path)
            assert manifest.key == key
            for product in manifest.products:
                assert store.object_path(store.root, product.object).is_file()
        for path in (self.folder / "reduced").rglob("*.fits"):
            if not path.name.startswith("."):
                assert path.read_bytes() in (CONTENTS[path.name], OLD[path.name])
        ledger = open_ledger(self.folder / "musebuild.db")
        for (key,) in ledger.connection.execute("SELECT key FROM manifests").fetchall():
            assert store.lookup(key).outcome == "hit"
        ledger.connection.close()
        # What was finished before is not lost.
        assert store.lookup(key_of(preimage_of(2))).outcome == "hit"

    def check_mended(self) -> None:
        """After one more build all is as if nothing had happened."""
        folder = self.folder / "reduced" / FOLDER
        assert {path.name for path in folder.iterdir()} == {*CONTENTS, "muse_bias.json"}
        for name, content in CONTENTS.items():
            assert (folder / name).read_bytes() == content
        store = Store([self.folder / "store"])
        assert not list((store.root / "scratch").iterdir())
        assert not list((store.root / "locks").iterdir())

    @property
    def finished(self) -> bool:
        """Whether the manifest is there."""
        store = Store([self.folder / "store"])
        return store.manifest_path(store.root, KEY).exists()


@pytest.fixture
def sites(tmp_path: Path) -> Iterator[Callable[[], Site]]:
    """Copies of one prepared site, each used once."""
    template = Site(tmp_path / "template")
    template.folder.mkdir()
    template.prepare()
    number = iter(range(10_000))

    def make() -> Site:
        # Rows of placed files name them by path and inode: each site is prepared by itself.
        site = Site(tmp_path / f"{next(number)}")
        site.folder.mkdir()
        site.prepare()
        return site

    yield make


def steps_of(site: Site, links: bool, leave_out: frozenset[str] = frozenset()) -> list[str]:
    """The steps of an undisturbed build."""
    with Faults(0, die, leave_out).everywhere(links=links) as faults:
        assert site.build() == "absent"
    site.check_nothing_half()
    site.check_mended()
    return faults.steps


def killed(site: Site, at: int, links: bool) -> int:
    """Exit status of a build that is killed at a step."""
    child = os.fork()
    if child == 0:
        signal.alarm(300)
        try:
            with Faults(at, die).everywhere(links=links):
                site.build()
        finally:
            os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


@pytest.mark.parametrize("links", [True, False], ids=["links", "copies"])
def test_invariants_5_and_6_killed_at_every_step(links: bool, sites: Callable[[], Site]) -> None:
    steps = steps_of(sites(), links)
    assert len(steps) > FEWEST_STEPS
    outcomes = []
    for at in range(1, len(steps) + 1):
        site = sites()
        assert killed(site, at, links) == 9, f"step {at}, {steps[at - 1]}, was not visited"
        site.check_nothing_half()
        finished = site.finished
        outcome = site.build()
        assert outcome == ("hit" if finished else "absent"), f"step {at}: {steps[at - 1]}"
        outcomes.append(outcome)
        site.check_nothing_half()
        site.check_mended()
        shutil.rmtree(site.folder)
    # Nothing that was finished ran again, and both cases were seen.
    assert outcomes == sorted(outcomes)
    assert {"absent", "hit"} == set(outcomes)


@pytest.mark.parametrize("links", [True, False], ids=["links", "copies"])
def test_invariants_5_and_6_a_full_disk_at_every_write(
    links: bool, sites: Callable[[], Site]
) -> None:
    steps = steps_of(sites(), links, NEVER_FULL)
    assert len(steps) > FEWEST_STEPS // 2
    stopped = 0
    for at in range(1, len(steps) + 1):
        site = sites()
        try:
            with Faults(at, no_space, NEVER_FULL).everywhere(links=links):
                site.build()
        except StoreError as error:
            stopped += 1
            assert error.why == "No space left on device", f"step {at}: {steps[at - 1]}"
            assert error.where
            assert error.remedy
        except OSError as error:
            # The recipe's own product: its worker reports it.
            assert error.errno == errno.ENOSPC
            assert steps[at - 1] in ("open", "write")
        site.check_nothing_half()
        assert not list((site.folder / "reduced").rglob("*.part"))
        # With room again, without any cleaning by hand.
        finished = site.finished
        assert site.build() == ("hit" if finished else "absent")
        site.check_nothing_half()
        shutil.rmtree(site.folder)
    assert stopped > len(steps) // 2


def test_a_real_limit_on_the_size_of_files(tmp_path: Path) -> None:
    """As a quota does it, in the middle of a copy, to root as well."""
    store = Store([tmp_path / "store"])
    big = {"big.fits": b"x" * 300_000}
    manifest = run(store, big)
    target = tmp_path / "copy.fits"
    product = tmp_path / "product.fits"
    product.write_bytes(b"y" * 300_000)
    child = os.fork()
    if child == 0:
        status = 1
        try:
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
            resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
            os.link(product, tmp_path / "second name, so that it must be copied")
            try:
                store.put(product)
            except StoreError as error:
                status = 2 if "File too large" in str(error.why) else 3
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(os, "link", _no_links)
                try:
                    store.restore(manifest.products[0], target)
                except OSError as error:
                    status += 10 if error.errno == errno.EFBIG else 20
        finally:
            os._exit(status)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 12
    assert product.read_bytes() == b"y" * 300_000
    assert not target.exists()
    assert not list(tmp_path.glob(".*"))
    assert not list((store.root / "scratch").iterdir())
    assert len(list(store.object_files())) == 2
    assert store.lookup(manifest.key).outcome == "hit"


def _no_links(*args: object) -> None:
    raise OSError(errno.EXDEV, "Invalid cross-device link")


def test_invariant_5_builds_side_by_side_over_one_store(tmp_path: Path) -> None:
    """Several processes make the same things at once; none sees a half, all end with a hit."""
    children = []
    for number in range(6):
        child = os.fork()
        if child == 0:
            signal.alarm(300)
            status = 1
            try:
                store = Store([tmp_path / "store"])
                for level in range(1, 9):
                    found = store.lookup(key_of(preimage_of(level)))
                    assert found.outcome in ("hit", "absent"), found
                    run(store, {"a.fits": b"%d" % level * 999, "b.fits": b"the same"}, level)
                    found = store.lookup(key_of(preimage_of(level)))
                    assert found.manifest is not None
                    for product in found.manifest.products:
                        target = tmp_path / f"{number}-{level}-{product.name}"
                        store.restore(product, target)
                        assert hash_file(target) == product.object
                status = 0
            finally:
                os._exit(status)
        children.append(child)
    assert [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children] == [0] * 6
    store = Store([tmp_path / "store"])
    assert len(store.manifests()) == 8
    assert not list((store.root / "scratch").iterdir())
    assert not list((store.root / "objects").rglob(".*"))
