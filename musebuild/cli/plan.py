"""`musebuild plan`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from musebuild.cli.base import ProjectCommand
from musebuild.engine.world import ProjectWorld
from musebuild.errors import UsageError
from musebuild.plan.names import closure, concerned, select
from musebuild.report.graph import graph_dot, graph_html, graph_json, graph_mermaid, nodes_of
from musebuild.report.listing import with_failures

FORMATS = ("json", "dot", "mermaid", "html")


class PlanCommand(ProjectCommand):
    """The plan as a graph."""

    name = "plan"
    doc_purpose = "the plan as a graph: JSON, dot, Mermaid, HTML"
    doc_usage = "[TASK|GROUP|PATTERN ...]"
    doc_description = None
    cmd_options = (
        {
            "name": "format",
            "long": "format",
            "type": str,
            "default": "json",
            "metavar": "|".join(FORMATS),
            "help": "what to write",
        },
        {
            "name": "output",
            "short": "o",
            "long": "output",
            "type": str,
            "default": "",
            "metavar": "FILE",
            "help": "write it into a file",
        },
    )

    def run(self, params: Any, args: list[str]) -> int:
        """Write the graph of what names stand for and need; hashes nothing."""
        if params["format"] not in FORMATS:
            raise UsageError(
                f"there is no format {params['format']}",
                remedy=f"choose of {', '.join(FORMATS)}",
            )
        project = self.project(params)
        try:
            plan = project.plan
            names = closure(plan, select(plan, args) if args else plan.default)
            found = ProjectWorld(project).resolve(names)
            resolutions = with_failures(found, project.ledger.tasks())
            left_out = concerned(plan.left_out, args, project.settings.datasets)
            if params["format"] == "json":
                text = graph_json(plan, names, resolutions, left_out)
            else:
                nodes = nodes_of(plan, names, resolutions)
                if params["format"] == "html":
                    text = graph_html(nodes, left_out, f"Plan of {project.settings.folder.name}")
                else:
                    text = (graph_dot if params["format"] == "dot" else graph_mermaid)(nodes)
        finally:
            project.close()
        if not params["output"]:
            sys.stdout.write(text)
            return 0
        try:
            Path(params["output"]).write_text(text, encoding="utf-8")
        except OSError as error:
            raise UsageError(
                f"the plan cannot be written to {params['output']}",
                why=error.strerror,
                remedy="name a file in a folder that you can write",
            ) from None
        return 0
