"""`musebuild provenance`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from musebuild.cli.base import ProjectCommand
from musebuild.cli.options import format_option, one_of, output_option
from musebuild.errors import UsageError
from musebuild.explain.provenance import Historian, TracedFrame

FORMATS = ("text", "prov-json", "prov-n", "ro-crate")


class ProvenanceCommand(ProjectCommand):
    """Where a product comes from."""

    name = "provenance"
    doc_purpose = "where a product comes from, down to the raw frames"
    doc_usage = "FILE"
    doc_description = None
    cmd_options = (
        format_option("a tree, W3C PROV as JSON or PROV-N, an RO-Crate", choices=FORMATS),
        output_option("write it there; of an RO-Crate the folder, or a name that ends in .zip"),
    )

    def run(self, params: Any, args: list[str]) -> int:
        """Print or write the history of one file."""
        if len(args) != 1:
            raise UsageError(
                "musebuild provenance wants one file",
                remedy="musebuild provenance reduced/0.1/…/DATACUBE_FINAL.fits",
            )
        form = one_of(params["format"], FORMATS, "--format")
        if form == "ro-crate" and not params["output"]:
            raise UsageError(
                "an RO-Crate is a folder or a zip file", remedy="name it with -o DIR or -o FILE.zip"
            )
        path = Path(args[0]).expanduser().absolute()
        project = self.project(params)
        try:
            frame = Historian(project).of_file(path)
        finally:
            project.close()
        try:
            _write(frame, path, form, params["output"])
        except OSError as error:
            raise UsageError(
                f"the provenance cannot be written to {params['output']}",
                why=error.strerror or str(error),
                remedy="name a place that you can write",
            ) from None
        return 0


def _write(frame: TracedFrame, path: Path, form: str, output: str) -> None:
    from musebuild.report.provenance import prov_document, provenance_text, write_crate

    if form == "ro-crate":
        write_crate(frame, path, Path(output))
        return
    if form == "text":
        text = provenance_text(frame)
    elif form == "prov-json":
        text = str(prov_document(frame).serialize(format="json", indent=1)) + "\n"
    else:
        text = prov_document(frame).get_provn() + "\n"
    if output:
        Path(output).write_text(text, encoding="utf-8")
    else:
        sys.stdout.write(text)
