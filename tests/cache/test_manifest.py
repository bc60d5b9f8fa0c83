"""A manifest is checked as a whole: whatever stands in the file, it is sound or a miss."""

from __future__ import annotations

import contextlib
import copy
import io
import json
import os
import tarfile
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest
from blake3 import blake3
from hypothesis import given
from hypothesis import strategies as st

from musebuild.cache import transfer
from musebuild.cache.keys import key_of
from musebuild.cache.manifest import BAD_MANIFEST, manifest_from, manifest_text, read_text
from musebuild.cache.store import Store
from musebuild.cache.transfer import export_results, import_results
from musebuild.errors import MusebuildError, StoreError, UsageError
from tests.cache.conftest import Project
from tests.cache.making import objects_of, place_in, preimage_of, run

KEY = key_of(preimage_of())
SOUND: dict[str, Any] = {
    "key": KEY,
    "preimage": preimage_of(),
    "products": [
        {"category": "MASTER_BIAS", "name": "MASTER_BIAS-01.fits", "object": "ab" * 32,
         "digest": "cd" * 32, "size": 5760, "filter": ""},
    ],
    "log": "ef" * 32,
    "task": "muse_bias:x",
    "made": "2026-01-01T00:00:00+00:00",
    "seconds": 1.5,
    "cpu_seconds": 1,
    "peak_memory": 10**9,
    "input_bytes": 0,
    "warnings": ["one"],
    "host": "here",
    "version": 1,
}  # fmt: skip
NAMES = ("../x", "/etc/passwd", "a/b", ".", "..", "", ".musebuild", "x\0", "a\nb", "x" * 256,
         None, 5, [], {}, "\x1b[31m", "\udcff")  # fmt: skip
HARMS: list[tuple[tuple[str | int, ...], Any]] = [
    *((("products", 0, "name"), name) for name in NAMES),
    *((("products", 0, "category"), name) for name in ("X/../../y", "", None, 3)),
    *((("products", 0, "object"), name) for name in ("../../../../etc/passwd", "AB" * 32, 1, None)),
    *((("products", 0, "size"), size) for size in (-1, 2**70, 1.5, "5760", None, True)),
    (("products", 0, "digest"), None),
    (("products", 0, "filter"), ["V"]),
    (("products", 0), "a product"),
    (("products",), {"0": {}}),
    (("products",), SOUND["products"] * 2),
    *((("key",), key) for key in ("../../x", "x", None, "AB" * 32, KEY + "\n")),
    *((("log",), log) for log in ("../../etc/passwd", "objects", None, 7, KEY + "\n/x")),
    *((("seconds",), number) for number in ("1", None, -1.0, 10**400, True, [1])),
    *((("peak_memory",), number) for number in (2**70, -5, 1.0, "1")),
    *((("preimage",), bad) for bad in (None, [], "x", 1)),
    *((("preimage", name), bad) for name in ("params", "packages") for bad in ([], "x", None)),
    (("preimage", "packages"), {"numpy": 1}),
    (("preimage", "inputs"), [["BIAS"]]),
    (("preimage", "inputs"), "BIAS"),
    (("preimage", "recipe"), {"a": "b"}),
    (("warnings",), "one"),
    (("warnings",), [1]),
    (("task",), 5),
    (("made",), None),
    (("host",), []),
    (("dropped",), "ab" * 32),
    (("dropped",), ["../../x"]),
    (("dropped",), [None]),
]


def harmed(at: tuple[str | int, ...], value: Any) -> dict[str, Any]:
    """A sound manifest with one thing changed."""
    data = copy.deepcopy(SOUND)
    place: Any = data
    for step in at[:-1]:
        place = place[step]
    place[at[-1]] = value
    return data


def text_of(data: Any) -> bytes:
    """The text of a manifest, with the checksum that belongs to it."""
    body = json.dumps(data, sort_keys=True).encode()
    return sealed(body)


def sealed(body: bytes) -> bytes:
    return json.dumps({"checksum": blake3(body).hexdigest()}).encode() + b"\n" + body + b"\n"


def test_a_sound_one_is_read() -> None:
    manifest = read_text(text_of(SOUND))
    assert manifest.products[0].name == "MASTER_BIAS-01.fits"
    assert read_text(manifest_text(manifest).encode()) == manifest
    assert manifest_from(asdict(manifest)) == manifest
    for log in ("", "/some/scratch/recipe.log"):
        assert manifest_from(SOUND | {"log": log}).log == log


