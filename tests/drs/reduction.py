"""The demo as the tests see it, and projects on its raw frames."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from musebuild.fits.digest import digest_frame

MUSEBUILD = Path(sys.executable).with_name("musebuild")
DOIT = Path(sys.executable).with_name("doit")


def call(*arguments: str | Path, cwd: Path, timeout: float = 900) -> Any:
    """Run a command; its output is a text."""
    return subprocess.run(
        [str(argument) for argument in arguments],
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )


@dataclass(frozen=True)
class Reduction:
    """A finished demo."""

    folder: Path
    out: str

    @property
    def reduced(self) -> Path:
        """The reduced tree."""
        return self.folder / "reduced" / "0.1"

    @property
    def truth(self) -> Path:
        """The truth table."""
        return self.folder / "truth.ecsv"

    @property
    def cube(self) -> Path:
        """The final cube."""
        return self.reduced / "exp_combine/FIELD_drs/DATACUBE_FINAL.fits"


def reduce_demo(folder: Path) -> Reduction:
    """Run the demo."""
    ran = call(MUSEBUILD, "demo", folder, cwd=folder.parent, timeout=1500)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return Reduction(folder, ran.stdout)


def other_project(folder: Path, reduction: Reduction, **settings: Any) -> Path:
    """A project with a store of its own on the raw frames of the demo."""
    folder.mkdir(parents=True)
    text = {
        "raw_path": str(reduction.folder / "raw"),
        "muse_calib_path": str(reduction.folder / "calib"),
        "datasets": {"FIELD": {}},
        **settings,
    }
    (folder / "settings.yml").write_text(yaml.safe_dump(text), encoding="utf-8")
    return folder


def digests(folder: Path, *parts: str) -> dict[str, str]:
    """Product → content digest, from some folders of the reduced tree."""
    reduced = folder / "reduced" / "0.1"
    return {
        str(path.relative_to(reduced)): digest_frame(path).content
        for part in parts
        for path in sorted((reduced / part).rglob("*.fits"))
    }
