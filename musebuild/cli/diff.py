"""`musebuild diff`."""

from __future__ import annotations

import sqlite3
import sys
from pathlib import Path
from typing import Any

from musebuild.cli.base import ProjectCommand, database_error
from musebuild.cli.options import format_option, one_of
from musebuild.engine.project import Project
from musebuild.errors import EXIT_USAGE, MusebuildError, UsageError
from musebuild.explain.diff import find_differences, side_of
from musebuild.explain.sides import settings_side
from musebuild.report.difference import difference_json, difference_text

FORMATS = ("text", "json")


class DiffCommand(ProjectCommand):
    """Compare two versions, settings files, ledgers or lock files."""

    name = "diff"
    doc_purpose = "in what two versions, settings, ledgers or lock files differ"
    doc_usage = "ONE [TWO]"
    doc_description = None
    cmd_options = (
        {
            "name": "only",
            "long": "only",
            "type": list,
            "default": [],
            "metavar": "TASK|BLOCK|PATTERN",
            "help": "only these tasks; may be given several times",
        },
        {
            "name": "pixels",
            "long": "pixels",
            "type": bool,
            "default": False,
            "help": "also read the products that differ: statistics of their pixels, side by side",
        },
        {
            "name": "all",
            "long": "all",
            "type": bool,
            "default": False,
            "help": "tell everything, not only the first of each kind",
        },
        format_option("for people, or for machines", choices=FORMATS),
    )

    def run(self, params: Any, args: list[str]) -> int:
        """Compare; 0: they do not differ, 1: they do, 2: they cannot be compared."""
        try:
            return self._run(params, args)
        except MusebuildError as error:
            # As of diff: 1 means that they differ, and nothing else.
            error.exit_status = EXIT_USAGE
            raise
        except sqlite3.DatabaseError as error:
            told = database_error(error)
            told.exit_status = EXIT_USAGE
            raise told from error

    def _run(self, params: Any, args: list[str]) -> int:
        if not 1 <= len(args) <= 2:
            raise UsageError(
                f"musebuild diff compares two sides, and got {len(args)}",
                why="a side is a version, a settings file, a musebuild.db or a settings.lock; "
                "one alone is compared with what the settings ask for now",
                remedy="musebuild diff 0.1 0.2",
            )
        form = one_of(params["format"], FORMATS, "--format")
        opened: dict[str, Project] = {}

        def here() -> Project:
            return opened.get("") or opened.setdefault("", self.project(params))

        def other(path: Path) -> Project:
            named = {**params, "settings": str(path)}
            return opened.setdefault(str(path), self.project(named))

        try:
            sides = [side_of(text, here, other) for text in args]
            if len(sides) == 1:
                sides.append(settings_side("now", here()))
            found = find_differences(sides[0], sides[1], params["only"], pixels=params["pixels"])
        finally:
            for project in opened.values():
                project.close()
        text = difference_json(found) if form == "json" else None
        sys.stdout.write(text or difference_text(found, everything=params["all"]))
        return 0 if found.comparison.equal else 1
