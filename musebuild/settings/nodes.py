"""Settings as a tree of nodes, each knowing where it stands in which file."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from musebuild.settings.model import Position
from musebuild.settings.problems import Problem

Keys = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class SourceText:
    """A text that settings were read from."""

    name: str
    lines: tuple[str, ...]
    quoted: bool = True
    """Whether messages show its lines: not those of a file that is no settings file."""

    def line(self, number: int) -> str:
        """A line, counted from 1; empty beyond the end."""
        return self.lines[number - 1] if 0 < number <= len(self.lines) else ""


@dataclass(frozen=True, slots=True)
class Mark:
    """A stretch of a line of a source."""

    source: SourceText
    line: int
    column: int
    length: int = 1

    @property
    def position(self) -> Position:
        """Where it begins."""
        return Position(self.source.name, self.line, self.column, self.length)

    def problem(self, message: str, **details: Any) -> Problem:
        """A problem with what stands here."""
        return Problem(
            message,
            self.position,
            length=self.length,
            line=self.source.line(self.line) if self.source.quoted else "",
            **details,
        )


@dataclass(slots=True, eq=False)
class Node:
    """A value: a scalar, a list of nodes, or a mapping of names to entries."""

    mark: Mark
    value: Any
    """Scalar: a plain value; list: nodes; mapping: name → Entry."""
    raw: str = ""
    """Scalar: its text as written, quotes aside."""
    plain: bool = False
    """Scalar: written without quotes."""
    size: int = 1
    """Number of nodes in it, aliases expanded."""
    shared: bool = False
    """Named by an anchor that an alias uses."""
    mistaken: bool = False
    """What stands here cannot be read, and was told: nothing follows from it."""

    @property
    def is_map(self) -> bool:
        """Whether it is a mapping."""
        return isinstance(self.value, dict)

    @property
    def is_list(self) -> bool:
        """Whether it is a list."""
        return isinstance(self.value, list)

    @property
    def is_scalar(self) -> bool:
        """Whether it is a scalar."""
        return not isinstance(self.value, (dict, list))

    def entries(self) -> Iterator[tuple[str, Entry]]:
        """Names and entries of a mapping; none for anything else."""
        if isinstance(self.value, dict):
            yield from self.value.items()

    def get(self, *keys: str | int) -> Node | None:
        """The node at a path of keys."""
        node: Node | None = self
        for key in keys:
            if node is None:
                return None
            if isinstance(node.value, dict):
                entry = node.value.get(key)
                node = entry.node if entry is not None else None
            elif isinstance(node.value, list) and isinstance(key, int) and key < len(node.value):
                node = node.value[key]
            else:
                return None
        return node


@dataclass(slots=True, eq=False)
class Entry:
    """A key of a mapping, and its value."""

    key: Mark
    node: Node
    merged: bool = False
    """It came through a YAML merge key (`<<`)."""


def plain_data(node: Node) -> Any:
    """The tree as plain data: dict, list and scalars."""
    if isinstance(node.value, dict):
        return {name: plain_data(entry.node) for name, entry in node.value.items()}
    if isinstance(node.value, list):
        return [plain_data(item) for item in node.value]
    return node.value


def mistaken_paths(root: Node) -> list[Keys]:
    """Paths of what cannot be read."""
    found: list[Keys] = []
    waiting: list[tuple[Keys, Node]] = [((), root)]
    while waiting:
        keys, node = waiting.pop()
        if node.mistaken:
            found.append(keys)
        elif isinstance(node.value, dict):
            waiting.extend(((*keys, name), e.node) for name, e in node.value.items())
        elif isinstance(node.value, list):
            waiting.extend(((*keys, i), item) for i, item in enumerate(node.value))
    return found


@dataclass(slots=True)
class Places:
    """Where everything of a tree stands."""

    values: dict[Keys, Position]
    keys: dict[Keys, Position]
    lines: dict[str, tuple[str, ...]]
    """Name of a source → its lines."""


def places(root: Node) -> Places:
    """Where each value and each key of a tree stands, and what the lines there say."""
    found = Places({}, {}, {})
    waiting: list[tuple[Keys, Node]] = [((), root)]
    while waiting:
        keys, node = waiting.pop()
        found.values[keys] = node.mark.position
        found.lines.setdefault(node.mark.source.name, node.mark.source.lines)
        if isinstance(node.value, dict):
            for name, entry in node.value.items():
                found.keys[*keys, name] = entry.key.position
                waiting.append(((*keys, name), entry.node))
        elif isinstance(node.value, list):
            waiting.extend(((*keys, i), item) for i, item in enumerate(node.value))
    return found


def overlay(below: Node, above: Node) -> Node:
    """`above` over `below`: mappings are joined key by key, anything else is replaced."""
    if not (isinstance(below.value, dict) and isinstance(above.value, dict)):
        return above
    joined: dict[str, Entry] = dict(below.value)
    for name, entry in above.value.items():
        under = joined.get(name)
        joined[name] = (
            entry if under is None else replace(entry, node=overlay(under.node, entry.node))
        )
    return replace(above, value=joined, size=below.size + above.size)


def mark_at(root: Node, keys: Keys, *, of_key: bool = False) -> Mark:
    """The mark of the value (or of the key) at a path, or of its nearest parent."""
    node, mark = root, root.mark
    for key in keys:
        if isinstance(node.value, dict) and key in node.value:
            entry = node.value[key]
            node = entry.node
            mark = entry.key if of_key else node.mark
        elif isinstance(node.value, list) and isinstance(key, int) and key < len(node.value):
            node = node.value[key]
            mark = node.mark
        else:
            break
    return mark
