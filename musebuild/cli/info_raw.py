"""`musebuild info-raw`."""

from __future__ import annotations

from typing import Any

from musebuild.cli.base import ProjectCommand
from musebuild.cli.options import DATE, FORMAT, format_of, show
from musebuild.index.dates import When, choose
from musebuild.index.questions import SHOWN, ask, column_named, columns, parse_question
from musebuild.report.tables import Rows

_WHEN = ("name", "night", "run", "TPL_START")


class InfoRawCommand(ProjectCommand):
    """Raw frames."""

    name = "info-raw"
    doc_purpose = "raw frames whose headers say KEY:VALUE"
    doc_usage = "[KEY:VALUE ...]"
    doc_description = None
    cmd_options = (
        DATE,
        {
            "name": "columns",
            "long": "columns",
            "type": str,
            "default": "",
            "metavar": "A,B",
            "help": "columns to show, or `all` (default: " + ",".join(SHOWN) + ")",
        },
        FORMAT,
    )

    def run(self, params: Any, args: list[str]) -> int:
        """Print the frames."""
        form = format_of(params)
        project = self.project(params)
        try:
            project.ingest()
            known = columns(project.db)
            questions = [parse_question(text, known) for text in args]
            # What is asked for is worth seeing.
            shown = list(dict.fromkeys([*SHOWN, *(question.column for question in questions)]))
            if params["columns"] == "all":
                shown = known
            elif params["columns"]:
                names = filter(None, params["columns"].split(","))
                shown = [column_named(name.strip(), known) for name in names]
            rows = ask(project.db, questions, [*_WHEN, *shown])
            chosen = choose(
                rows,
                params["date"],
                lambda row: When(*(str(value or "") for value in row[: len(_WHEN)])),
                runs=project.settings.runs,
                what="such frame",
            )
            table = Rows(tuple(shown), tuple(row[len(_WHEN) :] for row in chosen))
            show(table, form, "No raw frame is so.")
        finally:
            project.close()
        return 0
