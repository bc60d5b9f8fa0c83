"""Graphs as text that other programs draw; the plan as one, and as a page of its own."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from textwrap import indent
from typing import TYPE_CHECKING, Any

from musebuild.engine.resolve import Resolution, State
from musebuild.engine.tasks import describe
from musebuild.engine.view import View
from musebuild.plan.causes import as_plain
from musebuild.plan.model import Invocation, LeftOut
from musebuild.report.listing import view_lines

if TYPE_CHECKING:
    from jinja2 import Template

COLOURS = {
    State.IMPOSSIBLE: "#d62728",
    State.FAILED: "#d62728",
    State.RUN: "#ff9f40",
    State.NOT_HASHED: "#ffc078",
    State.WAITS: "#ffe066",
    State.RESTORE: "#8ecae6",
    State.LEFT_OUT: "#adb5bd",
    State.UP_TO_DATE: "#95d5b2",
}
WIDTH, HEIGHT, ACROSS, DOWN = 250, 34, 320, 46
"""Of a box of the drawing, and from one to the next, in pixels."""


@dataclass(frozen=True, slots=True)
class Box:
    """A node of a graph."""

    name: str
    kind: str = ""
    """Its kind, if kinds have colours."""
    tip: str = ""
    """What is said where somebody points at it (Graphviz only)."""


@dataclass(frozen=True, slots=True)
class Arrow:
    """An edge of a graph."""

    source: str
    target: str
    label: tuple[str, ...] = ()
    """Lines."""


def _quoted(text: str) -> str:
    # Names come from files of others.
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def dot_text(
    title: str,
    boxes: Iterable[Box],
    arrows: Iterable[Arrow],
    colours: Mapping[str, str] | None = None,
) -> str:
    """A graph for Graphviz: `dot -Tsvg` draws it.

    Parameters
    ----------
    title : str
        Name of the graph, a word.
    boxes, arrows : iterable
        Nodes and edges, in any order.
    colours : mapping, optional
        Kind of a box → its colour; none: boxes are empty.
    """
    style = "shape=box, style=filled" if colours else "shape=box"
    lines = [f"digraph {title} {{", "  rankdir=LR;", f"  node [{style}];"]
    for box in boxes:
        marks = [f"fillcolor={_quoted(colours[box.kind])}"] if colours else []
        marks += [f"tooltip={_quoted(box.tip)}"] if box.tip else []
        lines.append(f"  {_quoted(box.name)}" + (f" [{', '.join(marks)}]" if marks else "") + ";")
    for arrow in arrows:
        label = "\\n".join(_quoted(line)[1:-1] for line in arrow.label)
        marked = f' [label="{label}"]' if label else ""
        lines.append(f"  {_quoted(arrow.source)} -> {_quoted(arrow.target)}{marked};")
    return "\n".join([*lines, "}"]) + "\n"


def mermaid_text(
    boxes: Iterable[Box], arrows: Iterable[Arrow], colours: Mapping[str, str] | None = None
) -> str:
    """A graph for Mermaid, as many wikis and forges draw it; parameters as of `dot_text`."""
    boxes = list(boxes)
    numbers = {box.name: f"n{number}" for number, box in enumerate(boxes)}
    lines = ["graph LR"]
    for box in boxes:
        kind = f":::{box.kind}" if colours else ""
        lines.append(f'  {numbers[box.name]}["{_plain(box.name)}"]{kind}')
    for arrow in arrows:
        label = "<br>".join(map(_plain, arrow.label))
        marked = f'|"{label}"|' if label else ""
        lines.append(f"  {numbers[arrow.source]} -->{marked} {numbers[arrow.target]}")
    used = dict.fromkeys(box.kind for box in boxes)
    lines += [f"  classDef {kind} fill:{colours[kind]}" for kind in used if colours]
    return "\n".join(lines) + "\n"


def _plain(text: str) -> str:
    return text.replace('"', "#quot;")


@dataclass(frozen=True, slots=True)
class TaskNode:
    """A task, its IFUs folded."""

    name: str
    block: str
    recipe: str
    doc: str
    state: State
    reason: str
    needs: tuple[str, ...]
    level: int
    """Steps from the raw frames."""
    params: Mapping[str, Any]


def nodes_of(view: View) -> list[TaskNode]:
    """Tasks of a plan that was looked at, each after what it needs."""
    plan = view.plan
    names = [entry.name for entry in view.entries()]
    lines = {line.name: line for line in view_lines(view)}
    needs: dict[str, dict[str, None]] = {}
    first: dict[str, str] = {}
    for name in names:
        task = plan.invocations[name].task
        first.setdefault(task, name)
        wanted = needs.setdefault(task, {})
        for other in plan.invocations[name].needs:
            wanted.setdefault(plan.invocations[other].task)
    levels: dict[str, int] = {}
    found = []
    for task, name in first.items():
        invocation = plan.invocations[name]
        inside = tuple(other for other in needs[task] if other in first)
        levels[task] = 1 + max((levels.get(other, 0) for other in inside), default=-1)
        params = {k: v for k, v in invocation.params.items() if k != "nifu"}
        line = lines[task]
        found.append(
            TaskNode(
                task,
                invocation.block,
                invocation.recipe,
                line.doc,
                line.state,
                line.reason,
                inside,
                levels[task],
                params,
            )
        )
    return found


def graph_json(view: View) -> Iterator[str]:
    """Every invocation of a plan with its inputs and state, as JSON, a piece at a time."""
    yield '{\n "tasks": ['
    between = ""
    for resolution in view.each():
        text = json.dumps(
            _task(view.plan.invocations[resolution.name], resolution), indent=1, default=str
        )
        yield between + "\n" + indent(text, "  ")
        between = ","
    plain = as_plain(view.left_out)
    parts = (
        f'"{name}": {indent(json.dumps(of, indent=1), " ").lstrip()}' for name, of in plain.items()
    )
    yield "\n ],\n " + ",\n ".join(parts) + "\n}\n"


def _task(invocation: Invocation, resolution: Resolution) -> dict[str, Any]:
    return {
        "name": invocation.name,
        "task": invocation.task,
        "block": invocation.block,
        "recipe": invocation.recipe,
        "ifu": invocation.ifu,
        "night": invocation.night,
        "dataset": invocation.dataset,
        "doc": describe(invocation),
        "state": str(resolution.state),
        "reason": resolution.reason,
        "key": resolution.key,
        "params": dict(invocation.params),
        "inputs": [
            {
                "tag": wanted.tag,
                "kind": wanted.kind,
                "source": wanted.invocation or wanted.path,
                "category": wanted.category,
            }
            for wanted in invocation.inputs
        ],
        "products": list(invocation.products),
        "folder": invocation.folder,
    }


def graph_dot(nodes: Collection[TaskNode]) -> str:
    """The graph for Graphviz: `musebuild plan --format dot | dot -Tsvg > plan.svg`."""
    return dot_text("musebuild", *_drawn(nodes))


def graph_mermaid(nodes: Collection[TaskNode]) -> str:
    """The graph for Mermaid, as pages on GitHub and GitLab show it."""
    return mermaid_text(*_drawn(nodes))


def _drawn(nodes: Collection[TaskNode]) -> tuple[list[Box], list[Arrow], dict[str, str]]:
    boxes = [Box(node.name, node.state.name, f"{node.state}: {node.doc}") for node in nodes]
    arrows = [Arrow(other, node.name) for node in nodes for other in node.needs]
    return boxes, arrows, {state.name: colour for state, colour in COLOURS.items()}


@cache
def _template() -> Template:
    # Here, since only the page needs it, and what draws associations starts the faster.
    from jinja2 import Environment, StrictUndefined

    text = resources.files("musebuild").joinpath("report", "plan.html.j2").read_text("utf-8")
    # Names and reasons come from files of others: everything is escaped.
    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    return environment.from_string(text)


def graph_html(nodes: Collection[TaskNode], left_out: Collection[LeftOut], title: str) -> str:
    """A page with the drawing, and a table of tasks; it loads nothing from elsewhere."""
    rows: dict[int, int] = {}
    places: dict[str, tuple[int, int]] = {}
    for node in nodes:
        row = rows.get(node.level, 0)
        rows[node.level] = row + 1
        places[node.name] = (10 + node.level * ACROSS, 10 + row * DOWN)
    edges = [
        ((places[other][0] + WIDTH, places[other][1] + HEIGHT // 2), other, node.name)
        for node in nodes
        for other in node.needs
    ]
    states = dict.fromkeys(sorted((node.state for node in nodes), key=list(State).index))
    return _template().render(
        title=title,
        nodes=nodes,
        places=places,
        edges=edges,
        colours=COLOURS,
        states=[(s, sum(node.state is s for node in nodes)) for s in states],
        left_out=left_out,
        box=(WIDTH, HEIGHT),
        size=(
            20 + ACROSS * (max(rows, default=0) + 1),
            20 + DOWN * max(rows.values(), default=1),
        ),
    )
