"""`musebuild associations`."""

from __future__ import annotations

import sys

import click

from musebuild.cli.command import Command
from musebuild.cli.opening import on_project
from musebuild.cli.options import format_option, names, switch
from musebuild.engine.project import Project
from musebuild.errors import EXIT_FAILED, UsageError
from musebuild.plan.model import Plan
from musebuild.plan.names import closure, concerned, select
from musebuild.report.associations import as_dot, as_json, as_mermaid, rows_text, tree_text


@click.command(cls=Command, example="musebuild associations 2017-06-15", takes="names")
@names("[EXPOSURE|NIGHT|BLOCK|TASK]...")
@format_option("A tree, or what programs read and draw.", ("text", "json", "dot", "mermaid"))
@switch("--ifus", text="Keep the IFUs of a task apart.")
@switch("--tree", text="Open all, down to the raw frames, also without names.")
@on_project
def associations(
    project: Project, names: tuple[str, ...], form: str, ifus: bool, tree: bool
) -> int:
    """Which calibrations are used for what, and how well they match.

    One row for each exposure and calibration, of all, a night or a dataset; the name of one of
    them, of a task or of a block opens it. Then what cannot be planned, with its causes, and the
    setting that would accept the nearest candidate. It reads headers only.
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
    if form == "text" and not (tree or ifus) and _are_groups(plan, names):
        nights = {plan.invocations[name].night for name in roots}
        text = rows_text(plan, roots if nights.issuperset(names) and names else needed, left_out)
    elif form == "text":
        text = tree_text(plan, needed, set(roots), left_out, ifus=ifus)
    elif form == "json":
        text = as_json(plan, needed, left_out, ifus=ifus)
    else:
        text = (as_dot if form == "dot" else as_mermaid)(plan, needed, ifus=ifus)
    sys.stdout.write(text or "Nothing is planned; `musebuild check` says why.\n")
    return EXIT_FAILED if any(left.error for left in left_out) else 0


def _are_groups(plan: Plan, names: tuple[str, ...]) -> bool:
    """Whether names stand for nights, runs or datasets; none: for all."""
    groups = {*plan.units}
    for made in plan.invocations.values():
        groups.update((made.night, made.run, made.dataset))
    return groups.issuperset(names)