@pytest.mark.parametrize(("at", "value"), HARMS, ids=lambda v: ascii(v)[:30])
def test_one_wrong_thing_makes_it_none(at: tuple[str | int, ...], value: Any) -> None:
    with pytest.raises(BAD_MANIFEST):
        read_text(text_of(harmed(at, value)))


@pytest.mark.parametrize("name", sorted(SOUND))
def test_nothing_that_it_needs_may_lack(name: str) -> None:
    data = {key: value for key, value in SOUND.items() if key != name}
    if name in ("warnings", "host"):
        assert manifest_from(data)
        return
    with pytest.raises(BAD_MANIFEST):
        manifest_from(data)


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=6,
)
PLACES = [(name,) for name in SOUND] + [("products", 0, n) for n in SOUND["products"][0]]
PLACES += [("preimage", name) for name in SOUND["preimage"]]


@given(st.sampled_from(PLACES), anything)
def test_whatever_stands_there_it_is_sound_or_none(at: tuple[str | int, ...], value: Any) -> None:
    try:
        manifest = read_text(text_of(harmed(at, value)))
    except BAD_MANIFEST:
        return
    for product in manifest.products:
        assert "/" not in product.name
        assert not product.name.startswith(".")
        assert 0 <= product.size < 2**63


BODIES = {
    "no JSON": b"{",
    "no UTF-8": b'{"key": "\xff\xfe"}',
    "a list": b"[]",
    "a number": b"1",
    "deep": b"[" * 100_000 + b"]" * 100_000,
    "deep in a sound one": json.dumps(SOUND)
    .encode()
    .replace(b'"nifu": 1', b'"nifu": ' + b"[" * 2000 + b"]" * 2000),
    "not a number": json.dumps(SOUND).encode().replace(b"1.5", b"NaN"),
    "infinite": json.dumps(SOUND).encode().replace(b"1.5", b"1e999"),
    "very long number": json.dumps(SOUND).encode().replace(b"1.5", b"9" * 5000),
    "empty": b"",
    "zeros": bytes(1000),
}  # fmt: skip


@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES)
def test_whatever_the_file_holds_it_is_a_miss(store: Store, body: bytes) -> None:
    run(store)
    path = store.manifest_path(store.root, KEY)
    for text in (sealed(body), body):
        path.write_bytes(text)
        assert store.lookup(KEY).outcome == "manifest damaged"
        assert store.manifests() == []
    assert run(store) == store.lookup(KEY).manifest, "it is made again"


def _link(path: Path) -> None:
    elsewhere = path.with_name("elsewhere")
    path.rename(elsewhere)
    path.symlink_to(elsewhere)


def _pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def _huge(path: Path) -> None:
    os.truncate(path, 1 << 40)


def _folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def _dangling(path: Path) -> None:
    path.unlink()
    path.symlink_to("/nowhere/at/all")


@pytest.mark.parametrize("harm", [_link, _pipe, _huge, _folder, _dangling])
def test_whatever_lies_in_its_place_it_is_a_miss(
    store: Store, harm: Callable[[Path], None]
) -> None:
    run(store)
    path = store.manifest_path(store.root, KEY)
    harm(path)
    assert store.lookup(KEY).outcome == "manifest damaged"
    store.clear(KEY)
    assert run(store) == store.lookup(KEY).manifest, "it is made again"
    assert path.is_file()
    assert not path.is_symlink()


@pytest.mark.parametrize("name", ["../x.fits", "muse_bias.json", "/etc/x"])
def test_no_product_is_put_out_of_its_folder(project: Project, name: str) -> None:
    sound = run(project.store)
    manifest = replace(sound, products=(replace(sound.products[0], name=name),))
    with pytest.raises(StoreError, match="cannot be put into place"):
        place_in(project.tree, manifest)
    assert not [path for path in project.tree.root.rglob("*") if path.is_file()]


