"""Killed at every step, no space for any write, damaged ledgers: a plain build mends it."""

from __future__ import annotations

import os
import resource
import shutil
import sqlite3
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from musebuild.cache.steps import STEPS, VARIABLE
from musebuild.engine.repair_database import mend_database
from musebuild.index.database import open_database
from musebuild.index.migrations import INDEX_MIGRATIONS
from tests.support.mounts import read_only
from tests.support.projects import ALL, MockProject, Ran
from tests.support.waiting import PATIENCE, wait_until

# The driver renames objects, too: the log of a worker that died.
DRIVER = set(STEPS[STEPS.index("result read") :]) | {"order written", "object renamed"}


def products(project: MockProject) -> dict[str, str]:
    """Product → content digest, over the whole reduced tree."""
    from musebuild.fits.digest import digest_frame

    return {
        str(path.relative_to(project.reduced)): digest_frame(path).content
        for path in sorted(project.reduced.rglob("*.fits"))
    }


@pytest.fixture(scope="module")
def right(tmp_path_factory: pytest.TempPathFactory, night: Path) -> dict[str, str]:
    """What a build that nothing happened to makes."""
    from tests.support.projects import make_mock_project

    project = make_mock_project(tmp_path_factory.mktemp("right") / "project", night)
    project.build()
    return products(project)


def check_mended(project: MockProject, right: dict[str, str]) -> None:
    """A plain build ends right, and the next has nothing to do."""
    ran = project.build()
    assert "Traceback" not in ran.text
    assert products(project) == right
    assert "Everything is up to date" in project.build().out
    assert not list((project.store / "scratch").iterdir())
    assert not list(project.folder.rglob("*.part"))


@pytest.mark.parametrize("step", STEPS)
def test_killed_at_each_step(project: MockProject, right: dict[str, str], step: str) -> None:
    # Two recipes, one of which needs the other, go through all steps.
    ran = project.run("run", "-n", "2", "muse_flat", env={**os.environ, VARIABLE: step})
    # A result that is written whole counts, however its worker ended.
    expected = -9 if step in DRIVER else 0 if step == "result written" else 1
    assert ran.status == expected, ran.text
    assert "Traceback" not in ran.text
    finished = project.manifests()
    begun = len(project.journal)
    check_mended(project, right)
    # Whatever had its manifest never ran again.
    assert len(project.journal) - begun == ALL - finished


def limited(project: MockProject, size: int) -> Ran:
    """A build in which no file can grow beyond a size, as on a full disk or over a quota."""

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))

    done = subprocess.run(
        project.command("run", "-n", "2"),
        cwd=project.folder,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
        preexec_fn=limit,
    )
    return Ran(done.returncode, done.stdout, done.stderr)


@pytest.mark.parametrize("size", [0, 500, 3_000, 5_000, 8_000, 20_000, 60_000])
def test_no_space_for_a_write(project: MockProject, right: dict[str, str], size: int) -> None:
    ran = limited(project, size)
    assert ran.status in (1, 2), ran.text
    assert "Traceback" not in ran.text
    assert "hint:" in ran.text or "left errors" in ran.text or "File too large" in ran.text
    check_mended(project, right)


def database(project: MockProject) -> Path:
    return project.folder / "musebuild.db"


def test_a_deleted_ledger_loses_nothing(built: MockProject, right: dict[str, str]) -> None:
    before = len(built.journal)
    for path in built.folder.glob("musebuild.db*"):
        path.unlink()
    check_mended(built, right)
    assert len(built.journal) == before


def zeros(path: Path) -> None:
    """What a lost power leaves of a file."""
    path.write_bytes(bytes(path.stat().st_size))


def without_head(path: Path) -> None:
    with path.open("r+b") as file:
        file.write(b"\xa5" * 4096)


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:5000])


def overwrite(table: str) -> Callable[[Path], None]:
    """Garbage where a table begins."""

    def damage(path: Path) -> None:
        with sqlite3.connect(path) as connection:
            ((page,),) = connection.execute(
                "SELECT rootpage FROM sqlite_master WHERE name = ?", [table]
            ).fetchall()
            ((size,),) = connection.execute("PRAGMA page_size").fetchall()
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        connection.close()
        with path.open("r+b") as file:
            file.seek((page - 1) * size)
            file.write(b"\xa5" * size)

    return damage


