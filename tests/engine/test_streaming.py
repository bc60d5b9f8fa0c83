"""Recipes start before all is looked at, and what comes out is the same."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from musebuild.engine.run import BuildRunner
from musebuild.fits.digest import digest_frame
from tests.support.projects import ALL, MockProject, Ran, make_mock_project


@pytest.fixture
def starts(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, bool]]:
    """Builds look at two invocations at once, and start recipes as soon as one is to do.

    Of each start: how many were looked at, and whether that was all.
    """
    found: list[tuple[int, bool]] = []
    start = BuildRunner._start

    def noted(self: BuildRunner, *arguments: Any) -> None:
        view = self.build.view
        found.append((view.looked, view.over))
        start(self, *arguments)

    monkeypatch.setattr("musebuild.engine.view.CHUNK", 2)
    monkeypatch.setattr("musebuild.engine.build.AHEAD", 0.0)
    monkeypatch.setattr(BuildRunner, "_start", noted)
    return found


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory, night: Path) -> MockProject:
    """A project that was built after all was looked at."""
    project = make_mock_project(tmp_path_factory.mktemp("whole") / "project", night)
    project.params("muse_bias", nlow=2)
    assert project.ask("run").status == 0
    return project


def products(project: MockProject) -> dict[str, str]:
    return {
        str(path.relative_to(project.reduced)): digest_frame(path).content
        for path in project.reduced.rglob("*.fits")
    }


def run(project: MockProject, *arguments: str) -> Ran:
    return project.ask("run", "-n", "2", *arguments)


def test_the_same_is_made_from_nothing_and_after_a_change_at_the_root(
    project: MockProject, whole: MockProject, starts: list[tuple[int, bool]]
) -> None:
    first = run(project)
    assert first.status == 0, first.text
    assert f"{ALL} ran, 0 restored, 0 up to date" in first.out
    assert starts[0] == (2, False)
    assert f"[{ALL}/{ALL}]" in first.out
    starts.clear()
    project.params("muse_bias", nlow=2)
    again = run(project)
    assert again.status == 0, again.text
    assert starts[0][1] is False
    assert products(project) == products(whole)
    assert "Everything is up to date" in run(project).out


def test_what_is_in_the_way_of_a_later_one_is_told_and_nothing_is_lost(
    project: MockProject, whole: MockProject, starts: list[tuple[int, bool]]
) -> None:
    project.params("muse_bias", nlow=2)
    (made,) = whole.reduced.glob("exp_combine/*/DATACUBE_FINAL.fits")
    foreign = project.reduced / made.relative_to(whole.reduced)
    foreign.parent.mkdir(parents=True)
    foreign.write_bytes(b"another tool's")
    refused = run(project)
    assert refused.status != 0
    assert "musebuild did not make" in refused.text
    assert str(foreign) in refused.text
    assert "Traceback" not in refused.text
    assert foreign.read_bytes() == b"another tool's"
    assert starts
    ran = len(project.journal)
    assert 0 < ran < ALL
    assert project.manifests() == ran
    foreign.unlink()
    assert run(project).status == 0
    assert len(project.journal) == ALL
    assert products(project) == products(whole)


def test_a_mistake_in_a_later_block_is_told_before_the_first_recipe(
    project: MockProject, starts: list[tuple[int, bool]]
) -> None:
    project.settings["recipes"]["muse_exp_combine"]["frames"]["exclude"] = {"MASTER_BIAS": True}
    project.write()
    refused = run(project)
    assert refused.status != 0
    assert "takes no MASTER_BIAS" in refused.text or "exclude" in refused.text
    assert not starts
    assert not project.journal


def test_failures_count_for_what_is_found_later(
    project: MockProject, starts: list[tuple[int, bool]]
) -> None:
    project.rule(recipe="muse_standard", fail="the star was not found")
    failed = run(project, "--continue")
    assert failed.status == 1
    assert project.ran_since(0)["muse_scibasic"] == 6
    assert "muse_scipost:2017-06-16T01:34:56.867: it needs muse_standard" in failed.out
    before = len(project.journal)
    project.unrule()
    assert run(project).status == 0
    assert set(project.ran_since(before)) == {
        "muse_standard",
        "muse_scipost",
        "muse_exp_align",
        "muse_exp_combine",
    }
