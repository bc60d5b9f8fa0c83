"""`musebuild lock` and `musebuild reproduce`."""

from __future__ import annotations

import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

from musebuild.cache.ledger import now
from musebuild.cli.base import BaseCommand, ProjectCommand
from musebuild.cli.front_end import Terminal
from musebuild.cli.options import output_option, write_file
from musebuild.engine.build import build
from musebuild.engine.options import BuildOptions
from musebuild.engine.project import Project
from musebuild.errors import UsageError
from musebuild.explain.lock import LOCK_NAME, Lock, make_lock, read_lock, write_lock
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


class LockCommand(ProjectCommand):
    """Write a lock file."""

    name = "lock"
    doc_purpose = "write settings.lock: all that the products rest on, and their digests"
    doc_usage = "[TASK|GROUP|PATTERN ...]"
    doc_description = None
    cmd_options = (output_option("the lock file (default: settings.lock beside the settings)"),)

    def run(self, params: Any, args: list[str]) -> int:
        """Lock what is made."""
        project = self.project(params)
        try:
            path = Path(params["output"] or project.settings.folder / LOCK_NAME)
            lock = make_lock(project, args)
            write_lock(lock, path)
        finally:
            project.close()
        products = sum(len(task.products) for task in lock.tasks)
        sys.stdout.write(
            f"{path}: {count(len(lock.frames), 'frame')}, {count(len(lock.tasks), 'task')}, "
            f"{count(products, 'product')}\n"
        )
        return 0


class ReproduceCommand(BaseCommand):
    """Build anew from a lock file, and compare."""

    name = "reproduce"
    doc_purpose = "build what a lock file says, without the cache, and compare the products"
    doc_usage = "[settings.lock]"
    doc_description = None
    cmd_options = (
        {
            "name": "into",
            "long": "into",
            "type": str,
            "default": "",
            "metavar": "DIR",
            "help": "build in this empty folder, and keep it (default: a temporary one)",
        },
        {
            "name": "raw",
            "long": "raw",
            "type": str,
            "default": "",
            "metavar": "DIR",
            "help": "where the raw frames are (default: as in the settings)",
        },
        {
            "name": "calib",
            "long": "calib",
            "type": str,
            "default": "",
            "metavar": "DIR",
            "help": "where the static calibrations are (default: as in the settings)",
        },
        {
            "name": "num_process",
            "short": "n",
            "long": "process",
            "type": int,
            "default": 0,
            "help": "recipes side by side",
        },
        {
            "name": "json",
            "long": "json",
            "type": str,
            "default": "",
            "metavar": "FILE",
            "help": "write the comparison as JSON",
        },
        {
            "name": "junit",
            "long": "junit",
            "type": str,
            "default": "",
            "metavar": "FILE",
            "help": "write the comparison as JUnit XML, for CI",
        },
        {
            "name": "any_software",
            "long": "any-software",
            "type": bool,
            "default": False,
            "help": "go on where the pipeline or a package has another version than locked",
        },
    )

    def run(self, params: Any, args: list[str]) -> int:
        """Reproduce; 0: all products have the same content."""
        if len(args) > 1:
            raise UsageError(
                "musebuild reproduce takes one lock file", remedy="musebuild reproduce FILE"
            )
        path = Path(args[0] if args else LOCK_NAME).expanduser().absolute()
        lock = read_lock(path)
        _require_folders(params["json"], params["junit"])
        folder = Path(params["into"]).expanduser().absolute() if params["into"] else None
        temporary = None
        if folder is None:
            temporary = folder = Path(tempfile.mkdtemp(prefix="musebuild-reproduce-"))
        try:
            found = self._reproduce(lock, path, folder, params)
        finally:
            if temporary is not None:
                shutil.rmtree(temporary, ignore_errors=True)
        for name, text in (("json", reproduction_json), ("junit", reproduction_junit)):
            if params[name]:
                write_file(params[name], text(found), "the report")
        sys.stdout.write(reproduction_text(found))
        return 0 if found.agrees else 1

    @staticmethod
    def _reproduce(lock: Lock, path: Path, folder: Path, params: Any) -> Reproduction:
        began = now()
        given = {
            name: Path(params[name]).expanduser().absolute() if params[name] else None
            for name in ("raw", "calib")
        }
        places = frame_places(lock, path.parent, given["raw"], given["calib"])
        frames = locate_frames(lock, places)
        settings = make_clean_project(lock, frames, folder, path.parent)
        project = Project(settings, environment=lock.software.environment)
        try:
            if not params["any_software"]:
                require_same_software(lock, project)
            targets = list(lock.targets)
            options = BuildOptions(
                workers=params["num_process"], keep_going=True, command="musebuild reproduce"
            )
            summary = build(
                project,
                targets,
                options,
                front_end=Terminal(sys.stdout),
                executor=BaseCommand.executor,
            )
            failures = {failure.task: failure.message for failure in summary.failed}
            failures |= {left.name: left.reason for left in summary.left_out if left.error}
            return reproduction_of(lock, path, began, project, failures)
        finally:
            project.close()


def _require_folders(*reports: str) -> None:
    # Before hours of recipes, not after them.
    for report in reports:
        if report and not Path(report).parent.is_dir():
            raise UsageError(
                f"the report cannot be written to {report}",
                why=f"there is no folder {Path(report).parent}",
                remedy="name a file in a folder that you can write",
            )
