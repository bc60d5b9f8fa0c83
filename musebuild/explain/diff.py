"""What `musebuild diff` finds: two sides as people name them, compared down to the pixels."""

from __future__ import annotations

import contextlib
import fnmatch
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from musebuild.cache.model import Product
from musebuild.engine.project import SETTINGS_NAME, Project
from musebuild.errors import FrameError, UsageError
from musebuild.explain.compare import (
    DIFFERENT,
    Comparison,
    ProductPair,
    Side,
    SideTask,
    compare,
)
from musebuild.explain.lock import lock_side, read_lock
from musebuild.explain.sides import ledger_side, settings_side, version_side
from musebuild.fits.statistics import ArrayPair, compare_statistics
from musebuild.index import qc
from musebuild.settings.nearest import nearest

PATHS = (".yml", ".yaml", ".db", ".sqlite", ".lock", ".json")
"""Endings of names that mean a file, whether it is there or not."""

Parameters = dict[tuple[int, str], dict[str, Any]]
"""(number of the HDU, its EXTNAME) → quality parameters."""


@dataclass(frozen=True, slots=True)
class ParameterDifference:
    """A quality parameter that has another value."""

    task: str
    category: str
    product: str
    hdu: str
    """EXTNAME, or the number of the HDU."""
    parameter: str
    first: Any
    second: Any
    """None: that side does not have it."""

    @property
    def change(self) -> float | None:
        """Second less first, of numbers."""
        if isinstance(self.first, int | float) and isinstance(self.second, int | float):
            return float(self.second) - float(self.first)
        return None

    @property
    def size(self) -> float:
        """How large the change is against the values themselves; infinite without numbers."""
        change = self.change
        if change is None or self.first == 0:
            return float("inf")
        return abs(change / float(self.first))


@dataclass(frozen=True, slots=True)
class Findings:
    """All that was compared."""

    comparison: Comparison
    quality: tuple[ParameterDifference, ...] = ()
    compared: int = 0
    """Quality parameters that were compared."""
    lost: tuple[str, ...] = ()
    """Products whose parameters are not at hand."""
    pixels: Mapping[str, Sequence[ArrayPair]] = field(default_factory=dict)
    """Task and product → arrays that differ; only where pixels were asked for."""
    unread: Mapping[str, str] = field(default_factory=dict)
    """Task and product → why its pixels were not compared."""


def side_of(text: str, here: Callable[[], Project], other: Callable[[Path], Project]) -> Side:
    """The side that people mean by a word of the command line.

    Parameters
    ----------
    text : str
        A version, or the path of a settings file, a project's folder, a ledger, a lock file.
    here : callable
        Opens the present project; only called for a version.
    other : callable
        Opens the project of a settings file.

    Raises
    ------
    UsageError
        It is none of them.
    """
    path = Path(text).expanduser()
    if "/" not in text and not text.endswith(PATHS):
        versions: Sequence[str] = ()
        with contextlib.suppress(UsageError):
            versions = [note.version for note in here().ledger.last_builds()]
        if text in versions or not path.exists():
            return version_side(text, here())
    if path.is_dir():
        path = path / SETTINGS_NAME
    if not path.is_file():
        raise UsageError(
            f"there is no file {path}",
            remedy="name a version that was built, a settings file, a musebuild.db or a "
            "settings.lock",
        )
    try:
        with path.open("rb") as file:
            head = file.read(64)
    except OSError as error:
        raise UsageError(
            f"{path} cannot be read", why=error.strerror, remedy="mend its permissions"
        ) from None
    if head.startswith(b"SQLite format 3\0") or text.endswith((".db", ".sqlite")):
        return ledger_side(text, path)
    if text.endswith(".lock") or (head.lstrip()[:1] == b"{" and b"musebuild-lock" in head):
        return lock_side(text, read_lock(path), path)
    return settings_side(text, other(path.absolute()))


def find_differences(
    first: Side, second: Side, only: Sequence[str] = (), *, pixels: bool = False
) -> Findings:
    """All that can be compared of two sides.

    Parameters
    ----------
    first, second : Side
        Of `side_of`.
    only : sequence of str
        Tell of these tasks, blocks, patterns alone; none: all.
    pixels : bool
        Read the products that differ.

    Raises
    ------
    UsageError
        They have no task in common, or none of those names.
    """
    chosen = _chosen(first, second, only) if only else None
    if not first.tasks.keys() & second.tasks.keys():
        raise UsageError(
            f"{first.label} and {second.label} have no task in common",
            why=f"{first.label} has {_some(first)}; {second.label} has {_some(second)}",
            remedy="compare two of the same frames: versions, settings or ledgers of one project",
        )
    comparison = compare(first, second, chosen)
    quality, compared, lost = _quality(comparison)
    read, unread = _pixels(comparison) if pixels else ({}, {})
    return Findings(comparison, quality, compared, lost, read, unread)


