"""`musebuild plan`."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from pathlib import Path

import click

from musebuild.cli.command import Command
from musebuild.cli.opening import on_project
from musebuild.cli.options import format_option, names, output_option, write_file
from musebuild.engine.project import Project
from musebuild.engine.view import look
from musebuild.report.graph import graph_dot, graph_html, graph_json, graph_mermaid, nodes_of


@click.command(cls=Command, example="musebuild plan --format html -o plan.html", takes="names")
@names()
@format_option("What to write.", ("json", "dot", "mermaid", "html"), default="json")
@output_option("Write it into a file.")
@on_project
def plan(project: Project, names: tuple[str, ...], form: str, output: Path | None) -> None:
    """The plan as a graph: JSON, dot, Mermaid, HTML.

    Of what names stand for, and all that it needs. It hashes nothing.
    """
    # The whole graph is told.
    view = look(project, names, needed=True, whole=True)
    if form == "json":
        # A piece at a time: the whole of a large plan fills the memory.
        text: Iterable[str] = graph_json(view)
    else:
        nodes = nodes_of(view.complete())
        if form == "html":
            text = [graph_html(nodes, view.left_out, f"Plan of {project.settings.folder.name}")]
        else:
            text = [(graph_dot if form == "dot" else graph_mermaid)(nodes)]
    if output is not None:
        write_file(output, text, "the plan")
        sys.stdout.write(f"{output}\n")
    else:
        sys.stdout.writelines(text)
