"""`musebuild info-exp`."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from typing import Any

from musebuild.cli.base import ProjectCommand
from musebuild.cli.options import FORMAT, format_of, frames_of, show
from musebuild.engine.probe import ProjectWorld
from musebuild.errors import UsageError
from musebuild.plan.names import closure
from musebuild.report.exposure import (
    Step,
    facts,
    log_text,
    short_table,
    short_text,
    steps,
    tasks_of,
)
from musebuild.report.overview import SINGLE
from musebuild.report.tables import Rows


class InfoExpCommand(ProjectCommand):
    """Reduction logs of exposures."""

    name = "info-exp"
    doc_purpose = "the reduction log of an exposure"
    doc_usage = "EXPOSURE|DATE ..."
    doc_description = None
    cmd_options = (
        {
            "name": "night",
            "long": "night",
            "type": list,
            "default": [],
            "metavar": "NIGHT",
            "help": "all exposures of a night (or of any other date)",
        },
        {
            "name": "short",
            "long": "short",
            "type": bool,
            "default": False,
            "help": "one line for each task",
        },
        FORMAT,
    )

    def run(self, params: Any, args: list[str]) -> int:
        """Print the logs."""
        form = format_of(params)
        dates = [*args, *params["night"]]
        if not dates:
            raise UsageError(
                "musebuild info-exp wants an exposure or a night",
                remedy="musebuild info-exp 2017-06-16T01:34:56.867, or --night 2017-06-15; "
                "`musebuild info --exposures` lists them",
            )
        project = self.project(params)
        try:
            sky = [f for f in project.raw if f.is_raw and f.category in SINGLE]
            chosen = [frame.name for frame in frames_of(project, dates, sky, "exposure")]
            plan = project.plan
            tasks = {name: tasks_of(plan, name) for name in chosen}
            every = {name for names in tasks.values() for name in names}
            resolutions = ProjectWorld(project).resolve(closure(plan, every))
            logs = {name: steps(plan, names, resolutions) for name, names in tasks.items()}
            if form == "text":
                texts = [
                    short_text(name, found)
                    if params["short"]
                    else log_text(facts(project.db, name), found)
                    for name, found in logs.items()
                ]
                sys.stdout.write("\n".join(texts))
            elif form == "json" and not params["short"]:
                full = [
                    facts(project.db, name) | {"tasks": [asdict(step) for step in found]}
                    for name, found in logs.items()
                ]
                sys.stdout.write(json.dumps(full, indent=1) + "\n")
            else:
                show(_joined(logs), form)
        finally:
            project.close()
        return 0


def _joined(logs: dict[str, list[Step]]) -> Rows:
    tables = [short_table(name, found) for name, found in logs.items()]
    return Rows(
        tables[0].columns, tuple(row for table in tables for row in table.rows), tables[0].units
    )
