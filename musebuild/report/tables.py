"""Tables for people and for other programs: text, JSON, CSV, ECSV, astropy."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

FORMATS = ("text", "json", "csv", "ecsv")


@dataclass(frozen=True, slots=True)
class Rows:
    """A table as plain data."""

    columns: tuple[str, ...]
    rows: tuple[tuple[Any, ...], ...]
    units: Mapping[str, str] = field(default_factory=dict)
    """Column → unit, as astropy writes it (`Angstrom`, `deg_C`)."""

    @classmethod
    def of(cls, dicts: Iterable[Mapping[str, Any]], columns: Sequence[str]) -> Rows:
        """Rows of dictionaries; what is missing is None."""
        return cls(tuple(columns), tuple(tuple(row.get(c) for c in columns) for row in dicts))

    def dicts(self) -> list[dict[str, Any]]:
        """One dictionary for each row."""
        return [dict(zip(self.columns, row, strict=True)) for row in self.rows]

    def column(self, name: str) -> list[Any]:
        """Values of one column."""
        place = self.columns.index(name)
        return [row[place] for row in self.rows]


def cell(value: Any) -> str:
    """A value as people read it; nothing for None."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, list | tuple):
        return ", ".join(map(cell, value))
    return " ".join(str(value).split())


def text_of(table: Rows, *, header: bool = True, right: Collection[str] = ()) -> str:
    """A table with aligned columns; numbers stand to the right.

    Parameters
    ----------
    table : Rows
        What to write.
    header : bool
        Write the names of the columns first.
    right : collection of str
        Columns of texts that stand to the right as well, such as sizes with their units.
    """
    lines = [[cell(value) for value in row] for row in table.rows]
    to_right = [
        name in right
        or (
            all(isinstance(row[n], int | float | None) for row in table.rows)
            and any(row[n] is not None for row in table.rows)
        )
        for n, name in enumerate(table.columns)
    ]
    if header:
        lines.insert(0, list(table.columns))
    widths = [max((len(line[n]) for line in lines), default=0) for n in range(len(table.columns))]
    return "".join(
        "  ".join(
            text.rjust(width) if at_right else text.ljust(width)
            for text, width, at_right in zip(line, widths, to_right, strict=True)
        ).rstrip()
        + "\n"
        for line in lines
    )


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value


def astropy_table(table: Rows) -> Any:
    """The same as an `astropy.table.Table`; what is missing is masked."""
    from astropy.table import MaskedColumn, Table

    columns = []
    for number, name in enumerate(table.columns):
        values = [row[number] for row in table.rows]
        kind, empty = _kind([value for value in values if value is not None])
        if kind is str:
            values = [None if value is None else _joined(value) for value in values]
        columns.append(
            MaskedColumn(
                [empty if value is None else kind(value) for value in values],
                name=name,
                mask=[value is None for value in values],
                dtype=None if kind is str and values else kind,
                unit=table.units.get(name),
            )
        )
    return Table(columns)


def _kind(values: Sequence[Any]) -> tuple[type, Any]:
    """Type of a column that holds these values, and what stands where one is missing."""
    for kinds, kind, empty in (
        ((bool,), bool, False),
        ((int,), int, 0),
        ((int, float), float, float("nan")),
    ):
        if values and all(isinstance(value, kinds) for value in values):
            return kind, empty
    return str, ""


def _joined(value: Any) -> str:
    return ",".join(map(str, value)) if isinstance(value, list | tuple) else str(value)


def render(table: Rows, form: str) -> str:
    """A table in one of `FORMATS`."""
    if form == "text":
        return text_of(table)
    if form == "json":
        rows = [{name: _plain(value) for name, value in row.items()} for row in table.dicts()]
        return json.dumps(rows, indent=1, ensure_ascii=False) + "\n"
    out = io.StringIO()
    if form == "csv":
        writer = csv.writer(out, lineterminator="\n")
        writer.writerow(table.columns)
        for row in table.rows:
            writer.writerow(["" if value is None else _csv(value) for value in row])
        return out.getvalue()
    astropy_table(table).write(out, format="ascii.ecsv")
    return out.getvalue()


def _csv(value: Any) -> Any:
    return _joined(value) if isinstance(value, list | tuple) else value
