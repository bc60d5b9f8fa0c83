"""`musebuild demo`: a simulated night, reduced to a data cube, held against the truth."""

from __future__ import annotations

import os
import shlex
import shutil
import sys
import time
from contextlib import closing
from importlib import resources
from pathlib import Path

import click

from musebuild.cli.command import Command, call
from musebuild.cli.front_end import Terminal
from musebuild.cli.init import make_project
from musebuild.cli.options import workers_option
from musebuild.cli.simulate import progress
from musebuild.engine.build import build
from musebuild.engine.options import BuildOptions
from musebuild.engine.project import Project
from musebuild.errors import MusebuildError, UsageError
from musebuild.report.spans import span
from musebuild.report.summary import summary_text

GIGABYTES = 12
"""Free space that the demo asks for: it takes some 7 GB."""
CUBE = Path("exp_combine/FIELD_drs/DATACUBE_FINAL.fits")
OFFSETS = Path("exp_align/FIELD_drs/OFFSET_LIST.fits")


@click.command(cls=Command, example="musebuild demo", takes="one folder")
@click.argument("folder", default="demo", metavar="[DIR]", type=click.Path(path_type=Path))
@workers_option
def demo(folder: Path, num_process: int) -> int:
    """Simulate a night and reduce it to a data cube.

    The cube is held against the truth.
    """
    # Slow to load, and every other command starts without them.
    from musebuild.report.figures import write_preview
    from musebuild.simulation import SimulationOptions, is_outdated, simulate

    folder = folder.expanduser()
    began = time.monotonic()
    _check_space(folder)
    settings = resources.files("musebuild").joinpath("cli", "demo.yml").read_text("utf-8")
    make_project(folder, settings)
    truth = folder / "truth.ecsv"
    if truth.exists() and not is_outdated(truth):
        sys.stdout.write(f"The night in {folder} is simulated already.\n")
    else:
        if truth.exists():
            sys.stdout.write(f"An older musebuild simulated the night in {folder}: made anew.\n")
        sys.stdout.write(f"1. Simulating a MUSE night in {folder}\n")
        simulate(SimulationOptions(folder=folder, progress=progress))
    sys.stdout.write("2. Reducing it with the MUSE pipeline (doit)\n")
    sys.stdout.flush()
    with closing(Project(folder / "settings.yml")) as project:
        options = BuildOptions(workers=num_process, command="musebuild demo")
        summary = build(
            project, [], options, front_end=Terminal(sys.stdout), executor=call().executor
        )
        reduced = project.reduced
        version = project.drs.version
    sys.stdout.write("\n" + summary_text(summary))
    if summary.exit_status or summary.stopped:
        return summary.exit_status or 130
    cube = reduced / CUBE
    preview = folder / "preview.png"
    fresh = bool(summary.ran or summary.restored)
    if fresh or not preview.exists():
        write_preview(cube, preview)
    _tell(folder, cube, preview, reduced / OFFSETS, truth, fresh=fresh)
    sys.stdout.write(f"DRS {version}; {span(time.monotonic() - began)} in all.\n")
    return 0


def _check_space(folder: Path) -> None:
    place = folder.absolute()
    while not place.exists():
        place = place.parent
    status = os.statvfs(place)
    free = status.f_bavail * status.f_frsize / 1e9
    if free < GIGABYTES and not (folder / "truth.ecsv").exists():
        raise UsageError(
            f"the demo needs {GIGABYTES} GB of disk, and {place} has {free:.1f} GB free",
            remedy="name a folder on another disk: musebuild demo DIR",
        )


def _activation() -> str:
    """What brings `doit` into reach, where it is not."""
    own = Path(sys.executable).with_name("doit")
    found = shutil.which("doit")
    activate = own.with_name("activate")
    if (found and Path(found).samefile(own)) or not activate.exists():
        return ""
    return f". {shlex.quote(os.path.relpath(activate))}; "


def _tell(
    folder: Path, cube: Path, preview: Path, offsets: Path, truth: Path, *, fresh: bool
) -> None:
    from musebuild.simulation.measure import format_measurements, measure_cube, measure_offsets

    sys.stdout.write(f"\nCube:    {cube}\nPreview: {preview}\n")
    report = folder / "measurements.txt"
    if fresh or not report.exists():
        try:
            found = (*measure_offsets(offsets, truth), *measure_cube(cube, truth))
        except MusebuildError as error:
            sys.stdout.write(f"The cube could not be measured: {error}\n")
            return
        report.write_text(format_measurements(found), encoding="utf-8")
        brief = format_measurements(found, brief=True)
        (folder / "measurements-brief.txt").write_text(brief, encoding="utf-8")
    brief = (folder / "measurements-brief.txt").read_text(encoding="utf-8")
    place = shlex.quote(str(folder))
    sys.stdout.write(
        f"\nThe cube against the truth (all of it in {report}):\n{brief.rstrip()}\n\n"
        f"What to try next, in {place} ({_activation()}cd {place}):\n"
        "  doit list --status        what is up to date\n"
        "  doit                      runs nothing: all is up to date\n"
        "  edit settings.yml         say, skymethod: none in muse_scipost; then `doit` reruns\n"
        "                            that and what depends on it, no calibration\n"
        "  rm -r reduced; doit       comes back from the cache\n"
    )
