"""`musebuild info-exp`."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict

import click

from musebuild.cli.command import Command
from musebuild.cli.opening import on_project
from musebuild.cli.options import frames_of, show, switch, table_option
from musebuild.engine.project import Project
from musebuild.engine.view import resolved
from musebuild.errors import UsageError
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


@click.command(
    "info-exp", cls=Command, example="musebuild info-exp --night 2017-06-15 --short", takes="dates"
)
@click.argument("dates", nargs=-1, metavar="[EXPOSURE|DATE]...")
@click.option(
    "--night",
    "nights",
    multiple=True,
    metavar="NIGHT",
    help="All exposures of a night (or of any other date).",
)
@switch("--short", text="One line for each task.")
@table_option
@on_project
def info_exp(
    project: Project, dates: tuple[str, ...], nights: tuple[str, ...], short: bool, form: str
) -> None:
    """The reduction log of an exposure.

    What header, flags, observers and weather say of it, and each task on it.
    """
    if not dates and not nights:
        raise UsageError(
            "musebuild info-exp wants an exposure or a night",
            remedy="musebuild info-exp 2017-06-16T01:34:56.867, or --night 2017-06-15; "
            "`musebuild info --exposures` lists them",
        )
    sky = [f for f in project.raw if f.is_raw and f.category in SINGLE]
    found = frames_of(project, [*dates, *nights], sky, "exposure")
    plan = project.plan
    tasks = {frame.name: tasks_of(plan, frame.name) for frame in found}
    every = {name for names in tasks.values() for name in names}
    resolutions = resolved(project, every)
    logs = {name: steps(plan, names, resolutions) for name, names in tasks.items()}
    if form == "text":
        texts = [
            short_text(name, told) if short else log_text(facts(project.connection, name), told)
            for name, told in logs.items()
        ]
        sys.stdout.write("\n".join(texts))
    elif form == "json" and not short:
        full = [
            facts(project.connection, name) | {"tasks": [asdict(step) for step in told]}
            for name, told in logs.items()
        ]
        sys.stdout.write(json.dumps(full, indent=1) + "\n")
    else:
        show(_joined(logs), form)


def _joined(logs: dict[str, list[Step]]) -> Rows:
    tables = [short_table(name, found) for name, found in logs.items()]
    return Rows(
        tables[0].columns, tuple(row for table in tables for row in table.rows), tables[0].units
    )
