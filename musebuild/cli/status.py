"""`musebuild status`."""

from __future__ import annotations

import sys
from typing import Any

from musebuild.cli.asking import format_option, one_of
from musebuild.cli.base import ProjectCommand
from musebuild.engine.build import machine_of
from musebuild.engine.forecast import forecast
from musebuild.engine.world import ProjectWorld
from musebuild.plan.names import closure, concerned, select
from musebuild.report.listing import fold, with_failures
from musebuild.report.status import status_json, status_text

FORMATS = ("text", "json")


class StatusCommand(ProjectCommand):
    """Where the project stands."""

    name = "status"
    doc_purpose = "counts of states, and the price of what is pending"
    doc_usage = "[TASK|GROUP|PATTERN ...]"
    doc_description = None
    cmd_options = (
        {
            "name": "num_process",
            "short": "n",
            "long": "process",
            "type": int,
            "default": 0,
            "help": "recipes side by side for the estimate (default: as many as cores)",
        },
        format_option("text, or JSON with the state of each invocation", choices=FORMATS),
    )

    def run(self, params: Any, args: list[str]) -> int:
        """Print it; hashes nothing."""
        form = one_of(params["format"], FORMATS, "--format")
        project = self.project(params)
        try:
            plan = project.plan
            names = closure(plan, select(plan, args) if args else plan.default)
            world = ProjectWorld(project)
            resolutions = with_failures(world.resolve(names), project.ledger.tasks())
            workers = params["num_process"] or machine_of(project).cores
            found = forecast(project, resolutions, world.known, workers)
            left_out = concerned(plan.left_out, args, project.settings.datasets)
            if form == "json":
                sys.stdout.write(status_json(resolutions, left_out, found))
            else:
                lines = fold(plan, names, resolutions)
                store = project.settings.cache[0]
                sys.stdout.write(status_text(lines, left_out, found, store))
        finally:
            project.close()
        return 0
