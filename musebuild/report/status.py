"""Where a project stands, and what is left to do, with its price."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from musebuild.engine.forecast import Forecast, Price
from musebuild.engine.view import View
from musebuild.plan.model import LeftOut
from musebuild.report.listing import WORDS, Line, counts, reason_of
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


def status_text(
    lines: Sequence[Line], left_out: Sequence[LeftOut], found: Forecast, store: Path
) -> str:
    """Counts of states, the price of what is pending, and its parts."""
    text = f"{counts(list(lines)) or 'no task'}; {count(len(left_out), 'other')} left out\n"
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
        "states": {name: WORDS[r.state] for name, r in resolutions.items()},
        "reasons": {name: reason_of(r) for name, r in resolutions.items() if r.reason},
        "left_out": [asdict(left) for left in view.left_out],
        "price": asdict(found.total) | {"wall": found.wall, "workers": found.workers},
        "recipes": {name: asdict(price) for name, price in found.recipes.items()},
    }
    return json.dumps(document, indent=1) + "\n"
