"""`musebuild alignment`."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import click

from musebuild.cli.command import Command
from musebuild.cli.opening import on_project
from musebuild.cli.options import (
    TABLE_FORMATS,
    format_option,
    names,
    output_option,
    show,
    switch,
)
from musebuild.engine.project import Project
from musebuild.errors import UsageError
from musebuild.report.alignment import Alignment, alignments, offsets_table, settings_text
from musebuild.report.spans import count
from musebuild.report.tables import Rows, text_of


@click.command(cls=Command, example="musebuild alignment FIELD --plot", takes="names")
@names("[DATASET|TASK|OFFSET_LIST_NAME]...")
@format_option(
    "For people or programs; or settings: a block exp_align_by_hand.", (*TABLE_FORMATS, "settings")
)
@switch("--plot", text="Draw offsets and images, one picture for each list.")
@output_option("With --plot: PNG, PDF or SVG file [default: alignment_DATASET_NAME.png].")
@on_project
def alignment(
    project: Project, names: tuple[str, ...], form: str, plot: bool, output: Path | None
) -> None:
    """Offsets between exposures, and pictures of them.

    What each exposure is shifted by, list by list; lists that are not made yet are named.
    """
    found = alignments(project, list(names))
    project.close()
    if plot:
        _plot(found, output)
    elif form == "settings":
        sys.stdout.write(settings_text(found))
    elif form != "text":
        show(offsets_table(found), form)
    else:
        sys.stdout.write("\n".join(map(_text, found)))


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


def _plot(found: Sequence[Alignment], output: Path | None) -> None:
    from musebuild.report.alignment_plot import write_plot

    drawn = [one for one in found if one.shifts]
    if output and len(drawn) > 1:
        raise UsageError(
            f"{len(drawn)} lists do not fit into {output}",
            remedy=f"name one of them, such as {drawn[0].name}",
        )
    if not drawn:
        write_plot(found[0], output or Path("alignment.png"))
    for one in drawn:
        label = one.name.partition(":")[2] or f"{one.dataset}_{Path(one.name).stem}"
        path = output or Path(f"alignment_{label}.png")
        write_plot(one, path)
        sys.stdout.write(f"{path}\n")
