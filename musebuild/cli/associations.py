"""`musebuild associations`."""

from __future__ import annotations

import sys

import click

from musebuild.cli.command import Command
from musebuild.cli.opening import on_project
from musebuild.cli.options import format_option, names, switch
from musebuild.engine.project import Project
from musebuild.errors import UsageError
from musebuild.plan.names import closure, concerned, select
from musebuild.report.associations import as_dot, as_json, as_mermaid, tree_text


@click.command(cls=Command, example="musebuild associations 2017-06-15", takes="names")
@names("[EXPOSURE|NIGHT|BLOCK|TASK]...")
@format_option("A tree, or what programs read and draw.", ("text", "json", "dot", "mermaid"))
@switch("--ifus", text="Keep the IFUs of a task apart.")
@on_project
def associations(project: Project, names: tuple[str, ...], form: str, ifus: bool) -> None:
    """Which calibrations are used for what, and how well they match.

    For what cannot be planned: the candidates that were refused, and the setting that would
    accept them. It reads headers only.
    """
    plan = project.plan
    left_out = concerned(plan.left_out, names, project.settings.datasets)
    try:
        roots = select(plan, names) if names else plan.default
    except UsageError:
        # What is left out altogether has no invocation, and its reason is the answer.
        if not left_out:
            raise
        roots = ()
    needed = list(closure(plan, roots))
    if form == "text":
        text = tree_text(plan, needed, set(roots), left_out, ifus=ifus)
    elif form == "json":
        text = as_json(plan, needed, left_out, ifus=ifus)
    else:
        text = (as_dot if form == "dot" else as_mermaid)(plan, needed, ifus=ifus)
    sys.stdout.write(text or "Nothing is planned; `musebuild check` says why.\n")
