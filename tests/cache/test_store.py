"""The store: what goes in comes out, and damage is a miss that names its cause."""

from __future__ import annotations

import errno
import json
import os
import time
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path

import pytest
from blake3 import blake3

from musebuild.cache import store as store_module
from musebuild.cache.keys import key_of
from musebuild.cache.owner import describe
from musebuild.cache.store import OBJECT_TIME, OWNER_FILE, Store
from musebuild.errors import StoreError
from tests.cache.making import CONTENTS, objects_of, preimage_of, run

KEY = key_of(preimage_of())


def object_path(store: Store, name: str = "MASTER_BIAS-01.fits") -> Path:
    """Where the bytes of a product of `CONTENTS` lie."""
    return store.object_path(store.root, blake3(CONTENTS[name]).hexdigest())


# what goes in comes out


def test_put_lookup_restore(store: Store, tmp_path: Path) -> None:
    assert store.lookup(KEY).outcome == "absent"
    manifest = run(store)
    found = store.lookup(KEY)
    assert (found.outcome, found.manifest) == ("hit", manifest)
    for product in manifest.products:
        store.restore(product, tmp_path / product.name)
        assert (tmp_path / product.name).read_bytes() == CONTENTS[product.name]
    assert store.path(manifest.log).read_text() == "done\n"


def test_objects_are_read_only_and_named_by_their_bytes(store: Store) -> None:
    run(store)
    for name, path in store.object_files():
        assert blake3(path.read_bytes()).hexdigest() == name
        assert path.stat().st_mode & 0o777 == 0o444
        assert path.stat().st_mtime == OBJECT_TIME


def test_put_takes_the_file_away(store: Store, tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"x")
    store.put(tmp_path / "a")
    assert not (tmp_path / "a").exists()


def test_equal_bytes_are_stored_once(store: Store) -> None:
    run(store, {"a.fits": b"same", "b.fits": b"same"}, level=1)
    run(store, {"c.fits": b"same"}, level=2)
    assert sorted(objects_of(store).values()) == [b"done\n", b"same"]


def test_an_invocation_without_products_is_a_hit(store: Store) -> None:
    run(store, {})
    assert store.lookup(KEY).outcome == "hit"


@pytest.mark.parametrize("link", [os.link, os.symlink])
def test_a_product_that_is_a_link_leaves_what_it_links_to_alone(
    link: Callable[[Path, Path], None], store: Store, tmp_path: Path
) -> None:
    raw, product = tmp_path / "raw.fits", tmp_path / "product.fits"
    raw.write_bytes(b"a raw frame")
    raw.chmod(0o644)
    before = raw.stat()
    link(raw, product)
    name = store.put(product)
    after = raw.stat()
    assert (after.st_mode, after.st_mtime_ns) == (before.st_mode, before.st_mtime_ns)
    assert not product.is_symlink()
    assert not product.exists()
    path = store.path(name)
    assert path.read_bytes() == b"a raw frame"
    assert path.is_file() and not path.is_symlink()
    assert path.stat().st_ino != after.st_ino


