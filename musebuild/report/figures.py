"""Figures of matplotlib, drawn without a screen and written into files."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from musebuild.errors import UsageError

DPI = 110


def new_figure(**how: Any) -> Any:
    """An empty figure that needs no screen; takes what `matplotlib.figure.Figure` takes."""
    # Here, since matplotlib takes longer to load than all that draws with it.
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(**how)
    FigureCanvasAgg(figure)
    return figure


def write_figure(draw: Callable[[Any], None], output: Path) -> None:
    """Draw a figure into a file.

    Parameters
    ----------
    draw : callable
        Draws into an empty figure.
    output : Path
        PNG, PDF or SVG.

    Raises
    ------
    UsageError
        The file cannot be written.
    """
    figure = new_figure()
    draw(figure)
    try:
        figure.savefig(output, dpi=DPI)
    except (OSError, ValueError) as error:
        raise UsageError(
            f"the plot cannot be written to {output}",
            why=str(error),
            remedy="name a file that can be written, ending in .png, .pdf or .svg",
        ) from None
