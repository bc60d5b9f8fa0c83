"""`musebuild retrieve` within this process: astroquery need not be loaded for each call."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest

from musebuild.cli.main import main
from tests.support.projects import MockProject


@dataclass
class Said:
    """What a command said."""

    status: int
    out: str
    err: str

    @property
    def text(self) -> str:
        return self.out + self.err


def retrieve(project: MockProject, capsys: pytest.CaptureFixture[str], *arguments: str) -> Said:
    """Run `musebuild retrieve` in a project."""
    capsys.readouterr()
    status = main(["retrieve", "-d", str(project.folder), *arguments])
    captured = capsys.readouterr()
    assert "Traceback" not in captured.err
    return Said(status, captured.out, captured.err)


def raw_files(project: MockProject) -> set[str]:
    """Names of the files in the folder of raw frames, partial ones left out."""
    folder: Path = project.folder / "raw"
    return {p.name for p in folder.iterdir() if p.is_file()} if folder.is_dir() else set()
