"""Graphs as text that other programs draw: Graphviz and Mermaid."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass


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
