"""Where a project stands, and what is left to do, with its price."""

from __future__ import annotations

import json
import shutil
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from pathlib import Path

from musebuild.engine.forecast import Forecast, Price
from musebuild.engine.plan_rows import Entry
from musebuild.engine.view import View
from musebuild.plan.causes import as_plain
from musebuild.report.causes import causes_text
from musebuild.report.listing import counts, reason_of, view_lines
from musebuild.report.spans import count, span
from musebuild.settings.sizes import format_bytes


def _free(folder: Path) -> int:
    while not folder.exists():
        folder = folder.parent
    return shutil.disk_usage(folder).free


def price_text(found: Forecast, store: Path) -> str:
    """The price of the pending work; empty where nothing is pending."""
    total = found.total
    if not total.tasks:
        return ""
    known = total.tasks - total.unknown
    lines = []
    if known:
        wall = f"{span(found.wall)} with {found.workers} side by side"
        lines.append(f"at most {span(total.seconds)} of recipes, {wall}")
        lines.append(
            f"peak memory {format_bytes(total.memory)} for one of them, "
            f"{format_bytes(total.disk)} of new products ({format_bytes(_free(store))} free)"
        )
    if total.unknown:
        names = ", ".join(name for name, price in found.recipes.items() if price.unknown)
        lines.append(
            f"not counted: {count(total.unknown, 'invocation')} of recipes that never ran here "
            f"({names})"
        )
    return "\n".join(lines) + "\n"


def _row(name: str, price: Price) -> list[str]:
    if price.unknown == price.tasks:
        return [name, str(price.tasks), "not known", format_bytes(price.memory), "not known"]
    return [
        name,
        str(price.tasks),
        span(price.seconds),
        format_bytes(price.memory),
        format_bytes(price.disk),
    ]


def level_counts(entries: Iterable[Entry]) -> dict[int, int]:
    """Level → how many associations of tasks have it; a task's IFUs are folded to its worst."""
    worst: dict[str, str] = {}
    for entry in entries:
        worst[entry.task] = max(entry.levels, worst.get(entry.task, ""))
    found = Counter(int(digit) for levels in worst.values() for digit in levels)
    return dict(sorted(found.items()))


def level_text(found: Mapping[int, int]) -> str:
    """The worst level of the associations, and how many there are of each; empty without any."""
    if not found:
        return ""
    parts = ", ".join(f"{number} of level {level}" for level, number in found.items())
    return f"calibrations: the worst is of level {max(found)} ({parts}; `musebuild associations`)\n"


def status_text(view: View, found: Forecast, store: Path) -> str:
    """Counts of states, levels of associations, the price of what is pending, and its parts."""
    left_out = count(sum(not left.note for left in view.left_out), "other")
    text = f"{counts(view_lines(view)) or 'no task'}; {left_out} left out\n"
    text += "".join(f"{line}\n" for line in causes_text(view.left_out))
    text += level_text(level_counts(view.entries()))
    text += price_text(found, store)
    if not found.recipes:
        return text
    rows = [["recipe", "runs", "time", "memory", "disk"]]
    rows += [_row(name, price) for name, price in found.recipes.items()]
    widths = [max(len(row[column]) for row in rows) for column in range(5)]
    for row in rows:
        text += "  ".join(f"{cell:<{w}}" for cell, w in zip(row, widths, strict=True)).rstrip()
        text += "\n"
    return text


def status_json(view: View, found: Forecast) -> str:
    """The same for programs, with the state of each invocation that was asked for."""
    resolutions = {entry.name: view.state(entry.name) for entry in view.entries()}
    document = {
        "states": {name: str(r.state) for name, r in resolutions.items()},
        "reasons": {name: reason_of(r) for name, r in resolutions.items() if r.reason},
        "levels": level_counts(view.entries()),
        **as_plain(view.left_out),
        "price": asdict(found.total) | {"wall": found.wall, "workers": found.workers},
        "recipes": {name: asdict(price) for name, price in found.recipes.items()},
    }
    return json.dumps(document, indent=1) + "\n"
