"""`clean` and `forget`."""

from __future__ import annotations

import sys
from typing import Any

from musebuild.cli.base import ProjectCommand
from musebuild.engine.probe import ProjectWorld
from musebuild.plan.names import closure, select
from musebuild.report.spans import count


class CleanCommand(ProjectCommand):
    """Take products out of the reduced tree."""

    name = "clean"
    doc_purpose = "remove tasks' files from the reduced tree; the store keeps them"
    doc_usage = "[TASK|GROUP|PATTERN ...]"
    doc_description = None
    cmd_options = (
        {
            "name": "dryrun",
            "short": "n",
            "long": "dry-run",
            "type": bool,
            "default": False,
            "help": "only say what would be removed",
        },
        {
            "name": "cleandep",
            "short": "c",
            "long": "clean-dep",
            "type": bool,
            "default": False,
            "help": "also of what the tasks depend on",
        },
        {
            "name": "cleanall",
            "short": "a",
            "long": "clean-all",
            "type": bool,
            "default": False,
            "help": "also of tasks that the settings have no more",
        },
        {
            "name": "cleanforget",
            "long": "forget",
            "type": bool,
            "default": False,
            "help": "also forget the tasks, so that they run again",
        },
    )

    def run(self, params: Any, args: list[str]) -> int:
        """Remove files that we placed; edited ones stay."""
        project = self.project(params)
        try:
            placed = project.ledger.all_placed()
            owners = {file.task for file in placed.values()}
            if params["cleanall"] and not args:
                names = sorted(owners)
            else:
                plan = project.plan
                chosen = select(plan, args) if args else tuple(plan.invocations)
                names = list(closure(plan, chosen) if params["cleandep"] else chosen)
            total = 0
            for name in names:
                if params["dryrun"]:
                    files = sorted(f.path for f in placed.values() if f.task == name)
                else:
                    files = project.tree.remove(name) if name in owners else []
                total += len(files)
                for path in files:
                    sys.stdout.write(f"{name} - {path}\n")
            done = "would be removed" if params["dryrun"] else "removed"
            sys.stdout.write(
                f"{count(total, 'file')} {done}; the store keeps them, and `doit` restores them\n"
            )
            if params["cleanforget"] and not params["dryrun"]:
                forget(project, [name for name in names if name in project.plan.invocations])
        finally:
            project.close()
        return 0


def forget(project: Any, names: list[str]) -> int:
    """Drop what is remembered of invocations; how many keys."""
    known = project.ledger.tasks()
    resolutions = ProjectWorld(project).resolve(closure(project.plan, names))
    keys = {known[name]["key"] for name in names if name in known}
    keys |= {resolutions[name].key for name in names if name in resolutions}
    keys.discard("")
    project.ledger.forget(sorted(keys))
    return len(keys)


class ForgetCommand(ProjectCommand):
    """Drop what is remembered of tasks."""

    name = "forget"
    doc_purpose = "forget tasks, so that they run again in spite of the cache"
    doc_usage = "[TASK|GROUP|PATTERN ...]"
    doc_description = None
    cmd_options = (
        {
            "name": "forget_taskdep",
            "short": "s",
            "long": "follow-sub",
            "type": bool,
            "default": False,
            "help": "also what the tasks depend on",
        },
        {
            "name": "forget_all",
            "short": "a",
            "long": "all",
            "type": bool,
            "default": False,
            "help": "all tasks of the plan",
        },
    )

    def run(self, params: Any, args: list[str]) -> int:
        """Forget; nothing is deleted."""
        project = self.project(params)
        try:
            plan = project.plan
            if params["forget_all"]:
                names = list(plan.invocations)
            else:
                names = list(select(plan, args) if args else plan.default)
            if params["forget_taskdep"]:
                names = list(closure(plan, names))
            forget(project, names)
            sys.stdout.write(f"{count(len(names), 'task')} forgotten; `doit` runs them again\n")
        finally:
            project.close()
        return 0
