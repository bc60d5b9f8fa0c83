"""A copy of this process answers; what it cannot tell is found here."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from musebuild.engine.background import in_background
from tests.support.waiting import no_new_children


def whoami() -> str:
    return f"{os.getpid()} ü\n" * 20_000  # more than a pipe holds


def test_another_process_answers() -> None:
    with no_new_children(), in_background(whoami) as result:
        text = result()
    assert text.count("\n") == 20_000
    assert not text.startswith(str(os.getpid()))


def test_what_is_not_worth_a_process_is_done_here() -> None:
    with in_background(whoami, apart=False) as result:
        assert result() == whoami()


@pytest.mark.parametrize("how", ["killed", "raises"])
def test_a_copy_that_dies_is_replaced(how: str) -> None:
    mine = os.getpid()

    def die() -> str:
        if os.getpid() == mine:
            return "here"
        if how == "killed":
            os.kill(os.getpid(), signal.SIGKILL)
        raise ValueError("of the copy only")

    with in_background(die) as result:
        assert result() == "here"


def test_an_answer_that_nobody_wants_leaves_nothing_behind() -> None:
    def wait() -> str:
        signal.pause()
        return ""

    before = len(list(Path("/proc/self/fd").iterdir()))
    with no_new_children(), in_background(wait):
        pass
    assert len(list(Path("/proc/self/fd").iterdir())) == before
