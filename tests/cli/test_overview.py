"""What a list and a status take from a remembered plan is what they find when they plan anew."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from musebuild.cli.main import main
from musebuild.engine import view as view_module
from musebuild.engine.project import Project
from musebuild.engine.view import look
from tests.support.in_process import call_main
from tests.support.projects import MockProject, make_mock_project
from tests.support.waiting import wait_until

FORMS = (
    ("list",),
    ("list", "--status"),
    ("list", "--status", "--pending"),
    ("list", "-q", "--pending"),
    ("status",),
    ("status", "--format", "json"),
    ("list", "--status", "--ifus"),
    ("list", "--status", "--all"),
    ("list", "--status", "muse_flat", "2017-06-16T01:34:56.867"),
    ("status", "science"),
)


def is_recalled(project: MockProject, *, over: bool = False) -> bool:
    """Whether a look rests on what is remembered; `over`: and has nothing to look at."""
    own = Project(project.folder / "settings.yml")
    try:
        found = look(own)
        return "plan" not in vars(own) and (found.over or not over)
    finally:
        own.close()


def settle(project: MockProject) -> None:
    wait_until(
        lambda: project.ask("run", "-q").status == 0 and is_recalled(project, over=True),
        "a build that is remembered",
    )


def edited(path: Path) -> None:
    path.chmod(0o644)
    with path.open("ab") as file:
        file.write(bytes(2880))


def damaged(project: MockProject) -> None:
    target = next(project.reduced.rglob("MASTER_FLAT*.fits"))
    (found,) = [
        path for path in (project.store / "objects").glob("*/*") if path.samefile(target)
    ] or [next(iter(sorted((project.store / "objects").glob("*/*"))))]
    edited(found)


def failed(project: MockProject) -> None:
    project.rule(recipe="muse_exp_combine", fail="it never works")
    project.params("muse_exp_combine", lambdamin=4811.0)
    assert call_main(["run", "-q", "-c", "-d", str(project.folder)]) == 1


CHANGES: dict[str, Callable[[MockProject], object]] = {
    "at the root": lambda p: p.params("muse_bias", nlow=2),
    "in the middle": lambda p: p.params("muse_scibasic", crsigma=16.0),
    "at the end": lambda p: p.params("muse_exp_combine", lambdamin=4801.0),
    "product gone": lambda p: next(p.reduced.rglob("PIXTABLE_OBJECT*.fits")).unlink(),
    "object damaged": damaged,
    "failed": failed,
}
FULL: dict[str, Callable[[MockProject], object]] = {
    "forgotten": lambda p: p.ask("forget", "muse_lsf"),
    "frame touched": lambda p: os.utime(sorted((p.folder / "raw").glob("*.fits"))[0]),
    "nothing": lambda p: None,
}


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory, night: Path) -> MockProject:
    found = make_mock_project(tmp_path_factory.mktemp("overview") / "project", night)
    found.build()
    return found


def test_lists_are_the_same_whether_remembered_or_planned(
    project: MockProject, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("musebuild.index.digests.TICK_NS", 0)

    def told() -> list[str]:
        found = []
        for form in FORMS:
            capsys.readouterr()
            assert main([*form, "-d", str(project.folder)]) == 0
            # Of the disk the rest of the machine takes, too.
            found.append(re.sub(r"\(.* free\)", "", capsys.readouterr().out))
        return found

    def planned(*args: object, **more: object) -> None:
        raise AssertionError(f"{name}: everything was planned anew")

    fresh = json.dumps(project.settings)
    for name, change in (CHANGES | FULL).items():
        project.settings = json.loads(fresh)
        project.unrule()
        settle(project)
        change(project)
        project.write()
        with monkeypatch.context() as patch:
            if name != "frame touched":
                patch.setattr("musebuild.plan.build.make_plan", planned)
            ours = told()
        assert is_recalled(project) == (name != "frame touched"), name
        with monkeypatch.context() as patch:
            patch.setattr(view_module, "_recalled", lambda *args: None)
            theirs = told()
        assert ours == theirs, name
        # Something differs, and its price is told.
        assert ("side by side" in ours[1]) == (name not in ("product gone", "nothing")), name
