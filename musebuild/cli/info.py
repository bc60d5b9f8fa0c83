"""`musebuild info`: the project at a glance, or all about tasks."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import click

from musebuild.cli.command import Command
from musebuild.cli.opening import Callback, on_project
from musebuild.cli.options import (
    date_option,
    frames_of,
    ifus_option,
    names,
    show,
    switch,
    table_option,
)
from musebuild.engine.balance import balance_line, project_balance
from musebuild.engine.project import Project
from musebuild.engine.view import resolved
from musebuild.errors import UsageError
from musebuild.index.columns import run_of
from musebuild.index.dates import When, choose
from musebuild.index.model import RawFrame
from musebuild.index.scan import problems
from musebuild.index.times import times_of
from musebuild.plan.model import Invocation, Plan
from musebuild.plan.names import select
from musebuild.report import overview
from musebuild.report.balance import balance_document, balance_table, unused_text
from musebuild.report.info import info_text, labels_of
from musebuild.report.spans import count
from musebuild.report.tables import Rows, text_of
from musebuild.settings.nearest import did_you_mean

SECTIONS = {
    "datasets": "datasets, with their exposures",
    "fields": "fields of the sky, over all OBJECT names, with what was observed of each",
    "nights": "nights, with the raw frames of each category",
    "runs": "runs of the settings",
    "sequences": "calibration sequences",
    "exposures": "exposures of the sky, with flags",
    "raw": "number of raw frames by night and category",
    "calib": "state of the calibrations by night",
    "science": "state of the science blocks by exposure",
    "weather": "weather of the nights, from the archive's night logs",
    "comments": "ranks and comments of observers",
    "unused": "files below raw_path that no task uses, and why",
    "excluded": "frames that are not used, and why",
    "problems": "files that cannot be used",
}
_OF_FILES = {"problems", "weather", "comments"}
"""What there may be without any frame."""
FIRST = ("datasets", "nights", "runs", "sequences", "exposures")
"""What the overview holds."""


def section_options(command: Callback) -> Callback:
    """An option for each table."""
    for name, text in reversed(SECTIONS.items()):
        command = switch(f"--{name}", text=f"{text[0].upper()}{text[1:]}.")(command)
    return command


def first_of_each(plan: Plan, names: Sequence[str]) -> list[str]:
    """The first IFU of each task."""
    first: dict[str, str] = {}
    for name in names:
        first.setdefault(plan.invocations[name].task, name)
    return list(first.values())


@click.command(cls=Command, example="musebuild info --exposures --date 2017-06", takes="names")
@names("[TASK|PATTERN]...")
@ifus_option
@section_options
@date_option
@click.option(
    "--run",
    "of_runs",
    multiple=True,
    metavar="RUN",
    help="Only of this run of the settings; may be given several times.",
)
@click.option(
    "--all", "everything", is_flag=True, help="With --unused: each file, the used ones with tasks."
)
@table_option
@on_project
def info(
    project: Project,
    names: tuple[str, ...],
    ifus: bool,
    dates: tuple[str, ...],
    of_runs: tuple[str, ...],
    everything: bool,
    form: str,
    **sections: bool,
) -> None:
    """The project at a glance, or all about tasks.

    Of a task: state, parameters, every input frame with how well it fits, products, history, log
    and key. Of the project: datasets, nights, runs, sequences, exposures, problems, or only the
    tables that are asked for.
    """
    asked = [name for name in SECTIONS if sections[name]]
    if everything and asked != ["unused"]:
        raise UsageError("--all goes with --unused alone", remedy="musebuild info --unused --all")
    if asked == ["unused"] and not (names or dates or of_runs):
        _tell_unused(project, form, everything=everything)
        return
    if not names:
        _tell_project(project, asked, [*dates, *_known_runs(project, of_runs)], form)
        return
    if asked or form != "text" or dates or of_runs:
        raise UsageError(
            f"musebuild info tells of tasks ({names[0]}) or of the project, not both",
            remedy="leave out the task, or the options for tables",
        )
    _tell_tasks(project, names, ifus=ifus)


def _tell_unused(project: Project, form: str, *, everything: bool) -> None:
    found = project_balance(project)
    if form == "text":
        sys.stdout.write(unused_text(found, project.settings.raw_path, every=everything))
    elif form == "json":
        sys.stdout.write(json.dumps(balance_document(found, every=everything), indent=1) + "\n")
    else:
        show(balance_table(found, every=everything), form)


def _known_runs(project: Project, runs: Sequence[str]) -> Sequence[str]:
    known = project.settings.runs
    for name in runs:
        if name not in known:
            raise UsageError(
                f"there is no run {name} in the settings",
                why=did_you_mean(name, known) or None,
                remedy=f"runs are {', '.join(known)}" if known else "add it under `runs:`",
            )
    return runs


def _tell_tasks(project: Project, args: Sequence[str], *, ifus: bool) -> None:
    plan = project.plan
    names = select(plan, args)
    resolutions = resolved(project, names)
    history = project.ledger.tasks()
    shown = names if ifus else first_of_each(plan, names)
    exposures = {
        label
        for name in shown
        for label in (
            plan.invocations[name].label,
            *labels_of(plan.invocations[name], plan, resolutions[name]),
        )
    }
    times = times_of(project.connection, exposures)
    texts = [
        info_text(
            plan.invocations[name],
            plan,
            resolutions[name],
            history.get(name, {}),
            project.store,
            project.reduced,
            times,
        )
        for name in shown
    ]
    sys.stdout.write("\n".join(texts))
    if len(shown) < len(names):
        more = len(names) - len(shown)
        sys.stdout.write(f"\n{count(more, 'other IFU')} of the same: --ifus\n")


def _tell_project(project: Project, asked: Sequence[str], dates: Sequence[str], form: str) -> None:
    project.ingest()
    # Where no frame can be used, the problems still tell why.
    frames = [] if asked and not set(asked) - _OF_FILES else frames_of(project, dates, project.raw)
    tables = {name: _table(project, name, frames, dates) for name in asked or FIRST}
    if form in ("csv", "ecsv") and len(tables) > 1:
        raise UsageError(
            f"--format {form} holds one table",
            remedy=f"choose one, such as musebuild info --exposures --format {form}",
        )
    if len(tables) == 1:
        (name,) = tables
        show(tables[name], form, f"There is nothing to show of {name}.")
    elif form == "json":
        sys.stdout.write(
            json.dumps({name: table.dicts() for name, table in tables.items()}, indent=1) + "\n"
        )
    else:
        if not asked:
            _tell_places(project)
        for name, table in tables.items():
            if table.rows:
                sys.stdout.write(f"{name}\n")
                text = text_of(table)
                sys.stdout.write("".join(f"  {line}\n" for line in text.splitlines()))
        if not asked:
            _tell_rest(project, frames)


def _tell_places(project: Project) -> None:
    settings = project.settings
    for name, value in (
        ("settings", settings.path),
        ("raw frames", settings.raw_path),
        ("reduced", project.reduced),
        ("store", settings.cache[0]),
    ):
        sys.stdout.write(f"{name + ':':<12}{value}\n")


def _tell_rest(project: Project, frames: Sequence[RawFrame]) -> None:
    plan = project.plan
    default = len(plan.default)
    sys.stdout.write(f"{count(len(plan.invocations), 'task')}, {default} of them by default\n")
    sys.stdout.write(f"{balance_line(project)} (--unused)\n")
    hidden = sum(1 for frame in frames if frame.excluded)
    if hidden:
        sys.stdout.write(f"{count(hidden, 'frame')} not used: --excluded\n")
    for problem in problems(project.connection):
        sys.stdout.write(f"{problem}\n")


def _table(project: Project, name: str, frames: Sequence[RawFrame], dates: Sequence[str]) -> Rows:
    used = overview.used(frames)
    settings = project.settings
    made: dict[str, Callable[[], Rows]] = {
        "datasets": lambda: overview.datasets(used, settings),
        "fields": lambda: overview.fields(used),
        "nights": lambda: overview.nights(used),
        "raw": lambda: overview.nights(used),
        "runs": lambda: overview.runs(used, settings),
        "sequences": lambda: overview.sequences(used),
        "exposures": lambda: overview.exposures(used),
        "unused": lambda: balance_table(project_balance(project), every=False),
        "excluded": lambda: overview.excluded(frames),
        "calib": lambda: _states(project, "calib", "night", dates),
        "science": lambda: _states(project, "science", "exposure", dates),
        "weather": lambda: _told(
            project, dates, ("night", "date", "conditions", "comment"), "weather_conditions"
        ),
        "comments": lambda: _told(
            project,
            dates,
            ("night", "exposure", "run", "OBJECT", "rank", "comment", "date", "author"),
            "observing_log",
        ),
        "problems": lambda: Rows(
            ("path", "message", "remedy"),
            tuple((p.path, p.message, p.remedy) for p in problems(project.connection)),
        ),
    }
    return made[name]()


def _states(project: Project, group: str, by: str, dates: Sequence[str]) -> Rows:
    plan = project.plan
    names = plan.groups.get(group, ())

    def when(invocation: Invocation) -> When:
        return When(invocation.label, invocation.night, invocation.run, invocation.label)

    every: Iterable[Invocation] = (plan.invocations[name] for name in names)
    if by == "exposure":
        every = (i for i in every if i.night)
    chosen = choose(every, dates, when, runs=project.settings.runs, what=f"{group} task")
    wanted = [invocation.name for invocation in chosen]
    return overview.states(plan, resolved(project, wanted), chosen, by=by)


def _told(project: Project, dates: Sequence[str], columns: Sequence[str], view: str) -> Rows:
    """Rows of a view whose first columns are a night, and a moment or an exposure."""
    listed = ", ".join(f'"{name}"' for name in columns)
    rows = project.connection.execute(f"SELECT {listed} FROM {view} ORDER BY 1, 2").fetchall()
    settings = project.settings

    def when(row: tuple[Any, ...]) -> When:
        night = str(row[0] or "")
        return When(str(row[1]), night, run_of(night, settings))

    chosen = choose(rows, dates, when, runs=settings.runs, what="night log")
    return Rows(tuple(columns), tuple(chosen))
