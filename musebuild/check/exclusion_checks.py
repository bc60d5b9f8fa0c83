"""Entries of `frames.exclude` that leave nothing out: what was meant stays in the cube."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from musebuild.index.database import Connection, columns_of
from musebuild.index.frames import matches
from musebuild.plan.model import Plan
from musebuild.settings.model import Settings
from musebuild.settings.nodes import Keys
from musebuild.settings.problems import Problem, unknown_at

NAMES = ("name", "TPL_START", "filename")
"""Columns by which a frame or a task is named."""
OF_TASKS = ("name", "label", "TPL_START", "night", "run", "OBJECT", "dataset", "INS_MODE", "recipe")
"""Columns of a task by which its products may be left out."""
MANY = 3000
"""Among more values the nearest are looked for on the same day only."""
Row = Mapping[str, Any]


def frame_rows(connection: Connection, settings: Settings) -> list[Row]:
    """What entries of `frames.exclude` may ask of each raw frame, those that vanished too."""
    asked = {
        column
        for conditions in settings.frames_exclude.values()
        for condition in conditions
        if isinstance(condition, Mapping)
        for column in condition
    }
    have = set(columns_of(connection, "raw"))
    columns = sorted({*NAMES, "DPR_TYPE", "category"} | (asked & have))
    listed = ", ".join(f'"{column}"' for column in columns)
    rows = connection.execute(f"SELECT {listed} FROM raw").fetchall()
    gone = [json.loads(text) for (text,) in connection.execute("SELECT row FROM vanished")]
    return [*(dict(zip(columns, row, strict=True)) for row in rows), *gone]


def task_rows(plan: Plan, frames: Iterable[Row]) -> Iterator[tuple[tuple[str, ...] | None, Row]]:
    """Categories that each task makes (None: any), and by what they may be left out."""
    starts = {row["name"]: row["TPL_START"] for row in frames}

    def row(task: str, night: str, run: str, dataset: str, mode: str = "") -> Row:
        block, _, label = task.partition(":")
        start = starts.get(label) or label[: len("2017-06-16T10:40:27")]
        values = (label, label, start, night, run, dataset, dataset, mode, block)
        return dict(zip(OF_TASKS, values, strict=True)) | {"filename": ""}

    for left in plan.left_out:
        yield None, row(left.name, left.night, left.run, left.dataset)
    seen = ""
    for one in plan.invocations.values():
        # The IFUs of a task follow each other.
        if one.task != seen:
            seen = one.task
            yield one.products, row(one.task, one.night, one.run, one.dataset, one.ins_mode)


def check_exclusions(
    settings: Settings, frames: Sequence[Row], tasks: Iterable[tuple[tuple[str, ...] | None, Row]]
) -> list[Problem]:
    """Entries of `frames.exclude` that match no frame and no product.

    Parameters
    ----------
    settings : Settings
        The settings.
    frames : sequence of mapping
        Rows of the raw frames: `category`, `DPR_TYPE`, those of `NAMES`, and what entries ask.
    tasks : iterable
        Of `task_rows`.
    """
    made = list(tasks)
    problems: list[Problem] = []
    for category, conditions in settings.frames_exclude.items():
        some = [row for row in frames if category in ("raw", row["DPR_TYPE"], row["category"])]
        products = [row for of, row in made if of is None or category in of]
        given = settings.tree["frames"]["exclude"].get(category)
        for number, condition in enumerate(conditions):
            keys: Keys = ("frames", "exclude", category)
            if isinstance(given, list | tuple):
                keys = (*keys, number)
            told = _checked(settings, keys, category, condition, [*some, *products])
            problems += [] if told is None else [told]
    return problems


def _checked(
    settings: Settings, keys: Keys, category: str, condition: Any, rows: Sequence[Row]
) -> Problem | None:
    """What is told of one entry; None where it leaves something out."""
    what = "raw frame" if category == "raw" else f"{category} frame"
    if not isinstance(condition, Mapping):
        if any(matches(row, condition) for row in rows):
            return None
        known = {str(row[column]) for row in rows for column in NAMES if row.get(column)}
        return _nothing(settings, keys, f"{condition} is no {what}", str(condition), known)
    asked = {column: value for column, value in condition.items() if column in _columns(rows)}
    if len(asked) < len(condition):
        # A column that is not known is told of by itself.
        return None
    for column, wanted in asked.items():
        for value in wanted if isinstance(wanted, list | tuple) else [wanted]:
            if _told_elsewhere(settings, column, value):
                return None
            if not any(matches(row, {column: value}) for row in rows):
                known = {str(row[column]) for row in rows if row.get(column) not in (None, "")}
                text = f"no {what} has {column} {value}"
                return _nothing(settings, (*keys, column), text, str(value), known)
    if any(matches(row, condition) for row in rows):
        return None
    text = f"no {what} has all of this together"
    return _nothing(settings, keys, text, "", ())


def _columns(rows: Sequence[Row]) -> set[str]:
    return {column for row in rows for column in row} if rows else set(OF_TASKS)


def _told_elsewhere(settings: Settings, column: str, value: Any) -> bool:
    objects = {name for one in settings.datasets.values() for name in (one.name, *one.objects)}
    unknown = column == "OBJECT" and bool(objects) and str(value) not in objects
    return unknown or (column == "run" and str(value) not in settings.runs)


def _nothing(settings: Settings, keys: Keys, text: str, name: str, known: Iterable[str]) -> Problem:
    near = list(known)
    if len(near) > MANY:
        near = [one for one in near if one[:10] == name[:10]][:MANY]
    return unknown_at(
        settings,
        keys,
        f"{text}: it leaves nothing out",
        name,
        near,
        severity="warning",
        allowed="",
        remedy="" if near else "`musebuild info-raw` shows frames; take the entry out",
    )
