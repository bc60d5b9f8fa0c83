"""Traps of the real pipeline, each reported for what it is."""

from __future__ import annotations

import re
import signal
import subprocess
import time
from pathlib import Path

import psutil
import pytest

from tests.drs.reduction import MUSEBUILD, Reduction, call, other_project

pytestmark = pytest.mark.drs


def test_return_code_0_with_errors_left_behind(reduction: Reduction) -> None:
    ran = call(
        MUSEBUILD,
        "run",
        "--set",
        "recipes.muse_scipost_rec.params.filter=white,NoSuchFilter",
        "muse_scipost_rec:2017-06-16T01:34:56.867",
        cwd=reduction.folder,
    )
    assert ran.returncode == 1, ran.stdout
    assert "left errors behind" in ran.stdout
    assert "NoSuchFilter" in ran.stdout
    assert "Everything is up to date" in call(MUSEBUILD, "run", cwd=reduction.folder).stdout


def test_an_unknown_parameter_names_the_nearest(reduction: Reduction) -> None:
    ran = call(
        MUSEBUILD,
        "run",
        "--set",
        "recipes.muse_exp_align.params.treshold=3",
        "muse_exp_align",
        cwd=reduction.folder,
    )
    # Before the first recipe runs.
    assert ran.returncode == 2
    assert "has no parameter treshold" in ran.stderr
    assert "did you mean threshold?" in ran.stderr
    assert "start" not in ran.stdout


def test_a_failed_recipe_tells_its_last_errors_and_its_log(reduction: Reduction) -> None:
    ran = call(
        MUSEBUILD,
        "run",
        "--set",
        "recipes.muse_exp_align.params.threshold=1e9",
        "--set",
        "recipes.muse_exp_align.params.iterations=1",
        "muse_exp_align",
        cwd=reduction.folder,
    )
    assert ran.returncode == 1, ran.stdout
    assert "the recipe returned" in ran.stdout
    log = re.search(r"log: (\S+)", ran.stdout)
    assert log
    assert "muse_exp_align" in Path(log[1]).read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("number", "message"),
    [(signal.SIGSEGV, "crashed in the C library"), (signal.SIGKILL, "killed")],
)
def test_a_recipe_that_dies(reduction: Reduction, bench: Path, number: int, message: str) -> None:
    folder = other_project(bench / "dying", reduction)
    process = subprocess.Popen(
        [MUSEBUILD, "run", "muse_bias"], cwd=folder, stdout=subprocess.PIPE, text=True
    )
    recipe = _recipe_of(process.pid)
    time.sleep(0.5)
    recipe.send_signal(number)
    out, _ = process.communicate(timeout=120)
    assert process.returncode == 1, out
    assert message in out
    assert not list((folder / ".musebuild/store/manifests").glob("*/*"))


def test_kill_9_of_the_driver_ends_the_recipe_too(reduction: Reduction, bench: Path) -> None:
    folder = other_project(bench / "killed", reduction)
    process = subprocess.Popen(
        [MUSEBUILD, "run", "muse_bias"], cwd=folder, stdout=subprocess.DEVNULL
    )
    recipe = _recipe_of(process.pid)
    started = psutil.Process(process.pid).children(recursive=True)
    process.kill()
    process.wait()
    gone, alive = psutil.wait_procs([recipe, *started], timeout=10)
    assert not alive
    assert recipe in gone


def _recipe_of(pid: int) -> psutil.Process:
    """The process that python-cpl forks for a recipe: a child of a worker of the nursery."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        found = psutil.Process(pid).children(recursive=True)
        if len(found) >= 3:
            return found[-1]
        time.sleep(0.05)
    raise AssertionError("no recipe was started")


def test_a_path_with_blanks_and_other_letters_keeps_its_log(
    reduction: Reduction, bench: Path
) -> None:
    folder = other_project(bench / "Größe und Daten", reduction)
    ran = call(MUSEBUILD, "run", "muse_bias", cwd=folder)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    info = call(MUSEBUILD, "info", "muse_bias", cwd=folder).stdout
    log = re.search(r"log: (.+)", info)
    assert log
    # To its last line: python-cpl stops to read a log at the first byte that is not ASCII.
    last = Path(log[1]).read_text(encoding="utf-8").splitlines()[-1]
    assert last.endswith('Saving image as "MASTER_BIAS-01.fits"')
