"""YAML text → nodes with positions; refuses what is unsafe or ambiguous."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import yaml

from musebuild.settings.model import Position
from musebuild.settings.nodes import Entry, Mark, Node, SourceText
from musebuild.settings.problems import Problem, SettingsProblems
from musebuild.settings.scalars import TAG, value_of

MOST_BYTES = 4_000_000
MOST_NODES = 200_000
"""Values of a file, aliases expanded; a file of 2,000 lines has a few thousand."""
MOST_DEPTH = 60

_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_PLAIN_TAGS = {TAG + t for t in ("str", "int", "float", "bool", "null", "timestamp", "map", "seq")}


def read_settings(
    path: Path, *, is_settings: Callable[[str], bool] = lambda _: True
) -> tuple[Node, list[Problem]]:
    """Read a settings file.

    Parameters
    ----------
    path : Path
        The file.
    is_settings : callable
        Whether a text is a settings file, in spite of what is wrong with it: of any other file
        nothing is shown but where it ceases to be YAML.

    Returns
    -------
    tuple
        The mapping at its top, and the mistakes of form in it: keys given twice, dates that do
        not exist, unknown tags and anchors. What they spoil is marked in the tree.

    Raises
    ------
    SettingsProblems
        It cannot be read, or is no YAML mapping.
    """
    name = str(path)
    try:
        with path.open("rb") as stream:
            data = stream.read(MOST_BYTES + 1)
    except FileNotFoundError:
        raise _refuse(
            name,
            f"there is no settings file {path}",
            remedy="musebuild init makes one; --settings FILE names another",
        ) from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise _refuse(name, f"the settings file cannot be read: {reason}") from None
    if len(data) > MOST_BYTES:
        raise _refuse(
            name,
            f"the file is larger than {MOST_BYTES // 1_000_000} MB, too large for settings",
            remedy="name the settings file, not a data file",
        )
    quoted = is_settings(data.decode("utf-8", "replace"))
    try:
        root, told = compose(decode(data, name), name, quoted=quoted)
    except SettingsProblems as error:
        if quoted:
            raise
        raise _no_settings(error.problems) from None
    if told and not quoted:
        raise _no_settings(told)
    return root, told


def _no_settings(problems: Iterable[Problem]) -> SettingsProblems:
    """That a file is no settings file; a word of what it holds would be too much."""
    first = min(problems, key=lambda problem: (problem.position.line, problem.position.column))
    syntax = "this is no YAML"
    return SettingsProblems(
        [
            Problem(
                f"{syntax}, or no settings file"
                if first.message.startswith(syntax)
                else "this is no settings file",
                first.position,
                remedy="name a settings file: YAML that begins with keys such as raw_path",
            )
        ]
    )


def decode(data: bytes, name: str) -> str:
    """The text of a file, or a problem that names the first byte that is none."""
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = data[: error.start]
        line = before.count(b"\n") + 1
        column = len(before) - (before.rfind(b"\n") + 1) + 1
        raise SettingsProblems(
            [
                Problem(
                    f"the file is not UTF-8 text: byte 0x{data[error.start]:02x}",
                    Position(name, line, column),
                    remedy="name the settings file, not a data file; "
                    "or save it as UTF-8 in the editor",
                )
            ]
        ) from None
    at = text.find("\0")
    if at >= 0:
        line = text.count("\n", 0, at) + 1
        raise SettingsProblems(
            [
                Problem(
                    "the file is not text: it holds zero bytes",
                    Position(name, line, at - text.rfind("\n", 0, at)),
                    remedy="name the settings file, not a data file",
                )
            ]
        )
    return text


def read_text(text: str, name: str, *, any_value: bool = False) -> Node:
    """Compose YAML text, and refuse any mistake of form.

    Parameters
    ----------
    text : str
        The text.
    name : str
        What messages call it.
    any_value : bool
        A scalar or list is as good as a mapping (the value of an override).

    Returns
    -------
    Node
        Its top.

    Raises
    ------
    SettingsProblems
        Every mistake of form, up to the first of syntax.
    """
    root, problems = compose(text, name, any_value=any_value)
    if problems:
        raise SettingsProblems(problems)
    return root


def compose(
    text: str, name: str, *, any_value: bool = False, quoted: bool = True
) -> tuple[Node, list[Problem]]:
    """Compose YAML text.

    Parameters
    ----------
    text : str
        The text.
    name : str
        What messages call it.
    any_value : bool
        A scalar or list is as good as a mapping.
    quoted : bool
        Whether messages may show its lines.

    Returns
    -------
    tuple
        Its top, and the mistakes of form in it.

    Raises
    ------
    SettingsProblems
        A mistake of syntax, or the text is no mapping.
    """
    source = SourceText(name, tuple(re.split(r"\r\n|[\r\n]", text)), quoted)
    composer = _Composer(source)
    try:
        root = composer.compose(text)
    except yaml.MarkedYAMLError as error:
        told = _explain(error, source, composer.begun)
        raise SettingsProblems([*composer.problems, told]) from None
    except yaml.YAMLError as error:
        raise SettingsProblems([*composer.problems, _unreadable(error, source)]) from None
    except SettingsProblems as error:
        raise SettingsProblems([*composer.problems, *error.problems]) from None
    root = root or Node(Mark(source, 1, 1), None)
    if any_value or root.is_map:
        return root, composer.problems
    if composer.problems:
        raise SettingsProblems(composer.problems)
    if root.is_scalar and root.value is None:
        raise _refuse(
            name, "the settings file is empty", remedy="musebuild init writes one to start from"
        )
    kind = "a list" if root.is_list else "a single value"
    raise SettingsProblems(
        [
            root.mark.problem(
                f"the settings must be a mapping of keys to values, and this is {kind}",
                remedy="begin with lines such as: raw_path: raw",
            )
        ]
    )


def _refuse(name: str, message: str, *, remedy: str = "") -> SettingsProblems:
    return SettingsProblems([Problem(message, Position(name, 1, 1), remedy=remedy)])


def _unreadable(error: yaml.YAMLError, source: SourceText) -> Problem:
    """A text that holds what no text holds, such as a control character."""
    character = getattr(error, "character", None)
    if character is None:
        return Mark(source, 1, 1).problem(f"this is no YAML: {error}")
    # libyaml gives the offset in bytes, the Python reader in characters: look for it instead.
    code = character if isinstance(character, int) else ord(character[:1] or "\0")
    for number, line in enumerate(source.lines, 1):
        if chr(code) in line:
            mark = Mark(source, number, line.index(chr(code)) + 1)
            return mark.problem(f"this is no text: control character 0x{code:02x}")
    return Mark(source, 1, 1).problem(f"this is no text: control character 0x{code:02x}")


def _explain(error: yaml.MarkedYAMLError, source: SourceText, opened: Mark | None) -> Problem:
    """A syntax error in our words; `opened`: where the innermost open collection begins."""
    at: Any = error.problem_mark or error.context_mark
    begun: Any = error.context_mark
    line, column = (at.line + 1, at.column + 1) if at is not None else (1, 1)
    # At the end of the file there is nothing to see; what is not closed begins elsewhere.
    at_end = not any(source.lines[line - 1 :])
    if at_end and begun is not None and any(source.lines[begun.line :]):
        line, column = begun.line + 1, begun.column + 1
    elif at_end and opened is not None:
        line, column = opened.line, opened.column
    mark = Mark(source, line, column)
    text = source.line(line)
    rest = text[column - 1 :]
    complaint = error.problem or "this is no YAML"
    context = f" {error.context}" if error.context else ""
    if rest.startswith("\t") or text[: len(text) - len(text.lstrip())].count("\t"):
        where = text.index("\t") + 1
        return Mark(source, line, where).problem(
            "a tab is used for indentation; YAML takes spaces only",
            remedy="replace each tab by spaces",
        )
    remedy = ""
    if re.search(r":\s+\{[A-Za-z_]\w*\}[^\s,}#]", text):
        remedy = "put quotes around a value that begins with a brace: '{workdir}/raw'"
    elif "mapping values are not allowed" in complaint:
        remedy = "check the indentation; put quotes around a text that holds ': '"
    elif "could not find expected ':'" in complaint:
        remedy = "a key needs a colon and a space after it"
    elif "block end" in complaint or "block mapping" in complaint + context:
        remedy = "check the indentation: keys of one level begin in the same column"
    elif "cannot start any token" in complaint:
        remedy = "put quotes around a text that begins with a special character"
    elif "end of stream" in complaint or "expected ',' or" in complaint or at_end:
        remedy = "a quote or bracket is not closed"
    if begun is not None and not at_end and begun.line + 1 != line:
        context += f" that begins in line {begun.line + 1}"
    return mark.problem(f"this is no YAML: {complaint}{context}", remedy=remedy)


class _Composer:
    """Events of the parser → nodes. Aliases stay shared; nothing is built from tags."""

    def __init__(self, source: SourceText) -> None:
        self.source = source
        self.problems: list[Problem] = []
        self.anchors: dict[str, Node | None] = {}
        self.open: list[_Frame] = []
        """Collections that have begun and not ended."""

    @property
    def begun(self) -> Mark | None:
        """Where the innermost collection begins that has not ended."""
        return self.open[-1].node.mark if self.open else None

    def compose(self, text: str) -> Node | None:
        """The only document of a text."""
        loader = _Loader(text)
        try:
            return self._run(loader)
        finally:
            loader.dispose()

    def _run(self, loader: Any) -> Node | None:
        root: Node | None = None
        documents = 0
        # One frame for each open collection: its node, its anchor, the key that waits.
        open_ = self.open
        while True:
            event = loader.get_event()
            if isinstance(event, yaml.StreamEndEvent):
                return root
            if isinstance(event, yaml.DocumentStartEvent):
                documents += 1
                if documents > 1:
                    mark = self._mark(event)
                    self.problems.append(
                        mark.problem("a settings file holds one YAML document, and a second begins")
                    )
                    return root
                continue
            if isinstance(event, (yaml.MappingStartEvent, yaml.SequenceStartEvent)):
                if len(open_) >= MOST_DEPTH:
                    raise SettingsProblems(
                        [self._mark(event).problem(f"nested more than {MOST_DEPTH} levels deep")]
                    )
                is_map = isinstance(event, yaml.MappingStartEvent)
                node = Node(self._mark(event), {} if is_map else [])
                node.mistaken = not self._is_plain(event)
                if event.anchor:
                    self.anchors[event.anchor] = None
                open_.append(_Frame(node, event.anchor, bool(event.flow_style)))
                continue
            if isinstance(event, (yaml.MappingEndEvent, yaml.SequenceEndEvent)):
                frame = open_.pop()
                node = frame.node
                if frame.anchor:
                    self.anchors[frame.anchor] = node
                end: Any = event.end_mark
                if frame.flow and node.mark.line == end.line + 1:
                    length = end.column + 1 - node.mark.column
                    node.mark = Mark(self.source, node.mark.line, node.mark.column, length)
                block = not frame.flow
            elif isinstance(event, yaml.ScalarEvent):
                node = self._scalar(loader, event, as_key=bool(open_) and open_[-1].wants_key)
                block = False
                if event.anchor:
                    self.anchors[event.anchor] = node
            elif isinstance(event, yaml.AliasEvent):
                node = self._alias(event)
                block = False
            else:
                continue
            if not open_:
                root = node
            else:
                self._add(open_[-1], node, block)

    def _add(self, frame: _Frame, node: Node, block: bool) -> None:
        """Put a finished node into the collection that is open."""
        parent = frame.node
        if isinstance(parent.value, list):
            parent.value.append(node)
        elif frame.key is None:
            if not node.is_scalar:
                self.problems.append(node.mark.problem("a key must be a name, not a list or map"))
            frame.key = node
            return
        else:
            key, frame.key = frame.key, None
            if not key.is_scalar:
                return
            if block:
                # A block stands below its key: the key is what a person looks for.
                node.mark = key.mark
            if key.raw == "<<" and key.plain:
                self._merge(frame, node)
            else:
                self._insert(parent, key, node)
        parent.size += node.size
        if parent.size > MOST_NODES:
            raise SettingsProblems(
                [
                    parent.mark.problem(
                        f"this holds more than {MOST_NODES:,} values when its aliases are expanded",
                        remedy="aliases of aliases multiply: write what is meant without them",
                    )
                ]
            )

    def _insert(self, parent: Node, key: Node, node: Node) -> None:
        existing = parent.value.get(key.raw)
        if existing is not None and not existing.merged:
            self.problems.append(
                key.mark.problem(
                    f"the key {key.raw} is given twice",
                    remedy=f"it is first given in line {existing.key.line}; keep one of them",
                )
            )
            return
        parent.value.pop(key.raw, None)
        parent.value[key.raw] = Entry(key.mark, node)

    def _merge(self, frame: _Frame, node: Node) -> None:
        """YAML's `<<`: keys of other mappings, below those that are written here."""
        parts = node.value if isinstance(node.value, list) else [node]
        for part in parts:
            if not part.is_map:
                self.problems.append(part.mark.problem("<< takes a mapping, or a list of them"))
                continue
            for name, entry in part.value.items():
                if name not in frame.node.value:
                    frame.node.value[name] = Entry(entry.key, entry.node, merged=True)

    def _alias(self, event: Any) -> Node:
        mark = self._mark(event)
        if event.anchor not in self.anchors:
            known = ", ".join(f"*{name}" for name in self.anchors) or "none so far"
            self.problems.append(
                mark.problem(f"*{event.anchor} names no anchor above it", allowed=known)
            )
            return Node(mark, None, mistaken=True)
        node = self.anchors[event.anchor]
        if node is None:
            self.problems.append(mark.problem(f"*{event.anchor} contains itself"))
            return Node(mark, None, mistaken=True)
        node.shared = True
        return node

    def _is_plain(self, event: Any) -> bool:
        """Whether a value has a tag that settings may have, or none."""
        tag = event.tag
        if not tag or tag == "!" or tag in _PLAIN_TAGS:
            return True
        shown = tag.replace(TAG, "!!")
        self.problems.append(
            self._mark(event).problem(
                f"the tag {shown} is not allowed in settings",
                remedy="write a plain value; settings never run code",
            )
        )
        return False

    def _scalar(self, loader: Any, event: Any, *, as_key: bool) -> Node:
        mark = self._mark(event)
        text: str = event.value
        is_plain = event.style is None or event.style == ""
        node = Node(mark, text, raw=text, plain=is_plain)
        node.mistaken = not self._is_plain(event)
        if as_key or node.mistaken:
            return node  # a key is always a name, whatever it looks like
        tag = event.tag
        if tag in (None, "!"):
            tag = loader.resolve(yaml.ScalarNode, text, event.implicit)
        try:
            node.value = value_of(tag, text, is_plain)
        except ValueError as error:
            node.mistaken = True
            self.problems.append(
                mark.problem(
                    str(error), remedy="correct it; or put quotes around it, if it is a name"
                )
            )
        return node

    def _mark(self, event: Any) -> Mark:
        start, end = event.start_mark, event.end_mark
        line = self.source.line(start.line + 1)
        if end.line == start.line and end.column > start.column:
            length = end.column - start.column
        else:
            length = len(line.rstrip()) - start.column
        return Mark(self.source, start.line + 1, start.column + 1, max(1, length))


class _Frame:
    """An open collection."""

    __slots__ = ("anchor", "flow", "key", "node")

    def __init__(self, node: Node, anchor: str | None, flow: bool) -> None:
        self.node = node
        self.anchor = anchor
        self.flow = flow
        self.key: Node | None = None

    @property
    def wants_key(self) -> bool:
        return isinstance(self.node.value, dict) and self.key is None
