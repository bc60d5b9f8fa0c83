"""`musebuild info-warnings`."""

from __future__ import annotations

from collections import Counter

import click

from musebuild.cli.command import Command
from musebuild.cli.opening import on_project
from musebuild.cli.options import OneOf, date_option, names, show, table_option
from musebuild.engine.project import Project
from musebuild.engine.view import resolved
from musebuild.index.dates import When, choose
from musebuild.plan.model import Invocation
from musebuild.plan.names import select
from musebuild.report.tables import Rows


@click.command(
    "info-warnings", cls=Command, example="musebuild info-warnings --mode list", takes="names"
)
@names()
@click.option(
    "--mode",
    type=OneOf(("summary", "list", "detail")),
    default="summary",
    help="Counts of each block, of each task, or each warning.",
)
@date_option
@table_option
@on_project
def info_warnings(
    project: Project, names: tuple[str, ...], mode: str, dates: tuple[str, ...], form: str
) -> None:
    """Warnings of the recipes that made the products."""
    plan = project.plan

    def when(made: Invocation) -> When:
        return When(made.label, made.night, made.run, made.label)

    chosen = choose(
        [plan.invocations[name] for name in (select(plan, names) if names else plan.invocations)],
        dates,
        when,
        runs=project.settings.runs,
        what="task",
    )
    resolutions = resolved(project, [made.name for made in chosen])
    told = [
        (made, text)
        for made in chosen
        if (manifest := resolutions[made.name].manifest) is not None
        for text in manifest.warnings
    ]
    show(_TABLES[mode](told), form, "No recipe warned.")


Told = list[tuple[Invocation, str]]


def _summary(told: Told) -> Rows:
    number = Counter(made.block for made, _ in told)
    tasks: dict[str, set[str]] = {}
    for made, _ in told:
        tasks.setdefault(made.block, set()).add(made.task)
    return Rows(
        ("block", "tasks", "warnings"),
        tuple((block, len(tasks[block]), count) for block, count in number.items()),
    )


def _list(told: Told) -> Rows:
    number = Counter(made.name for made, _ in told)
    return Rows(("task", "warnings"), tuple(number.items()))


def _detail(told: Told) -> Rows:
    return Rows(("task", "warning"), tuple((made.name, text) for made, text in told))


_TABLES = {"summary": _summary, "list": _list, "detail": _detail}
