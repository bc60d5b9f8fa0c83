"""The examples for CI on the simulated night: a lock of a part of the demo, built anew by the real
pipeline without the cache."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from musebuild.explain.lock import read_lock
from tests.drs.reduction import MUSEBUILD, Reduction, call
from tests.support.archive_frames import Stored
from tests.support.archive_server import ArchiveServer
from tests.support.ci_examples import all_calls, run_line, verdicts

pytestmark = pytest.mark.drs


def test_the_examples_for_ci_reproduce_master_flats(reduction: Reduction, bench: Path) -> None:
    task = "muse_flat:*.ifu01"
    ran = call(MUSEBUILD, "lock", task, "-o", bench / "settings.lock", cwd=reduction.folder)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    locked = {f.archive for f in read_lock(bench / "settings.lock").frames if f.place == "raw"}
    assert len(locked) == 8
    for number, commands in enumerate(all_calls()):
        checkout = bench / f"checkout{number}"
        shutil.copytree(reduction.folder / "calib", checkout / "calib")
        shutil.copy(reduction.folder / "settings.yml", checkout)
        shutil.copy(bench / "settings.lock", checkout)
        # `check` looks at all of the settings: the rest of the night lies there already.
        (checkout / "raw").mkdir()
        with ArchiveServer() as archive:
            for path in (reduction.folder / "raw").glob("*.fits"):
                if path.stem in locked:
                    archive.add([Stored(path.stem, path.read_bytes(), kind="CALIB")])
                else:
                    (checkout / "raw" / path.name).symlink_to(path)
            for command in commands:
                assert run_line(command, checkout, archive.url, timeout=900) == 0, command
            assert {name for name in archive.frames if archive.sent(name)} == locked
        made = verdicts(checkout)
        assert set(made.values()) <= {"same bytes", "same content"}
        assert {task.partition(":")[0] for task, _ in made} == {"muse_bias", "muse_flat"}
