"""`musebuild check-integrity`."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Sequence
from typing import Any

from musebuild.cli.base import ProjectCommand
from musebuild.cli.options import FORMAT, format_of, frames_of, show
from musebuild.index.frames import raw_frames
from musebuild.index.integrity import Finding, findings, forget_missing, pending, verify
from musebuild.report.bar import Bar
from musebuild.report.spans import count
from musebuild.report.tables import Rows


class CheckIntegrityCommand(ProjectCommand):
    """Verify the check sums of raw frames."""

    name = "check-integrity"
    doc_purpose = "verify the FITS check sums of raw frames"
    doc_usage = "[DATE ...]"
    doc_description = None
    cmd_options = (
        {
            "name": "report",
            "long": "report",
            "type": bool,
            "default": False,
            "help": "verify nothing: show what was found before",
        },
        {
            "name": "force",
            "long": "force",
            "type": bool,
            "default": False,
            "help": "verify also what was verified before and is unchanged",
        },
        FORMAT,
    )

    def run(self, params: Any, args: list[str]) -> int:
        """Verify, or show the report; 1 where a file is damaged."""
        form = format_of(params)
        project = self.project(params)
        try:
            project.ingest()
            every = raw_frames(project.connection, project.settings)
            forget_missing(project.db, [frame.path for frame in every])
            paths = [frame.path for frame in frames_of(project, args, every)]
            if not params["report"]:
                todo = paths if params["force"] else pending(project.db, paths)
                self._verify(project, todo)
            found = findings(project.db, paths)
        finally:
            project.close()
        if form != "text" or params["report"]:
            show(_table(found), form, "Nothing was verified yet: musebuild check-integrity")
        else:
            for finding in found:
                if finding.status == "damaged":
                    sys.stdout.write(f"{finding.path}: {finding.message}\n")
            sys.stdout.write(_summary(found, len(paths)))
        return 1 if any(finding.status == "damaged" for finding in found) else 0

    @staticmethod
    def _verify(project: Any, paths: Sequence[str]) -> None:
        bar = Bar("verifying check sums", least=2) if sys.stderr.isatty() else None
        try:
            for _ in verify(project.db, paths, progress=bar):
                pass
        finally:
            if bar is not None:
                bar.close()


def _table(found: Sequence[Finding]) -> Rows:
    return Rows(
        ("path", "status", "hdus", "checked", "message", "date"),
        tuple((f.path, f.status, f.hdus, f.checked, f.message or None, f.date) for f in found),
    )


def _summary(found: Sequence[Finding], frames: int) -> str:
    counted = Counter(finding.status for finding in found)
    text = f"{count(frames, 'frame')}: {counted['good']} good, {counted['damaged']} damaged"
    if counted["unverified"]:
        text += f", {counted['unverified']} without check sums"
    text += "\n"
    if counted["damaged"]:
        text += "to mend it: fetch the damaged ones again from the archive\n"
    return text
