"""The balance of frames for people and for other programs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from musebuild.plan.balance import Balance, Fate, Part, Told
from musebuild.report.tables import Rows

WIDTH = 150
"""Of a line, about."""
MOST_PARTS = 10
"""Reasons that are told; the rest is counted."""
MOST_NAMED = 3
"""Files of one reason that are named."""


def unused_text(found: Balance, folder: Path, *, every: bool) -> str:
    """What is not used and why, alike files together; `every`: names all, used ones with tasks.

    Parameters
    ----------
    found : Balance
        Of all files below a folder.
    folder : Path
        The folder; names are told from there.
    every : bool
        Name all files, those that are used with their tasks.
    """
    lines = [found.line]
    for one in found.closed:
        lines.append(f"        {shown_path(one.path, f'{folder}/')}: {one.reason}")
        lines.append(f"        hint: {one.remedy}")
    lines += [
        f"{n:>6,}  folder{'s' * (n != 1)} not looked into: {why}"
        for why, n in found.folders.items()
    ]
    parts = found.parts
    for part in parts if every else parts[:MOST_PARTS]:
        lines += _part(part, f"{folder}/", every=every)
    if not every and len(parts) > MOST_PARTS:
        rest = parts[MOST_PARTS:]
        files = sum(len(part.files) for part in rest)
        lines.append(f"and {files} files for {len(rest)} other reasons: --all")
    if every or len(parts) < MOST_PARTS:
        others = sorted(found.others.items(), key=lambda item: -item[1])
        shown = others if every else others[:MOST_NAMED]
        lines += [f"{n:>6,}  {ending or 'no ending'}: no frames" for ending, n in shown]
        if len(shown) < len(others):
            lines.append(f"        and {len(others) - len(shown)} other endings: --all")
    if every:
        lines += _used(found, f"{folder}/")
    return "\n".join(lines) + "\n"


def _part(part: Part, below: str, *, every: bool) -> Iterator[str]:
    yield f"{len(part.files):>6,}  {part.about}, {part.fate}: {part.reason}"
    if part.remedy:
        yield f"        hint: {part.remedy}"
    named = part.files if every else part.files[:MOST_NAMED]
    for one in named:
        yield f"        {_name(one, below)}"
    if len(named) < len(part.files):
        yield f"        and {len(part.files) - len(named):,} more: --all"


def _name(one: Told, below: str) -> str:
    name = shown_path(one.path, below)
    detail = one.detail.replace(below, "")
    return f"{name}: {detail}" if detail else name


def shown_path(path: str, below: str) -> str:
    """A path as it is told: from a folder, and without what no terminal shows."""
    text = path.removeprefix(below)
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)


def _used(found: Balance, below: str) -> Iterator[str]:
    used = [one for one in found.told if one.fate is Fate.USED]
    yield f"{len(used):>6,}  used"
    for one in used:
        first, more = one.tasks[0], len(one.tasks) - 1
        told = f" and {more} more" if more else ""
        yield f"        {shown_path(one.path, below)}: {first}{told}"


def balance_table(found: Balance, *, every: bool) -> Rows:
    """A row for each file that is not used; `every`: for each file."""
    columns = ("path", "fate", "about", "reason", "detail", "remedy", "tasks")
    return Rows(columns, tuple(_row(one) for one in _chosen(found, every=every)))


def _chosen(found: Balance, *, every: bool) -> Sequence[Told]:
    return [one for one in found.told if every or one.fate is not Fate.USED]


def _row(one: Told) -> tuple[Any, ...]:
    path = one.path.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
    return path, str(one.fate), one.about, one.reason, one.detail, one.remedy, one.tasks


def balance_document(found: Balance, *, every: bool) -> dict[str, Any]:
    """Numbers and files as JSON has them."""
    files = balance_table(found, every=every).dicts()
    return {**balance_numbers(found), "all" if every else "unused": files}


def balance_numbers(found: Balance) -> dict[str, Any]:
    """The numbers alone."""
    counts = found.counts
    return {
        "line": found.line,
        "files": sum(counted.total() for counted in counts.values()),
        "counts": {str(fate): dict(counted) for fate, counted in counts.items()},
        "folders": dict(found.folders),
    }
