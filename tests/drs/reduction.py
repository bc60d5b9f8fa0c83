"""The demo as the tests see it, and projects on its raw frames."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

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


def digests(folder: Path) -> dict[str, dict[str, str]]:
    """Task → product → content digest, from the manifests of a project."""
    found: dict[str, dict[str, str]] = {}
    for path in (folder / ".musebuild/store/manifests").glob("*/*.json"):
        manifest = json.loads(path.read_text(encoding="utf-8").partition("\n")[2])
        products = {product["name"]: product["digest"] for product in manifest["products"]}
        found.setdefault(manifest["task"], {}).update(products)
    return found
