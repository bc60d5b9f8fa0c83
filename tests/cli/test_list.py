"""The list of what is to do, as a person sees it."""

from __future__ import annotations

import contextlib
import io
import json
import os
from pathlib import Path

import pytest

from musebuild.cache.locks import KeyLock
from musebuild.cli.main import main
from musebuild.engine.project import Project, project_folder
from musebuild.engine.resolve import State
from musebuild.engine.view import look
from musebuild.report.listing import Line, block_rows
from tests.support.projects import MockProject


class Terminal(io.StringIO):
    """Where a person reads."""

    def isatty(self) -> bool:
        """It is one."""
        return True


def test_a_terminal_shows_a_row_for_each_block(built: MockProject) -> None:
    built.params("muse_scipost", lambdamin=4800.0)
    assert "muse_scipost:2017-06-16T01:34:56.867" in built.ask("list").out
    with contextlib.redirect_stdout(Terminal()) as told:
        assert main(["list", "-d", str(built.folder)]) == 0
    lines = told.getvalue().splitlines()
    rows = {line.split()[0]: line.split() for line in lines}
    assert lines[0].split()[:4] == ["block", "tasks", "done", "to"]
    assert lines[1].startswith("muse_bias")
    assert rows["muse_bias"] == ["muse_bias", "1", "1"]
    assert rows["muse_scipost"][1:4] == ["2", "2", "≤"]
    assert "`doit list NAME` opens" in told.getvalue()
    assert told.getvalue() == built.ask("list", "--blocks").out
    # A name opens the block's tasks.
    with contextlib.redirect_stdout(Terminal()) as told:
        assert main(["list", "-d", str(built.folder), "muse_scipost"]) == 0
    assert told.getvalue().startswith("muse_scipost:2017-06-16T01:34:56.867")


def test_the_list_for_programs(built: MockProject) -> None:
    built.params("muse_scipost", lambdamin=4800.0)
    told = json.loads(built.ask("list", "--format", "json").out)
    states = {one["task"]: one["state"] for one in told}
    assert states["muse_scipost:2017-06-16T01:34:56.867"] == "to run"
    assert {one["invocations"] for one in told if one["block"] == "muse_bias"} == {2}


def test_what_another_build_runs_is_running(built: MockProject) -> None:
    built.params("muse_scipost", lambdamin=4800.0)
    with contextlib.closing(Project(built.folder / "settings.yml")) as project:
        view = look(project, ["muse_scipost"]).complete()
        key = next(found.key for found in view.states.values() if found.state is State.RUN)
        lock = KeyLock(project.store.root, key)
    assert lock.try_acquire()
    try:
        listed = built.ask("list", "--status", "muse_scipost").out
        assert listed.count("running") == 2, listed
        assert f"process {os.getpid()} on " in listed
    finally:
        lock.release()
    assert "running" not in built.ask("list", "--status", "muse_scipost").out


def test_blocks_stand_in_the_order_of_the_plan_and_what_is_left_out_is_counted() -> None:
    lines = [
        Line("b:1", State.RUN, "", "", 1, 0, block="b"),
        Line("a:1", State.UP_TO_DATE, "", "", 24, 24, block="a"),
        Line("b:2", State.FAILED, "", "", 1, 0, block="b"),
        Line("b:3", State.RUN, "", "", 1, 0, block="b", running="process 7 on here"),
    ]
    rows = block_rows(lines, [], {}, ["a", "b"])
    assert rows.columns == ("block", "tasks", "done", "running", "to run", "failed")
    assert rows.rows == (("a", 1, 1, None, None, None), ("b", 3, None, 1, 1, 1))


def test_settings_are_sought_in_the_folders_above(
    built: MockProject, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    told = built.ask("list").out
    below = next(built.reduced.rglob("MASTER_BIAS*.fits"))
    monkeypatch.chdir(below.parent)
    assert main(["list"]) == 0
    assert capsys.readouterr().out == told
    # Names of files are those of the folder one stands in.
    assert main(["provenance", below.name]) == 0
    assert below.name in capsys.readouterr().out
    assert main(["list", "-d", "."]) == 2
    assert "there is no settings.yml" in capsys.readouterr().err


def test_settings_of_another_user_above_are_passed_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "settings.yml").write_text("version: '1'\n")
    below = tmp_path / "a" / "b"
    below.mkdir(parents=True)
    assert project_folder(below) == tmp_path
    os.chown(tmp_path / "settings.yml", os.getuid() + 1, -1) if os.getuid() == 0 else None
    monkeypatch.setattr(os, "getuid", lambda: 12345)
    assert project_folder(below) == (below if below.stat().st_uid == 0 else tmp_path)
