"""Quality-control parameters for people and programs."""

from __future__ import annotations

import fnmatch
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

from sqlite_utils import Database

from musebuild.cache.ledger import Ledger
from musebuild.errors import UsageError
from musebuild.index import qc
from musebuild.index.columns import run_of
from musebuild.index.dates import When, choose
from musebuild.report.tables import Rows
from musebuild.settings.model import Settings
from musebuild.settings.nearest import did_you_mean, nearest

FEW = 8
"""So many parameters fit on a line; of more the summary is shown."""


@dataclass(frozen=True, slots=True)
class Parameters:
    """The parameters of a category's products."""

    category: str
    fixed: tuple[str, ...]
    names: tuple[str, ...]
    """Columns of the parameters."""
    rows: tuple[dict[str, Any], ...]

    def table(self) -> Rows:
        """All of it."""
        return Rows.of(self.rows, (*self.fixed, *self.names))

    def summary(self) -> Rows:
        """How many values each parameter has, and least, median and most."""
        lines = []
        for name in self.names:
            values = [row[name] for row in self.rows if row[name] is not None]
            numbers = [value for value in values if isinstance(value, int | float)]
            lines.append(
                (
                    name,
                    len(values),
                    *((min(numbers), median(numbers), max(numbers)) if numbers else (None,) * 3),
                )
            )
        return Rows(("parameter", "n", "min", "median", "max"), tuple(lines))


def _current(rows: list[dict[str, Any]], ledger: Ledger) -> list[dict[str, Any]]:
    """Of products made several times those that count now: what each task last led to."""
    last = {task: str(row["key"]) for task, row in ledger.tasks().items()}
    keys = set(last.values())
    newest: dict[str, tuple[str, str]] = {}
    for row in rows:
        newest[row["task"]] = max(newest.get(row["task"], ("", "")), (row["made"], row["key"]))
    return [
        row
        for row in rows
        if row["key"] in keys or (row["task"] not in last and row["key"] == newest[row["task"]][1])
    ]


def parameters(
    db: Database,
    ledger: Ledger,
    settings: Settings,
    category: str,
    *,
    dates: Sequence[str] = (),
    patterns: Sequence[str] = (),
    history: bool = False,
) -> Parameters:
    """Parameters of a category's products.

    Parameters
    ----------
    db, ledger, settings
        Of the project.
    category : str
        PRO CATG.
    dates : sequence of str
        Only of these dates (`musebuild.index.dates`).
    patterns : sequence of str
        Only parameters that match one; with or without `ESO QC`, in any case.
    history : bool
        Also of products that are no longer current.

    Raises
    ------
    UsageError
        There is no such category, date or parameter.
    """
    known = qc.categories(db)
    if category not in known:
        raise UsageError(
            f"there are no quality parameters of {category}",
            why=did_you_mean(category, known)
            or (f"there are some of {', '.join(known)}" if known else "nothing was made yet"),
            remedy="`musebuild qc` lists the categories; `doit` makes products",
        )
    columns, found = qc.read(db, category)
    rows = [dict(zip(columns, row, strict=True)) for row in found]
    if not history:
        rows = _current(rows, ledger)

    def when(row: dict[str, Any]) -> When:
        night = row["night"] or ""
        return When(row["name"], night, run_of(night, settings), str(row["DATE_OBS"] or ""))

    rows = choose(rows, dates, when, runs=settings.runs, what=f"product of {category}")
    every = [name for name in columns if name not in qc.FIXED]
    names = every if not patterns else _chosen(every, patterns, category)
    present = [name for name in names if any(row[name] is not None for row in rows)]
    return Parameters(
        category=category, fixed=tuple(qc.FIXED), names=tuple(present), rows=tuple(rows)
    )


def _chosen(names: Sequence[str], patterns: Sequence[str], category: str) -> list[str]:
    found: set[str] = set()
    for pattern in patterns:
        wanted = pattern.upper().removeprefix("ESO ").replace(" ", "_")
        some = [
            name
            for name in names
            if fnmatch.fnmatchcase(name, wanted) or fnmatch.fnmatchcase(name, f"QC_{wanted}")
        ]
        if not some:
            raise UsageError(
                f"{category} has no quality parameter {pattern}",
                why=_near(wanted.replace("*", ""), names),
                remedy=f"`musebuild qc {category}` lists them; * and ? match any letters",
            )
        found.update(some)
    return [name for name in names if name in found]


def _near(wanted: str, names: Sequence[str]) -> str | None:
    """Parameters of which a part, up to the end, may have been meant."""
    ends: dict[str, list[str]] = {}
    for name in names:
        parts = name.split("_")
        for start in range(len(parts)):
            ends.setdefault("_".join(parts[start:]), []).append(name)
    meant = dict.fromkeys(name for end in nearest(wanted, ends) for name in ends[end])
    return f"did you mean {' or '.join(list(meant)[:3])}?" if meant else None


def overview(db: Database) -> Rows:
    """Categories, with the numbers of products, rows and parameters."""
    lines = []
    for category in qc.categories(db):
        columns, rows = qc.read(db, category)
        place = columns.index("key"), columns.index("product")
        products = {tuple(row[n] for n in place) for row in rows}
        lines.append((category, len(products), len(rows), len(columns) - len(qc.FIXED)))
    return Rows(("category", "products", "rows", "parameters"), tuple(lines))
