"""`clean` and `forget`."""

from __future__ import annotations

import sys
from collections.abc import Sequence

import click

from musebuild.cli.command import Command
from musebuild.cli.opening import on_project
from musebuild.cli.options import names, switch
from musebuild.engine.project import Project
from musebuild.engine.view import resolved
from musebuild.plan.names import closure, select
from musebuild.report.spans import count


@click.command(cls=Command, example="doit clean -n muse_scipost", takes="names")
@names()
@switch("-n", "--dry-run", "dryrun", text="Only say what would be removed.")
@switch("-c", "--clean-dep", "cleandep", text="Also of what the tasks depend on.")
@switch("-a", "--clean-all", "cleanall", text="Also of tasks that the settings have no more.")
@click.option(
    "--forget", "cleanforget", is_flag=True, help="Also forget the tasks, so that they run again."
)
@on_project
def clean(
    project: Project,
    names: tuple[str, ...],
    dryrun: bool,
    cleandep: bool,
    cleanall: bool,
    cleanforget: bool,
) -> None:
    """Remove products from the reduced tree; the cache keeps them.

    `doit` brings them back. Files that were edited or added stay.
    """
    placed = project.ledger.all_placed()
    owners = {file.task for file in placed.values()}
    if cleanall and not names:
        chosen: Sequence[str] = sorted(owners)
    else:
        plan = project.plan
        chosen = select(plan, names) if names else tuple(plan.invocations)
        if cleandep:
            chosen = list(closure(plan, chosen))
    total = 0
    for name in chosen:
        if dryrun:
            files = sorted(f.path for f in placed.values() if f.task == name)
        else:
            files = project.tree.remove(name) if name in owners else []
        total += len(files)
        for path in files:
            sys.stdout.write(f"{name} - {path}\n")
    done = "would be removed" if dryrun else "removed"
    sys.stdout.write(
        f"{count(total, 'file')} {done}; the store keeps them, and `doit` restores them\n"
    )
    if cleanforget and not dryrun:
        forget_tasks(project, [name for name in chosen if name in project.plan.invocations])


def forget_tasks(project: Project, names: Sequence[str]) -> int:
    """Drop what is remembered of invocations; how many keys."""
    known = project.ledger.tasks()
    resolutions = resolved(project, names)
    keys = {known[name]["key"] for name in names if name in known}
    keys |= {resolutions[name].key for name in names if name in resolutions}
    keys.discard("")
    project.ledger.forget(sorted(keys))
    return len(keys)


@click.command(cls=Command, example="doit forget muse_standard", takes="names")
@names()
@switch("-s", "--follow-sub", "forget_taskdep", text="Also what the tasks depend on.")
@click.option("-a", "--all", "forget_all", is_flag=True, help="All tasks of the plan.")
@on_project
def forget(
    project: Project, names: tuple[str, ...], forget_taskdep: bool, forget_all: bool
) -> None:
    """Forget tasks, so that they run again in spite of the cache.

    Nothing is deleted.
    """
    plan = project.plan
    chosen: Sequence[str] = tuple(plan.invocations)
    if not forget_all:
        chosen = select(plan, names) if names else plan.default
    if forget_taskdep:
        chosen = list(closure(plan, chosen))
    forget_tasks(project, chosen)
    sys.stdout.write(f"{count(len(chosen), 'task')} forgotten; `doit` runs them again\n")
