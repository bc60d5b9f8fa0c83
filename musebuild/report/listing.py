"""Lists of tasks with their states."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from musebuild.cache.locks import Held, KeyLock
from musebuild.engine.forecast import Price
from musebuild.engine.plan_rows import Entry, entry_of
from musebuild.engine.resolve import Resolution, State
from musebuild.engine.view import View
from musebuild.plan.model import LeftOut, Plan
from musebuild.report.spans import span
from musebuild.report.tables import Rows

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
    block: str = ""
    running: str = ""
    """Who runs it now, and since when."""

    @property
    def pending(self) -> bool:
        """Whether a build has something to do."""
        return self.state.pending

    @property
    def status(self) -> str:
        """State in words; of folded tasks how many are done."""
        word = "running" if self.running else str(self.state)
        if self.members > 1 and 0 < self.done < self.members:
            word += f" ({self.done}/{self.members} up to date)"
        return word


def fold(
    entries: Iterable[Entry],
    state: Callable[[str], Resolution],
    *,
    ifus: bool = False,
    held: Mapping[str, Held] = MappingProxyType({}),
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
    held : mapping, optional
        Key → who makes it now.
    """
    groups: dict[str, list[Entry]] = {}
    for entry in entries:
        groups.setdefault(entry.name if ifus else entry.task, []).append(entry)
    lines = []
    for key, members in groups.items():
        states = [state(entry.name) for entry in members]
        worst, done, running = 0, 0, ""
        for place, one in enumerate(states):
            done += not one.state.pending
            if one.key in held and one.state.pending:
                running = held_text(held[one.key])
            if _RANK[one.state] < _RANK[states[worst].state]:
                worst = place
        found = states[worst]
        about = members[0].about + (f", {len(members)} IFUs" if len(members) > 1 else "")
        lines.append(
            Line(
                key,
                found.state,
                about,
                running or reason_of(found),
                len(members),
                done,
                members[worst].name,
                members[0].block,
                running,
            )
        )
    return sorted(lines, key=lambda line: not line.pending)


def held_text(held: Held) -> str:
    """Who runs something, and since when."""
    since = f", since {span(max(time.time() - held.since, 0))}" if held.since is not None else ""
    return f"{held.owner}{since}"


def planned_lines(
    plan: Plan, names: Iterable[str], resolutions: Mapping[str, Resolution]
) -> list[Line]:
    """Lines of invocations of a plan, their IFUs folded."""
    return fold((entry_of(plan.invocations[name]) for name in names), resolutions.__getitem__)


def view_lines(view: View, *, ifus: bool = False) -> list[Line]:
    """Lines of what was asked for, after all was looked at."""
    held = KeyLock.held(view.project.store.root)
    return fold(view.entries(), view.state, ifus=ifus, held=held)


def block_rows(
    lines: Iterable[Line],
    left_out: Iterable[LeftOut],
    prices: Mapping[str, Price],
    order: Iterable[str] = (),
) -> Rows:
    """A row for each block: how many of its tasks are in each state, and what they will take.

    Parameters
    ----------
    lines : iterable of Line
        Of tasks, their IFUs folded.
    left_out : iterable of LeftOut
        What is left out of the plan.
    prices : mapping
        Block → what its pending work takes.
    order : iterable of str
        Blocks in the order of the plan.
    """
    missing = Counter(left.name.partition(":")[0] for left in left_out if not left.note)
    counted: dict[str, Counter[str]] = {block: Counter() for block in order}
    for line in lines:
        counted.setdefault(line.block, Counter())[_column(line)] += 1
    rows = []
    for block in [*counted, *(name for name in missing if name not in counted)]:
        found = counted.get(block, Counter())
        numbers = [found[column] or None for column in _COLUMNS]
        price = prices.get(block)
        known = price is not None and price.unknown < price.tasks
        seconds = f"≤ {span(price.seconds)}" if price is not None and known else None
        if price is not None and not known:
            seconds = "not known"
        rows.append((block, found.total(), *numbers, missing[block] or None, seconds))
    columns = ("block", "tasks", *_COLUMNS, "left out", "time")
    # A column in which nothing stands tells nothing.
    shown = [
        place
        for place, name in enumerate(columns)
        if name in _ALWAYS or any(row[place] is not None for row in rows)
    ]
    return Rows(
        tuple(columns[place] for place in shown),
        tuple(tuple(row[place] for place in shown) for row in rows),
    )


_COLUMNS = ("done", "cached", "running", "to run", "failed", "impossible")
_ALWAYS = frozenset({"block", "tasks", "done", "to run"})


def _column(line: Line) -> str:
    if line.running:
        return "running"
    if line.state in (State.FAILED, State.IMPOSSIBLE, State.RESTORE):
        return str(line.state)
    return "to run" if line.state.pending else "done"


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


def lines_json(lines: Iterable[Line]) -> str:
    """The list for programs."""
    told = [
        {
            "task": line.name,
            "block": line.block,
            "state": "running" if line.running else str(line.state),
            "reason": line.reason,
            "about": line.doc,
            "invocations": line.members,
            "up_to_date": line.done,
        }
        for line in lines
    ]
    return json.dumps(told, indent=1) + "\n"


def counts(lines: list[Line]) -> str:
    """How many tasks are in each state."""
    found = Counter("" if line.running else line.state for line in lines)
    running = [f"{found['']} running"] if found[""] else []
    return ", ".join([*running, *(f"{found[state]} {state}" for state in State if found[state])])
