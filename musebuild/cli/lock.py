"""`musebuild lock` and `musebuild reproduce`."""

from __future__ import annotations

import shutil
import sys
import tempfile
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any, TypeVar

import click

from musebuild.cache.ledger import now
from musebuild.cli.command import Command, call
from musebuild.cli.front_end import Terminal
from musebuild.cli.opening import on_project
from musebuild.cli.options import names, output_option, switch, workers_option, write_file
from musebuild.engine.build import build
from musebuild.engine.options import BuildOptions
from musebuild.engine.project import Project
from musebuild.errors import UsageError
from musebuild.explain.lock import LOCK_NAME, Lock, make_lock, read_lock, write_lock
from musebuild.explain.pinned import pinned_plan
from musebuild.explain.reproduce import (
    Reproduction,
    frame_places,
    locate_frames,
    make_clean_project,
    reproduction_of,
    require_same_software,
)
from musebuild.report.reproduction import (
    reproduction_json,
    reproduction_junit,
    reproduction_text,
)
from musebuild.report.spans import count

F = TypeVar("F", bound=Callable[..., Any])


@click.command(cls=Command, example="musebuild lock FIELD", takes="names")
@names()
@output_option("The lock file [default: settings.lock beside the settings].")
@on_project
def lock(project: Project, names: tuple[str, ...], output: Path | None) -> None:
    """Pin it all in settings.lock: inputs, software, products."""
    path = output or project.settings.folder / LOCK_NAME
    made = make_lock(project, list(names))
    write_lock(made, path)
    products = sum(len(task.products) for task in made.tasks)
    sys.stdout.write(
        f"{path}: {count(len(made.frames), 'frame')}, {count(len(made.tasks), 'task')}, "
        f"{count(products, 'product')}\n"
    )


def folder_option(name: str, text: str, default: str) -> Callable[[F], F]:
    """An option that names a folder."""
    return click.option(
        name, metavar="DIR", type=click.Path(path_type=Path), show_default=default, help=text
    )


def report_option(name: str, text: str) -> Callable[[F], F]:
    """An option that names a file to write."""
    return click.option(name, metavar="FILE", type=click.Path(path_type=Path), help=text)


@click.command(
    cls=Command, example="musebuild reproduce settings.lock --into again", takes="one lock file"
)
@click.argument(
    "lock_file", metavar="[settings.lock]", default=LOCK_NAME, type=click.Path(path_type=Path)
)
@folder_option("--into", "Build in this empty folder, and keep it.", "a temporary one")
@folder_option("--raw", "Where the raw frames are.", "as in the settings")
@folder_option("--calib", "Where the static calibrations are.", "as in the settings")
@workers_option
@report_option("--json", "Write the comparison as JSON.")
@report_option("--junit", "Write the comparison as JUnit XML, for CI.")
@switch(
    "--any-software",
    text="Go on where the pipeline or a package has another version than locked.",
)
def reproduce(
    lock_file: Path,
    into: Path | None,
    raw: Path | None,
    calib: Path | None,
    num_process: int,
    json: Path | None,
    junit: Path | None,
    any_software: bool,
) -> int:
    """Rebuild from a lock file and compare the products.

    Exit status 0: all products have the same content; 1: not.
    """
    path = _absolute(lock_file)
    locked = read_lock(path)
    _require_folders(json, junit)
    temporary = None if into else Path(tempfile.mkdtemp(prefix="musebuild-reproduce-"))
    try:
        places = frame_places(
            locked, path.parent, raw and _absolute(raw), calib and _absolute(calib)
        )
        found = _reproduce(
            locked,
            path,
            temporary or _absolute(into or Path()),
            places,
            num_process,
            any_software=any_software,
        )
    finally:
        if temporary is not None:
            shutil.rmtree(temporary, ignore_errors=True)
    if json is not None:
        write_file(json, reproduction_json(found), "the report")
    if junit is not None:
        write_file(junit, reproduction_junit(found), "the report")
    sys.stdout.write(reproduction_text(found))
    return 0 if found.agrees else 1


def _absolute(path: Path) -> Path:
    return path.expanduser().absolute()


def _reproduce(
    lock: Lock,
    path: Path,
    folder: Path,
    places: dict[str, Path],
    workers: int,
    *,
    any_software: bool,
) -> Reproduction:
    began = now()
    frames = locate_frames(lock, places)
    settings = make_clean_project(lock, frames, folder, path.parent)
    with closing(Project(settings, environment=lock.software.environment)) as project:
        if not any_software:
            require_same_software(lock, project)
        # What was chosen, and not what the rules of today would choose.
        project.pin(pinned_plan(lock, project))
        options = BuildOptions(workers=workers, keep_going=True, command="musebuild reproduce")
        summary = build(
            project,
            [],
            options,
            front_end=Terminal(sys.stdout),
            executor=call().executor,
        )
        failures = {failure.task: failure.message for failure in summary.failed}
        failures |= {left.name: left.reason for left in summary.left_out if left.error}
        return reproduction_of(lock, path, began, project, failures)


def _require_folders(*reports: Path | None) -> None:
    # Before hours of recipes, not after them.
    for report in reports:
        if report is not None and not report.parent.is_dir():
            raise UsageError(
                f"the report cannot be written to {report}",
                why=f"there is no folder {report.parent}",
                remedy="name a file in a folder that you can write",
            )
