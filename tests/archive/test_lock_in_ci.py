"""From a target to a lock file, and from the lock file alone to the products again, in CI."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from tests.archive.commands import raw_files, retrieve
from tests.support.archive_server import ArchiveServer
from tests.support.ci_examples import (
    DOCS,
    EXAMPLES,
    GITHUB,
    GITLAB,
    all_calls,
    calls,
    jobs,
    run_line,
    verdicts,
)
from tests.support.projects import ALL, MockProject
from tests.support.waiting import PATIENCE

SCIENCE = "MUSE.2017-06-16T01:34:56.867"


def test_a_target_becomes_a_build_and_ci_has_it_again_from_its_lock(
    archive: ArchiveServer,
    empty: MockProject,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    retrieve(empty, capsys, "FIELD")
    built = empty.build()
    assert f"{ALL} ran" in built.text, "what came is all that a build needs"
    assert empty.ask("lock").status == 0
    frames = {
        f"{name}.fits" for name in (*archive.calibrations, SCIENCE, SCIENCE.replace("34", "36"))
    }
    # What the lock does not name is not fetched, though the dataset has it.
    archive.add([replace(archive.frames[SCIENCE], dp_id="MUSE.2017-06-16T01:38:56.867")])
    for number, commands in enumerate(all_calls()):
        checkout = MockProject(tmp_path / f"checkout{number}")
        shutil.copytree(empty.folder / "calib", checkout.folder / "calib")
        for name in ("settings.yml", "settings.lock", "mock.yml"):
            shutil.copy(empty.folder / name, checkout.folder)
        for command in commands:
            assert run_line(command, checkout.folder, archive.url, PATIENCE) == 0, command
        assert raw_files(checkout) == frames
        assert len({task for task, _ in verdicts(checkout.folder)}) == ALL
        for pattern in collected():
            assert list(checkout.folder.glob(pattern)), pattern
    # The project itself goes on with the frames that the lock brings back.
    shutil.rmtree(empty.folder / "raw")
    (empty.folder / "musebuild.db").unlink()
    said = retrieve(empty, capsys, "--locked", "settings.lock")
    assert said.status == 0, said.text
    assert "All 16 frames have the data of the lock file." in said.out
    assert empty.ask("run", "--locked").status == 0


def collected() -> list[str]:
    """Files that the examples hand to the CI system."""
    upload = jobs(GITHUB)["reproduce"]["steps"][-1]["with"]["path"]
    artifacts = jobs(GITLAB)["reproduce"]["artifacts"]
    return [upload, *artifacts["paths"], artifacts["reports"]["junit"]]


def test_reports_are_kept_where_a_reproduction_fails() -> None:
    assert jobs(GITHUB)["reproduce"]["steps"][-1]["if"] == "always()"
    assert jobs(GITLAB)["reproduce"]["artifacts"]["when"] == "always"


def test_the_page_names_the_examples_and_they_fetch_check_and_reproduce() -> None:
    page = (DOCS / "reproducing.md").read_text(encoding="utf-8")
    for example in EXAMPLES:
        assert f"]({example.relative_to(DOCS)})" in page
        assert [line.split()[1] for line in calls(example)] == ["retrieve", "check", "reproduce"]
