"""Exit statuses are as docs/commands.md says."""

from __future__ import annotations

import pytest

from musebuild.cli.main import main
from tests.support.in_process import InProcessExecutor
from tests.support.projects import MockProject

NAMED = ("info", "why", "log", "associations", "alignment", "status", "list", "run", "plan", "lock")
COMMANDS = (
    *NAMED, "check", "ingest", "check-integrity", "qc", "diff", "provenance", "flag", "cache",
    "info-exp", "info-raw", "info-warnings", "clean", "adopt", "init", "simulate", "reproduce",
)  # fmt: skip
LOOKS = (
    "list", "list --status", "list --why", "list --pending", "list --blocks", "list --format json",
    "status", "status --format json", "associations", "run",
)  # fmt: skip


@pytest.fixture(autouse=True)
def _inside(project: MockProject, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(project.folder)


def ended(command: str) -> int:
    """Exit status of a command in the project's folder."""
    return main(command.split(), executor=InProcessExecutor)


@pytest.mark.parametrize("command", NAMED)
def test_a_name_that_stands_for_nothing_is_bad_input(command: str) -> None:
    assert ended(f"{command} nosuch") == 2


@pytest.mark.parametrize("command", COMMANDS)
def test_an_option_that_is_none_is_bad_input(command: str) -> None:
    assert ended(f"{command} --nosuch") == 2


@pytest.mark.parametrize("command", ["list", "status", "check", "run", "info", "associations"])
def test_a_mistake_in_set_is_bad_input(command: str) -> None:
    assert ended(f"{command} --set recipes.muse_exp_aligns.x=1") == 2


@pytest.mark.parametrize("command", LOOKS)
def test_what_cannot_be_planned_is_a_failure(command: str, project: MockProject) -> None:
    for file in (project.folder / "calib").iterdir():
        file.unlink()
    assert ended(command) == 1


@pytest.mark.parametrize("command", [*LOOKS[:-1], "check", "info", "plan", "flag list"])
def test_a_look_at_a_sound_project_is_fine(command: str) -> None:
    assert ended(command) == 0


def test_what_is_written_into_a_file_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    assert ended("plan -o plan.json") == 0
    assert capsys.readouterr().out.splitlines()[-1] == "plan.json"
