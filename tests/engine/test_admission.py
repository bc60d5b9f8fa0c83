"""Which work may start: cores and memory."""

from __future__ import annotations

import itertools

from hypothesis import given
from hypothesis import strategies as st

from musebuild.engine.admission import (
    Demand,
    Machine,
    MemoryModel,
    Running,
    fits,
    learned_models,
    pick,
    threads_for,
)
from tests.support.projects import ALL, MockProject

GB = 10**9
SMALL = Machine(cores=4, memory=8 * GB)


def test_memory_limits_what_runs_side_by_side() -> None:
    assert fits(Demand(3 * GB), [Running(5 * GB, 1)], SMALL, 8)
    assert not fits(Demand(4 * GB), [Running(5 * GB, 1)], SMALL, 8)


def test_what_is_alone_may_always_start() -> None:
    assert fits(Demand(100 * GB), [], SMALL, 1)


def test_workers_limit_what_runs_side_by_side() -> None:
    assert not fits(Demand(1), [Running(1, 1), Running(1, 1)], SMALL, 2)


def test_idle_cores_become_threads() -> None:
    assert threads_for(Demand(1), [], waiting=0, machine=SMALL, workers=4) == 4
    assert threads_for(Demand(1), [], waiting=1, machine=SMALL, workers=4) == 2
    assert threads_for(Demand(1), [], waiting=9, machine=SMALL, workers=4) == 1
    assert threads_for(Demand(1), [Running(1, 3)], waiting=0, machine=SMALL, workers=4) == 1
    assert threads_for(Demand(1, threaded=False), [], waiting=0, machine=SMALL, workers=4) == 1


def test_smaller_work_passes_what_does_not_fit_but_not_for_ever() -> None:
    ready = [Demand(6 * GB), Demand(2 * GB)]
    running = [Running(5 * GB, 1)]
    assert pick(ready, running, SMALL, 4) == 1
    assert pick(ready, running, SMALL, 4, passed=8) is None
    assert pick(ready, [], SMALL, 4, passed=8) == 0


@given(
    demands=st.lists(st.integers(0, 12 * GB), max_size=12),
    workers=st.integers(1, 8),
)
def test_nothing_ever_runs_beyond_the_memory(demands: list[int], workers: int) -> None:
    running: list[Running] = []
    ready = [Demand(memory) for memory in demands]
    while ready:
        index = pick(ready, running, SMALL, workers)
        if index is None:
            running.pop(0)
            continue
        running.append(Running(ready.pop(index).memory, 1))
        assert len(running) <= workers
        assert len(running) == 1 or sum(r.memory for r in running) <= SMALL.memory


def test_memory_is_learned_against_the_size_of_the_inputs() -> None:
    learned = learned_models({"muse_bias": [(100, 500), (200, 800)], "muse_flat": [(0, 7)]})
    assert "muse_flat" not in learned
    model = learned["muse_bias"]
    assert model.estimate(100) == 500
    assert model.estimate(400) == 2000
    assert model.estimate(1) == 500
    assert MemoryModel(100, 2.0).estimate(50) == 200


@given(st.lists(st.tuples(st.integers(1, 10**10), st.integers(1, 10**11)), min_size=1))
def test_no_run_takes_more_than_was_learned_of_it(samples: list[tuple[int, int]]) -> None:
    model = learned_models({"r": samples})["r"]
    assert all(model.estimate(size) >= peak - 1 for size, peak in samples)


def test_many_workers_on_a_small_machine_run_one_by_one(project: MockProject) -> None:
    project.rule(seconds=0.1)
    # Each recipe is declared with 200 MB and more.
    project.settings["resources"] = {"memory": "350 MB", "cores": 8}
    project.write()
    project.build("-n", "8", "muse_flat")
    times = sorted(run["time"] for run in project.journal)
    assert len(times) == 4
    assert all(later - earlier >= 0.1 for earlier, later in itertools.pairwise(times))


def test_idle_cores_go_to_threads_of_what_runs(project: MockProject) -> None:
    project.settings["resources"] = {"cores": 6}
    project.write()
    project.build("-n", "6")
    threads = {run["recipe"]: run["threads"] for run in project.journal}
    assert threads["muse_bias"] == 3
    assert threads["muse_exp_combine"] == 6
    assert len(project.journal) == ALL