def test_no_product_is_put_through_a_linked_folder(project: Project, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    project.tree.root.mkdir()
    (project.tree.root / "BIAS").symlink_to(elsewhere)
    with pytest.raises(StoreError, match="BIAS is in the way"):
        place_in(project.tree, run(project.store))
    assert not list(elsewhere.iterdir())


@pytest.mark.parametrize("name", ["objects", "manifests", "scratch", "locks"])
def test_a_store_whose_folder_is_a_link_is_refused(tmp_path: Path, name: str) -> None:
    """Its sweep would clear what the link leads to."""
    elsewhere = tmp_path / "elsewhere"
    (elsewhere / "old").mkdir(parents=True)
    root = tmp_path / "store"
    root.mkdir()
    (root / name).symlink_to(elsewhere)
    with pytest.raises(StoreError, match=name):
        Store([root])
    assert (elsewhere / "old").is_dir()


class TestBundles:
    """Results as a tar file, which anybody may have written."""

    @pytest.fixture
    def bundle(self, store: Store, tmp_path: Path) -> Path:
        """Results of one run."""
        path = tmp_path / "bundle.tar"
        export_results(store, [run(store)], path)
        return path

    @pytest.fixture
    def fresh(self, tmp_path: Path) -> Store:
        """A store that knows nothing."""
        return Store([tmp_path / "fresh"])

    @staticmethod
    def changed(path: Path, change: Callable[[tarfile.TarInfo], tarfile.TarInfo | None]) -> Path:
        """The bundle with changed members, each with the bytes that it had."""
        other = path.with_name("changed.tar")
        with tarfile.open(path) as read, tarfile.open(other, "w") as write:
            for member in read:
                content = read.extractfile(member)
                wanted = change(member)
                if wanted is not None:
                    write.addfile(wanted, content)
        return other

    def test_it_comes_whole(self, bundle: Path, fresh: Store, store: Store) -> None:
        assert len(import_results(fresh, bundle).manifests) == 1
        assert objects_of(fresh) == objects_of(store)
        assert import_results(fresh, bundle).known == 3

    @pytest.mark.parametrize("name", ["../x", "/etc/x", "objects/../x", "manifests/" + KEY, "x"])
    def test_a_member_of_another_name_is_refused(
        self, bundle: Path, fresh: Store, name: str
    ) -> None:
        def rename(member: tarfile.TarInfo) -> tarfile.TarInfo:
            member.name = name if member.name.startswith("objects") else member.name
            return member

        with pytest.raises(UsageError, match="does not hold results"):
            import_results(fresh, self.changed(bundle, rename))

    @pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE,
                                      tarfile.FIFOTYPE, tarfile.DIRTYPE])  # fmt: skip
    def test_what_is_no_file_is_refused(self, bundle: Path, fresh: Store, kind: bytes) -> None:
        def turn(member: tarfile.TarInfo) -> tarfile.TarInfo:
            member.type, member.linkname, member.size = kind, "/etc/passwd", 0
            return member

        with pytest.raises(UsageError, match="no plain file"):
            import_results(fresh, self.changed(bundle, turn))

    def test_an_object_for_which_there_is_no_room_is_refused_before(
        self, bundle: Path, fresh: Store, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(
            transfer.shutil, "disk_usage", lambda _: type("Usage", (), {"free": 10})()
        )
        with pytest.raises(UsageError, match="no room"):
            import_results(fresh, bundle)

    @given(data=st.data())
    def test_any_damage_is_refused_or_harmless(
        self, data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
    ) -> None:
        folder = tmp_path_factory.mktemp("damage")
        store = Store([folder / "store"])
        export_results(store, [run(store, {"A.fits": b"a" * 3000})], folder / "bundle.tar")
        whole = bytearray((folder / "bundle.tar").read_bytes())
        for _ in range(data.draw(st.integers(1, 8))):
            at = data.draw(st.integers(0, len(whole) - 1))
            whole[at : at + 4] = data.draw(st.binary(min_size=1, max_size=8))
        (folder / "bundle.tar").write_bytes(whole[: data.draw(st.integers(1, len(whole)))])
        fresh = Store([folder / "fresh"])
        with contextlib.suppress(MusebuildError):
            import_results(fresh, folder / "bundle.tar")
        sound = objects_of(store)
        assert all(sound.get(name) == content for name, content in objects_of(fresh).items())
        assert not list((fresh.root / "scratch").iterdir())

    def test_one_that_was_cut_before_its_results_is_none(self, bundle: Path, fresh: Store) -> None:
        def objects_only(member: tarfile.TarInfo) -> tarfile.TarInfo | None:
            return member if member.name.startswith("objects") else None

        with pytest.raises(UsageError, match="holds no result"):
            import_results(fresh, self.changed(bundle, objects_only))

    def test_a_bundle_is_not_written_through_a_link(self, store: Store, tmp_path: Path) -> None:
        path, victim = tmp_path / "bundle.tar", tmp_path / "victim"
        victim.write_bytes(b"somebody's")
        path.symlink_to(victim)
        export_results(store, [run(store)], path)
        assert victim.read_bytes() == b"somebody's"
        assert tarfile.is_tarfile(io.BytesIO(path.read_bytes()))
