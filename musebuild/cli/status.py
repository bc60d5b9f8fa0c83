"""`musebuild status`."""

from __future__ import annotations

import sys
from typing import Any

from musebuild.cli.base import ProjectCommand
from musebuild.cli.options import format_option, one_of
from musebuild.engine.machine import machine_of
from musebuild.engine.overview import Overview, with_overview
from musebuild.report.listing import overview_lines
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
            workers = params["num_process"] or machine_of(project).cores

            def told(found: Overview) -> str:
                price = found.price(workers)
                if form == "json":
                    return status_json(found.all_states(), found.left_out, price)
                store = project.settings.cache[0]
                return status_text(overview_lines(found), found.left_out, price, store)

            sys.stdout.write(with_overview(project, args, told, needed=True, named=form == "json"))
        finally:
            project.close()
        return 0
