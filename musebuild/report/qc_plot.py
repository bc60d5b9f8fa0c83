"""Quality-control parameters over time, one panel for each IFU or night."""

from __future__ import annotations

import datetime as dt
import math
from pathlib import Path
from typing import Any

from musebuild.errors import UsageError
from musebuild.report.figures import write_figure
from musebuild.report.qc import Parameters

PANELS = ("ifu", "night")
MOST_PANELS = 60
MOST_LINES = 8
"""More parameters in one panel cannot be told apart."""


def _moment(row: dict[str, Any]) -> dt.datetime | None:
    for text in (row["DATE_OBS"], row["name"], row["made"]):
        try:
            return dt.datetime.fromisoformat(str(text)).replace(tzinfo=None)
        except ValueError:
            continue
    return None


def panels(found: Parameters, by: str) -> dict[Any, list[dict[str, Any]]]:
    """Rows of each panel, sorted: by IFU (all IFUs together where there is none) or by night."""
    groups: dict[Any, list[dict[str, Any]]] = {}
    for row in found.dicts():
        groups.setdefault(row[by], []).append(row)
    return dict(sorted(groups.items(), key=lambda item: (item[0] is None, item[0] or 0)))


def plot(found: Parameters, by: str, output: Path | None) -> None:
    """Draw parameters, into a file or on the screen.

    Parameters
    ----------
    found : Parameters
        What to draw.
    by : str
        As of `draw_parameters`.
    output : Path or None
        PNG, PDF or SVG; None: a window.

    Raises
    ------
    UsageError
        There is nothing to draw, or too much, or the file cannot be written.
    """
    if output is None:
        from matplotlib import pyplot

        draw_parameters(found, by, pyplot.figure())
        pyplot.show()
        return
    write_figure(lambda figure: draw_parameters(found, by, figure), output)


def _numbers(found: Parameters) -> list[str]:
    names = [
        name
        for place, name in enumerate(found.names, len(found.fixed))
        if any(isinstance(row[place], int | float) for row in found.rows)
    ]
    if not names:
        raise UsageError(
            f"{found.category} has no numbers to draw there",
            remedy=f"`musebuild qc {found.category}` shows what there is",
        )
    if len(names) > MOST_LINES:
        raise UsageError(
            f"{len(names)} parameters are too many for one plot",
            remedy=f"choose at most {MOST_LINES} with --param, such as --param {names[0]}",
        )
    return names


def draw_parameters(found: Parameters, by: str, figure: Any) -> None:
    """Draw parameters into a figure of matplotlib.

    Parameters
    ----------
    found : Parameters
        What to draw; numbers only.
    by : str
        `ifu`: a panel for each IFU, over time. `night`: a panel for each night, over the IFUs
        where products are split by IFU, else over time.
    figure : matplotlib.figure.Figure
        Empty.

    Raises
    ------
    UsageError
        There is nothing to draw, or too much.
    """
    from matplotlib.dates import AutoDateLocator, ConciseDateFormatter

    names = _numbers(found)
    groups = panels(found, by)
    if len(groups) > MOST_PANELS:
        raise UsageError(
            f"{len(groups)} panels are too many for one plot",
            remedy="choose dates, such as --date 2017-06, or one panel for each IFU with --by ifu",
        )
    columns = min(6, math.ceil(math.sqrt(1.5 * len(groups))))
    lines = math.ceil(len(groups) / columns)
    figure.set_size_inches(1.5 + 2.6 * columns, 1.2 + 2.0 * lines)
    figure.set_layout_engine("constrained")
    grid = figure.subplots(lines, columns, sharex=by == "ifu", sharey=True, squeeze=False)
    axes = list(grid.flat)
    over_ifus = by == "night" and any(row["ifu"] for rows in groups.values() for row in rows)
    for panel, (group, rows) in zip(axes, groups.items(), strict=False):
        for name in names:
            points = [
                (place, row[name])
                for row in rows
                if isinstance(row[name], int | float)
                and (place := row["ifu"] if over_ifus else _moment(row)) is not None
            ]
            if points:
                across, up = zip(*sorted(points), strict=True)
                panel.plot(across, up, "o" if over_ifus else "o-", ms=3, lw=0.8, label=name)
        panel.set_title(_title(by, group), fontsize="small")
        panel.set_xlabel("IFU" if over_ifus else "", fontsize="x-small")
        panel.tick_params(labelsize="x-small")
        if not over_ifus:
            locator = AutoDateLocator(minticks=2, maxticks=5)  # type: ignore[no-untyped-call]
            panel.xaxis.set_major_locator(locator)
            formatter = ConciseDateFormatter(locator)  # type: ignore[no-untyped-call]
            panel.xaxis.set_major_formatter(formatter)
    for panel in axes[len(groups) :]:
        panel.set_visible(False)
    if len(names) == 1:
        figure.supylabel(names[0], fontsize="small")
    else:
        axes[0].legend(fontsize="xx-small")
    figure.suptitle(found.category)


def _title(by: str, group: Any) -> str:
    if by == "ifu":
        return "all IFUs" if group is None else f"IFU {group}"
    return "no date" if group is None else str(group)
