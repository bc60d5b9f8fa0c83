"""Invocations that need work → doit tasks; what is up to date never becomes one."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from doit.task import Task

from musebuild.plan.model import Invocation, Plan


def upstream(invocation: Invocation) -> list[str]:
    """Invocations whose products one takes, each once, in the order of its inputs."""
    return list(dict.fromkeys(w.invocation for w in invocation.inputs if w.kind == "product"))


def describe(invocation: Invocation) -> str:
    """One line on an invocation."""
    count = sum(1 for w in invocation.inputs if w.kind == "raw" and w.tag != "ILLUM")
    frames = f"{count} raw frame{'s' if count != 1 else ''}" if count else "products"
    night = f", night {invocation.night}" if invocation.night else ""
    return f"{invocation.recipe} on {frames}{night}"


def make_tasks(
    plan: Plan, stale: Iterable[str], *, single: Collection[str] | None = None
) -> list[Task]:
    """One doit task for each stale invocation, in the given order.

    Parameters
    ----------
    plan : Plan
        The plan.
    stale : iterable of str
        Invocations that need work, in the order of the plan.
    single : collection of str, optional
        Only these, without what they depend on (doit's `--single`).
    """
    names = [name for name in stale if single is None or name in single]
    chosen = set(names)
    tasks = []
    for name in names:
        invocation = plan.invocations[name]
        tasks.append(
            Task(
                name,
                None,
                task_dep=[needed for needed in upstream(invocation) if needed in chosen],
                doc=describe(invocation),
                meta={"invocation": name},
            )
        )
    return tasks
