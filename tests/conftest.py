"""Fixtures that many tests share."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from tests.support.frames import mock_night
from tests.support.projects import MockProject, make_mock_project

pytest_plugins = ["tests.support.cpu_times"]

# The same examples each time, however slow the machine is: a test that fails has found something.
# HYPOTHESIS_PROFILE=explore draws new ones.
settings.register_profile(
    "same",
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.register_profile(
    "explore", deadline=None, suppress_health_check=[HealthCheck.too_slow], print_blob=True
)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "same"))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The simulation comes first: pytest-xdist takes tests from the ends of what workers have to
    do, and its nights, which take the longest of all to make, would be made by both."""
    items.sort(key=lambda item: not item.nodeid.startswith("tests/simulation/"))


@pytest.fixture(scope="session", autouse=True)
def _no_power_cuts() -> Iterator[None]:
    """No test cuts the power: a build in this process need not wait for the disk."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", lambda _: None)
        yield


@pytest.fixture(scope="session")
def night(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A mock night, to be copied."""
    return mock_night(tmp_path_factory.mktemp("night") / "night")


@pytest.fixture
def project(tmp_path: Path, night: Path) -> MockProject:
    """A project on the mock night, nothing built yet."""
    return make_mock_project(tmp_path / "project", night)


@pytest.fixture(scope="session")
def built_once(tmp_path_factory: pytest.TempPathFactory, night: Path) -> MockProject:
    """A project on the mock night, all built, to be copied."""
    project = make_mock_project(tmp_path_factory.mktemp("built") / "project", night)
    project.build()
    return project


@pytest.fixture
def built(tmp_path: Path, built_once: MockProject) -> MockProject:
    """A project on the mock night, all built."""
    return built_once.copy(tmp_path / "project")
