"""`musebuild list`."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from musebuild.cli.base import ProjectCommand
from musebuild.engine.machine import machine_of
from musebuild.engine.overview import Overview, with_overview
from musebuild.engine.probe import ProjectWorld
from musebuild.engine.project import Project
from musebuild.explain.why import Explainer
from musebuild.plan.model import LeftOut
from musebuild.report.listing import Line, counts, overview_lines, table
from musebuild.report.status import price_text
from musebuild.report.summary import left_out_text
from musebuild.report.why import short

IFUS = {
    "name": "ifus",
    "long": "ifus",
    "type": bool,
    "default": False,
    "help": "one line for each IFU",
}


class ListCommand(ProjectCommand):
    """List tasks."""

    name = "list"
    doc_purpose = "list tasks, what is pending first"
    doc_usage = "[TASK|GROUP|PATTERN ...]"
    doc_description = None
    cmd_options = (
        {
            "name": "status",
            "short": "s",
            "long": "status",
            "type": bool,
            "default": False,
            "help": "show the state of each task, with the reason",
        },
        {
            "name": "why",
            "long": "why",
            "type": bool,
            "default": False,
            "help": "with the states: what changed, and the root cause",
        },
        {
            "name": "pending",
            "long": "pending",
            "type": bool,
            "default": False,
            "help": "only what a build would have to do",
        },
        IFUS,
        {
            "name": "quiet",
            "short": "q",
            "long": "quiet",
            "type": bool,
            "default": False,
            "help": "names only",
        },
        {
            "name": "all",
            "long": "all",
            "type": bool,
            "default": False,
            "help": "also calibrations that no dataset uses",
        },
        {
            "name": "groups",
            "long": "groups",
            "type": bool,
            "default": False,
            "help": "list the groups (blocks, datasets, nights) instead",
        },
    )

    def run(self, params: Any, args: list[str]) -> int:
        """Print the list; hashes nothing."""
        project = self.project(params)
        try:
            if params["groups"]:
                plan = project.plan
                tasks = {invocation.task for invocation in plan.invocations.values()}
                for name, members in plan.groups.items():
                    if name not in tasks:
                        sys.stdout.write(f"{name:<28}  {len(members)}\n")
                return 0

            def told(found: Overview) -> str:
                lines = overview_lines(found, ifus=params["ifus"])
                if params["why"]:
                    lines = _explained(project, found, lines)
                price = ""
                if params["status"]:
                    workers = machine_of(project).cores
                    price = price_text(found.price(workers), project.settings.cache[0])
                return _shown(lines, params, price, found.problems, found.left_out)

            whole = params["ifus"] or params["why"]
            text = with_overview(project, args, told, everything=params["all"], whole=whole)
            sys.stdout.write(text)
        finally:
            project.close()
        return 0


def _explained(project: Project, found: Overview, lines: list[Line]) -> list[Line]:
    """The lines with what changed, and the root cause, as the reason."""
    world = ProjectWorld(project)
    again = world.resolve(found.resolutions)
    for name, first in found.resolutions.items():
        if first.state is again[name].state:
            # The first look took damaged objects away: its reason is the true one.
            again[name] = replace(again[name], reason=first.reason, detail=first.detail)
    explainer = Explainer(project, world, again)
    return [replace(line, reason=short(explainer.explain(line.worst))) for line in lines]


def _shown(
    lines: list[Line],
    params: Any,
    price: str,
    problems: Sequence[str],
    left_out: Sequence[LeftOut],
) -> str:
    """A list, and what people should know besides."""
    shown = [line for line in lines if line.pending or not params["pending"]]
    status = params["status"] or params["why"]
    text = table(shown, status=status, quiet=params["quiet"])
    if params["quiet"]:
        return text
    if lines and not shown:
        text += "Nothing is pending.\n"
    elif params["status"]:
        text += f"{counts(lines)}\n{price}"
    text += "".join(f"{problem}\n" for problem in problems)
    if left_out:
        text += "Left out:\n" + "\n".join(left_out_text(left_out)) + "\n"
    return text
