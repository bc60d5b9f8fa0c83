"""`musebuild status`."""

from __future__ import annotations

import sys

import click

from musebuild.cli.command import Command
from musebuild.cli.opening import on_project
from musebuild.cli.options import TEXT_OR_JSON, format_option, names, workers_option
from musebuild.engine.forecast import forecast
from musebuild.engine.machine import machine_of
from musebuild.engine.project import Project
from musebuild.engine.view import look
from musebuild.errors import EXIT_FAILED
from musebuild.report.status import status_json, status_text


@click.command(cls=Command, example="musebuild status -n 8 FIELD", takes="names")
@names()
@workers_option
@format_option("For people, or JSON with the state of each invocation.", TEXT_OR_JSON)
@on_project
def status(project: Project, names: tuple[str, ...], num_process: int, form: str) -> int:
    """What is done and running, and what the rest will take.

    Time, memory and disk are estimated from earlier runs and the size of the inputs, for so many
    recipes side by side as -n says. It hashes nothing.
    """
    workers = num_process or machine_of(project).cores
    view = look(project, names, needed=True).complete()
    price = forecast(view, workers)
    if form == "json":
        text = status_json(view, price)
    else:
        text = status_text(view, price, project.settings.cache[0])
    sys.stdout.write(text)
    return EXIT_FAILED if any(left.error for left in view.left_out) else 0
