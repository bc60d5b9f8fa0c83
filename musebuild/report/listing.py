"""Lists of tasks with their states."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from musebuild.engine.overview import Overview
from musebuild.engine.resolve import Resolution, State
from musebuild.engine.tasks import folded_doc
from musebuild.plan.model import Plan

WORDS = {
    State.IMPOSSIBLE: "impossible",
    State.FAILED: "failed",
    State.RUN: "to run",
    State.NOT_HASHED: "to run, not yet hashed",
    State.WAITS: "waits",
    State.RESTORE: "cached",
    State.UP_TO_DATE: "up to date",
}
"""States, most urgent first."""
REASONS = {"absent": "not made with these inputs and parameters yet"}
"""Reasons of the engine that people need in other words."""
_ORDER = list(WORDS)


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
        return self.state is not State.UP_TO_DATE

    @property
    def status(self) -> str:
        """State in words; of folded tasks how many are done."""
        word = WORDS[self.state]
        if self.members > 1 and 0 < self.done < self.members:
            word += f" ({self.done}/{self.members} up to date)"
        return word


def fold(
    plan: Plan, names: Iterable[str], resolutions: Mapping[str, Resolution], *, ifus: bool = False
) -> list[Line]:
    """Lines of a list, what is pending first, else in the order of the plan.

    Parameters
    ----------
    plan : Plan
        The plan.
    names : iterable of str
        Invocations to list.
    resolutions : mapping
        State of each.
    ifus : bool
        One line for each IFU.
    """
    groups: dict[str, list[str]] = {}
    for name in names:
        key = name if ifus else plan.invocations[name].task
        groups.setdefault(key, []).append(name)
    lines = []
    for key, members in groups.items():
        states = [resolutions[name] for name in members]
        worst = min(states, key=lambda r: _ORDER.index(r.state))
        first = plan.invocations[members[0]]
        doc = folded_doc(first, len(members))
        done = sum(1 for r in states if r.state is State.UP_TO_DATE)
        lines.append(Line(key, worst.state, doc, reason_of(worst), len(members), done, worst.name))
    return sorted(lines, key=lambda line: not line.pending)


def settled_lines(found: Iterable[tuple[str, str, int]]) -> list[Line]:
    """Lines of a project in which nothing is pending."""
    return [Line(name, State.UP_TO_DATE, doc, "", members, members) for name, doc, members in found]


def overview_lines(found: Overview, *, ifus: bool = False) -> list[Line]:
    """Lines of a list of what was asked for, whether it was looked at or is known.

    Raises
    ------
    ValueError
        What is known does not fit what was found.
    """
    looked = fold(found.plan, found.names, found.resolutions, ifus=ifus)
    if found.kept is None:
        return looked
    by_name = {line.name: line for line in looked}
    blocks = {name.partition(":")[0] for name in by_name}
    lines = []
    for line in settled_lines(found.kept):
        if line.name.partition(":")[0] in blocks:
            # In the place that it has in the plan.
            own = by_name.pop(line.name, None)
            if own is None or own.members != line.members:
                raise ValueError(f"{line.name} is not as it was kept")
            line = own
        lines.append(line)
    if by_name:
        raise ValueError(f"{next(iter(by_name))} was not kept")
    return sorted(lines, key=lambda line: not line.pending)


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
    return ", ".join(f"{found[state]} {WORDS[state]}" for state in _ORDER if found[state])
