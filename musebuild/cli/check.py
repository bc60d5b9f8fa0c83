"""`musebuild check`."""

from __future__ import annotations

import json
import sys

import click

from musebuild.check.everything import check_project
from musebuild.cli.command import Command
from musebuild.cli.opening import on_project
from musebuild.cli.options import TEXT_OR_JSON, format_option, switch
from musebuild.engine.project import Project
from musebuild.errors import EXIT_USAGE
from musebuild.report.spans import count


@click.command(cls=Command, example="musebuild check --strict")
@switch("--strict", text="Warnings fail, too.")
@format_option("For people, or for machines.", TEXT_OR_JSON)
@on_project
def check(project: Project, strict: bool, form: str) -> int:
    """Everything that can be said against the project before it runs.

    All mistakes and warnings at once; nothing runs. Exit status 2 where something is wrong.
    """
    found: list[str] = []
    problems = check_project(project, found)
    errors = [problem for problem in problems if problem.severity == "error"]
    warnings = len(problems) - len(errors)
    if form == "json":
        json.dump([problem.to_dict() for problem in problems], sys.stdout, indent=1)
        sys.stdout.write("\n")
    else:
        for problem in problems:
            sys.stdout.write(f"{problem}\n")
        sys.stdout.write("".join(f"{line}\n" for line in found))
        sys.stdout.write(
            f"{count(len(errors), 'error')}, {count(warnings, 'warning')}\n"
            if problems
            else "Nothing to say against it.\n"
        )
    return EXIT_USAGE if errors or (strict and warnings) else 0