@pytest.mark.parametrize(
    ("damage", "scans"),
    [
        (truncate, False),
        (zeros, False),
        (without_head, False),
        (overwrite("placed"), False),
        (overwrite("raw"), True),
    ],
    ids=["truncated", "zeros", "without-head", "placed", "raw"],
)
def test_a_damaged_ledger_is_set_aside_and_made_anew(
    built: MockProject, right: dict[str, str], damage: Callable[[Path], None], scans: bool
) -> None:
    path = database(built)
    with sqlite3.connect(path) as connection:
        connection.execute("INSERT INTO flags (exposure, flag) VALUES ('x', 'SEEING')")
    connection.close()
    damage(path)
    for other in built.folder.glob("musebuild.db-*"):
        other.unlink()
    harmed = path.read_bytes()
    before = len(built.journal)
    if scans:
        # Where nothing changed this table need not be read; a frame that looks new makes it scan.
        os.utime(next((built.folder / "raw").glob("*.fits")))
    ran = built.build()
    assert "Traceback" not in ran.text
    assert "was damaged. It was moved to" in ran.err
    assert path.with_name("musebuild.db.damaged-1").read_bytes() == harmed
    assert len(built.journal) == before
    with sqlite3.connect(path) as connection:
        assert connection.execute("SELECT COUNT(*) FROM manifests").fetchone() == (ALL,)
    connection.close()
    check_mended(built, right)
    if damage not in (truncate, zeros, without_head):
        # What people wrote is carried over.
        with sqlite3.connect(path) as connection:
            assert connection.execute("SELECT flag FROM flags").fetchall() == [("SEEING",)]
        connection.close()
    else:
        assert "flags, which people wrote, cannot be read" in ran.err


def test_a_database_that_is_sound_or_not_ours_is_left_alone(tmp_path: Path) -> None:
    mine = tmp_path / "mine.db"
    mine.write_bytes(b"SQLite format 3\0" + b"x" * 5000)
    assert mend_database(mine) is None
    open_database(tmp_path / "a.db", INDEX_MIGRATIONS).close()
    assert mend_database(tmp_path / "a.db") is None
    assert {p.name for p in tmp_path.iterdir()} == {"mine.db", "a.db"}


def test_a_ledger_of_a_newer_musebuild_is_refused(built: MockProject) -> None:
    with sqlite3.connect(database(built)) as connection:
        connection.execute("INSERT INTO migrations VALUES ('cache-99')")
    ran = built.ask("run")
    assert ran.status == 2
    assert "newer musebuild" in ran.err


def test_a_deleted_store_is_made_again(built: MockProject, right: dict[str, str]) -> None:
    before = len(built.journal)
    shutil.rmtree(built.store)
    check_mended(built, right)
    assert len(built.journal) == before + ALL


def test_invariant_1_the_cache_is_invisible(built: MockProject, right: dict[str, str]) -> None:
    built.build("-a")
    assert products(built) == right
    shutil.rmtree(built.folder / "reduced")
    built.build()
    assert products(built) == right


def test_one_store_serves_many_projects(
    built: MockProject, right: dict[str, str], tmp_path: Path, night: Path
) -> None:
    from tests.support.projects import make_mock_project

    other = make_mock_project(tmp_path / "other", night)
    other.settings["cache"] = str(built.store)
    other.write()
    assert f"0 ran, {ALL} restored" in other.build().out
    assert products(other) == right
    assert not other.journal


def test_a_read_only_store_as_a_second_level(
    built: MockProject, right: dict[str, str], tmp_path: Path, night: Path
) -> None:
    from tests.support.projects import make_mock_project

    before = {p: p.stat().st_mtime_ns for p in built.store.rglob("*")}
    other = make_mock_project(tmp_path / "other", night)
    other.settings["cache"] = ["mine", str(built.store)]
    other.params("muse_exp_combine", lambdamin=4800.0)
    ran = other.build()
    assert f"1 ran, {ALL - 1} restored" in ran.out
    assert {p: p.stat().st_mtime_ns for p in built.store.rglob("*")} == before


