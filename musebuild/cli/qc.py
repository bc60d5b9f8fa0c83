"""`musebuild qc`."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path

import click

from musebuild.cli.command import Command, Group
from musebuild.cli.flag import author_name
from musebuild.cli.opening import on_project
from musebuild.cli.options import (
    Argument,
    Number,
    OneOf,
    date_option,
    output_option,
    switch,
    table_option,
)
from musebuild.cli.options import show as show_table
from musebuild.engine.project import Project
from musebuild.errors import UsageError
from musebuild.index.flags import add_flag, check_flags, known_flags
from musebuild.report import outliers
from musebuild.report import qc as report
from musebuild.report.qc_plot import PANELS, plot
from musebuild.report.spans import count
from musebuild.report.tables import Rows, text_of

REASONS = 3
"""Parameters that the reason of a flag names."""
MOST = 1e6
"""Sigma and rounds stay below."""


param_option = click.option(
    "--param",
    "patterns",
    multiple=True,
    metavar="NAME",
    help="Only this parameter, or those that match a pattern; may be given several times.",
)
history_option = switch(
    "--history", text="Also of products that were made before and are not current."
)
category_argument = click.argument("category", required=False)


@click.group(cls=Group, default="show", formerly={"--outliers": "outliers", "--plot": "plot"})
def qc() -> None:
    """Quality-control parameters of products.

    The first word may be left out: `musebuild qc MASTER_BIAS` shows.
    """


@qc.command(cls=Command, example="musebuild qc MASTER_BIAS --date 2017-06", takes="one category")
@category_argument
@date_option
@param_option
@history_option
@table_option
@on_project
def show(
    project: Project,
    category: str | None,
    dates: tuple[str, ...],
    patterns: tuple[str, ...],
    history: bool,
    form: str,
) -> None:
    """The categories; or a summary of each parameter of one, or a few parameters in full."""
    if category is None:
        table = report.overview(project.db)
        show_table(table, form, "Nothing was made yet: `doit` makes products.")
        return
    found = _parameters(project, category, dates, patterns, history=history)
    if form != "text":
        show_table(found.table(), form)
    elif len(found.names) <= report.FEW:
        rows = found.dicts()
        hdu = ("hdu",) if any(row["hdu"] for row in rows) else ()
        product = ("product",) if any(row["product"] for row in rows) else ()
        shown = ("task", *product, *hdu, *found.names)
        sys.stdout.write(text_of(Rows.of(rows, shown)))
    else:
        sys.stdout.write(text_of(found.summary()))
        sys.stdout.write(
            f"{count(len(found.rows), 'row')}; --param NAME shows each, and so does --format csv\n"
        )


@qc.command(
    "outliers",
    cls=Command,
    example="musebuild qc outliers MASTER_FLAT --sigma 7",
    takes="one category",
)
@category_argument
@date_option
@param_option
@history_option
@click.option(
    "--sigma",
    type=Number(float, above=True, most=MOST, example=f"{outliers.SIGMA:g}"),
    metavar="NUMBER",
    default=outliers.SIGMA,
    help="How far, in robust standard deviations.",
)
@click.option(
    "--maxiters",
    type=Number(above=True, most=MOST, example=f"{outliers.MAXITERS}"),
    metavar="NUMBER",
    default=outliers.MAXITERS,
    help="Rounds of clipping.",
)
@click.option("--flag", metavar="FLAG", help="Put this flag on the exposures that have some.")
@table_option
@on_project
def show_outliers(
    project: Project,
    category: str | None,
    dates: tuple[str, ...],
    patterns: tuple[str, ...],
    history: bool,
    sigma: float,
    maxiters: int,
    flag: str | None,
    form: str,
) -> None:
    """Values that lie far from those of the other products, IFU by IFU."""
    if flag:
        check_flags([flag], known_flags(project.settings.flags))
    parts: list[outliers.Outliers] = []
    refused: UsageError | None = None
    for name in [category] if category else report.overview(project.db).column("category"):
        try:
            found = _parameters(project, name, dates, patterns, history=history)
        except UsageError as error:
            # Of all categories, some have no such parameter, and none of that date.
            if category:
                raise
            refused = error
            continue
        parts.append(outliers.find_outliers(found, sigma, maxiters))
    if refused is not None and not parts:
        raise refused
    every = outliers.together(parts)
    if form != "text":
        show_table(every.table(), form)
    else:
        sys.stdout.write(text_of(every.table(outliers.SHOWN)) if every.rows else "")
        sys.stdout.write(_summary(every, sigma))
    if flag:
        told = _set_flags(project, every, flag)
        (sys.stdout if form == "text" else sys.stderr).write(f"{told}\n")


@qc.command(
    "plot",
    cls=Command,
    example='musebuild qc plot MASTER_BIAS --param "*RON" -o ron.png',
    takes="one category",
)
@click.argument("category", cls=Argument, what="a category and parameters")
@date_option
@param_option
@history_option
@click.option("--by", type=OneOf(PANELS), default="ifu", help="What has a panel of its own.")
@output_option("PNG, PDF or SVG file [default: on the screen; without one qc_CATEGORY.png].")
@on_project
def plot_parameters(
    project: Project,
    category: str,
    dates: tuple[str, ...],
    patterns: tuple[str, ...],
    history: bool,
    by: str,
    output: Path | None,
) -> None:
    """Draw the parameters of --param over time."""
    found = _parameters(project, category, dates, patterns, history=history)
    project.close()
    screen = bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))
    if output is None and not (screen or sys.platform == "darwin"):
        output = Path(f"qc_{found.category}.png")
    plot(found, by, output)
    if output is not None:
        sys.stdout.write(f"{output}\n")


def _parameters(
    project: Project,
    category: str,
    dates: Sequence[str],
    patterns: Sequence[str],
    *,
    history: bool,
) -> report.Parameters:
    return report.parameters(
        project.db,
        project.ledger,
        project.settings,
        category,
        dates=dates,
        patterns=patterns,
        history=history,
    )


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
        reason = f"qc outliers: {'; '.join(reasons[:REASONS])}{more}"
        number += add_flag(project.db, [exposure], flag, author=author, reason=reason)
    if not exposures:
        return f"{flag}: no exposure among them, and none flagged"
    had = len(exposures) - number
    more = f" ({had} had it already)" if had else ""
    return f"{flag}: {count(number, 'exposure')} flagged{more}"
