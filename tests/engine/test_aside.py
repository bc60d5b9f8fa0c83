"""A second process looks; what it cannot tell is looked up here."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from musebuild.engine import remembered
from musebuild.engine.aside import Aside
from musebuild.engine.remembered import recall
from musebuild.engine.settled import Settled
from tests.engine.test_remembered import opened, run, settle
from tests.support.projects import MockProject, make_mock_project


def whoami() -> str:
    return f"{os.getpid()} ü\n" * 20_000  # more than a pipe holds


def test_another_process_answers() -> None:
    with Aside(whoami) as aside:
        text = aside.result()
    assert text.count("\n") == 20_000
    assert not text.startswith(str(os.getpid()))
    with pytest.raises(ChildProcessError):
        os.waitpid(-1, os.WNOHANG)


def test_what_is_not_worth_a_process_is_done_here() -> None:
    with Aside(whoami, apart=False) as aside:
        assert aside.result() == whoami()


@pytest.mark.parametrize("how", ["killed", "raises"])
def test_a_copy_that_dies_is_replaced(how: str) -> None:
    mine = os.getpid()

    def die() -> str:
        if os.getpid() == mine:
            return "here"
        if how == "killed":
            os.kill(os.getpid(), signal.SIGKILL)
        raise ValueError("of the copy only")

    with Aside(die) as aside:
        assert aside.result() == "here"


def test_an_answer_that_nobody_wants_leaves_nothing_behind() -> None:
    def wait() -> str:
        signal.pause()
        return ""

    with Aside(wait):
        pass
    with pytest.raises(ChildProcessError):
        os.waitpid(-1, os.WNOHANG)


def test_a_build_is_recalled_with_a_second_process(
    tmp_path: Path, night: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project: MockProject = make_mock_project(tmp_path / "project", night)
    monkeypatch.setattr(remembered, "LARGE", 0)
    assert run(project) == 0
    settle(project)
    (frame, *_) = (project.folder / "raw").glob("*.fits")
    os.utime(frame)
    own = opened(project)
    try:
        assert recall(own, []) is None
    finally:
        own.close()
    settle(project)
    own = opened(project)
    try:
        assert isinstance(recall(own, []), Settled)
    finally:
        own.close()
