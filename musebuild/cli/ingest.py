"""`musebuild ingest`."""

from __future__ import annotations

import sys
from typing import Any

from musebuild.cli.base import ProjectCommand
from musebuild.index.scan import problems
from musebuild.report.spans import count


class IngestCommand(ProjectCommand):
    """Bring the index up to date."""

    name = "ingest"
    doc_purpose = "bring the index of raw frames, weather and observing logs up to date"
    doc_usage = ""
    doc_description = None
    cmd_options = (
        {
            "name": "force",
            "long": "force",
            "type": bool,
            "default": False,
            "help": "read all headers again, not only those of new and changed files",
        },
    )

    def run(self, params: Any, args: list[str]) -> int:
        """Scan, and tell the counts; 1 where a file cannot be used."""
        self.no_arguments(args)
        project = self.project(params)
        try:
            report = project.ingest(force=params["force"])
            sys.stdout.write(
                f"{project.settings.raw_path}: {report.new} new, {report.changed} changed, "
                f"{report.unchanged} unchanged, {report.vanished} vanished\n"
            )
            for number, what in (
                (report.weather_logs, "night log"),
                (report.observing_logs, "observers' database"),
            ):
                if number:
                    sys.stdout.write(f"{count(number, what)} read\n")
            found = problems(project.db)
            if found:
                sys.stdout.write(f"{count(len(found), 'problem')}:\n")
            for problem in found:
                sys.stdout.write(f"{problem}\n")
            return 1 if report.problems else 0
        finally:
            project.close()
