"""The stand-in of the archive, and projects that retrieve from it."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import keyring
import keyring.backend
import keyring.errors
import pytest

from musebuild.archive import eso, pauses
from musebuild.archive.eso import VARIABLE
from tests.support.archive_frames import Stored, night_log, stored
from tests.support.archive_server import ArchiveServer
from tests.support.projects import MockProject, make_mock_project


class Memory(keyring.backend.KeyringBackend):
    """A keyring that forgets."""

    priority = 1  # type: ignore[assignment]

    def __init__(self) -> None:
        super().__init__()
        self.kept: dict[tuple[str, str], str] = {}

    def get_password(self, service: str, username: str) -> str | None:
        return self.kept.get((service, username))

    def set_password(self, service: str, username: str, password: str) -> None:
        self.kept[service, username] = password

    def delete_password(self, service: str, username: str) -> None:
        del self.kept[service, username]


@pytest.fixture(scope="session")
def night_in_store(night: Path) -> list[Stored]:
    """The mock night as the archive has it."""
    return [stored(path) for path in sorted((night / "raw").glob("*.fits"))]


@pytest.fixture
def keys() -> Iterator[Memory]:
    """An empty keyring in place of the machine's."""
    before = keyring.get_keyring()
    memory = Memory()
    keyring.set_keyring(memory)
    yield memory
    keyring.set_keyring(before)


@pytest.fixture
def archive(
    night_in_store: list[Stored], monkeypatch: pytest.MonkeyPatch, keys: Memory
) -> Iterator[ArchiveServer]:
    """The archive with the mock night; commands of this test ask it, and wait for nothing long."""
    monkeypatch.setattr(pauses, "FIRST", 0.001)
    monkeypatch.setattr(eso, "FIRST_PAUSE", 0.01)
    with ArchiveServer() as server:
        server.add(night_in_store)
        server.add(night_log(f) for f in night_in_store if f.kind == "SCIENCE")
        server.calibrations = [f.dp_id for f in night_in_store if f.kind == "CALIB"]
        monkeypatch.setenv(VARIABLE, server.url)
        yield server


@pytest.fixture
def empty(tmp_path: Path, night: Path) -> MockProject:
    """A project with static calibrations, and no raw frame yet."""
    project = make_mock_project(tmp_path / "project", night)
    shutil.rmtree(project.folder / "raw")
    project.settings["datasets"] = {"FIELD": {"archive_filter": {"obs_targ_name": "FIELD"}}}
    project.settings["retrieve_data"] = {"keep_free": "1 MB"}
    project.write()
    return project