def _some(side: Side) -> str:
    """A few tasks of a side."""
    names = list(side.tasks)
    if not names:
        return "none"
    return ", ".join(names[:2]) + (f" and {len(names) - 2} more" if len(names) > 2 else "")


def _chosen(first: Side, second: Side, only: Sequence[str]) -> set[str]:
    """Tasks of either side that names, blocks and patterns stand for."""
    names = dict.fromkeys([*first.tasks, *second.tasks])
    found: set[str] = set()
    for text in only:
        some = [
            name
            for name in names
            if text in (name, name.partition(".ifu")[0], name.partition(":")[0])
            or fnmatch.fnmatchcase(name, text)
        ]
        if not some:
            parts = [part for name in names for part in (name.partition(":")[0], name)]
            near = nearest(text, dict.fromkeys(parts))
            raise UsageError(
                f"--only {text}: neither side has such a task",
                why=f"did you mean {' or '.join(near)}?" if near else None,
                remedy="name a task, a block, or a pattern in quotes: --only 'muse_scipost*'",
            )
        found.update(some)
    return found


def _differing(comparison: Comparison) -> Iterator[tuple[ProductPair, Product, Product]]:
    """Products of both sides that differ in content."""
    for pair in comparison.products:
        if pair.verdict == DIFFERENT and pair.first is not None and pair.second is not None:
            yield pair, pair.first, pair.second


def _quality(
    comparison: Comparison,
) -> tuple[tuple[ParameterDifference, ...], int, tuple[str, ...]]:
    """Quality parameters that differ; how many were compared; products without any at hand."""
    first, second = comparison.first, comparison.second
    found: list[ParameterDifference] = []
    compared, lost = 0, []
    for pair, one, two in _differing(comparison):
        ours = _parameters(first, first.tasks[pair.task], one)
        theirs = _parameters(second, second.tasks[pair.task], two)
        if ours is None or theirs is None:
            lost.append(f"{pair.task} {pair.name}")
            continue
        for number, extname in dict.fromkeys([*ours, *theirs]):
            a, b = (side.get((number, extname), {}) for side in (ours, theirs))
            hdu = extname or (str(number) if number else "")
            for name in dict.fromkeys([*a, *b]):
                compared += 1
                if a.get(name) != b.get(name):
                    values = a.get(name), b.get(name)
                    found.append(
                        ParameterDifference(pair.task, pair.category, pair.name, hdu, name, *values)
                    )
    return tuple(found), compared, tuple(lost)


def _parameters(side: Side, task: SideTask, product: Product) -> Parameters | None:
    """Quality parameters of a product, from the tables or from its header; None: unknown."""
    if side.db is not None:
        # Empty, too, where the category has no table.
        table = side.db.table(qc.table_name(product.category))
        rows = list(table.rows_where("key = ? AND product = ?", [task.key, product.name]))
        if rows:
            return _by_hdu(rows)
    path = side.path(product)
    if path is None:
        return None
    try:
        return _by_hdu(qc.rows_of(qc.Made(task.key, task.name, "", ()), product.name, path))
    except FrameError:
        return None


def _by_hdu(rows: Iterable[Mapping[str, Any]]) -> Parameters:
    return {
        (row["hdu"], row["extname"] or ""): {
            name: value for name, value in row.items() if name not in qc.FIXED and value is not None
        }
        for row in rows
    }


def _pixels(comparison: Comparison) -> tuple[dict[str, Sequence[ArrayPair]], dict[str, str]]:
    """Statistics of the products that differ; why those of others are not compared."""
    pixels: dict[str, Sequence[ArrayPair]] = {}
    unread: dict[str, str] = {}
    for pair, one, two in _differing(comparison):
        name = f"{pair.task} {pair.name}"
        paths = comparison.first.path(one), comparison.second.path(two)
        if paths[0] is None or paths[1] is None:
            side = comparison.first if paths[0] is None else comparison.second
            unread[name] = f"that of {side.label} is not at hand: its store does not have it"
            continue
        try:
            pixels[name] = compare_statistics(paths[0], paths[1])
        except FrameError as error:
            unread[name] = f"{error.what}: {error.why}"
    return pixels, unread
