"""`musebuild plan`."""

from __future__ import annotations

import sys
from typing import Any

from musebuild.cli.base import ProjectCommand
from musebuild.cli.options import format_option, one_of, output_option, write_file
from musebuild.engine.overview import with_overview
from musebuild.report.graph import graph_dot, graph_html, graph_json, graph_mermaid, nodes_of

FORMATS = ("json", "dot", "mermaid", "html")


class PlanCommand(ProjectCommand):
    """The plan as a graph."""

    name = "plan"
    doc_purpose = "the plan as a graph: JSON, dot, Mermaid, HTML"
    doc_usage = "[TASK|GROUP|PATTERN ...]"
    doc_description = None
    cmd_options = (
        format_option("what to write", default="json", choices=FORMATS),
        output_option("write it into a file"),
    )

    def run(self, params: Any, args: list[str]) -> int:
        """Write the graph of what names stand for and need; hashes nothing."""
        form = one_of(params["format"], FORMATS, "--format")
        project = self.project(params)
        try:
            # The whole graph is told.
            found = with_overview(project, args, lambda found: found, needed=True, whole=True)
            plan, names, resolutions = found.plan, found.names, found.resolutions
            left_out = found.left_out
            if form == "json":
                text = graph_json(plan, names, resolutions, left_out)
            else:
                nodes = nodes_of(plan, names, resolutions)
                if form == "html":
                    text = graph_html(nodes, left_out, f"Plan of {project.settings.folder.name}")
                else:
                    text = (graph_dot if form == "dot" else graph_mermaid)(nodes)
        finally:
            project.close()
        if params["output"]:
            write_file(params["output"], text, "the plan")
        else:
            sys.stdout.write(text)
        return 0
