"""`musebuild list`."""

from __future__ import annotations

import sys
from dataclasses import replace

import click

from musebuild.cli.command import Command
from musebuild.cli.opening import on_project
from musebuild.cli.options import TEXT_OR_JSON, format_option, ifus_option, names, switch
from musebuild.engine.forecast import forecast
from musebuild.engine.machine import machine_of
from musebuild.engine.project import Project
from musebuild.engine.view import View, look
from musebuild.errors import EXIT_FAILED
from musebuild.explain.why import Explainer
from musebuild.report.causes import besides_text, causes_text
from musebuild.report.listing import Line, block_rows, counts, lines_json, table, view_lines
from musebuild.report.status import price_text
from musebuild.report.tables import text_of
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
@switch("--blocks", text="One row for each block, as a terminal shows where nothing is named.")
@format_option("For people, or JSON with each task and its state.", TEXT_OR_JSON)
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
    blocks: bool,
    form: str,
) -> int:
    """What is to do: a row for each block, opened by name.

    A block, night, dataset or other name opens its tasks; `--all` opens all of them. It hashes
    nothing: a frame that was never read is "to run, not yet hashed".
    """
    if groups:
        plan = project.plan
        tasks = {invocation.task for invocation in plan.invocations.values()}
        for name, members in plan.groups.items():
            if name not in tasks:
                sys.stdout.write(f"{name:<28}  {len(members)}\n")
        return 0

    view = look(project, names, everything=everything, whole=why).complete()
    lines = view_lines(view, ifus=ifus)
    code = EXIT_FAILED if any(left.error for left in view.left_out) else 0
    opened = names or status or why or pending or ifus or quiet or everything
    if form == "text" and (blocks or (sys.stdout.isatty() and not opened)):
        sys.stdout.write(_blocks(project, view, lines))
        return code
    if why:
        explain = Explainer(project, view.probe, view.in_full).explain
        lines = [replace(line, reason=short(explain(line.worst))) for line in lines]
    shown = [line for line in lines if line.pending or not pending]
    if form == "json":
        sys.stdout.write(lines_json(shown))
        return code
    text = table(shown, status=status or why, quiet=quiet)
    if not quiet:
        if lines and not shown:
            text += "Nothing is pending.\n"
        elif status:
            price = forecast(view, machine_of(project).cores)
            text += f"{counts(lines)}\n{price_text(price, project.settings.cache[0])}"
        # Who asks for what is pending wants to know of nothing else.
        text += f"{view.balance}\n" if not pending else ""
        text += _besides(view)
    sys.stdout.write(text)
    return code


def _blocks(project: Project, view: View, lines: list[Line]) -> str:
    """A row for each block, what is to do in all, and how to see more."""
    price = forecast(view, machine_of(project).cores)
    order = dict.fromkeys(entry.block for entry in view.entries())
    rows = block_rows(lines, view.left_out, price.blocks, order)
    if not rows.rows:
        return f"{view.balance}\n{_besides(view)}"
    text = text_of(rows, right=("time",))
    text += f"{counts(lines)}\n{price_text(price, project.settings.cache[0])}{view.balance}\n"
    return f"{text}{_besides(view)}`doit list NAME` opens a block, night or dataset; `--all` all.\n"


def _besides(view: View) -> str:
    """What people should know besides a list."""
    text = "".join(f"{problem}\n" for problem in (*view.problems, *view.file_problems))
    lines = [*causes_text(view.left_out), *besides_text(view.left_out)]
    return text + "".join(f"{line}\n" for line in lines)
