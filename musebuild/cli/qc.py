"""`musebuild qc`."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

from musebuild.cli.base import ProjectCommand
from musebuild.cli.flag import author_name
from musebuild.cli.options import DATE, FORMAT, format_of, one_of, output_option, show
from musebuild.engine.project import Project
from musebuild.errors import UsageError
from musebuild.index.flags import add_flag, check_flags, known_flags
from musebuild.report import outliers, qc
from musebuild.report.qc_plot import PANELS, plot
from musebuild.report.spans import count
from musebuild.report.tables import Rows, text_of

REASONS = 3
"""Parameters that the reason of a flag names."""
MOST = 1e6
"""Sigma and rounds stay below."""


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
            "name": "outliers",
            "long": "outliers",
            "type": bool,
            "default": False,
            "help": "only values that lie far from those of the other products, IFU by IFU",
        },
        {
            "name": "sigma",
            "long": "sigma",
            "type": str,
            "default": "",
            "metavar": "NUMBER",
            "help": f"--outliers: how far, in robust standard deviations (default: "
            f"{outliers.SIGMA:g})",
        },
        {
            "name": "maxiters",
            "long": "maxiters",
            "type": str,
            "default": "",
            "metavar": "NUMBER",
            "help": f"--outliers: rounds of clipping (default: {outliers.MAXITERS})",
        },
        {
            "name": "flag",
            "long": "flag",
            "type": str,
            "default": "",
            "metavar": "FLAG",
            "help": "--outliers: put this flag on the exposures that have some",
        },
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
        _check_options(params)
        sigma = _number(params["sigma"], "--sigma", outliers.SIGMA)
        maxiters = int(_number(params["maxiters"], "--maxiters", outliers.MAXITERS, whole=True))
        project = self.project(params)
        try:
            if params["outliers"]:
                self._outliers(project, params, args, sigma, maxiters)
                return 0
            if not args:
                show(qc.overview(project.db), form, "Nothing was made yet: `doit` makes products.")
                return 0
            found = _parameters(project, params, args[0])
        finally:
            project.close()
        if params["plot"]:
            self._plot(found, by, params["output"])
        elif form != "text":
            show(found.table(), form)
        elif len(found.names) <= qc.FEW:
            rows = found.dicts()
            hdu = ("hdu",) if any(row["hdu"] for row in rows) else ()
            product = ("product",) if any(row["product"] for row in rows) else ()
            shown = ("task", *product, *hdu, *found.names)
            sys.stdout.write(text_of(Rows.of(rows, shown)))
        else:
            sys.stdout.write(text_of(found.summary()))
            sys.stdout.write(
                f"{count(len(found.rows), 'row')}; --param NAME shows each, and so does "
                "--format csv\n"
            )
        return 0

    @staticmethod
    def _outliers(
        project: Project, params: Any, args: list[str], sigma: float, maxiters: int
    ) -> None:
        flag = params["flag"]
        if flag:
            check_flags([flag], known_flags(project.settings.flags))
        parts: list[outliers.Outliers] = []
        refused: UsageError | None = None
        for category in args or qc.overview(project.db).column("category"):
            try:
                found = _parameters(project, params, category)
            except UsageError as error:
                # Of all categories, some have no such parameter, and none of that date.
                if args:
                    raise
                refused = error
                continue
            parts.append(outliers.find_outliers(found, sigma, maxiters))
        if refused is not None and not parts:
            raise refused
        every = outliers.together(parts)
        form = params["format"]
        if form != "text":
            show(every.table(), form)
        else:
            sys.stdout.write(text_of(every.table(outliers.SHOWN)) if every.rows else "")
            sys.stdout.write(_summary(every, sigma))
        if flag:
            told = _set_flags(project, every, flag)
            (sys.stdout if form == "text" else sys.stderr).write(f"{told}\n")

    @staticmethod
    def _plot(found: qc.Parameters, by: str, output: str) -> None:
        screen = bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))
        path = Path(output) if output else None
        if path is None and not (screen or sys.platform == "darwin"):
            path = Path(f"qc_{found.category}.png")
        plot(found, by, path)
        if path is not None:
            sys.stdout.write(f"{path}\n")


def _parameters(project: Project, params: Any, category: str) -> qc.Parameters:
    return qc.parameters(
        project.db,
        project.ledger,
        project.settings,
        category,
        dates=params["date"],
        patterns=params["param"],
        history=params["history"],
    )


def _check_options(params: Any) -> None:
    if params["outliers"]:
        if params["plot"]:
            raise UsageError(
                "musebuild qc takes --outliers or --plot, not both",
                remedy="musebuild qc MASTER_BIAS --outliers",
            )
        return
    given = [name for name in ("sigma", "maxiters", "flag") if params[name]]
    if given:
        raise UsageError(
            f"--{given[0]} belongs to --outliers",
            remedy=f"musebuild qc --outliers --{given[0]} {params[given[0]]}",
        )


def _number(text: str, option: str, usual: float, *, whole: bool = False) -> float:
    if not text:
        return usual
    try:
        value = float(int(text) if whole else float(text))
    except ValueError:
        value = 0.0
    if not 0 < value < MOST:
        raise UsageError(
            f"{option} {text} is no {'whole ' if whole else ''}number above 0",
            remedy=f"{option} {usual:g}",
        )
    return value


def _summary(found: outliers.Outliers, sigma: float) -> str:
    told = count(found.looked_at, "value")
    if not found.looked_at:
        return "There is no number to look at: `doit` makes products.\n"
    lines = [
        f"{len(found.rows)} of {told} lie more than {sigma:g} σ from the others"
        if found.rows
        else f"None of {told} lies more than {sigma:g} σ from the others"
    ]
    if found.too_few:
        lines.append(
            f"{count(found.too_few, 'parameter')} of an IFU have fewer than {outliers.LEAST} "
            "values, of which none can be told to be the odd one"
        )
    return "; ".join(lines) + ".\n"


def _set_flags(project: Project, found: outliers.Outliers, flag: str) -> str:
    """Put a flag on the exposures with outliers; what is said of it."""
    exposures = found.exposures(frame.name for frame in project.raw if frame.is_raw)
    author = author_name()
    number = 0
    for exposure, reasons in exposures.items():
        more = f" and {len(reasons) - REASONS} more" if len(reasons) > REASONS else ""
        reason = f"qc --outliers: {'; '.join(reasons[:REASONS])}{more}"
        number += add_flag(project.db, [exposure], flag, author=author, reason=reason)
    if not exposures:
        return f"{flag}: no exposure among them, and none flagged"
    had = len(exposures) - number
    more = f" ({had} had it already)" if had else ""
    return f"{flag}: {count(number, 'exposure')} flagged{more}"
