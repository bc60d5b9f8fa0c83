"""What a build looks at of thousands of invocations is what everybody else sees of them."""

from __future__ import annotations

import pytest

from musebuild.engine import probe as world_module
from musebuild.engine.probe import ProjectWorld
from musebuild.engine.project import Project
from musebuild.engine.resolve import State, slim
from musebuild.plan.names import closure
from tests.support.projects import MockProject


def test_a_survey_tells_the_same_as_a_full_resolution(
    built: MockProject, monkeypatch: pytest.MonkeyPatch
) -> None:
    next(built.reduced.rglob("DATACUBE_FINAL.fits")).unlink()
    built.params("muse_scipost", skymodel_fraction=0.2)
    monkeypatch.setattr(world_module, "CHUNK", 3)
    project = Project(built.folder / "settings.yml")
    names = closure(project.plan, project.plan.default)
    world = ProjectWorld(project)
    full = world.resolve(names)
    manifests: dict[str, object] = {}
    seen = {r.name: r for r in ProjectWorld(project).survey(names, project.plan, manifests)}  # type: ignore[arg-type]
    project.close()
    assert seen == {name: slim(resolution) for name, resolution in full.items()}
    assert {r.state for r in seen.values()} == {State.UP_TO_DATE, State.RUN, State.WAITS}
    assert manifests.keys() == {name for name, r in full.items() if r.manifest is not None}
    assert all(not r.preimage and not r.inputs for r in seen.values())
