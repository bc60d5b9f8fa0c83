"""Ctrl-C, SIGTERM, kill -9: nothing half, nothing lost, nothing left running."""

from __future__ import annotations

import signal
import subprocess
import time
from pathlib import Path

import psutil
import pytest

from tests.support.projects import ALL, MockProject, make_mock_project


def start(project: MockProject, *arguments: str) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        project.command("run", *arguments),
        cwd=project.folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    deadline = time.monotonic() + 30
    while not project.journal:
        time.sleep(0.02)
        assert process.poll() is None
        assert time.monotonic() < deadline
    return process


def gone(pids: set[int]) -> bool:
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        alive = [p for p in pids if psutil.pid_exists(p) and _status(p) != psutil.STATUS_ZOMBIE]
        if not alive:
            return True
        time.sleep(0.05)
    return False


def _status(pid: int) -> str:
    try:
        return psutil.Process(pid).status()
    except psutil.NoSuchProcess:
        return psutil.STATUS_ZOMBIE


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_the_first_signal_lets_running_recipes_end(
    project: MockProject, number: int, status: int
) -> None:
    project.rule(seconds=0.8)
    process = start(project, "-n", "2")
    time.sleep(0.2)
    process.send_signal(number)
    out, _ = process.communicate(timeout=30)
    assert process.returncode == status, out
    assert "Stopped by" in out
    begun = len(project.journal)
    assert project.manifests() == begun
    assert begun < ALL
    project.unrule()
    project.build()
    assert len(project.journal) == ALL


def test_the_second_signal_stops_running_recipes(project: MockProject) -> None:
    project.rule(hang=True)
    process = start(project, "-n", "2")
    process.send_signal(signal.SIGINT)
    time.sleep(0.3)
    assert process.poll() is None
    process.send_signal(signal.SIGINT)
    out, _ = process.communicate(timeout=30)
    assert process.returncode == 130, out
    assert gone({run["pid"] for run in project.journal})
    assert project.manifests() == 0


def test_kill_9_leaves_no_orphan(project: MockProject) -> None:
    project.rule(hang=True)
    process = start(project, "-n", "2")
    workers = {child.pid for child in psutil.Process(process.pid).children(recursive=True)}
    assert workers
    process.kill()
    process.wait()
    assert gone(workers | {run["pid"] for run in project.journal})


def test_scratch_of_a_dead_build_is_swept(project: MockProject) -> None:
    project.rule(hang=True)
    process = start(project, "-n", "2")
    process.kill()
    process.wait()
    assert gone({run["pid"] for run in project.journal})
    project.unrule()
    project.build()
    assert not list((project.store / "scratch").iterdir())


def test_two_builds_at_once_run_nothing_twice(project: MockProject) -> None:
    project.rule(seconds=0.15)
    builds = [
        subprocess.Popen(
            project.command("run", "-n", "2"),
            cwd=project.folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for _ in range(3)
    ]
    outs = [build.communicate(timeout=100)[0] for build in builds]
    assert [build.returncode for build in builds] == [0, 0, 0], outs
    assert len(project.journal) == ALL
    assert "Everything is up to date" in project.build().out


def test_eight_builds_over_one_store_run_nothing_twice(
    project: MockProject, night: Path, tmp_path: Path
) -> None:
    others = [make_mock_project(tmp_path / f"p{n}", night) for n in range(8)]
    for other in others:
        other.settings["cache"] = str(tmp_path / "store")
        other.write()
    builds = [
        subprocess.Popen(
            other.command("run", "-n", "2", "muse_flat", "muse_lsf"),
            cwd=other.folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for other in others
    ]
    outs = [build.communicate(timeout=100)[0] for build in builds]
    assert [build.returncode for build in builds] == [0] * 8, outs
    runs = [(run["recipe"], run["nifu"]) for other in others for run in other.journal]
    assert sorted(runs) == sorted(set(runs))
    assert len(runs) == 8
    trees = [
        sorted(str(path.relative_to(other.reduced)) for path in other.reduced.rglob("*.fits"))
        for other in others
    ]
    assert all(tree == trees[0] for tree in trees)