def test_the_settings_edited_during_a_build(project: MockProject, right: dict[str, str]) -> None:
    project.rule(hold="gate")
    process = project.start("-n", "2")
    project.params("muse_scipost", skymodel_fraction=0.7)
    project.release("gate")
    out, _ = process.communicate(timeout=PATIENCE)
    assert process.returncode == 0, out
    # The build went by what it had read.
    assert products(project) == right
    del project.settings["recipes"]["muse_scipost"]["params"]["skymodel_fraction"]
    project.write()
    assert "Everything is up to date" in project.build().out


def test_a_store_that_became_read_only(built: MockProject, right: dict[str, str]) -> None:
    before = len(built.journal)
    with read_only(built.store):
        for _ in range(2):
            ran = built.ask("run")
            assert ran.status == 2, ran.text
            assert "store cannot be written" in ran.err
            assert "cache: [mine, " in ran.err
            assert "Traceback" not in ran.text
            # With nothing to do, and with something.
            built.params("muse_exp_combine", lambdamin=4800.0)
        assert built.ask("list", "--status").status == 0
    del built.settings["recipes"]["muse_exp_combine"]["params"]["lambdamin"]
    built.write()
    check_mended(built, right)
    assert len(built.journal) == before


def bias_of(project: MockProject) -> Path:
    return project.reduced / "MASTER_BIAS/2017-06-16T10:40:27.WFM-NOAO-N/MASTER_BIAS-01.fits"


def shorten(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-2880])


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[-100] ^= 1
    path.write_bytes(bytes(content))


def folder(path: Path) -> None:
    path.unlink()
    path.mkdir()
    (path / "file").touch()


@pytest.mark.parametrize("harm", [shorten, flip, Path.unlink, folder], ids=lambda f: f.__name__)
def test_an_object_that_was_harmed(project: MockProject, harm: Callable[[Path], None]) -> None:
    project.build("muse_bias")
    before, made = len(project.journal), products(project)
    product = bias_of(project)
    content = product.read_bytes()
    # A file of its own, not a second name of the object.
    product.unlink()
    target = next(p for p in (project.store / "objects").glob("*/*") if p.read_bytes() == content)
    target.chmod(0o644)
    harm(target)
    told = project.ask("list", "--status", "muse_bias").out
    assert "object damaged" in told or "object missing" in told
    project.build("muse_bias")
    assert products(project) == made
    assert project.ran_since(before) == {"muse_bias": 1}
    assert "Everything is up to date" in project.build("muse_bias").out


def test_a_raw_frame_that_changes_while_its_recipe_runs(
    project: MockProject, right: dict[str, str]
) -> None:
    project.rule(recipe="muse_bias", ifu=1, hold="gate")
    process = project.start("-n", "1", "muse_bias")
    frame = project.folder / "raw" / "MUSE.2017-06-16T10:40:37.154.fits"
    content = frame.read_bytes()
    harmed = bytearray(content)
    harmed[-2880] ^= 1
    frame.write_bytes(bytes(harmed))
    wait_until(lambda: any(run["nifu"] == 1 for run in project.journal))
    project.release("gate")
    out, _ = process.communicate(timeout=PATIENCE)
    assert process.returncode == 1, out
    assert f"{frame.name} changed while the recipe ran" in out
    frame.write_bytes(content)
    check_mended(project, right)


def test_a_clock_that_was_set_back(project: MockProject) -> None:
    """Files from the future, as they look after it: hashed anew each time, never run again."""
    project.build("muse_bias")
    before, made = len(project.journal), products(project)
    for path in (project.folder / "raw").glob("*.fits"):
        os.utime(path, (4_000_000_000, 4_000_000_000))
    for _ in range(2):
        project.build("muse_bias")
    assert len(project.journal) == before
    frame = project.folder / "raw" / "MUSE.2017-06-16T10:40:37.154.fits"
    content = frame.read_bytes()
    harmed = bytearray(content)
    harmed[-2880] ^= 1
    frame.write_bytes(bytes(harmed))
    os.utime(frame, (4_000_000_000, 4_000_000_000))
    project.build("muse_bias")
    assert project.ran_since(before) == {"muse_bias": 1}
    frame.write_bytes(content)
    project.build("muse_bias")
    assert products(project) == made
    assert len(project.journal) == before + 1
