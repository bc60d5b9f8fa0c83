"""The ledger: an index of the store that may be lost, and the history of builds."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from musebuild.cache.ledger import SAMPLES, Ledger, Placed, Sample
from musebuild.cache.migrations import CACHE_MIGRATIONS
from musebuild.cache.model import Manifest
from musebuild.cache.store import Store
from musebuild.errors import MusebuildError, StoreError, UsageError
from musebuild.index.database import Migration, open_database
from tests.cache.making import CONTENTS, TASK, memory_ledger, open_ledger, run

TABLES = ("manifests", "products")


def rows(ledger: Ledger, table: str) -> list[tuple[object, ...]]:
    """All rows of a table, in a fixed order."""
    return sorted(ledger.connection.execute(f"SELECT * FROM {table}").fetchall())


def index_of(ledger: Ledger) -> dict[str, list[tuple[object, ...]]]:
    """What the ledger says of the store."""
    return {table: rows(ledger, table) for table in TABLES}


@pytest.fixture
def ledger() -> Ledger:
    """An empty ledger."""
    return memory_ledger()


# manifests


def test_a_manifest_is_indexed(store: Store, ledger: Ledger) -> None:
    manifest = run(store)
    ledger.record(manifest)
    ((key, task, recipe, made, seconds, *_, warnings, host),) = rows(ledger, "manifests")
    assert (key, task, recipe) == (manifest.key, TASK, "muse_bias")
    assert (made, seconds, warnings, host) == (manifest.made, 10.0, 1, "here")
    assert [row[3] for row in rows(ledger, "products")] == list(CONTENTS)


def test_recording_again_replaces(store: Store, ledger: Ledger) -> None:
    ledger.record(run(store))
    once = index_of(ledger)
    ledger.record(run(store))
    assert index_of(ledger) == once
    ledger.record(run(store, {"one.fits": b"other"}))
    assert [row[3] for row in rows(ledger, "products")] == ["one.fits"]


def test_invariant_7_the_index_is_rebuilt_from_the_store_alone(
    store: Store, ledger: Ledger
) -> None:
    for level in (1, 2, 3):
        ledger.record(run(store, level=level))
    other = memory_ledger()
    # What the store does not have is forgotten.
    other.connection.execute("INSERT INTO manifests (key) VALUES ('a row without a manifest')")
    assert other.rebuild(store) == 3
    assert index_of(other) == index_of(ledger)


def test_rebuilding_leaves_out_damaged_manifests(store: Store, ledger: Ledger) -> None:
    first, second = run(store), run(store, level=2)
    store.manifest_path(store.root, first.key).write_text("{")
    assert ledger.rebuild(store) == 1
    assert [row[0] for row in rows(ledger, "manifests")] == [second.key]


def test_invariant_6_rebuilding_is_all_or_nothing(
    store: Store, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    for level in (1, 2):
        ledger.record(run(store, level=level))
    before = index_of(ledger)
    real, calls = Ledger._record, []

    def broken(self: Ledger, connection: sqlite3.Connection, manifest: Manifest) -> None:
        calls.append(manifest)
        if len(calls) == 2:
            raise KeyboardInterrupt
        real(self, connection, manifest)

    monkeypatch.setattr(Ledger, "_record", broken)
    with pytest.raises(KeyboardInterrupt):
        ledger.rebuild(store)
    assert index_of(ledger) == before


# forgetting


def test_forgotten_until_made_again(store: Store, ledger: Ledger) -> None:
    manifest = run(store)
    ledger.forget([manifest.key, "another"])
    ledger.forget([manifest.key])
    assert ledger.forgotten() == {manifest.key, "another"}
    ledger.record(manifest)
    assert ledger.forgotten() == {"another"}


# files in the reduced tree


def placed(number: int, task: str = TASK) -> Placed:
    return Placed(f"/reduced/{number}.fits", task, f"{number:064x}", 1, number, 2, 3)


def test_placed_files(ledger: Ledger) -> None:
    files = [placed(number) for number in range(1200)]
    ledger.set_placed(files)
    ledger.set_placed([placed(5000, task="another")], gone=[files[0].path])
    paths = [file.path for file in files]
    assert ledger.placed([*paths, "/unknown"]) == {file.path: file for file in files[1:]}
    assert ledger.placed([]) == {}
    assert ledger.placed_by("another") == [placed(5000, task="another")]
    assert len(ledger.all_placed()) == 1200


def test_a_file_is_the_task_s_that_placed_it_last(ledger: Ledger) -> None:
    ledger.set_placed([placed(1)])
    ledger.set_placed([placed(1, task="another")])
    assert ledger.placed_by(TASK) == []
    assert len(ledger.all_placed()) == 1


# history


def test_builds_and_events(ledger: Ledger) -> None:
    build = ledger.begin_build("settings.yml", "doit")
    ledger.event(build, TASK, "muse_bias", "k1", "failed", reason="no bias", log="log1")
    ledger.event(build, TASK, "muse_bias", "k2", "ran", reason="absent", seconds=4.0, log="log2")
    ledger.event(build, "other", "muse_flat", "k3", "restored")
    ledger.end_build(build, "done")
    second = ledger.begin_build("settings.yml", "doit list")
    assert second != build
    ledger.event(second, TASK, "muse_bias", "k2", "ran", reason="absent", seconds=2.0)
    tasks = ledger.tasks()
    assert tasks.keys() == {TASK, "other"}
    assert tasks["other"]["outcome"] == "restored"
    assert (tasks[TASK]["key"], tasks[TASK]["recipe"]) == ("k2", "muse_bias")
    assert ledger.outcomes() == [
        ("failed", "no bias", 1, 0.0),
        ("ran", "absent", 2, 6.0),
        ("restored", "", 1, 0.0),
    ]
    assert ledger.outcomes(second) == [("ran", "absent", 1, 2.0)]
    statuses = ledger.connection.execute("SELECT status, ended IS NULL FROM builds").fetchall()
    assert statuses == [("done", 0), ("running", 1)]


def test_times_and_memory_come_from_the_newest_runs(store: Store, ledger: Ledger) -> None:
    manifest = run(store)
    for number in range(SAMPLES + 10):
        old = number < 10
        ledger.record(
            Manifest(
                **{
                    name: getattr(manifest, name)
                    for name in Manifest.__dataclass_fields__
                    if name not in ("key", "made", "seconds", "peak_memory")
                },
                key=f"{number:064x}",
                made=f"2026-01-01T00:{number:02d}:00+00:00",
                seconds=1000.0 if old else 2.0,
                peak_memory=9 if old else 7,
            )
        )
    assert ledger.seconds() == {"muse_bias": 2.0}
    assert ledger.samples() == {"muse_bias": [Sample(100, 2.0, 7)] * SAMPLES}


def test_what_was_restored_saved_the_time_of_making_it(store: Store, ledger: Ledger) -> None:
    manifest = run(store, level=3)
    ledger.record(manifest)
    assert ledger.saved_seconds() == 0
    for _ in range(2):
        ledger.event(1, TASK, "muse_bias", manifest.key, "restored")
    assert ledger.saved_seconds() == 60.0


# the file


def test_invariant_5_each_step_is_committed_at_once(store: Store, tmp_path: Path) -> None:
    """What another connection sees is what survives a kill."""
    path = tmp_path / "musebuild.db"
    ledger = open_ledger(path)

    def seen(table: str) -> int:
        with sqlite3.connect(path) as other:
            return int(other.execute(f"SELECT COUNT(*) FROM {table}").fetchone()[0])

    ledger.record(run(store))
    assert (seen("manifests"), seen("products")) == (1, 2)
    ledger.forget(["a"])
    assert seen("forgotten") == 1
    ledger.set_placed([placed(1)])
    assert seen("placed") == 1
    build = ledger.begin_build("settings.yml", "doit")
    assert seen("builds") == 1
    ledger.event(build, TASK, "muse_bias", "k", "ran")
    assert (seen("events"), seen("tasks")) == (1, 1)


def make_file(path: Path, store: Store) -> dict[str, list[tuple[object, ...]]]:
    """A ledger with some rows, closed; what it says of the store."""
    ledger = open_ledger(path)
    for level in range(1, 6):
        ledger.record(run(store, level=level))
    said = index_of(ledger)
    ledger.connection.close()
    return said


def test_invariant_7_a_deleted_ledger_is_made_anew(store: Store, tmp_path: Path) -> None:
    path = tmp_path / "musebuild.db"
    said = make_file(path, store)
    path.unlink()
    ledger = open_ledger(path)
    assert ledger.rebuild(store) == 5
    assert index_of(ledger) == said


@pytest.mark.parametrize("share", [0.0, 0.001, 0.01, 0.1, 0.3, 0.5, 0.8, 0.99])
def test_invariant_7_a_truncated_ledger_is_replaced_or_refused_with_a_remedy(
    share: float, store: Store, tmp_path: Path
) -> None:
    path = tmp_path / "musebuild.db"
    said = make_file(path, store)
    os.truncate(path, int(path.stat().st_size * share))
    try:
        ledger = open_ledger(path)
        ledger.rebuild(store)
    except MusebuildError as error:
        assert error.where and str(path) in error.where
        assert error.why
        assert error.remedy
        path.unlink()
        ledger = open_ledger(path)
        ledger.rebuild(store)
    assert index_of(ledger) == said


def test_a_ledger_of_garbage_inside_says_so(store: Store, tmp_path: Path) -> None:
    path = tmp_path / "musebuild.db"
    make_file(path, store)
    ledger = open_ledger(path)
    content = bytearray(path.read_bytes())
    content[4096:] = os.urandom(len(content) - 4096)
    path.write_bytes(content)
    calls: list[Callable[[], object]] = [
        ledger.forgotten,
        ledger.tasks,
        ledger.all_placed,
        ledger.seconds,
        ledger.samples,
        lambda: ledger.rebuild(store),
        lambda: ledger.begin_build("s", "doit"),
    ]
    for call in calls:
        with pytest.raises(StoreError) as caught:
            call()
        assert caught.value.remedy


def test_an_older_schema_is_brought_up_to_date_and_keeps_its_rows(
    store: Store, tmp_path: Path
) -> None:
    path = tmp_path / "musebuild.db"
    open_database(path, ()).close()
    said = make_file(path, store)
    newer = Migration("cache-test", lambda db: db.execute("CREATE TABLE more (a TEXT)") and None)
    ledger = Ledger(open_database(path, (*CACHE_MIGRATIONS, newer)))
    assert index_of(ledger) == said
    assert rows(ledger, "more") == []


def test_invariant_11_a_newer_schema_is_left_alone(store: Store, tmp_path: Path) -> None:
    path = tmp_path / "musebuild.db"
    said = make_file(path, store)
    newer = Migration("cache-99", lambda db: db.execute("CREATE TABLE more (a TEXT)") and None)
    open_database(path, (*CACHE_MIGRATIONS, newer)).close()
    with pytest.raises(UsageError, match="newer musebuild") as caught:
        open_ledger(path)
    assert "cache-99" in str(caught.value.why)
    assert index_of(Ledger(open_database(path, (*CACHE_MIGRATIONS, newer)))) == said


@pytest.mark.parametrize("kind", ["sqlite", "text"])
def test_invariant_11_a_foreign_database_is_left_alone(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "musered.db"
    if kind == "text":
        path.write_text("not a database " * 100)
    else:
        with sqlite3.connect(path) as other:
            other.execute("CREATE TABLE raw (name TEXT)")
        other.close()
    before = (path.read_bytes(), path.stat().st_mtime_ns)
    with pytest.raises(UsageError, match="not a database of musebuild") as caught:
        open_ledger(path)
    assert caught.value.remedy
    assert (path.read_bytes(), path.stat().st_mtime_ns) == before
    assert [p.name for p in tmp_path.iterdir()] == [path.name]


def test_invariant_5_a_database_is_ours_from_the_first_moment_on(tmp_path: Path) -> None:
    path = tmp_path / "musebuild.db"
    child = os.fork()
    if child == 0:
        open_ledger(path).begin_build("settings.yml", "doit")
        os._exit(9)
    os.waitpid(child, 0)
    assert open_ledger(path).begin_build("settings.yml", "doit") == 2


# a full disk


def test_a_full_disk_writes_no_half_rows_and_is_said(store: Store, tmp_path: Path) -> None:
    path = tmp_path / "musebuild.db"
    ledger = open_ledger(path)
    ledger.record(run(store))
    before = index_of(ledger)
    manifest = run(store, {f"{n}.fits": b"%d" % n for n in range(400)}, level=2)
    pages = ledger.connection.execute("PRAGMA page_count").fetchone()[0]
    ledger.connection.execute(f"PRAGMA max_page_count={pages + 2}")
    with pytest.raises(StoreError) as caught:
        ledger.record(manifest)
    assert "full" in str(caught.value.why)
    assert caught.value.where == str(path)
    assert index_of(ledger) == before
    ledger.connection.execute("PRAGMA max_page_count=1000000")
    ledger.record(manifest)
    assert len(rows(ledger, "products")) == 402


def test_a_database_that_another_holds_is_said(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "musebuild.db"
    ledger = open_ledger(path)
    ledger.connection.execute("PRAGMA busy_timeout=50")
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(StoreError, match="ledger cannot be used") as caught:
        ledger.record(run(store))
    assert "locked" in str(caught.value.why)
    other.execute("ROLLBACK")
    ledger.record(run(store))


def test_reading_commits_nothing_of_others(store: Store, tmp_path: Path) -> None:
    """The index writes through the same connection, and commits when it is done."""
    path = tmp_path / "musebuild.db"
    ledger = open_ledger(path)
    ledger.connection.execute("INSERT INTO forgotten VALUES ('half of something', '')")
    ledger.all_placed()
    ledger.seconds()
    assert ledger.connection.in_transaction
    shutil.copy(path, tmp_path / "as-others-see-it.db")
    with sqlite3.connect(path) as other:
        assert other.execute("SELECT COUNT(*) FROM forgotten").fetchone() == (0,)


_HOT = """
import sys
from pathlib import Path
from musebuild.cache.ledger import Ledger, Placed
from musebuild.cache.migrations import CACHE_MIGRATIONS
from musebuild.cache.model import Manifest, Product
from musebuild.index.database import open_database
ledger = Ledger(open_database(Path(sys.argv[1]), CACHE_MIGRATIONS))
build = ledger.begin_build("settings.yml", "doit")
ledger.forgotten(), ledger.tasks(), ledger.samples(), ledger.placed_by_any(["task"])
made = Product("MASTER_BIAS", "a.fits", "object", "digest", 1)
with ledger.one_commit():
    ledger.record(Manifest("key", {}, (made,), "", "task", "2026", 1.0, 1.0, 1, 1))
    ledger.set_placed([Placed("a.fits", "task", "object", 1, 1, 1, 1)])
    ledger.event(build, "task", "muse_bias", "key", "ran")
ledger.end_build(build, "done")
print("sqlite_utils" in sys.modules)
"""


def test_hot_paths_load_no_more_than_sqlite(tmp_path: Path) -> None:
    """Importing sqlite-utils takes longer than an empty build."""
    path = tmp_path / "musebuild.db"
    open_ledger(path).connection.close()
    ran = subprocess.run(
        [sys.executable, "-c", _HOT, str(path)], capture_output=True, text=True, check=True
    )
    assert ran.stdout == "False\n"
