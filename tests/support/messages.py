"""All messages that musebuild can tell people, collected from its source.

python -m tests.support.messages     # writes docs/developers/messages.md anew
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
PAGE = ROOT / "docs" / "developers" / "messages.md"
ERRORS = {
    "MusebuildError",
    "ArchiveError",
    "UsageError",
    "FrameError",
    "PlanError",
    "StoreError",
    "RecipeError",
    "SettingsError",
}
OTHERS = {
    "RecipeOutcome": "failure",
    "replace": "failure",
    "BadFile": "message",
}
HEAD = """# Messages

Every message about an error that musebuild can tell, as it stands in the source; `{…}` stands for
what is filled in. Collected by `python -m tests.support.messages`; a test keeps this page true, so
that the messages are read and judged together: each says what is wrong, and what mends it.
"""


@dataclass(frozen=True)
class Message:
    """One place in the source that tells people of an error."""

    file: str
    line: int
    kind: str
    what: str
    why: str
    remedy: str


def template(node: ast.expr | None) -> str:
    """The text of an expression, with `{…}` for what is filled in."""
    match node:
        case None:
            return ""
        case ast.Constant(value=str() as text):
            return text
        case ast.JoinedStr(values=values):
            return "".join(template(value) for value in values)
        case ast.FormattedValue():
            return "{…}"
        case ast.BinOp(left=left, op=ast.Add(), right=right):
            return template(left) + template(right)
        case ast.IfExp(body=body, orelse=orelse):
            first, second = template(body), template(orelse)
            return " / ".join(text for text in (first, second) if text)
        case ast.BoolOp(values=values):
            return " / ".join(text for text in map(template, values) if text)
        case ast.Constant(value=None):
            return ""
        case _:
            return "{…}"


def messages_of(path: Path) -> Iterator[Message]:
    """Messages of one source file, in its order."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if not isinstance(node, ast.Call):
            continue
        name = (
            node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        )
        keywords = {word.arg: word.value for word in node.keywords}
        where = str(path.relative_to(ROOT))
        if name in ERRORS and node.args:
            what = template(node.args[0])
            why, remedy = template(keywords.get("why")), template(keywords.get("remedy"))
        elif name in ("problem", "_refuse", "Problem") and (node.args or "message" in keywords):
            texts = [template(arg) for arg in node.args]
            what = max(texts, key=len, default="")
            why = template(keywords.get("allowed"))
            remedy = template(keywords.get("remedy")) or template(keywords.get("nearest"))
        elif name in OTHERS and OTHERS[name] in keywords:
            what, why = template(keywords[OTHERS[name]]), ""
            remedy = template(keywords.get("remedy"))
        elif name in ("Cause", "_cause", "_unnamed", "of", "BadFile") and len(node.args) >= 2:
            # What is left out, or a bad file, is named first.
            args = node.args[1:] if name in ("of", "BadFile") else node.args
            texts = [text for arg in args if " " in (text := template(arg))]
            what, why = next(iter(texts), ""), ""
            remedy = texts[1] if len(texts) > 1 else ""
        else:
            continue
        if what.replace("{…}", "").strip(" :;,"):
            yield Message(where, node.lineno, name, what, why, remedy)


@cache
def collect() -> tuple[Message, ...]:
    """All messages, by file and line."""
    found = [
        message
        for path in sorted((ROOT / "musebuild").rglob("*.py"))
        for message in messages_of(path)
    ]
    return tuple(sorted(found, key=lambda m: (m.file, m.line)))


def page() -> str:
    """The page of all messages."""
    lines = [HEAD]
    file = ""
    for message in collect():
        if message.file != file:
            file = message.file
            lines.append(f"\n## {file}\n")
        lines.append(f"- {_plain(message.what)}")
        if message.why:
            lines.append(f"  - why: {_plain(message.why)}")
        if message.remedy:
            lines.append(f"  - hint: {_plain(message.remedy)}")
    return "\n".join(lines) + "\n"


def _plain(text: str) -> str:
    return " ".join(text.split()).replace("<", "&lt;")


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
