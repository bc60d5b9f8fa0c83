"""`musebuild log`."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import click

from musebuild.cli.command import Command
from musebuild.cli.opening import on_project
from musebuild.cli.options import names, switch
from musebuild.cli.reporting import log_folder
from musebuild.engine.project import Project
from musebuild.engine.view import resolved
from musebuild.errors import UsageError
from musebuild.plan.names import select


@click.command(cls=Command, example="doit log muse_scipost --last-failure", takes="names")
@names("[TASK|PATTERN|NUMBER]...")
@switch(
    "--last-failure",
    text="Of the last time that it failed; without a task: of the last failure at all.",
)
@switch("-b", "--build", text="Of the last build, or of the builds whose numbers are given.")
@switch("-p", "--path", text="Only say where the log is.")
@on_project
def log(
    project: Project, names: tuple[str, ...], last_failure: bool, build: bool, path: bool
) -> None:
    """Show the log of a task's recipe.

    As the pipeline wrote it.
    """
    if build:
        found = _builds(project, names)
    elif last_failure:
        found = _failures(project, select(project.plan, names) if names else ())
    elif names:
        found = _latest(project, select(project.plan, names))
    else:
        raise UsageError(
            "musebuild log wants a task", remedy="musebuild log TASK, or --last-failure"
        )
    for name, place in found:
        if path:
            sys.stdout.write(f"{place}\n")
            continue
        if len(found) > 1:
            sys.stdout.write(f"==> {name}\n")
        sys.stdout.write(place.read_text(encoding="utf-8", errors="replace"))


def _builds(project: Project, numbers: Sequence[str]) -> list[tuple[str, Path]]:
    logs = {
        int(path.stem.removeprefix("build-")): path
        for path in log_folder(project).glob("build-*.log")
    }
    if not logs:
        raise UsageError("nothing was built in this project yet", remedy="`doit` builds")
    for text in numbers:
        if not text.isdigit() or int(text) not in logs:
            raise UsageError(
                f"there is no log of a build {text}",
                remedy=f"builds {min(logs)} to {max(logs)} have logs in {log_folder(project)}",
            )
    chosen = [int(text) for text in numbers] or [max(logs)]
    return [(f"build {number}", logs[number]) for number in chosen]


def _failures(project: Project, names: Sequence[str]) -> list[tuple[str, Path]]:
    failures = project.ledger.failures(names)
    if not failures:
        what = ", ".join(names) if names else "no task"
        raise UsageError(
            f"{what} has failed" if not names else f"{what} has not failed in this project",
            remedy="leave --last-failure out to see the log of the last time that it ran",
        )
    name, log = failures[0]
    path = Path(log)
    if not log or not path.is_file():
        raise UsageError(
            f"the failure of {name} left no log",
            remedy=f"`doit info {name}` tells why it failed",
        )
    return [(name, path)]


def _latest(project: Project, names: Sequence[str]) -> list[tuple[str, Path]]:
    known = project.ledger.tasks()
    resolutions = resolved(project, names)
    found = []
    for name in names:
        manifest = resolutions[name].manifest
        log = manifest.log if manifest else str(known.get(name, {}).get("log") or "")
        path = Path(log) if "/" in log else project.store.path(log)
        if log and path.is_file():
            found.append((name, path))
    if not found:
        raise UsageError(
            f"there is no log of {', '.join(names)}",
            why="it has not run in this project",
            remedy="`doit` runs it",
        )
    return found
