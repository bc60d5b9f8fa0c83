"""`musebuild check`."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence

import click

from musebuild.check.causes import CauseProblem
from musebuild.check.everything import check_project
from musebuild.check.findings import Findings
from musebuild.cli.command import Command
from musebuild.cli.opening import on_project
from musebuild.cli.options import TEXT_OR_JSON, format_option, switch
from musebuild.engine.project import Project
from musebuild.errors import EXIT_USAGE
from musebuild.plan.balance import Balance
from musebuild.report.balance import balance_numbers
from musebuild.report.causes import MOST_LINES, MOST_OTHERS, besides, fitted, told
from musebuild.report.spans import count
from musebuild.settings.problems import Problem


@click.command(cls=Command, example="musebuild check --strict")
@switch("--strict", text="Warnings fail, too.")
@switch("--all", "every", text="Every cause, with the names of the tasks that it stops.")
@format_option("For people, or for machines.", TEXT_OR_JSON)
@on_project
def check(project: Project, strict: bool, every: bool, form: str) -> int:
    """Find what is wrong with the project before anything runs.

    All mistakes and warnings at once; nothing runs. Exit status 2 where something is wrong.
    """
    found = Findings()
    problems = check_project(project, found)
    errors = [problem for problem in problems if problem.severity == "error"]
    warnings = len(problems) - len(errors)
    if form == "json":
        document = [problem.to_dict() for problem in problems]
        document += [_note(balance) for balance in found.balances if not balance.whole]
        document += [
            {"severity": "note", "message": f"not checked: {text}"} for text in found.unchecked
        ]
        json.dump(document, sys.stdout, indent=1)
        sys.stdout.write("\n")
    else:
        lines = _lines(problems, found, str(project.settings_path.parent), every=every)
        sys.stdout.write("".join(f"{line}\n" for line in lines))
    return EXIT_USAGE if errors or (strict and warnings) else 0


def _lines(problems: Sequence[Problem], found: Findings, folder: str, *, every: bool) -> list[str]:
    """What is told to people: mistakes in the settings, causes, what was and was not checked.

    Paths below the project's folder are told from there.
    """
    causes = [problem.cause for problem in problems if isinstance(problem, CauseProblem)]
    lines = [
        line
        for problem in problems
        if not isinstance(problem, CauseProblem)
        for line in fitted(str(problem).replace(f"{folder}/", ""))
    ]
    if causes:
        lines += told(causes, found.settings, most=None if every else MOST_LINES)
        most = None if every else MOST_OTHERS
        lines += besides(causes, settings=found.settings, label="warning", hints=True, most=most)
    lines += [line for text in found.unchecked for line in fitted(f"NOT CHECKED: {text}")]
    lines += filter(None, [found.planned, *(one.line for one in found.balances)])
    errors = sum(problem.severity == "error" for problem in problems)
    if not problems:
        lines.append("No problems found.")
    elif not errors:
        lines.append(f"No errors, {count(len(problems), 'warning')}.")
    else:
        warnings = count(len(problems) - errors, "warning")
        lines.append(f"{count(errors, 'error')}, {warnings}.")
    return lines


def _note(balance: Balance) -> dict[str, object]:
    """Numbers of files that are not used, among the problems: neither an error nor a warning."""
    return {"severity": "note", "message": balance.line, "balance": balance_numbers(balance)}
