"""`musebuild associations`."""

from __future__ import annotations

import sys
from typing import Any

from musebuild.cli.base import ProjectCommand
from musebuild.cli.options import format_option, one_of
from musebuild.errors import UsageError
from musebuild.plan.names import closure, concerned, select
from musebuild.report.associations import as_dot, as_json, as_mermaid, tree_text

FORMATS = ("text", "json", "dot", "mermaid")


class AssociationsCommand(ProjectCommand):
    """What is used for what, and how well it fits."""

    name = "associations"
    doc_purpose = "which frames are used for what, and how well they fit"
    doc_usage = "[EXPOSURE|NIGHT|BLOCK|TASK ...]"
    doc_description = None
    cmd_options = (
        format_option("a tree, or what programs read and draw", choices=FORMATS),
        {
            "name": "ifus",
            "long": "ifus",
            "type": bool,
            "default": False,
            "help": "keep the IFUs of a task apart",
        },
    )

    def run(self, params: Any, args: list[str]) -> int:
        """Write the associations of what names stand for and need; reads headers only."""
        form = one_of(params["format"], FORMATS, "--format")
        project = self.project(params)
        try:
            plan, ifus = project.plan, bool(params["ifus"])
            left_out = concerned(plan.left_out, args, project.settings.datasets)
            try:
                roots = select(plan, args) if args else plan.default
            except UsageError:
                # What is left out altogether has no invocation, and its reason is the answer.
                if not any(left.missing for left in left_out):
                    raise
                roots = ()
            names = list(closure(plan, roots))
            if form == "text":
                text = tree_text(plan, names, set(roots), left_out, ifus=ifus)
            elif form == "json":
                text = as_json(plan, names, left_out, ifus=ifus)
            else:
                text = (as_dot if form == "dot" else as_mermaid)(plan, names, ifus=ifus)
        finally:
            project.close()
        sys.stdout.write(text or "Nothing is planned; `musebuild check` says why.\n")
        return 0
