"""`musebuild provenance`."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path

import click

from musebuild.cli.command import Command
from musebuild.cli.opening import Place, at_place
from musebuild.cli.options import Argument, format_option, output_option
from musebuild.errors import UsageError
from musebuild.explain.provenance import Historian, TracedFrame
from musebuild.index.times import Times, times_of


@click.command(
    cls=Command,
    example="musebuild provenance reduced/0.1/exp_combine/FIELD_drs/DATACUBE_FINAL.fits",
    takes="one file",
)
@click.argument(
    "file", cls=Argument, what="one file", metavar="FILE", type=click.Path(path_type=Path)
)
@format_option(
    "A tree, W3C PROV as JSON or PROV-N, an RO-Crate.", ("text", "prov-json", "prov-n", "ro-crate")
)
@output_option("Write it there; an RO-Crate into a folder, or a file that ends in .zip.")
@at_place
def provenance(place: Place, file: Path, form: str, output: Path | None) -> None:
    """Where a product comes from, down to the raw frames.

    With recipes, versions and parameters.
    """
    if form == "ro-crate" and output is None:
        raise UsageError(
            "an RO-Crate is a folder or a zip file", remedy="name it with -o DIR or -o FILE.zip"
        )
    path = file.expanduser().absolute()
    project = place.open()
    frame = Historian(project).of_file(path)
    times: dict[str, Times] = {}
    if form == "text":
        from musebuild.report.provenance import labels_of

        times = times_of(project.connection, labels_of(frame))
    project.close()
    try:
        _write(frame, path, form, output, times)
    except OSError as error:
        raise UsageError(
            f"the provenance cannot be written to {output}",
            why=error.strerror or str(error),
            remedy="name a place that you can write",
        ) from None


def _write(
    frame: TracedFrame, path: Path, form: str, output: Path | None, times: Mapping[str, Times]
) -> None:
    from musebuild.report.provenance import prov_document, provenance_text, write_crate

    if form == "ro-crate":
        assert output is not None
        write_crate(frame, path, output)
        sys.stdout.write(f"{output}\n")
        return
    if form == "text":
        text = provenance_text(frame, times)
    elif form == "prov-json":
        text = str(prov_document(frame).serialize(format="json", indent=1)) + "\n"
    else:
        text = prov_document(frame).get_provn() + "\n"
    if output is not None:
        output.write_text(text, encoding="utf-8")
        sys.stdout.write(f"{output}\n")
    else:
        sys.stdout.write(text)
