"""`musebuild ingest`."""

from __future__ import annotations

import sys

import click

from musebuild.cli.command import Command
from musebuild.cli.opening import on_project
from musebuild.cli.options import switch
from musebuild.engine.project import Project
from musebuild.index.scan import problems
from musebuild.report.spans import count


@click.command(cls=Command, example="musebuild ingest")
@switch("--force", text="Read all headers again, not only those of new and changed files.")
@on_project
def ingest(project: Project, force: bool) -> int:
    """Read new raw frames, weather and observing logs now.

    Each build does so by itself. Exit status 1 where a file cannot be used.
    """
    report = project.ingest(force=force)
    sys.stdout.write(
        f"{project.settings.raw_path}: {report.new} new, {report.changed} changed, "
        f"{report.unchanged} unchanged, {report.vanished} vanished\n"
    )
    for number, what in (
        (report.weather_logs, "night log"),
        (report.observing_logs, "observers' database"),
    ):
        if number:
            sys.stdout.write(f"{count(number, what)} read\n")
    found = problems(project.connection)
    if found:
        sys.stdout.write(f"{count(len(found), 'problem')}:\n")
    for problem in found:
        sys.stdout.write(f"{problem}\n")
    return 1 if report.problems else 0
