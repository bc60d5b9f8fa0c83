"""`musebuild list`."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from musebuild.cli.base import ProjectCommand
from musebuild.engine.build import machine_of
from musebuild.engine.causes import Explainer
from musebuild.engine.forecast import forecast
from musebuild.engine.remembered import recall
from musebuild.engine.settled import Settled
from musebuild.engine.world import ProjectWorld
from musebuild.plan.model import LeftOut
from musebuild.plan.names import closure, select
from musebuild.report.lines import left_out_text
from musebuild.report.listing import (
    Line,
    counts,
    fold,
    settled_lines,
    table,
    with_failures,
)
from musebuild.report.status import price_text
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
            special = any(params[name] for name in ("ifus", "all", "groups", "why"))
            settled = None if special else recall(project, args)
            if isinstance(settled, Settled):
                # Nothing is pending, and that is known without a plan.
                problems = [*settled.problems, *settled.file_problems]
                left_out = settled.left_out if not args else ()
                _show(settled_lines(settled.lines), params, "", problems, left_out)
                return 0
            plan = project.plan
            if params["groups"]:
                tasks = {invocation.task for invocation in plan.invocations.values()}
                for name, members in plan.groups.items():
                    if name not in tasks:
                        sys.stdout.write(f"{name:<28}  {len(members)}\n")
                return 0
            names = select(plan, args) if args else plan.default
            if params["all"]:
                names = tuple(plan.invocations)
            world = ProjectWorld(project)
            found = world.resolve(closure(plan, names))
            resolutions = with_failures(found, project.ledger.tasks())
            lines = fold(plan, names, resolutions, ifus=params["ifus"])
            if params["why"]:
                explainer = Explainer(project, world, found)
                lines = [
                    replace(line, reason=short(explainer.explain(line.worst))) for line in lines
                ]
            price = ""
            if params["status"]:
                workers = machine_of(project).cores
                estimate = forecast(project, resolutions, world.known, workers)
                price = price_text(estimate, project.settings.cache[0])
            problems = [*map(str, project.scan_report.problems), *project.files.problems]
            _show(lines, params, price, problems, plan.left_out if not args else ())
        finally:
            project.close()
        return 0


def _show(
    lines: list[Line],
    params: Any,
    price: str,
    problems: Sequence[str],
    left_out: Sequence[LeftOut],
) -> None:
    """Print a list, and what people should know besides."""
    shown = [line for line in lines if line.pending or not params["pending"]]
    status = params["status"] or params["why"]
    sys.stdout.write(table(shown, status=status, quiet=params["quiet"]))
    if params["quiet"]:
        return
    if lines and not shown:
        sys.stdout.write("Nothing is pending.\n")
    elif params["status"]:
        sys.stdout.write(f"{counts(lines)}\n{price}")
    for problem in problems:
        sys.stdout.write(f"{problem}\n")
    if left_out:
        sys.stdout.write("Left out:\n")
        sys.stdout.write("\n".join(left_out_text(left_out)) + "\n")
