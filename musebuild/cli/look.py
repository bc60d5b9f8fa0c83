"""`list` and `info`."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any

from musebuild.cli.base import ProjectCommand
from musebuild.engine.world import ProjectWorld
from musebuild.plan.model import Plan
from musebuild.plan.names import closure, select
from musebuild.report.info import info_text
from musebuild.report.lines import left_out_text
from musebuild.report.listing import counts, fold, table
from musebuild.report.spans import count

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
            resolutions = ProjectWorld(project).resolve(closure(plan, names))
            lines = fold(plan, names, resolutions, ifus=params["ifus"])
            shown = [line for line in lines if line.pending or not params["pending"]]
            sys.stdout.write(table(shown, status=params["status"], quiet=params["quiet"]))
            if params["quiet"]:
                return 0
            if lines and not shown:
                sys.stdout.write("Nothing is pending.\n")
            elif params["status"]:
                sys.stdout.write(f"{counts(lines)}\n")
            for problem in project.scan_report.problems:
                sys.stdout.write(f"{problem}\n")
            for text in project.files.problems:
                sys.stdout.write(f"{text}\n")
            if plan.left_out and not args:
                sys.stdout.write("Left out:\n")
                sys.stdout.write("\n".join(left_out_text(plan.left_out)) + "\n")
        finally:
            project.close()
        return 0


def first_of_each(plan: Plan, names: Sequence[str]) -> list[str]:
    """The first IFU of each task."""
    first: dict[str, str] = {}
    for name in names:
        first.setdefault(plan.invocations[name].task, name)
    return list(first.values())


class InfoCommand(ProjectCommand):
    """All about tasks."""

    name = "info"
    doc_purpose = "state, inputs, parameters, products and history of tasks"
    doc_usage = "TASK|PATTERN ..."
    doc_description = None
    cmd_options = (IFUS,)

    def run(self, params: Any, args: list[str]) -> int:
        """Print all about each task; without names, an overview of the project."""
        project = self.project(params)
        try:
            plan = project.plan
            if not args:
                self._overview(project)
                return 0
            names = select(plan, args)
            resolutions = ProjectWorld(project).resolve(closure(plan, names))
            history = project.ledger.tasks()
            shown = names if params["ifus"] else first_of_each(plan, names)
            texts = [
                info_text(
                    plan.invocations[name],
                    plan,
                    resolutions[name],
                    history.get(name, {}),
                    project.store,
                    project.settings.reduced_path,
                )
                for name in shown
            ]
            sys.stdout.write("\n".join(texts))
            if len(shown) < len(names):
                more = len(names) - len(shown)
                sys.stdout.write(f"\n{count(more, 'other IFU')} of the same: --ifus\n")
        finally:
            project.close()
        return 0

    @staticmethod
    def _overview(project: Any) -> None:
        plan, settings = project.plan, project.settings
        sys.stdout.write(f"settings: {settings.path}\nraw frames: {settings.raw_path}\n")
        sys.stdout.write(f"reduced:  {settings.reduced_path}\nstore:    {settings.cache[0]}\n")
        counted: dict[tuple[str, str], int] = {}
        for frame in project.raw:
            key = (frame.night, frame.category or "(unknown)")
            counted[key] = counted.get(key, 0) + 1
        for night in sorted({night for night, _ in counted}):
            parts = [f"{c} {n}" for (when, c), n in sorted(counted.items()) if when == night]
            sys.stdout.write(f"night {night or '(none)'}: {', '.join(parts)}\n")
        for name in settings.datasets:
            members = plan.groups.get(name, ())
            exposures = sorted(
                {plan.invocations[m].label for m in members if plan.invocations[m].night}
            )
            sys.stdout.write(f"dataset {name}: {len(exposures)} exposures\n")
        sys.stdout.write(f"{len(plan.invocations)} tasks, {len(plan.default)} of them by default\n")
        for problem in project.scan_report.problems:
            sys.stdout.write(f"{problem}\n")
