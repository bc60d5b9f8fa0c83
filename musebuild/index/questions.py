"""Questions to the table of raw frames: `KEY:VALUE`."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from musebuild.errors import UsageError
from musebuild.index.columns import column_of
from musebuild.index.database import Connection, columns_of
from musebuild.settings.nearest import did_you_mean

SHOWN = ("name", "category", "night", "OBJECT", "EXPTIME", "INS_MODE", "TPL_START")
"""Columns that are shown unless others are asked for."""

_ORDER = re.compile(r"(<=|>=|<|>|!)?(.*)", re.DOTALL)
_PATTERN = re.compile(r"[*?\[]")


@dataclass(frozen=True, slots=True)
class Question:
    """One condition on a column."""

    column: str
    order: str
    """`=`, `!`, `<`, `<=`, `>` or `>=`."""
    value: str

    def sql(self) -> tuple[str, Any]:
        """The condition, and the value of its mark."""
        column = f'"{self.column}"'
        if self.order in ("=", "!"):
            negated = "NOT " if self.order == "!" else ""
            if _PATTERN.search(self.value):
                return f"{negated}COALESCE({column}, '') GLOB ?", self.value
            number = _number(self.value)
            if number is not None:
                return f"{negated}({column} IS ? OR {column} IS '{number}')", number
            return f"{negated}COALESCE({column}, '') = ?", self.value
        number = _number(self.value)
        return f"{column} {self.order} ?", self.value if number is None else number


def _number(text: str) -> float | int | None:
    for kind in (int, float):
        try:
            # `nan`, `1_000` and the like are words here.
            return kind(text) if re.fullmatch(r"[-+0-9.eE]+", text) else None
        except ValueError:
            continue
    return None


def columns_of_raw(connection: Connection) -> list[str]:
    """Columns of the table of raw frames."""
    return columns_of(connection, "raw")


def column_named(text: str, known: Sequence[str]) -> str:
    """The column that a name or keyword stands for, in any case.

    Raises
    ------
    UsageError
        There is none; names the nearest.
    """
    folded = {name.casefold(): name for name in known}
    found = folded.get(text.casefold()) or folded.get(column_of(text.replace(".", " ")).casefold())
    if found is None:
        raise UsageError(
            f"the table of raw frames has no column {text}",
            why=did_you_mean(text, known) or None,
            remedy=f"its columns are {', '.join(known)}; others come with additional_keywords in "
            "the settings",
        )
    return found


def parse_question(text: str, known: Sequence[str]) -> Question:
    """One `KEY:VALUE`.

    Parameters
    ----------
    text : str
        `DPR_TYPE:BIAS`, `EXPTIME:>100`, `OBJECT:IC*`, `INS_MODE:!WFM-NOAO-N`; the key may be the
        keyword itself (`ESO DPR TYPE:BIAS`, `DPR.TYPE:BIAS`).
    known : sequence of str
        Columns of the table.

    Raises
    ------
    UsageError
        It is written otherwise, or there is no such column.
    """
    key, colon, value = text.partition(":")
    if not colon or not key:
        raise UsageError(
            f"{text} is not KEY:VALUE",
            remedy="write it like DPR_TYPE:BIAS, EXPTIME:>100 or OBJECT:IC*",
        )
    match = _ORDER.fullmatch(value)
    assert match is not None, "the pattern takes any text"
    return Question(column_named(key, known), match[1] or "=", match[2].strip())


def ask(
    connection: Connection, questions: Sequence[Question], shown: Sequence[str]
) -> list[tuple[Any, ...]]:
    """Values of columns, of the frames for which all conditions hold, by date."""
    parts = [question.sql() for question in questions]
    where = " AND ".join(part for part, _ in parts) or "1"
    listed = ", ".join(f'"{name}"' for name in shown)
    rows = connection.execute(
        f"SELECT {listed} FROM raw WHERE {where} ORDER BY MJD_OBS, path",
        [value for _, value in parts],
    ).fetchall()
    if "path" not in shown:
        return rows
    absolute = connection.paths.absolute
    return [
        tuple(
            absolute(value) if name == "path" else value
            for name, value in zip(shown, row, strict=True)
        )
        for row in rows
    ]
