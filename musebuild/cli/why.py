"""`musebuild why`."""

from __future__ import annotations

import sys
from typing import Any

from musebuild.cli.base import ProjectCommand
from musebuild.engine.probe import ProjectWorld
from musebuild.errors import UsageError
from musebuild.explain.why import Explainer
from musebuild.plan.names import closure, select
from musebuild.report.why import why_text


class WhyCommand(ProjectCommand):
    """Explain tasks."""

    name = "why"
    doc_purpose = "why a task ran, will run, or will not"
    doc_usage = "TASK|GROUP|PATTERN ..."
    doc_description = None
    cmd_options = ()

    def run(self, params: Any, args: list[str]) -> int:
        """Compare how tasks would be made now with how they were last made; hashes nothing."""
        if not args:
            raise UsageError(
                "musebuild why wants the name of a task",
                remedy="`doit list` shows the names; `doit list --status --why` explains all",
            )
        project = self.project(params)
        try:
            names = select(project.plan, args)
            world = ProjectWorld(project)
            resolutions = world.resolve(closure(project.plan, names))
            explainer = Explainer(project, world, resolutions)
            sys.stdout.write(why_text([explainer.explain(name) for name in names]))
        finally:
            project.close()
        return 0
