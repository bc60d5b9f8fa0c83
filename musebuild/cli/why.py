"""`musebuild why`."""

from __future__ import annotations

import sys

import click

from musebuild.cli.command import Command
from musebuild.cli.opening import on_project
from musebuild.cli.options import names
from musebuild.engine.probe import ProjectWorld
from musebuild.engine.project import Project
from musebuild.engine.view import resolved
from musebuild.errors import UsageError
from musebuild.explain.why import Explainer
from musebuild.plan.names import select
from musebuild.report.why import why_text


@click.command(cls=Command, example="musebuild why muse_scipost", takes="names")
@names("TASK|GROUP|PATTERN...")
@on_project
def why(project: Project, names: tuple[str, ...]) -> None:
    """Why a task ran, will run, or will not.

    How it would be made now is compared with how it was last made here, down to the root cause
    where that lies upstream. It hashes nothing.
    """
    if not names:
        raise UsageError(
            "musebuild why wants the name of a task",
            remedy="`doit list` shows the names; `doit list --status --why` explains all",
        )
    chosen = select(project.plan, names)
    probe = ProjectWorld(project)
    explainer = Explainer(project, probe, resolved(project, chosen, probe))
    sys.stdout.write(why_text([explainer.explain(name) for name in chosen]))
