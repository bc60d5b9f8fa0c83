"""One reduction as the tests see it, and projects on its raw frames."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

import yaml

from musebuild.fits.digest import digest_frame
from musebuild.simulation import SimulationOptions, simulate

MUSEBUILD = Path(sys.executable).with_name("musebuild")
DOIT = Path(sys.executable).with_name("doit")
IFUS = (1, 2)
TASKS = 22
"""Invocations of the night: four calibrations of each IFU; twilight and standard of both; three
frames of each IFU through scibasic; two passes of scipost, the offsets, the combined cube."""
FIRST, SECOND = "2017-06-16T01:34:56.867", "2017-06-16T01:46:07.867"
IMAGE = {"lambdamin": 6500.0, "lambdamax": 7000.0}
"""Å: enough light for the images that the alignment compares."""
BAND = {"lambdamin": 5990.0, "lambdamax": 6610.0}
"""Å: a band of the truth table, three lines of the nebula and of the sky. The recipes that make
cubes take time by the wavelength, and what they do is the same at all."""
PARTS = ((4990.0, 5620.0), (7100.0, 7400.0), (7990.0, 8710.0))
"""Å: the other bands of the truth table and the other lines of the nebula. Of one band its middle
is enough: the mean of a star is the same there. The recipe wants a line of the sky in each."""
LSF = {"line_quality": 5}
"""Of the best lines alone muse_lsf makes its profile in half the time; its quality control is in
the range of real nights, and the sky goes away as well."""


def call(*arguments: str | Path, cwd: Path, timeout: float = 1800) -> Any:
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


def read_settings(folder: Path) -> dict[str, Any]:
    """The settings of a project, as written."""
    settings: dict[str, Any] = yaml.safe_load((folder / "settings.yml").read_text("utf-8"))
    return settings


def write_settings(file: Path, settings: dict[str, Any]) -> Path:
    """Write settings."""
    file.write_text(yaml.safe_dump(settings, sort_keys=False), encoding="utf-8")
    return file


def demo_settings() -> dict[str, Any]:
    """The settings of the demo, with less of the spectrum in its cubes."""
    text = resources.files("musebuild").joinpath("cli", "demo.yml").read_text("utf-8")
    settings: dict[str, Any] = yaml.safe_load(text)
    settings["recipes"]["muse_lsf"] = {"params": LSF}
    settings["recipes"]["muse_scipost_rec"]["params"] |= IMAGE
    settings["recipes"]["muse_scipost"]["params"] |= BAND
    return settings


def reduce_night(folder: Path) -> Reduction:
    """Simulate a night of two IFUs, and let the demo reduce it."""
    folder.mkdir()
    write_settings(folder / "settings.yml", demo_settings())
    simulate(SimulationOptions(folder, ifus=IFUS, short=True))
    ran = call(MUSEBUILD, "demo", folder, cwd=folder.parent, timeout=7200)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return Reduction(folder, ran.stdout)


def reduce_parts(reduction: Reduction) -> tuple[Path, ...]:
    """One exposure of the reduction once more, in all bands and lines; its cubes."""
    settings = read_settings(reduction.folder)
    blocks = [f"muse_scipost_{low:.0f}" for low, _ in PARTS]
    for block, (low, high) in zip(blocks, PARTS, strict=True):
        own = {**settings["recipes"]["muse_scipost"], "init": {"output_dir": block}}
        own["params"] = own["params"] | {"lambdamin": low, "lambdamax": high}
        own["params"] |= {"save": "cube,skymodel", "filter": "white"}
        settings["recipes"][block] = own
    file = write_settings(reduction.folder / "parts.yml", settings)
    tasks = [f"{block}:{SECOND}" for block in blocks]
    ran = call(MUSEBUILD, "run", "--settings", file.name, *tasks, cwd=reduction.folder)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert f"{len(PARTS)} ran, 0 restored" in ran.stdout
    return tuple(reduction.reduced / block / SECOND / "DATACUBE_FINAL.fits" for block in blocks)


def other_project(folder: Path, reduction: Reduction, **settings: Any) -> Path:
    """A project with a store of its own on the raw frames of the reduction, one IFU of them."""
    folder.mkdir(parents=True)
    text = {
        "raw_path": str(reduction.folder / "raw"),
        "muse_calib_path": str(reduction.folder / "calib"),
        "datasets": {"FIELD": {}},
        "ifus": [1],
        **settings,
    }
    write_settings(folder / "settings.yml", text)
    return folder


def bias_project(folder: Path, reduction: Reduction, **settings: Any) -> Path:
    """A project on three bias frames of the reduction, one IFU of them: seconds of a recipe."""
    raw = folder / "raw"
    raw.mkdir(parents=True)
    for frame in sorted((reduction.folder / "raw").glob("MUSE.2017-06-16T10:4[012]:*.fits")):
        (raw / frame.name).symlink_to(frame)
    calib = str(reduction.folder / "calib")
    text = {"raw_path": "raw", "muse_calib_path": calib, "ifus": [1], **settings}
    write_settings(folder / "settings.yml", text)
    return folder


def digests(folder: Path, *parts: str) -> dict[str, str]:
    """Product → content digest, from some folders of the reduced tree."""
    reduced = folder / "reduced" / "0.1"
    return {
        str(path.relative_to(reduced)): digest_frame(path).content
        for part in parts
        for path in sorted((reduced / part).rglob("*.fits"))
    }
