"""YAML text → nodes with positions; refuses what is unsafe or ambiguous."""

from __future__ import annotations

import datetime as dt
import re
from pathlib import Path
from typing import Any

import yaml

from musebuild.settings.model import Position
from musebuild.settings.nodes import Entry, Mark, Node, Source
from musebuild.settings.problems import Problem, SettingsProblems

MOST_BYTES = 4_000_000
MOST_NODES = 200_000
"""Values of a file, aliases expanded; a file of 2,000 lines has a few thousand."""
MOST_DEPTH = 60

_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_TAG = "tag:yaml.org,2002:"
_PLAIN_TAGS = {_TAG + t for t in ("str", "int", "float", "bool", "null", "timestamp", "map", "seq")}
_DATE = re.compile(r"\d{4}-\d\d-\d\d")
_EXPONENT = re.compile(r"[-+]?\d+(\.\d*)?[eE][-+]?\d+")
_TRUE = {"yes", "true", "on"}


def read_file(path: Path) -> Node:
    """Read a settings file.

    Parameters
    ----------
    path : Path
        The file.

    Returns
    -------
    Node
        The mapping at its top.

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
    return read_text(decode(data, name), name)


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
    """Compose YAML text.

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
        Every mistake of form that was found.
    """
    composer = _Composer(Source(name, tuple(re.split(r"\r\n|[\r\n]", text))))
    try:
        root = composer.compose(text)
    except yaml.MarkedYAMLError as error:
        raise SettingsProblems([*composer.problems, composer.explain(error)]) from None
    except yaml.YAMLError as error:
        raise SettingsProblems([*composer.problems, _unreadable(error, composer.source)]) from None
    if composer.problems:
        raise SettingsProblems(composer.problems)
    if any_value:
        return root or Node(Mark(composer.source, 1, 1), None)
    if root is None or (root.is_scalar and root.value is None):
        raise _refuse(
            name, "the settings file is empty", remedy="musebuild init writes one to start from"
        )
    if not root.is_map:
        kind = "a list" if root.is_list else "a single value"
        raise SettingsProblems(
            [
                root.mark.problem(
                    f"the settings must be a mapping of keys to values, and this is {kind}",
                    remedy="begin with lines such as: raw_path: raw",
                )
            ]
        )
    return root


def _refuse(name: str, message: str, *, remedy: str = "") -> SettingsProblems:
    return SettingsProblems([Problem(message, Position(name, 1, 1), remedy=remedy)])


def _unreadable(error: yaml.YAMLError, source: Source) -> Problem:
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


class _Composer:
    """Events of the parser → nodes. Aliases stay shared; nothing is built from tags."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self.problems: list[Problem] = []
        self.anchors: dict[str, Node | None] = {}

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
        open_: list[_Frame] = []
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
                self._check_tag(event)
                is_map = isinstance(event, yaml.MappingStartEvent)
                node = Node(self._mark(event), {} if is_map else [])
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
                self._check_tag(event)
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
                        f"this holds more than {MOST_NODES:,} values when its aliases are expanded"
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
            return Node(mark, None)
        node = self.anchors[event.anchor]
        if node is None:
            self.problems.append(mark.problem(f"*{event.anchor} contains itself"))
            return Node(mark, None)
        node.shared = True
        return node

    def _check_tag(self, event: Any) -> None:
        tag = event.tag
        if tag and tag != "!" and tag not in _PLAIN_TAGS:
            shown = tag.replace(_TAG, "!!")
            self.problems.append(
                self._mark(event).problem(
                    f"the tag {shown} is not allowed in settings",
                    remedy="write a plain value; settings never run code",
                )
            )

    def _scalar(self, loader: Any, event: Any, *, as_key: bool) -> Node:
        mark = self._mark(event)
        text: str = event.value
        is_plain = event.style is None or event.style == ""
        node = Node(mark, text, raw=text, plain=is_plain)
        if as_key:
            return node  # a key is always a name, whatever it looks like
        tag = event.tag
        if tag in (None, "!"):
            tag = loader.resolve(yaml.ScalarNode, text, event.implicit)
        try:
            node.value = _value(tag, text, is_plain)
        except ValueError as error:
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

    def explain(self, error: yaml.MarkedYAMLError) -> Problem:
        """A parser's complaint in our words."""
        at: Any = error.problem_mark or error.context_mark
        line, column = (at.line + 1, at.column + 1) if at is not None else (1, 1)
        mark = Mark(self.source, line, column)
        text = self.source.line(line)
        rest = text[column - 1 :]
        complaint = error.problem or "this is no YAML"
        if rest.startswith("\t") or text[: len(text) - len(text.lstrip())].count("\t"):
            where = text.index("\t") + 1
            return Mark(self.source, line, where).problem(
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
        elif "block end" in complaint or "block mapping" in complaint:
            remedy = "check the indentation: keys of one level begin in the same column"
        elif "cannot start any token" in complaint:
            remedy = "put quotes around a text that begins with a special character"
        elif "end of stream" in complaint:
            remedy = "a quote or bracket is not closed"
        context = f" {error.context}" if error.context else ""
        begun: Any = error.context_mark
        if begun is not None and begun.line + 1 != line:
            context += f" that begins in line {begun.line + 1}"
        return mark.problem(f"this is no YAML: {complaint}{context}", remedy=remedy)


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


def _value(tag: str, text: str, is_plain: bool) -> Any:
    """The value of a scalar. What YAML 1.1 reads oddly means what it looks like."""
    match tag.removeprefix(_TAG):
        case "null":
            return None
        case "bool":
            return text.lower() in _TRUE
        case "int" if ":" not in text:  # 1:30 is no number to base 60
            return _integer(text.replace("_", ""))
        case "float" if ":" not in text:
            return _floating(text.replace("_", "").lower())
        case "timestamp" if _DATE.fullmatch(text):
            try:
                return dt.date.fromisoformat(text)
            except ValueError:
                raise ValueError(f"there is no date {text}") from None
        case "str" if is_plain and _EXPONENT.fullmatch(text):
            return float(text)
        case _:
            return text  # a time stamp names an exposure or a sequence


def _integer(text: str) -> int | float:
    sign = -1 if text.startswith("-") else 1
    digits = text.lstrip("+-")
    try:
        if digits.startswith("0b"):
            return sign * int(digits[2:], 2)
        if digits.startswith("0x"):
            return sign * int(digits[2:], 16)
        if len(digits) > 1 and digits.startswith("0"):
            return sign * int(digits, 8)
        return sign * int(digits)
    except ValueError:
        raise ValueError(f"{text[:40]} is no number that can be read") from None


def _floating(text: str) -> float:
    sign = -1.0 if text.startswith("-") else 1.0
    digits = text.lstrip("+-")
    if digits == ".inf":
        return sign * float("inf")
    return float("nan") if digits == ".nan" else sign * float(digits)
