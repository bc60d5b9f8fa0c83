"""`musebuild check`."""

from __future__ import annotations

import json
import sys
from typing import Any

from musebuild.check.whole import check_project
from musebuild.cli.base import ProjectCommand
from musebuild.errors import EXIT_USAGE, UsageError
from musebuild.report.spans import count


class CheckCommand(ProjectCommand):
    """Check a project before it runs."""

    name = "check"
    doc_purpose = "everything that can be said against the project before it runs"
    doc_usage = ""
    doc_description = None
    cmd_options = (
        {
            "name": "strict",
            "long": "strict",
            "type": bool,
            "default": False,
            "help": "warnings fail, too",
        },
        {
            "name": "format",
            "long": "format",
            "type": str,
            "default": "text",
            "metavar": "text|json",
            "help": "for people, or for machines",
        },
    )

    def run(self, params: Any, args: list[str]) -> int:
        """Tell all mistakes and warnings; nothing runs."""
        self.no_arguments(args)
        if params["format"] not in ("text", "json"):
            raise UsageError(
                f"--format {params['format']} is not known", remedy="--format text or json"
            )
        project = self.project(params)
        try:
            problems = check_project(project)
        finally:
            project.close()
        errors = [problem for problem in problems if problem.severity == "error"]
        warnings = len(problems) - len(errors)
        failed = bool(errors) or (params["strict"] and bool(warnings))
        if params["format"] == "json":
            json.dump([problem.to_dict() for problem in problems], sys.stdout, indent=1)
            sys.stdout.write("\n")
        else:
            for problem in problems:
                sys.stdout.write(f"{problem}\n")
            sys.stdout.write(
                f"{count(len(errors), 'error')}, {count(warnings, 'warning')}\n"
                if problems
                else "Nothing to say against it.\n"
            )
        return EXIT_USAGE if failed else 0
