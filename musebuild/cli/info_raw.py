"""`musebuild info-raw`."""

from __future__ import annotations

import click

from musebuild.cli.command import Command
from musebuild.cli.opening import on_project
from musebuild.cli.options import date_option, show, table_option
from musebuild.engine.project import Project
from musebuild.index.dates import When, choose
from musebuild.index.questions import SHOWN, ask, column_named, columns_of_raw, parse_question
from musebuild.report.tables import Rows

_WHEN = ("name", "night", "run", "TPL_START")


@click.command(
    "info-raw", cls=Command, example="musebuild info-raw OBJECT:IC* EXPTIME:>100", takes="KEY:VALUE"
)
@click.argument("conditions", nargs=-1, metavar="[KEY:VALUE]...")
@date_option
@click.option(
    "--columns",
    "asked",
    metavar="A,B",
    show_default=", ".join(SHOWN),
    help="Columns to show, or `all`.",
)
@table_option
@on_project
def info_raw(
    project: Project,
    conditions: tuple[str, ...],
    dates: tuple[str, ...],
    asked: str | None,
    form: str,
) -> None:
    """Raw frames whose headers say KEY:VALUE.

    KEY is a column or keyword, in any case; VALUE a value, a pattern (OBJECT:IC*), a bound
    (EXPTIME:>100), or either with ! before it for its opposite.
    """
    project.ingest()
    known = columns_of_raw(project.connection)
    questions = [parse_question(text, known) for text in conditions]
    # What is asked for is worth seeing.
    shown = list(dict.fromkeys([*SHOWN, *(question.column for question in questions)]))
    if asked == "all":
        shown = known
    elif asked:
        shown = [column_named(name.strip(), known) for name in filter(None, asked.split(","))]
    rows = ask(project.connection, questions, [*_WHEN, *shown])
    chosen = choose(
        rows,
        dates,
        lambda row: When(*(str(value or "") for value in row[: len(_WHEN)])),
        runs=project.settings.runs,
        what="such frame",
    )
    table = Rows(tuple(shown), tuple(row[len(_WHEN) :] for row in chosen))
    show(table, form, "No raw frame is so.")
