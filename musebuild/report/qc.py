"""Quality-control parameters for people and programs."""

from __future__ import annotations

import fnmatch
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING, Any

from musebuild.cache.ledger import Ledger
from musebuild.errors import UsageError
from musebuild.index import qa, qc
from musebuild.index.columns import run_of
from musebuild.index.dates import When, choose
from musebuild.report.tables import Rows
from musebuild.settings.model import Settings
from musebuild.settings.nearest import did_you_mean, nearest

if TYPE_CHECKING:
    from sqlite_utils import Database

FEW = 8
"""So many parameters fit on a line; of more the summary is shown."""


@dataclass(frozen=True, slots=True)
class Parameters:
    """The parameters of a category's products."""

    category: str
    fixed: tuple[str, ...]
    names: tuple[str, ...]
    """Columns of the parameters."""
    rows: tuple[tuple[Any, ...], ...]
    """Values of `fixed`, then of `names`: tables of all IFUs and years are large."""

    def table(self) -> Rows:
        """All of it."""
        return Rows((*self.fixed, *self.names), self.rows)

    def dicts(self) -> list[dict[str, Any]]:
        """One dictionary for each row."""
        return self.table().dicts()

    def summary(self) -> Rows:
        """How many values each parameter has, and least, median and most."""
        lines = []
        for place, name in enumerate(self.names, len(self.fixed)):
            values = [row[place] for row in self.rows if row[place] is not None]
            numbers = [value for value in values if isinstance(value, int | float)]
            lines.append(
                (
                    name,
                    len(values),
                    *((min(numbers), median(numbers), max(numbers)) if numbers else (None,) * 3),
                )
            )
        return Rows(("parameter", "n", "min", "median", "max"), tuple(lines))


_FIXED = tuple(qc.FIXED)
_KEY, _TASK, _NAME, _NIGHT, _MADE, _DATE = map(
    _FIXED.index, ("key", "task", "name", "night", "made", "DATE_OBS")
)


def _current(rows: list[tuple[Any, ...]], ledger: Ledger) -> list[tuple[Any, ...]]:
    """Of products made several times those that count now: what each task last led to."""
    last = {task: str(row["key"]) for task, row in ledger.tasks().items()}
    keys = set(last.values())
    newest: dict[str, tuple[str, str]] = {}
    for row in rows:
        newest[row[_TASK]] = max(newest.get(row[_TASK], ("", "")), (row[_MADE], row[_KEY]))
    return [
        row
        for row in rows
        if row[_KEY] in keys or (row[_TASK] not in last and row[_KEY] == newest[row[_TASK]][1])
    ]


EXPOSURES = ("qa_raw", "qa_reduced")
"""Tables of the quality of exposures, told as a category's are."""


def _names_of(db: Database, category: str) -> list[str]:
    """Columns of parameters of a category, or of a table of exposures."""
    if category == "qa_raw":
        about = ("path", "name", "category", "night", "INS_MODE", "EXPTIME")
        return [name for name in qa.RAW_COLUMNS if name not in about]
    if category == "qa_reduced":
        return [name for name in qa.SELECTABLE if name not in ("name", "night")]
    return [name for name in qc.columns(db, category) if name not in qc.FIXED]


def _exposures(db: Database, table: str, names: Sequence[str]) -> list[tuple[Any, ...]]:
    """Rows of a table of exposures, in the form of a category's."""
    task, mode = ("block || ':' || name", "NULL")
    if table == "qa_raw":
        task, mode = "name", "INS_MODE"
    about = dict.fromkeys(_FIXED, "NULL") | {
        "task": task, "name": "name", "night": "night", "hdu": "0", "DATE_OBS": "name",
        "INS_MODE": mode,
    }  # fmt: skip
    listed = ", ".join([*about.values(), *(f'"{name}"' for name in names)])
    return db.conn.execute(f"SELECT {listed} FROM {table} ORDER BY name, {task}").fetchall()


def told_categories(db: Database) -> list[str]:
    """Categories that have parameters, and tables of exposures that are not empty."""
    return [*qc.categories(db), *(table for table in EXPOSURES if db[table].count)]


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
        PRO CATG, or one of `EXPOSURES`.
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
    known = told_categories(db)
    if category not in known:
        raise UsageError(
            f"there are no quality parameters of {category}",
            why=did_you_mean(category, known)
            or (f"there are some of {', '.join(known)}" if known else "nothing was made yet"),
            remedy="`musebuild qc` lists the categories; `doit` makes products",
        )
    every = _names_of(db, category)
    names = every if not patterns else _chosen(every, patterns, category)
    if category in EXPOSURES:
        rows = _exposures(db, category, names)
    else:
        rows = qc.read(db, category, (*_FIXED, *names))
    if not history and category not in EXPOSURES:
        rows = _current(rows, ledger)

    def when(row: tuple[Any, ...]) -> When:
        night = row[_NIGHT] or ""
        return When(row[_NAME], night, run_of(night, settings), str(row[_DATE] or ""))

    rows = choose(rows, dates, when, runs=settings.runs, what=f"product of {category}")
    first = len(_FIXED)
    present = [
        place
        for place in range(first, first + len(names))
        if any(row[place] is not None for row in rows)
    ]
    if len(present) < len(names):
        kept = (*range(first), *present)
        rows = [tuple(row[place] for place in kept) for row in rows]
    return Parameters(
        category=category,
        fixed=_FIXED,
        names=tuple(names[place - first] for place in present),
        rows=tuple(rows),
    )


def _chosen(names: Sequence[str], patterns: Sequence[str], category: str) -> list[str]:
    found: set[str] = set()
    for pattern in patterns:
        wanted = pattern.upper().removeprefix("ESO ").replace(" ", "_")
        some = [
            name
            for name in names
            if fnmatch.fnmatchcase(name.upper(), wanted)
            or fnmatch.fnmatchcase(name.upper(), f"QC_{wanted}")
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


def _counted(db: Database, category: str) -> tuple[int, int]:
    """Products (or exposures) and rows."""
    if category not in EXPOSURES:
        return qc.count(db, category)
    query = f"SELECT COUNT(DISTINCT name), COUNT(*) FROM {category}"
    exposures, rows = db.conn.execute(query).fetchone()
    return int(exposures), int(rows)


def overview(db: Database) -> Rows:
    """Categories, with the numbers of products, rows and parameters."""
    lines = [
        (category, *_counted(db, category), len(_names_of(db, category)))
        for category in told_categories(db)
    ]
    return Rows(("category", "products", "rows", "parameters"), tuple(lines))
