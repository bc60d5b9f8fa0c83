"""Lists of tasks with their states."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from musebuild.engine.plan_rows import Entry, entry_of
from musebuild.engine.resolve import Resolution, State
from musebuild.engine.view import View
from musebuild.plan.model import Plan

REASONS = {"absent": "not made with these inputs and parameters yet"}
"""Reasons of the engine that people need in other words."""
_RANK = {state: rank for rank, state in enumerate(State)}


def reason_of(resolution: Resolution) -> str:
    """Why an invocation is in its state, in words for people."""
    return REASONS.get(resolution.reason, resolution.reason)


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a list: an invocation, or a task with its IFUs folded."""

    name: str
    state: State
    doc: str
    reason: str
    members: int
    done: int
    """Members that are up to date."""
    worst: str = ""
    """The invocation that the state and reason are of."""

    @property
    def pending(self) -> bool:
        """Whether a build has something to do."""
        return self.state.pending

    @property
    def status(self) -> str:
        """State in words; of folded tasks how many are done."""
        word = str(self.state)
        if self.members > 1 and 0 < self.done < self.members:
            word += f" ({self.done}/{self.members} up to date)"
        return word


def fold(
    entries: Iterable[Entry], state: Callable[[str], Resolution], *, ifus: bool = False
) -> list[Line]:
    """Lines of a list, what is pending first, else in the order of the plan.

    Parameters
    ----------
    entries : iterable of Entry
        Invocations to list.
    state : callable
        Name → state.
    ifus : bool
        One line for each IFU.
    """
    groups: dict[str, list[Entry]] = {}
    for entry in entries:
        groups.setdefault(entry.name if ifus else entry.task, []).append(entry)
    lines = []
    for key, members in groups.items():
        states = [state(entry.name) for entry in members]
        worst, done = 0, 0
        for place, one in enumerate(states):
            done += not one.state.pending
            if _RANK[one.state] < _RANK[states[worst].state]:
                worst = place
        found = states[worst]
        about = members[0].about + (f", {len(members)} IFUs" if len(members) > 1 else "")
        lines.append(
            Line(
                key,
                found.state,
                about,
                reason_of(found),
                len(members),
                done,
                members[worst].name,
            )
        )
    return sorted(lines, key=lambda line: not line.pending)


def planned_lines(
    plan: Plan, names: Iterable[str], resolutions: Mapping[str, Resolution]
) -> list[Line]:
    """Lines of invocations of a plan, their IFUs folded."""
    return fold((entry_of(plan.invocations[name]) for name in names), resolutions.__getitem__)


def view_lines(view: View, *, ifus: bool = False) -> list[Line]:
    """Lines of what was asked for, after all was looked at."""
    return fold(view.entries(), view.state, ifus=ifus)


def table(lines: list[Line], *, status: bool = False, quiet: bool = False) -> str:
    """The list as text."""
    if not lines:
        return ""
    if quiet:
        return "".join(f"{line.name}\n" for line in lines)
    width = max(len(line.name) for line in lines)
    if not status:
        return "".join(f"{line.name:<{width}}  {line.doc}\n" for line in lines)
    state = max(len(line.status) for line in lines)
    text = ""
    for line in lines:
        text += f"{line.status:<{state}}  {line.name:<{width}}  {line.doc}"
        text += f"  ({line.reason})" if line.reason else ""
        text = text.rstrip() + "\n"
    return text


def counts(lines: list[Line]) -> str:
    """How many tasks are in each state."""
    found = Counter(line.state for line in lines)
    return ", ".join(f"{found[state]} {state}" for state in State if found[state])
