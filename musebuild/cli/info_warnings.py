"""`musebuild info-warnings`."""

from __future__ import annotations

from collections import Counter
from typing import Any

from musebuild.cli.base import ProjectCommand
from musebuild.cli.options import DATE, FORMAT, format_of, one_of, show
from musebuild.engine.probe import ProjectWorld
from musebuild.index.dates import When, choose
from musebuild.plan.model import Invocation
from musebuild.plan.names import closure, select
from musebuild.report.tables import Rows

MODES = ("summary", "list", "detail")


class InfoWarningsCommand(ProjectCommand):
    """Warnings of recipes."""

    name = "info-warnings"
    doc_purpose = "warnings of the recipes that made the current products"
    doc_usage = "[TASK|GROUP|PATTERN ...]"
    doc_description = None
    cmd_options = (
        {
            "name": "mode",
            "long": "mode",
            "type": str,
            "default": "summary",
            "metavar": "MODE",
            "help": "summary (of each block), list (of each task) or detail (each warning)",
        },
        DATE,
        FORMAT,
    )

    def run(self, params: Any, args: list[str]) -> int:
        """Print the warnings."""
        form = format_of(params)
        mode = one_of(params["mode"], MODES, "--mode")
        project = self.project(params)
        try:
            plan = project.plan
            names = select(plan, args) if args else tuple(plan.invocations)

            def when(made: Invocation) -> When:
                return When(made.label, made.night, made.run, made.label)

            chosen = choose(
                [plan.invocations[name] for name in names],
                params["date"],
                when,
                runs=project.settings.runs,
                what="task",
            )
            resolutions = ProjectWorld(project).resolve(
                closure(plan, [made.name for made in chosen])
            )
            told = [
                (made, text)
                for made in chosen
                if (manifest := resolutions[made.name].manifest) is not None
                for text in manifest.warnings
            ]
            show(_TABLES[mode](told), form, "No recipe warned.")
        finally:
            project.close()
        return 0


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
