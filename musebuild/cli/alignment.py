"""`musebuild alignment`."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from musebuild.cli.base import ProjectCommand
from musebuild.cli.options import format_option, one_of, output_option, show
from musebuild.errors import UsageError
from musebuild.report.alignment import Alignment, alignments, offsets_table, settings_text
from musebuild.report.spans import count
from musebuild.report.tables import FORMATS, Rows, text_of


class AlignmentCommand(ProjectCommand):
    """Offsets between exposures, as a table and as a picture."""

    name = "alignment"
    doc_purpose = "offsets between exposures, and pictures of them"
    doc_usage = "[DATASET|TASK|OFFSET_LIST_NAME ...]"
    doc_description = None
    cmd_options = (
        format_option(
            "text, json, csv, ecsv; or settings: a block exp_align_by_hand",
            choices=(*FORMATS, "settings"),
        ),
        {
            "name": "plot",
            "long": "plot",
            "type": bool,
            "default": False,
            "help": "draw offsets and images, one picture for each list",
        },
        output_option("--plot: PNG, PDF or SVG file (default: alignment_DATASET_NAME.png)"),
    )

    def run(self, params: Any, args: list[str]) -> int:
        """Print the offsets, and draw them."""
        form = one_of(params["format"], (*FORMATS, "settings"), "--format")
        project = self.project(params)
        try:
            found = alignments(project, args)
        finally:
            project.close()
        if params["plot"]:
            return _plot(found, params["output"])
        if form == "settings":
            sys.stdout.write(settings_text(found))
        elif form != "text":
            show(offsets_table(found), form)
        else:
            sys.stdout.write("\n".join(map(_text, found)))
        return 0


def _text(one: Alignment) -> str:
    if not one.shifts:
        return f"{one.name} ({one.dataset}) {one.state or 'has no rows'}\n"
    table = offsets_table([one])
    columns = [n for n, name in enumerate(table.columns) if name not in ("list", "dataset")]
    if all(shift.offset.scale is None for shift in one.shifts):
        columns.pop()
    rows = Rows(
        tuple(table.columns[n] for n in columns),
        tuple(tuple(row[n] for n in columns) for row in table.rows),
    )
    images = f"; images of {one.images_from}" if one.images else ""
    return f"{one.name} ({one.dataset}): {count(len(one.shifts), 'exposure')}{images}\n" + text_of(
        rows
    )


def _plot(found: Sequence[Alignment], output: str) -> int:
    from musebuild.report.alignment_plot import write_plot

    drawn = [one for one in found if one.shifts]
    if output and len(drawn) > 1:
        raise UsageError(
            f"{len(drawn)} lists do not fit into {output}",
            remedy=f"name one of them, such as {drawn[0].name}",
        )
    if not drawn:
        write_plot(found[0], Path(output or "alignment.png"))
    for one in drawn:
        label = one.name.partition(":")[2] or f"{one.dataset}_{Path(one.name).stem}"
        path = Path(output or f"alignment_{label}.png")
        write_plot(one, path)
        sys.stdout.write(f"{path}\n")
    return 0
