"""`musebuild qc`."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

from musebuild.cli.asking import DATE, FORMAT, format_of, one_of, output_option, show
from musebuild.cli.base import ProjectCommand
from musebuild.errors import UsageError
from musebuild.report import qc
from musebuild.report.qc_plot import PANELS, plot
from musebuild.report.spans import count
from musebuild.report.tables import Rows, text_of


class QcCommand(ProjectCommand):
    """Quality-control parameters."""

    name = "qc"
    doc_purpose = "quality-control parameters of products"
    doc_usage = "[CATEGORY]"
    doc_description = None
    cmd_options = (
        DATE,
        {
            "name": "param",
            "long": "param",
            "type": list,
            "default": [],
            "metavar": "NAME",
            "help": "only this parameter, or those that match a pattern; may be given several "
            "times",
        },
        {
            "name": "history",
            "long": "history",
            "type": bool,
            "default": False,
            "help": "also of products that were made before and are not current",
        },
        FORMAT,
        {
            "name": "plot",
            "long": "plot",
            "type": bool,
            "default": False,
            "help": "draw the parameters of --param over time",
        },
        {
            "name": "by",
            "long": "by",
            "type": str,
            "default": "ifu",
            "metavar": "ifu|night",
            "help": "--plot: what has a panel of its own (default: ifu)",
        },
        output_option(
            "--plot: PNG, PDF or SVG file (default: on the screen; without one qc_CATEGORY.png)"
        ),
    )

    def run(self, params: Any, args: list[str]) -> int:
        """Print or draw parameters; without a category the categories."""
        form = format_of(params)
        by = one_of(params["by"], PANELS, "--by")
        if len(args) > 1:
            raise UsageError(
                f"musebuild qc takes one category, and got {' '.join(args)}",
                remedy=f"musebuild qc {args[0]}",
            )
        if params["plot"] and not args:
            raise UsageError(
                "musebuild qc --plot wants a category and parameters",
                remedy="musebuild qc MASTER_BIAS --param QC_BIAS_MASTER_MEDIAN --plot",
            )
        project = self.project(params)
        try:
            if not args:
                show(qc.overview(project.db), form, "Nothing was made yet: `doit` makes products.")
                return 0
            found = qc.parameters(
                project.db,
                project.ledger,
                project.settings,
                args[0],
                dates=params["date"],
                patterns=params["param"],
                history=params["history"],
            )
        finally:
            project.close()
        if params["plot"]:
            self._plot(found, by, params["output"])
        elif form != "text":
            show(found.table(), form)
        elif len(found.names) <= qc.FEW:
            rows = found.dicts()
            hdu = ("hdu",) if any(row["hdu"] for row in rows) else ()
            shown = ("task", "product", *hdu, *found.names)
            sys.stdout.write(text_of(Rows.of(rows, shown)))
        else:
            sys.stdout.write(text_of(found.summary()))
            sys.stdout.write(
                f"{count(len(found.rows), 'row')}; --param NAME shows each, and so does "
                "--format csv\n"
            )
        return 0

    @staticmethod
    def _plot(found: qc.Parameters, by: str, output: str) -> None:
        screen = bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))
        path = Path(output) if output else None
        if path is None and not (screen or sys.platform == "darwin"):
            path = Path(f"qc_{found.category}.png")
        plot(found, by, path)
        if path is not None:
            sys.stdout.write(f"{path}\n")
