"""Ctrl-C, SIGTERM, kill -9: nothing half, nothing lost, nothing left running."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from tests.support.projects import ALL, MockProject, make_mock_project, run_at_once
from tests.support.waiting import PATIENCE, descendants, wait_until_gone

SHARED = ("run", "-n", "2", "muse_flat", "muse_lsf")


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_the_first_signal_lets_running_recipes_end(
    project: MockProject, number: int, status: int
) -> None:
    project.rule(hold="gate")
    process = project.start("-n", "2")
    process.send_signal(number)
    project.release("gate")
    out, _ = process.communicate(timeout=PATIENCE)
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
    process = project.start("-n", "2")
    process.send_signal(signal.SIGINT)
    # Two that come before the first is heeded are one to a process.
    assert process.stdout is not None
    while "running recipes end first" not in (line := process.stdout.readline()):
        assert line, "the build ended at the first signal"
    assert process.poll() is None
    process.send_signal(signal.SIGINT)
    out, _ = process.communicate(timeout=PATIENCE)
    assert process.returncode == 130, out
    assert "stopped   muse_bias:2017-06-16T10:40:27.ifu01" in out
    assert "0 ran, 0 restored, 0 up to date, 2 stopped" in out
    assert "FAILED" not in out
    wait_until_gone(run["pid"] for run in project.journal)
    assert project.manifests() == 0


def test_invariant_12_kill_9_leaves_no_orphan(project: MockProject) -> None:
    project.rule(hang=True)
    process = project.start("-n", "2")
    workers = descendants(process.pid)
    assert workers
    process.kill()
    process.wait()
    wait_until_gone(workers | {run["pid"] for run in project.journal})


def test_scratch_of_a_dead_build_is_swept(project: MockProject) -> None:
    project.rule(hang=True)
    process = project.start("-n", "2")
    started = descendants(process.pid)
    process.kill()
    process.wait()
    wait_until_gone(started)
    project.unrule()
    project.build()
    assert not list((project.store / "scratch").iterdir())


@pytest.mark.parametrize("number", [2, 8])
def test_invariant_8_builds_in_one_folder_run_nothing_twice(
    project: MockProject, number: int
) -> None:
    # Two have workers of their own; of eight the recipes run in their drivers: a second less each.
    if number == 2:
        builds = [project.spawn(*SHARED) for _ in range(number)]
        outs = [build.communicate(timeout=PATIENCE)[0] for build in builds]
        assert [build.returncode for build in builds] == [0] * number, outs
    else:
        ran = run_at_once([project] * number, *SHARED)
        assert [one.status for one in ran] == [0] * number, ran
    assert project.ran_since(0) == {
        "muse_bias": 2, "muse_flat": 2, "muse_wavecal": 2, "muse_lsf": 2
    }  # fmt: skip
    assert "Everything is up to date" in project.build("muse_flat", "muse_lsf").out


def test_invariant_8_eight_builds_over_one_store_run_nothing_twice(
    project: MockProject, night: Path, tmp_path: Path
) -> None:
    others = [make_mock_project(tmp_path / f"p{n}", night) for n in range(8)]
    for other in others:
        other.settings["cache"] = str(tmp_path / "store")
        other.write()
    ran = run_at_once(others, *SHARED)
    assert [one.status for one in ran] == [0] * 8, ran
    runs = [(run["recipe"], run["nifu"]) for other in others for run in other.journal]
    assert sorted(runs) == sorted(set(runs))
    assert len(runs) == 8
    trees = [
        sorted(str(path.relative_to(other.reduced)) for path in other.reduced.rglob("*.fits"))
        for other in others
    ]
    assert all(tree == trees[0] for tree in trees)
