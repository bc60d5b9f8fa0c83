"""Who owns a lock or a scratch folder, and whether they still live: dead only where certain."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from musebuild.cache import owner as owner_module
from musebuild.cache.owner import MAIN_SPACE, describe, is_dead, start_time


@pytest.fixture
def child() -> Iterator[int]:
    """A process that waits to be killed, and is never reaped by others."""
    pid = os.fork()
    if pid == 0:
        signal.pause()
        os._exit(0)
    yield pid
    try:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
    except (ProcessLookupError, ChildProcessError):
        return


def test_this_process_lives() -> None:
    assert not is_dead(describe())


def test_a_process_lives_until_it_is_killed(child: int) -> None:
    owner = describe(child)
    assert owner["start"]
    assert not is_dead(owner)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    assert is_dead(owner)


def test_a_killed_process_that_nobody_reaped_is_dead(child: int) -> None:
    owner = describe(child)
    os.kill(child, signal.SIGKILL)
    os.waitid(os.P_PID, child, os.WEXITED | os.WNOWAIT)
    assert Path(f"/proc/{child}/stat").exists()
    assert is_dead(owner)


def test_a_stopped_process_lives(child: int) -> None:
    owner = describe(child)
    os.kill(child, signal.SIGSTOP)
    os.waitid(os.P_PID, child, os.WSTOPPED | os.WNOWAIT)
    assert not is_dead(owner)


def test_another_process_with_the_same_pid_is_another() -> None:
    assert is_dead(describe() | {"start": "1"})


def test_before_the_last_start_of_the_machine_nothing_lives() -> None:
    assert is_dead(describe() | {"boot": "before", "space": MAIN_SPACE})


@pytest.mark.parametrize(
    "elsewhere",
    [
        {"host": "node17", "boot": "another", "pid": 1, "start": "1"},
        {"space": "pid:[1]", "start": "1"},
        # Containers on two machines, with one name.
        {"boot": "another", "space": "pid:[1]", "start": "1"},
    ],
)
def test_an_owner_that_cannot_be_asked_counts_as_living(elsewhere: dict[str, object]) -> None:
    assert not is_dead(describe() | elsewhere)


def test_a_machine_that_changed_its_name_is_known_by_its_boot() -> None:
    assert is_dead(describe() | {"host": "laptop-in-another-network", "start": "1"})
    assert not is_dead(describe() | {"host": "laptop-in-another-network"})


@pytest.mark.parametrize("owner", [{}, {"pid": 1}, {"host": 3}])
def test_an_owner_without_sense_counts_as_living(owner: dict[str, object]) -> None:
    assert not is_dead(owner)


@pytest.mark.parametrize("pid", [None, "x", [], "1e9"])
def test_an_owner_of_this_machine_without_a_pid_is_nobody(pid: object) -> None:
    assert is_dead(describe() | {"pid": pid})


def test_without_proc(child: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As on macOS."""
    monkeypatch.setattr(owner_module, "PROC", tmp_path)
    owner_module.boot_id.cache_clear()
    try:
        owner = describe(child)
        assert owner["boot"] == ""
        assert owner["start"]
        assert not is_dead(owner)
        assert not is_dead(owner | {"host": "another"})
        os.kill(child, signal.SIGKILL)
        os.waitid(os.P_PID, child, os.WEXITED | os.WNOWAIT)
        assert is_dead(owner)
        os.waitpid(child, 0)
        assert is_dead(owner)
    finally:
        owner_module.boot_id.cache_clear()


def test_names_with_brackets_and_blanks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(owner_module, "PROC", tmp_path)
    (tmp_path / "5").mkdir()
    fields = " ".join(str(n) for n in range(4, 52))
    (tmp_path / "5" / "stat").write_text(f"5 (a ) S (b) S {fields}")
    assert start_time(5) == "22"
