"""`musebuild log`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from musebuild.cli.base import ProjectCommand
from musebuild.cli.reporting import log_folder
from musebuild.engine.probe import ProjectWorld
from musebuild.errors import UsageError
from musebuild.plan.names import closure, select


class LogCommand(ProjectCommand):
    """Show the log of a task."""

    name = "log"
    doc_purpose = "show the log of a task's recipe"
    doc_usage = "TASK|PATTERN ..."
    doc_description = None
    cmd_options = (
        {
            "name": "last_failure",
            "long": "last-failure",
            "type": bool,
            "default": False,
            "help": "of the last time that it failed; without a task: of the last failure at all",
        },
        {
            "name": "build",
            "short": "b",
            "long": "build",
            "type": bool,
            "default": False,
            "help": "of the last build, or of the builds whose numbers are given",
        },
        {
            "name": "path",
            "short": "p",
            "long": "path",
            "type": bool,
            "default": False,
            "help": "only say where the log is",
        },
    )

    def run(self, params: Any, args: list[str]) -> int:
        """Print logs."""
        project = self.project(params)
        try:
            if params["build"]:
                found = self._builds(project, args)
            elif params["last_failure"]:
                names = select(project.plan, args) if args else ()
                found = self._failures(project, names)
            elif args:
                found = self._latest(project, select(project.plan, args))
            else:
                raise UsageError(
                    "musebuild log wants a task", remedy="musebuild log TASK, or --last-failure"
                )
            for name, path in found:
                if params["path"]:
                    sys.stdout.write(f"{path}\n")
                    continue
                if len(found) > 1:
                    sys.stdout.write(f"==> {name}\n")
                sys.stdout.write(path.read_text(encoding="utf-8", errors="replace"))
        finally:
            project.close()
        return 0

    @staticmethod
    def _builds(project: Any, numbers: list[str]) -> list[tuple[str, Path]]:
        logs = {
            int(path.stem.removeprefix("build-")): path
            for path in log_folder(project).glob("build-*.log")
        }
        if not logs:
            raise UsageError("nothing was built in this project yet", remedy="`doit` builds")
        for text in numbers:
            if not text.isdigit() or int(text) not in logs:
                raise UsageError(
                    f"there is no log of a build {text}",
                    remedy=f"builds {min(logs)} to {max(logs)} have logs in {log_folder(project)}",
                )
        chosen = [int(text) for text in numbers] or [max(logs)]
        return [(f"build {number}", logs[number]) for number in chosen]

    @staticmethod
    def _failures(project: Any, names: tuple[str, ...]) -> list[tuple[str, Path]]:
        failures = project.ledger.failures(names)
        if not failures:
            what = ", ".join(names) if names else "no task"
            raise UsageError(
                f"{what} has failed" if not names else f"{what} has not failed in this project",
                remedy="leave --last-failure out to see the log of the last time that it ran",
            )
        name, log = failures[0]
        path = Path(log)
        if not log or not path.exists():
            raise UsageError(
                f"the failure of {name} left no log",
                remedy=f"`doit info {name}` tells why it failed",
            )
        return [(name, path)]

    @staticmethod
    def _latest(project: Any, names: tuple[str, ...]) -> list[tuple[str, Path]]:
        known = project.ledger.tasks()
        resolutions = ProjectWorld(project).resolve(closure(project.plan, names))
        found = []
        for name in names:
            manifest = resolutions[name].manifest
            log = manifest.log if manifest else str(known.get(name, {}).get("log") or "")
            path = Path(log) if "/" in log else project.store.path(log)
            if log and path.exists():
                found.append((name, path))
        if not found:
            raise UsageError(
                f"there is no log of {', '.join(names)}",
                why="it has not run in this project",
                remedy="`doit` runs it",
            )
        return found
