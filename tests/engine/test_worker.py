"""The worker's side: environment, order, result."""

from __future__ import annotations

import subprocess
import sys

from musebuild.workers.failures import lost
from musebuild.workers.orders import WorkOrder, WorkResult
from musebuild.workers.worker import recipe_environment
from tests.support.waiting import PATIENCE


def order(**more: object) -> WorkOrder:
    fields: dict[str, object] = {
        "task": "muse_bias:x",
        "key": "k",
        "preimage": {},
        "recipe": "muse_bias",
        "plugin": "muse_bias",
        "runner": "mock",
        "drs": {"path": "", "version": ""},
        "params": {"nifu": 1},
        "inputs": (("BIAS", "/raw/a.fits", "a.fits"),),
        "products": ({"category": "MASTER_BIAS"},),
        "scratch": "/scratch/x",
        "store": ("/store",),
        "result": "/scratch/x/result.json",
        "threads": 3,
    }
    return WorkOrder(**{**fields, **more})  # type: ignore[arg-type]


def test_orders_and_results_survive_json() -> None:
    assert WorkOrder.from_json(order().to_json()) == order()
    result = WorkResult("t", False, failure={"message": "x", "errors": ["y"]}, log="l")
    assert WorkResult.from_json(result.to_json()) == result


def test_the_environment_of_a_recipe_is_clean() -> None:
    outside = {
        "PATH": "/bin",
        "OMP_NUM_THREADS": "64",
        "MUSE_SECRET": "not in the order",
        "LC_ALL": "de_DE",
        "PYTHONPATH": "/x",
    }
    inside = recipe_environment(order(env={"MUSE_SUPERFLAT_POS": "1,2,3"}), outside)
    # OpenMP reads it when the recipe's library loads: python-cpl's own `env` comes too late.
    assert inside["OMP_NUM_THREADS"] == "3"
    assert inside["MUSE_SUPERFLAT_POS"] == "1,2,3"
    assert inside["HOME"] == "/scratch/x"
    assert inside["PATH"] == "/bin"
    assert not {"MUSE_SECRET", "LC_ALL", "PYTHONPATH"} & inside.keys()


def test_the_fork_server_does_not_load_cpl() -> None:
    code = (
        "import sys; from musebuild.workers import fork_server; fork_server.preload(); "
        "import threading; print('cpl' in sys.modules, threading.active_count())"
    )
    ran = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=PATIENCE, check=True
    )
    assert ran.stdout.split() == ["False", "1"]


def test_a_worker_that_left_nothing_is_told_by_how_it_ended() -> None:
    def message(code: int, cause: str = "") -> str:
        failure = lost(order(time_limit=60.0, memory_limit=2 * 10**9), code, cause).failure
        assert failure is not None
        return str(failure["message"])

    assert "killed (SIGKILL)" in message(-9)
    assert "(SIGSEGV)" in message(-11)
    assert "60 s" in message(-9, "time")
    assert "2.00 GB" in message(-9, "memory")
    assert "status 70" in message(70)
