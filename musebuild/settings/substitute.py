"""`{key}` in texts and keys: the values of top-level keys."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace

from musebuild.settings.nearest import nearest
from musebuild.settings.nodes import Entry, Mark, Node
from musebuild.settings.problems import Problem
from musebuild.settings.schema import text_defaults

LONGEST = 20_000
"""Characters of a text after substitution; a path has a few hundred."""

_BRACES = re.compile(r"\{\{|\}\}|\{([A-Za-z_][\w.-]*)\}|\{[^{}]*\}|[{}]")
_DOUBLE = ("{{", "}}")


@dataclass
class Substitution:
    """Substitutes the keys of one settings file."""

    root: Node
    complete: bool = True
    """Whether all files were read: else a name that is not known may be in one that was not."""
    problems: list[Problem] = field(default_factory=list)
    used: set[str] = field(default_factory=set)
    """Keys that some text names."""

    def __post_init__(self) -> None:
        self._texts: dict[str, str | None] = {}
        self._defaults = text_defaults()
        self._open: list[str] = []

    def run(self) -> Node:
        """The tree with every text substituted."""
        return self._node(self.root)

    def _node(self, node: Node) -> Node:
        if isinstance(node.value, dict):
            entries: dict[str, Entry] = {}
            for name, entry in node.value.items():
                key = self._text(name, entry.key) if "{" in name or "}" in name else name
                if key in entries:
                    self.problems.append(
                        entry.key.problem(
                            f"the key {name} becomes {key}, which is given already",
                            remedy=f"the other is in line {entries[key].key.line}",
                        )
                    )
                    continue
                entries[key] = replace(entry, node=self._node(entry.node))
            return replace(node, value=entries)
        if isinstance(node.value, list):
            return replace(node, value=[self._node(item) for item in node.value])
        if node.mistaken:
            return node
        if isinstance(node.value, str) and ("{" in node.value or "}" in node.value):
            text = self._text(node.value, node.mark)
            return replace(node, value=text, raw=text)
        return node

    def _text(self, text: str, mark: Mark) -> str:
        def one(match: re.Match[str]) -> str:
            if match[0] in _DOUBLE:
                return match[0][0]
            if match[1] is None:
                self._stray(match[0], mark)
                return match[0]
            value = self._value(match[1], mark, match[0])
            return match[0] if value is None else value

        changed = _BRACES.sub(one, text)
        if len(changed) > LONGEST:
            self.problems.append(
                mark.problem(f"this text has more than {LONGEST} characters when substituted")
            )
            return text
        return changed

    def _stray(self, written: str, mark: Mark) -> None:
        """A brace that is none of a key: it would be taken as it is, which nobody means."""
        name = written.strip("{} ")
        known = self.root.get(name) is not None or name in self._defaults
        doubled = written.replace("{", "{{").replace("}", "}}")
        remedy = f"write {doubled} where braces are meant"
        self.problems.append(
            _at(mark, written).problem(
                f"{written} names no top-level key"
                if len(written) > 1
                else f"a brace {written} without its other",
                remedy=f"write {{{name}}} for the key, without blanks" if known else remedy,
            )
        )

    def _value(self, name: str, mark: Mark, written: str) -> str | None:
        """The text of a top-level key; None after a problem."""
        self.used.add(name)
        if name in self._open:
            circle = " → ".join([*self._open[self._open.index(name) :], name])
            self.problems.append(
                _at(mark, written).problem(f"{written} substitutes itself: {circle}")
            )
            return None
        if name in self._texts:
            return self._texts[name]
        node = self.root.get(name)
        if node is not None and node.mistaken:
            return None
        if node is None and name in self._defaults:
            node = Node(mark, self._defaults[name], raw=self._defaults[name])
        if node is None and not self.complete:
            return None
        if node is None:
            usable = [k for k, e in self.root.entries() if e.node.is_scalar] + [*self._defaults]
            self.problems.append(
                _at(mark, written).problem(
                    f"{written} names no top-level key",
                    nearest=tuple("{" + n + "}" for n in nearest(name, dict.fromkeys(usable))),
                    remedy=f"write {{{written}}} where braces are meant",
                )
            )
            return None
        if not node.is_scalar or node.value is None:
            kind = "a mapping" if node.is_map else "a list" if node.is_list else "empty"
            self.problems.append(
                _at(mark, written).problem(
                    f"{written} cannot be put into a text: {name} is {kind} (line {node.mark.line})"
                )
            )
            return None
        self._open.append(name)
        text = self._text(node.raw, node.mark) if isinstance(node.value, str) else node.raw
        self._open.pop()
        self._texts[name] = text
        return text


def _at(mark: Mark, written: str) -> Mark:
    """The place of the braces within the value, where the line shows them."""
    line = mark.source.line(mark.line)
    at = line.find(written, mark.column - 1)
    return mark if at < 0 else Mark(mark.source, mark.line, at + 1, len(written))
