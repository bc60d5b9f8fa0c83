"""Traps of the real pipeline, each reported for what it is."""

from __future__ import annotations

import re
import shutil
import signal
import subprocess
from pathlib import Path

import psutil
import pytest
from astropy.io import fits

from tests.drs.reduction import FIRST, MUSEBUILD, Reduction, bias_project, call
from tests.support.mounts import file_system
from tests.support.waiting import PATIENCE, descendants, wait_until, wait_until_gone

pytestmark = pytest.mark.drs


def test_return_code_0_with_errors_left_behind(reduction: Reduction) -> None:
    # A list without names of bands: one with names is held against `filter` before anything runs.
    nameless = reduction.folder / "nameless.fits"
    with fits.open(next((reduction.folder / "calib").glob("*filter_list*"))) as hdus:
        band = hdus[1].copy()
        del band.header["EXTNAME"]
        fits.HDUList([hdus[0].copy(), band]).writeto(nameless)
    ran = call(
        MUSEBUILD,
        "run",
        "--set",
        f"recipes.muse_scipost_rec.frames.FILTER_LIST={nameless.name}",
        "--set",
        "recipes.muse_scipost_rec.params.filter=white,NoSuchFilter",
        f"muse_scipost_rec:{FIRST}",
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
    ("number", "message", "name"),
    [
        (signal.SIGSEGV, "crashed in the C library", "python-cpl"),
        (signal.SIGSEGV, "crashed in the C library", "esorex"),
        (signal.SIGKILL, "killed", "python-cpl"),
    ],
)
def test_a_recipe_that_dies(
    reduction: Reduction, bench: Path, number: int, message: str, name: str
) -> None:
    folder = bias_project(bench / "dying", reduction, cpl={"runner": name})
    process = subprocess.Popen(
        [MUSEBUILD, "run", "muse_bias"], cwd=folder, stdout=subprocess.PIPE, text=True
    )
    recipe = _recipe_of(process.pid)
    recipe.send_signal(number)
    out, _ = process.communicate(timeout=PATIENCE)
    assert process.returncode == 1, out
    assert message in out
    if number == signal.SIGSEGV:
        # Where it was, if gdb is there to ask: at any moment, so in any library of the recipe.
        where = (
            r'File "/\S+\.so\S*", in |#\d+ .* (in|from|at) '
            if shutil.which("gdb")
            else "install gdb"
        )
        assert re.search(where, out)
    assert not list((folder / ".musebuild/store/manifests").glob("*/*"))


def test_a_disk_that_fills_up(reduction: Reduction, bench: Path) -> None:
    with file_system("tmpfs", bench, size="120m") as disk:
        folder = bias_project(bench / "full", reduction, cache=str(disk / "store"))
        ran = call(MUSEBUILD, "run", "muse_bias", cwd=folder)
        assert ran.returncode == 1
        assert f"the disk is full (No space left on device): {disk / 'store'}" in ran.stdout
        assert "[ ERROR ]" in call(MUSEBUILD, "log", "--last-failure", cwd=folder).stdout


def test_invariant_12_kill_9_ends_the_recipe_too(reduction: Reduction, bench: Path) -> None:
    folder = bias_project(bench / "killed", reduction)
    process = subprocess.Popen(
        [MUSEBUILD, "run", "muse_bias"], cwd=folder, stdout=subprocess.DEVNULL
    )
    recipe = _recipe_of(process.pid)
    started = descendants(process.pid)
    process.kill()
    process.wait()
    wait_until_gone({recipe.pid, *started})


def _recipe_of(pid: int) -> psutil.Process:
    """The process that python-cpl forks for a recipe: a child of a worker."""
    found: list[psutil.Process] = []

    def runs() -> bool:
        # In its first moments it is a copy of the worker, which has not met the recipe yet.
        found[:] = psutil.Process(pid).children(recursive=True)
        return len(found) >= 3 and found[-1].cpu_times().user > 1

    wait_until(runs, "the recipe")
    return found[-1]


def test_a_path_with_blanks_and_other_letters_keeps_its_log(
    reduction: Reduction, bench: Path
) -> None:
    folder = bias_project(bench / "Größe und Daten", reduction)
    ran = call(MUSEBUILD, "run", "muse_bias", cwd=folder)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    info = call(MUSEBUILD, "info", "muse_bias", cwd=folder).stdout
    log = re.search(r"log: (.+)", info)
    assert log
    # To its last line: python-cpl stops to read a log at the first byte that is not ASCII.
    last = Path(log[1]).read_text(encoding="utf-8").splitlines()[-1]
    assert last.endswith('Saving image as "MASTER_BIAS-01.fits"')
