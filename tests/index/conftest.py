"""Folders of frames."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture
def raw(tmp_path: Path) -> Path:
    """A raw folder without frames, with a folder of static calibrations beside it."""
    folder = tmp_path / "raw"
    folder.mkdir()
    (tmp_path / "calib").mkdir()
    return folder
