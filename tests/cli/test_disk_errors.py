"""A disk that fails: told once, without a traceback. `make torture` looks for more of these."""

from __future__ import annotations

import errno
import os
from typing import Any

import pytest

from tests.support.projects import MockProject


@pytest.mark.parametrize("name", ["musebuild.db", "settings.yml", "raw"])
def test_a_file_that_cannot_be_looked_at_is_told(
    project: MockProject, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    real = os.stat

    def failing(path: Any, **more: Any) -> os.stat_result:
        if isinstance(path, str | os.PathLike) and os.fspath(path) == str(project.folder / name):
            raise OSError(errno.EIO, os.strerror(errno.EIO), os.fspath(path))
        return real(path, **more)

    with monkeypatch.context() as patch:
        patch.setattr(os, "stat", failing)
        ran = project.ask("status")
    assert "Traceback" not in ran.text
    assert ran.status == 0 or ran.err.count("ERROR: ") == 1, ran.text
    assert ran.status == 0 or ("Input/output error" in ran.err and "mend" in ran.err), ran.text


def test_a_calibration_that_cannot_be_read_is_told_by_a_build(project: MockProject) -> None:
    (project.folder / "calib" / "badpix_table.fits").write_bytes(b"no frame")
    ran = project.ask("run", "muse_bias")
    # It is not needed, so that the build goes on; but what it makes is not what it would be.
    assert ran.status == 1
    assert "Files that cannot be used" in ran.out
    assert "badpix_table.fits" in ran.out
