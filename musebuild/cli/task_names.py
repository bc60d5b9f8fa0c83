"""Names of tasks and groups that begin with what is typed, for the completion of a shell."""

from __future__ import annotations

import os
from collections.abc import Iterable
from contextlib import closing, redirect_stderr
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

    from musebuild.engine.project import Project

MANY_FRAMES = 5000
"""With more raw frames a plan takes longer than a person waits for a completion."""


def complete_names(
    context: click.Context, _: click.Parameter | None, incomplete: str
) -> list[CompletionItem]:
    """Names of tasks and groups that begin with what is typed.

    Tasks of a block come once the block is typed.
    """
    from click.shell_completion import CompletionItem

    from musebuild.cli.opening import place_of

    params = context.params
    try:
        with open(os.devnull, "w", encoding="utf-8") as nowhere, redirect_stderr(nowhere):
            place = place_of(
                params.get("settings_file"),
                params.get("overrides") or (),
                params.get("folder"),
                params.get("dodo"),
            )
            with closing(place.open()) as project:
                groups, tasks = known_names(project)
    except Exception:
        # No project, or one with mistakes: nothing to complete, and no place to tell it.
        return []
    found = [name for name in groups if name.startswith(incomplete)]
    block, colon, _rest = incomplete.partition(":")
    if colon or found in ([block], []):
        for name in tasks:
            if name.startswith(incomplete):
                # IFUs are folded until one is typed.
                task = name.partition(".ifu")[0]
                found.append(task if task.startswith(incomplete) else name)
    return [CompletionItem(name) for name in dict.fromkeys(found)]


def known_names(project: Project) -> tuple[Iterable[str], Iterable[str]]:
    """Groups and tasks of a project; of a large one the tasks that were made before.

    Nothing is built or hashed for it.
    """
    ((frames,),) = project.connection.execute("SELECT COUNT(*) FROM raw").fetchall()
    if frames <= MANY_FRAMES:
        plan = project.plan
        tasks = {invocation.task for invocation in plan.invocations.values()}
        return [name for name in plan.groups if name not in tasks], plan.invocations
    made = dict.fromkeys(project.ledger.tasks())
    blocks = dict.fromkeys(name.partition(":")[0] for name in made)
    return [*blocks, *project.settings.datasets, "calib", "science"], made