def test_a_product_on_another_file_system(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    elsewhere = Path("/dev/shm")
    if not os.access(elsewhere, os.W_OK) or elsewhere.stat().st_dev == tmp_path.stat().st_dev:
        pytest.skip("there is one file system only")
    product = elsewhere / f"musebuild-test-{os.getpid()}.fits"
    product.write_bytes(b"x" * 10_000)
    try:
        name = store.put(product)
        assert not product.exists()
    finally:
        product.unlink(missing_ok=True)
    assert store.path(name).read_bytes() == b"x" * 10_000
    assert store.path(name).stat().st_mtime == OBJECT_TIME
    assert not list((store.root / "scratch").iterdir())


# damage


def truncate(path: Path) -> None:
    """As an editor that ran out of space leaves it."""
    os.truncate(path, path.stat().st_size // 2)


def flip(path: Path) -> None:
    """One bit, in place, through a permission that root has anyway."""
    with path.open("r+b") as file:
        file.seek(100)
        byte = file.read(1)[0]
        file.seek(100)
        file.write(bytes([byte ^ 1]))


def flip_with_permission(path: Path) -> None:
    path.chmod(0o644)
    flip(path)
    path.chmod(0o444)


def folder(path: Path) -> None:
    path.unlink()
    path.mkdir()
    (path / "something").write_text("in it")


def symlink(path: Path) -> None:
    other = path.with_name("moved")
    path.rename(other)
    path.symlink_to(other)


def empty(path: Path) -> None:
    os.truncate(path, 0)


OBJECT_DAMAGE = [
    (truncate, "object damaged"),
    (flip, "object damaged"),
    (flip_with_permission, "object damaged"),
    (empty, "object damaged"),
    (folder, "object damaged"),
    (symlink, "object damaged"),
    (Path.unlink, "object missing"),
]


@pytest.mark.parametrize(("damage", "outcome"), OBJECT_DAMAGE)
def test_invariant_7_a_damaged_object_is_a_miss_that_names_it(
    damage: Callable[[Path], None], outcome: str, store: Store, tmp_path: Path
) -> None:
    run(store)
    path = object_path(store)
    damage(path)
    found = store.lookup(KEY)
    assert (found.manifest, found.outcome) == (None, outcome)
    assert "MASTER_BIAS-01.fits" in found.detail
    assert str(path) in found.detail
    # A look changes nothing; whoever makes it again takes it away.
    assert path.exists() == (outcome != "object missing")
    store.clear(KEY)
    assert not path.exists() or outcome == "object unreadable"
    # Made again, it is as if nothing had happened.
    manifest = run(store)
    assert store.lookup(KEY).outcome == "hit"
    store.restore(manifest.products[0], tmp_path / "restored")
    assert (tmp_path / "restored").read_bytes() == CONTENTS["MASTER_BIAS-01.fits"]


@pytest.mark.parametrize(("damage", "outcome"), OBJECT_DAMAGE)
def test_putting_an_object_mends_a_damaged_one(
    damage: Callable[[Path], None], outcome: str, store: Store, tmp_path: Path
) -> None:
    run(store)
    damage(object_path(store))
    run(store)
    assert object_path(store).read_bytes() == CONTENTS["MASTER_BIAS-01.fits"]
    assert store.lookup(KEY).outcome == "hit"


def manifest_file(store: Store) -> Path:
    return store.manifest_path(store.root, KEY)


def another_key(path: Path) -> None:
    """A sound manifest under a name that is not its own."""
    other = path.parent.parent.glob("*/*.json")
    path.write_bytes(next(p for p in other if p != path).read_bytes())


def not_text(path: Path) -> None:
    path.write_bytes(b"\xff\xfe\x00")


def not_a_manifest(path: Path) -> None:
    body = json.dumps([1, 2])
    path.write_text(json.dumps({"checksum": blake3(body.encode()).hexdigest()}) + "\n" + body)


def without_products(path: Path) -> None:
    body = json.dumps({"version": 1})
    path.write_text(json.dumps({"checksum": blake3(body.encode()).hexdigest()}) + "\n" + body)


@pytest.mark.parametrize(
    "damage",
    [truncate, flip, empty, folder, another_key, not_text, not_a_manifest, without_products,
     lambda path: path.write_text("[]\n{}"), lambda path: path.write_text("7\n{}")],
)  # fmt: skip
def test_invariant_7_a_damaged_manifest_is_a_miss_that_names_it(
    damage: Callable[[Path], object], store: Store
) -> None:
    run(store)
    run(store, level=2)
    damage(manifest_file(store))
    found = store.lookup(KEY)
    assert (found.manifest, found.outcome) == (None, "manifest damaged")
    assert str(manifest_file(store)) in found.detail
    # A look changes nothing; whoever makes it again takes it away.
    assert manifest_file(store).exists()
    store.clear(KEY)
    assert not manifest_file(store).exists()
    run(store)
    assert store.lookup(KEY).outcome == "hit"


def test_a_manifest_is_written_over_a_folder_of_its_name(store: Store) -> None:
    run(store)
    folder(manifest_file(store))
    run(store)
    assert store.lookup(KEY).outcome == "hit"


def test_a_removed_manifest_is_absent(store: Store) -> None:
    run(store)
    manifest_file(store).unlink()
    assert store.lookup(KEY).outcome == "absent"


def test_invariant_11_a_manifest_of_another_version_is_left_alone(store: Store) -> None:
    manifest = run(store)
    body = json.dumps(asdict(replace(manifest, version=99)), sort_keys=True, indent=1)
    text = json.dumps({"checksum": blake3(body.encode()).hexdigest()}) + "\n" + body + "\n"
    manifest_file(store).write_text(text)
    assert store.lookup(KEY).outcome == "manifest of another version"
    assert manifest_file(store).read_text() == text
    assert store.manifests() == []


def failing(real: Callable[..., object], wanted: Path) -> Callable[..., object]:
    """A function that fails as a network file system does when it is asked for one file."""

    def call(path: Path, *args: object, **kwargs: object) -> object:
        if Path(path) == wanted:
            raise OSError(errno.ESTALE, "Stale file handle")
        return real(path, *args, **kwargs)

    return call


def test_invariant_5_what_cannot_be_read_just_now_is_not_taken_away(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(store)
    path = manifest_file(store)
    with monkeypatch.context() as patch:
        patch.setattr(store_module, "open_own", failing(store_module.open_own, path))
        found = store.lookup(KEY)
        assert found.outcome == "manifest unreadable"
        assert "Stale file handle" in found.detail
    assert store.lookup(KEY).outcome == "hit"
    path = object_path(store)
    os.utime(path)
    with monkeypatch.context() as patch:
        patch.setattr(store_module, "hash_file", failing(store_module.hash_file, path))
        assert store.lookup(KEY).outcome == "object unreadable"
        patch.setattr(os, "lstat", failing(os.lstat, path))
        assert store.lookup(KEY).outcome == "object unreadable"
    assert store.lookup(KEY).outcome == "hit"


def test_an_object_that_was_touched_is_hashed_once_and_sealed_again(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(store)
    object_path(store).chmod(0o644)
    os.utime(object_path(store))
    hashed = []
    real = store_module.hash_file
    monkeypatch.setattr(store_module, "hash_file", lambda path: hashed.append(path) or real(path))
    assert [store.lookup(KEY).outcome for _ in range(3)] == ["hit"] * 3
    assert hashed == [object_path(store)]
    # A look changes nothing; a build does.
    assert object_path(store).stat().st_mode & 0o777 == 0o644
    store.mend()
    assert object_path(store).stat().st_mode & 0o777 == 0o444
    assert object_path(store).stat().st_mtime == OBJECT_TIME


def test_looking_up_what_nobody_touched_reads_no_object(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(store)
    monkeypatch.setattr(store_module, "hash_file", None)
    assert store.lookup(KEY).outcome == "hit"


# manifests


def test_invariant_6_a_manifest_appears_whole_and_after_its_objects(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At each rename in the store, whatever is visible then is complete."""
    seen = []
    real = os.replace

    def watched(source: Path, target: Path) -> None:
        real(source, target)
        seen.append("manifest" if str(target).endswith(".json") else "object")
        for path in (store.root / "manifests").glob("*/*.json"):
            for product in store.read_manifest(path).products:
                content = store.object_path(store.root, product.object).read_bytes()
                assert content == CONTENTS[product.name]

    monkeypatch.setattr(os, "replace", watched)
    run(store)
    assert seen == ["object", "object", "object", "manifest"]


def test_invariant_5_all_is_on_disk_before_the_manifest_has_its_name(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    events: list[tuple[str, str]] = []
    fsync, rename = os.fsync, os.replace

    def synced(descriptor: int) -> None:
        fsync(descriptor)
        events.append(("sync", str(os.fstat(descriptor).st_ino)))

    def renamed(source: Path, target: Path) -> None:
        inode = str(os.stat(source).st_ino)  # noqa: PTH116
        rename(source, target)
        events.append(("rename", inode))
        events.append(("folder", str(Path(target).parent.stat().st_ino)))

    monkeypatch.setattr(os, "fsync", synced)
    monkeypatch.setattr(os, "replace", renamed)
    run(store)
    for number, (kind, inode) in enumerate(events):
        if kind == "rename":
            assert ("sync", inode) in events[:number], "its bytes, before"
        if kind == "folder":
            assert ("sync", inode) in events[number:], "its name, after"
    # New folders have names too, and these are in the folders above.
    for name in ("objects", "manifests"):
        assert ("sync", str((store.root / name).stat().st_ino)) in events


# several stores


@pytest.fixture
def team(tmp_path: Path) -> Store:
    """A store of others."""
    return Store([tmp_path / "team"])


def test_a_store_behind_serves_what_ours_has_not(store: Store, team: Store, tmp_path: Path) -> None:
    manifest = run(team)
    both = Store([store.root, team.root])
    assert both.lookup(KEY).manifest == manifest
    both.restore(manifest.products[0], tmp_path / "restored")
    assert (tmp_path / "restored").read_bytes() == CONTENTS["MASTER_BIAS-01.fits"]
    assert objects_of(store) == {}
    assert store.lookup(KEY).outcome == "absent"


@pytest.mark.parametrize(("damage", "outcome"), OBJECT_DAMAGE)
def test_invariant_11_damage_in_a_store_behind_is_a_miss_and_stays(
    damage: Callable[[Path], None], outcome: str, store: Store, team: Store
) -> None:
    run(team)
    path = object_path(team)
    damage(path)
    present = os.path.lexists(path)
    both = Store([store.root, team.root])
    assert both.lookup(KEY).outcome == outcome
    assert os.path.lexists(path) == present
    run(both)
    assert both.lookup(KEY).outcome == "hit"
    assert objects_of(store)


def test_invariant_11_nothing_is_written_to_a_store_behind(store: Store, team: Store) -> None:
    run(team)
    for path in team.root.rglob("*"):
        os.utime(path, (5, 5))
    before = {path: path.stat() for path in team.root.rglob("*")}
    both = Store([store.root, team.root])
    run(both, level=2)
    assert both.lookup(KEY).outcome == "hit"
    both.lookup(key_of(preimage_of(2)))
    both.sweep()
    for path, status in before.items():
        now = path.stat()
        assert (now.st_mode, now.st_mtime_ns, now.st_ctime_ns) == (
            status.st_mode,
            status.st_mtime_ns,
            status.st_ctime_ns,
        )


@pytest.mark.parametrize("damage", [truncate, flip])
def test_a_sound_copy_in_any_store_is_enough(
    damage: Callable[[Path], None], store: Store, team: Store, tmp_path: Path
) -> None:
    manifest = run(store)
    third = Store([tmp_path / "third"])
    run(team)
    run(third)
    damage(object_path(store))
    damage(object_path(team))
    if damage is truncate:
        # Even where its time says that nobody touched it.
        os.utime(object_path(team), (OBJECT_TIME, OBJECT_TIME))
    all_three = Store([store.root, team.root, third.root])
    assert all_three.lookup(KEY).outcome == "hit"
    all_three.restore(manifest.products[0], tmp_path / "restored")
    assert (tmp_path / "restored").read_bytes() == CONTENTS["MASTER_BIAS-01.fits"]


def test_a_copied_store_without_its_times_is_hashed_once_in_a_build(
    store: Store, team: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(team)
    for _, path in team.object_files():
        os.utime(path, (7, 7))
    both = Store([store.root, team.root])
    hashed = []
    real = store_module.hash_file
    monkeypatch.setattr(store_module, "hash_file", lambda path: hashed.append(path) or real(path))
    assert [both.lookup(KEY).outcome for _ in range(3)] == ["hit"] * 3
    assert len(hashed) == len(CONTENTS)
    # Changed again, it is hashed again.
    flip(object_path(team))
    assert both.lookup(KEY).outcome == "object damaged"


def test_a_missing_store_behind_is_empty(store: Store, tmp_path: Path) -> None:
    run(store)
    both = Store([store.root, tmp_path / "unplugged"])
    assert both.lookup(KEY).outcome == "hit"
    assert both.lookup(key_of(preimage_of(2))).outcome == "absent"
    assert not (tmp_path / "unplugged").exists()


def test_a_store_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(StoreError) as caught:
        Store([tmp_path / "file" / "store"])
    assert caught.value.where == str(tmp_path / "file" / "store")
    assert "cache:" in str(caught.value.remedy)


# scratch


def test_scratch_folders_have_names_for_people_and_an_owner(store: Store) -> None:
    one, other = store.scratch("muse_bias:2017-06-15/ä 1"), store.scratch("muse_bias")
    assert one != other
    assert one.name.startswith("muse_bias_2017-06-15___1.")
    assert json.loads((one / OWNER_FILE).read_text())["pid"] == os.getpid()
    assert one.stat().st_dev == (store.root / "objects").stat().st_dev


def dead_owner() -> dict[str, object]:
    """An owner of this machine whose process has ended."""
    child = os.fork()
    if child == 0:
        os._exit(0)
    owner = describe(child)
    os.waitpid(child, 0)
    return owner


def old(folder: Path, days: float) -> None:
    os.utime(folder, (time.time() - days * 86400,) * 2)


@pytest.mark.parametrize(
    ("owner", "days", "swept"),
    [
        (None, 0, False),
        (None, 1, True),
        ("{", 0, False),
        ("{", 1, True),
        ("[]", 1, True),
        ("living", 1, False),
        ("dead", 0, True),
        ("kept", 0, False),
        ("kept", 99, False),
        ("elsewhere", 1, False),
        ("elsewhere", 99, True),
    ],
)
def test_sweep_removes_what_dead_builds_left(
    owner: str | None, days: float, swept: bool, store: Store
) -> None:
    folder = store.scratch("muse_bias")
    (folder / "half.fits").write_text("half")
    said = {
        None: None,
        "living": describe(),
        "dead": dead_owner(),
        "kept": dead_owner() | {"keep": True},
        "elsewhere": dead_owner() | {"host": "another", "boot": "another"},
    }
    if owner is None:
        (folder / OWNER_FILE).unlink()
    else:
        content = json.dumps(said[owner]) if owner in said else owner
        (folder / OWNER_FILE).write_text(content)
    old(folder, days)
    assert store.sweep() == swept
    assert folder.exists() != swept


def test_sweep_survives_a_folder_that_another_build_sweeps(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = store.scratch("muse_bias")
    monkeypatch.setattr(Path, "iterdir", lambda path: iter([folder, path / "gone"]))
    assert store.sweep() == 0


def test_all_manifests_are_listed_with_their_keys(store: Store) -> None:
    run(store)
    run(store, level=2)
    assert [m.preimage["params"] for m in sorted(store.manifests(), key=lambda m: m.made)] == [
        {"nifu": 1},
        {"nifu": 2},
    ]
    assert {key for key, _ in store.manifest_files()} == {m.key for m in store.manifests()}
