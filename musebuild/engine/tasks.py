"""Invocations that need work → doit tasks; what is up to date never becomes one."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence

from doit.task import Task

from musebuild.plan.model import Invocation, Plan


def upstream(invocation: Invocation) -> list[str]:
    """Invocations whose products one takes, each once, in the order of its inputs."""
    return list(invocation.needs)


def longest_paths(
    plan: Plan, names: Sequence[str], seconds: Mapping[str, float]
) -> dict[str, float]:
    """Time from the start of each invocation to the end of what waits longest for it.

    What is first on the longest path should start first: a build cannot end before it does.

    Parameters
    ----------
    plan : Plan
        The plan.
    names : sequence of str
        What must run, in the order of the plan.
    seconds : mapping
        Invocation → how long it is expected to take.

    Returns
    -------
    dict
        Invocation → seconds.
    """
    after: dict[str, float] = {}
    for name in reversed(names):
        own = seconds[name] + after.get(name, 0.0)
        for needed in upstream(plan.invocations[name]):
            after[needed] = max(after.get(needed, 0.0), own)
    return {name: seconds[name] + after.get(name, 0.0) for name in names}


def describe(invocation: Invocation) -> str:
    """One line on an invocation."""
    count = sum(1 for w in invocation.inputs if w.kind == "raw" and w.tag != "ILLUM")
    products = "products" if invocation.inputs else "the settings"
    frames = f"{count} raw frame{'s' if count != 1 else ''}" if count else products
    night = f", night {invocation.night}" if invocation.night else ""
    return f"{invocation.recipe} on {frames}{night}"


def folded_lines(plan: Plan, names: Iterable[str]) -> tuple[tuple[str, str, int], ...]:
    """Task, what it is, number of IFUs of each task, in the order of the names."""
    groups: dict[str, list[str]] = {}
    for name in names:
        groups.setdefault(plan.invocations[name].task, []).append(name)
    return tuple(
        (task, folded_doc(plan.invocations[members[0]], len(members)), len(members))
        for task, members in groups.items()
    )


def folded_doc(first: Invocation, members: int) -> str:
    """One line on a task whose IFUs are folded."""
    return describe(first) + (f", {members} IFUs" if members > 1 else "")


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
