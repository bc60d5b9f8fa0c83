"""A build that had nothing to do is remembered; any doubt means looking anew."""

from __future__ import annotations

import os
import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

import musebuild.engine.build_state as engine_build
import musebuild.engine.settled as settled
from musebuild.cli.main import main
from tests.support.frames import write_raw, write_static
from tests.support.projects import ALL, MockProject
from tests.support.waiting import wait_until


@pytest.fixture
def looks(built: MockProject, monkeypatch: pytest.MonkeyPatch) -> Callable[[], tuple[int, int]]:
    """Build in this process; (exit status, how often it planned and resolved)."""
    calls: list[int] = []
    original = engine_build.Build.__init__

    def counted(self: engine_build.Build, *args: object, **more: object) -> None:
        calls.append(1)
        original(self, *args, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(engine_build.Build, "__init__", counted)

    def run() -> tuple[int, int]:
        calls.clear()
        return main(["run", "-d", str(built.folder)]), len(calls)

    # Frames that were written a moment ago could still change within the tick of their times.
    wait_until(lambda: run() == (0, 0), "a build that is remembered")
    return run


def test_the_second_empty_build_neither_plans_nor_resolves(
    looks: Callable[[], tuple[int, int]], capsys: pytest.CaptureFixture[str]
) -> None:
    assert looks() == (0, 0)
    assert f"Everything is up to date ({ALL} tasks)" in capsys.readouterr().out


def cube_object(project: MockProject) -> Path:
    content = next(project.reduced.rglob("DATACUBE_FINAL.fits")).read_bytes()
    return next(p for p in (project.store / "objects").glob("*/*") if p.read_bytes() == content)


def edit(product: Path) -> None:
    product.chmod(0o644)
    with product.open("ab") as file:
        file.write(bytes(2880))


DOUBTS: dict[str, Callable[[MockProject], object]] = {
    "settings": lambda p: p.params("muse_scipost", skymodel_fraction=0.3),
    "raw frame added": lambda p: write_raw(
        p.folder / "raw", "BIAS", "2017-06-16T10:43:37.154", tpl="2017-06-16T10:40:27"
    ),
    "raw frame touched": lambda p: os.utime(next((p.folder / "raw").glob("*.fits"))),
    "raw frame gone": lambda p: next((p.folder / "raw").glob("*T10:40:37*")).unlink(),
    "static changed": lambda p: write_static(p.folder / "calib", "LINE_CATALOG", value=1),
    "static added": lambda p: write_static(p.folder / "calib", "RAMAN_LINES"),
    "product edited": lambda p: edit(next(p.reduced.rglob("DATACUBE_FINAL.fits"))),
    "product gone": lambda p: next(p.reduced.rglob("DATACUBE_FINAL.fits")).unlink(),
    "object gone": lambda p: cube_object(p).unlink(),
    "manifest gone": lambda p: next((p.store / "manifests").glob("*/*")).unlink(),
    "store gone": lambda p: shutil.rmtree(p.store),
    "ledger gone": lambda p: [path.unlink() for path in p.folder.glob("musebuild.db*")],
    "forgotten": lambda p: p.ask("forget", "muse_bias"),
}


@pytest.mark.parametrize("doubt", DOUBTS)
def test_any_doubt_means_looking_anew(
    built: MockProject, looks: Callable[[], tuple[int, int]], doubt: str
) -> None:
    assert looks() == (0, 0)
    DOUBTS[doubt](built)
    status, looked = looks()
    assert looked == 1
    # Two bias frames are too few.
    assert status == (1 if doubt == "raw frame gone" else 0)


def test_an_environment_that_the_drs_reads_is_a_doubt(
    looks: Callable[[], tuple[int, int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert looks() == (0, 0)
    monkeypatch.setenv("MUSE_EXPCOMBINE_SOMETHING", "1")
    assert looks()[1] == 1


def test_another_musebuild_is_a_doubt(
    looks: Callable[[], tuple[int, int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, other in (
        ("__version__", "99.0"),
        ("KEY_VERSION", 99),
        ("DIGEST_VERSION", 99),
        ("catalogue_digest", lambda: "another"),
    ):
        with monkeypatch.context() as patch:
            patch.setattr(settled, name, other)
            assert looks() == (0, 1), name
        wait_until(lambda: looks() == (0, 0), "a build that is remembered")


def test_a_content_change_that_hides_its_time_is_a_doubt(
    built: MockProject, looks: Callable[[], tuple[int, int]]
) -> None:
    assert looks() == (0, 0)
    frame = next((built.folder / "raw").glob("*T10:40:37*"))
    status = frame.stat()
    content = bytearray(frame.read_bytes())
    content[-2880] ^= 1
    with frame.open("r+b") as stream:
        stream.write(bytes(content))
    os.utime(frame, ns=(status.st_atime_ns, status.st_mtime_ns))
    before = len(built.journal)
    assert looks()[1] == 1
    assert len(built.journal) > before


def test_what_is_remembered_stays_small(
    built: MockProject, looks: Callable[[], tuple[int, int]]
) -> None:
    for name in ("muse_bias", "muse_flat", "calib", "science"):
        built.build(name)
    with sqlite3.connect(built.folder / "musebuild.db") as connection:
        (number,) = connection.execute("SELECT COUNT(*) FROM settled").fetchone()
    assert 1 <= number <= 20
