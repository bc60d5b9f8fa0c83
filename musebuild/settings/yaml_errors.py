"""What the YAML parser complains of, in our words."""

from __future__ import annotations

import re
from typing import Any

import yaml

from musebuild.settings.nodes import Mark, Source
from musebuild.settings.problems import Problem


def unreadable(error: yaml.YAMLError, source: Source) -> Problem:
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


def explain(error: yaml.MarkedYAMLError, source: Source, opened: Mark | None) -> Problem:
    """A syntax error.

    Parameters
    ----------
    error : yaml.MarkedYAMLError
        Of the parser.
    source : Source
        The text.
    opened : Mark or None
        Where the innermost collection begins that has not ended.
    """
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
    elif "block end" in complaint or "block mapping" in complaint:
        remedy = "check the indentation: keys of one level begin in the same column"
    elif "cannot start any token" in complaint:
        remedy = "put quotes around a text that begins with a special character"
    elif "end of stream" in complaint or "expected ',' or" in complaint or at_end:
        remedy = "a quote or bracket is not closed"
    context = f" {error.context}" if error.context else ""
    if begun is not None and not at_end and begun.line + 1 != line:
        context += f" that begins in line {begun.line + 1}"
    return mark.problem(f"this is no YAML: {complaint}{context}", remedy=remedy)
