"""Fixtures that many tests share."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.frames import mock_night
from tests.support.projects import MockProject, make_mock_project


@pytest.fixture(scope="session")
def night(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A mock night, to be copied."""
    return mock_night(tmp_path_factory.mktemp("night") / "night")


@pytest.fixture
def project(tmp_path: Path, night: Path) -> MockProject:
    """A project on the mock night, nothing built yet."""
    return make_mock_project(tmp_path / "project", night)


@pytest.fixture
def built(project: MockProject) -> MockProject:
    """The same, all built."""
    project.build()
    return project
