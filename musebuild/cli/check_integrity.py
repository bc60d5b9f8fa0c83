"""`musebuild check-integrity`."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Sequence

import click

from musebuild.cli.command import Command
from musebuild.cli.opening import on_project
from musebuild.cli.options import frames_of, show, switch, table_option
from musebuild.engine.project import Project
from musebuild.index.frames import raw_frames
from musebuild.index.integrity import Verified, findings, forget_missing, pending, verify_frames
from musebuild.report.bar import Bar
from musebuild.report.spans import count
from musebuild.report.tables import Rows


@click.command(
    "check-integrity", cls=Command, example="musebuild check-integrity 2017-06", takes="dates"
)
@click.argument("dates", nargs=-1, metavar="[DATE]...")
@switch("--report", text="Verify nothing: show what was found before.")
@switch("--force", text="Verify also what was verified before and is unchanged.")
@table_option
@on_project
def check_integrity(
    project: Project, dates: tuple[str, ...], report: bool, force: bool, form: str
) -> int:
    """Verify the FITS check sums of raw frames.

    What was verified before and is unchanged is not read again. Exit status 1 where a file is
    damaged.
    """
    project.ingest()
    every = raw_frames(project.connection, project.settings)
    forget_missing(project.connection, [frame.path for frame in every])
    paths = [frame.path for frame in frames_of(project, dates, every)]
    if not report:
        _verify(project, paths if force else pending(project.connection, paths))
    found = findings(project.connection, paths)
    project.close()
    if form != "text" or report:
        show(_table(found), form, "Nothing was verified yet: musebuild check-integrity")
    else:
        for finding in found:
            if finding.status == "damaged":
                sys.stdout.write(f"{finding.path}: {finding.message}\n")
        sys.stdout.write(_summary(found, len(paths)))
    return 1 if any(finding.status == "damaged" for finding in found) else 0


def _verify(project: Project, paths: Sequence[str]) -> None:
    bar = Bar("verifying check sums", least=2) if sys.stderr.isatty() else None
    try:
        for _ in verify_frames(project.connection, paths, progress=bar):
            pass
    finally:
        if bar is not None:
            bar.close()


def _table(found: Sequence[Verified]) -> Rows:
    return Rows(
        ("path", "status", "hdus", "checked", "message", "date"),
        tuple((f.path, f.status, f.hdus, f.checked, f.message or None, f.date) for f in found),
    )


def _summary(found: Sequence[Verified], frames: int) -> str:
    counted = Counter(finding.status for finding in found)
    text = f"{count(frames, 'frame')}: {counted['good']} good, {counted['damaged']} damaged"
    if counted["unverified"]:
        text += f", {counted['unverified']} without check sums"
    text += "\n"
    if counted["damaged"]:
        text += "hint: fetch the damaged ones again from the archive\n"
    return text
