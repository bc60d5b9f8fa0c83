"""`musebuild list`."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import replace

import click

from musebuild.cli.command import Command
from musebuild.cli.opening import on_project
from musebuild.cli.options import ifus_option, names, switch
from musebuild.engine.machine import machine_of
from musebuild.engine.overview import Overview, with_overview
from musebuild.engine.probe import ProjectWorld
from musebuild.engine.project import Project
from musebuild.explain.why import Explainer
from musebuild.plan.model import LeftOut
from musebuild.report.listing import Line, counts, overview_lines, table
from musebuild.report.status import price_text
from musebuild.report.summary import left_out_text
from musebuild.report.why import short


@click.command("list", cls=Command, example="doit list --status muse_scipost", takes="names")
@names()
@switch("-s", "--status", text="The state of each task, with the reason.")
@switch("--why", text="With the states: what changed, and the root cause.")
@switch("--pending", text="Only what a build would have to do.")
@ifus_option
@switch("-q", "--quiet", text="Names only.")
@click.option("--all", "everything", is_flag=True, help="Also calibrations that no dataset uses.")
@switch("--groups", text="The groups (blocks, datasets, nights) instead.")
@on_project
def list_tasks(
    project: Project,
    names: tuple[str, ...],
    status: bool,
    why: bool,
    pending: bool,
    ifus: bool,
    quiet: bool,
    everything: bool,
    groups: bool,
) -> None:
    """List tasks, what is pending first.

    It hashes nothing: a frame that was never read is "to run, not yet hashed".
    """
    if groups:
        plan = project.plan
        tasks = {invocation.task for invocation in plan.invocations.values()}
        for name, members in plan.groups.items():
            if name not in tasks:
                sys.stdout.write(f"{name:<28}  {len(members)}\n")
        return

    def told(found: Overview) -> str:
        lines = overview_lines(found, ifus=ifus)
        if why:
            lines = _explained(project, found, lines)
        shown = [line for line in lines if line.pending or not pending]
        text = table(shown, status=status or why, quiet=quiet)
        if quiet:
            return text
        if lines and not shown:
            text += "Nothing is pending.\n"
        elif status:
            price = found.price(machine_of(project).cores)
            text += f"{counts(lines)}\n{price_text(price, project.settings.cache[0])}"
        return text + _besides(found.problems, found.left_out)

    sys.stdout.write(
        with_overview(project, list(names), told, everything=everything, whole=ifus or why)
    )


def _explained(project: Project, found: Overview, lines: list[Line]) -> list[Line]:
    """The lines with what changed, and the root cause, as the reason."""
    world = ProjectWorld(project)
    again = world.resolve(found.resolutions)
    for name, first in found.resolutions.items():
        if first.state is again[name].state:
            # The first look took damaged objects away: its reason is the true one.
            again[name] = replace(again[name], reason=first.reason, detail=first.detail)
    explainer = Explainer(project, world, again)
    return [replace(line, reason=short(explainer.explain(line.worst))) for line in lines]


def _besides(problems: Sequence[str], left_out: Sequence[LeftOut]) -> str:
    """What people should know besides a list."""
    text = "".join(f"{problem}\n" for problem in problems)
    if left_out:
        text += "Left out:\n" + "\n".join(left_out_text(left_out)) + "\n"
    return text
