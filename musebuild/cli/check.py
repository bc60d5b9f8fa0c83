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
from musebuild.plan.balance import Balance
from musebuild.report.balance import balance_numbers
from musebuild.report.spans import count


@click.command(cls=Command, example="musebuild check --strict")
@switch("--strict", text="Warnings fail, too.")
@format_option("For people, or for machines.", TEXT_OR_JSON)
@on_project
def check(project: Project, strict: bool, form: str) -> int:
    """Find what is wrong with the project before anything runs.

    All mistakes and warnings at once; nothing runs. Exit status 2 where something is wrong.
    """
    found: list[Balance] = []
    problems = check_project(project, found)
    errors = [problem for problem in problems if problem.severity == "error"]
    warnings = len(problems) - len(errors)
    if form == "json":
        told = [problem.to_dict() for problem in problems]
        told += [_note(balance) for balance in found if not balance.whole]
        json.dump(told, sys.stdout, indent=1)
        sys.stdout.write("\n")
    else:
        for problem in problems:
            sys.stdout.write(f"{problem}\n")
        sys.stdout.write("".join(f"{balance.line}\n" for balance in found))
        sys.stdout.write(
            f"{count(len(errors), 'error')}, {count(warnings, 'warning')}\n"
            if problems
            else "No problems found.\n"
        )
    return EXIT_USAGE if errors or (strict and warnings) else 0


def _note(balance: Balance) -> dict[str, object]:
    """Numbers of files that are not used, among the problems: neither an error nor a warning."""
    return {"severity": "note", "message": balance.line, "balance": balance_numbers(balance)}
