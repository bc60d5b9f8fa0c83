"""In what two sides differ: settings, software, tasks down to the root causes, products. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

from musebuild.cache.model import Product, Record, UsedInput
from musebuild.engine.portable_settings import COMPUTES
from musebuild.explain.changes import Change, compare
from musebuild.explain.sides import Side, SideTask
from musebuild.settings.diff import Difference, between

SAME_BYTES = "same bytes"
SAME_CONTENT = "same content"
DIFFERENT = "different"
FIRST_ONLY = "only in the first"
SECOND_ONLY = "only in the second"
VERDICTS = (SAME_BYTES, SAME_CONTENT, DIFFERENT, FIRST_ONLY, SECOND_ONLY)

SOFTWARE = ("version", "package", "environment", "key version")
"""Kinds of changes by which other software computes."""
ASSOCIATIONS = ("elsewhere", "added", "gone")
"""Kinds of changes by which a task takes other frames, not the same with other data."""


@dataclass(frozen=True, slots=True)
class TaskDifference:
    """A task of both sides that is not made in the same way, or did not come out the same."""

    name: str
    kind: Literal["otherwise", "content", "unknown", "not made"]
    """`otherwise`: other parameters, software or inputs; `content`: of the same, other content;
    `unknown`: one side cannot tell yet; `not made`: made in the same way, on one side only."""
    first: SideTask
    second: SideTask
    changes: tuple[Change, ...] = ()
    """From the first to the second; none: not known any more."""
    upstream: tuple[str, ...] = ()
    """Tasks whose products differ, and by that this."""

    @property
    def own(self) -> tuple[Change, ...]:
        """What differs here, not upstream."""
        return tuple(change for change in self.changes if not change.upstream)


@dataclass(frozen=True, slots=True)
class ProductDifference:
    """A product that is not the same bytes on both sides."""

    task: str
    category: str
    name: str
    verdict: str
    first: Product | None
    second: Product | None


@dataclass(frozen=True, slots=True)
class Cause:
    """A task in which a difference began."""

    task: TaskDifference
    below: tuple[str, ...]
    """Tasks that differ because of it."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """In what two sides differ."""

    first: Side
    second: Side
    settings: tuple[Difference, ...] | None
    """Those that products follow from; None: one of the two is not known."""
    others: tuple[Difference, ...]
    """Settings that say where and how fast."""
    same: int
    """Tasks that are made in the same way and came out the same."""
    first_only: tuple[str, ...]
    second_only: tuple[str, ...]
    tasks: tuple[TaskDifference, ...]
    products: tuple[ProductDifference, ...]
    causes: tuple[Cause, ...]
    software: tuple[tuple[str, Any, Any, int], ...]
    """(name, in the first, in the second, tasks that it concerns; 0: not known)."""
    verdicts: Mapping[str, int]
    """Verdict → number of products of tasks that both sides have."""

    @property
    def equal(self) -> bool:
        """Whether nothing differs that products follow from, and no product."""
        return not (
            self.settings
            or self.software
            or self.first_only
            or self.second_only
            or self.tasks
            or any(self.verdicts.get(v) for v in (DIFFERENT, FIRST_ONLY, SECOND_ONLY))
        )


def causes_of(tasks: Iterable[TaskDifference]) -> tuple[Cause, ...]:
    """Where the differences of tasks began, each with what follows from it."""
    by_name = {task.name: task for task in tasks}
    found: dict[str, list[str]] = {
        name: [] for name, task in by_name.items() if task.own or not _known(task, by_name)
    }
    for task in by_name.values():
        for root in _above(task, by_name):
            if root in found and root != task.name:
                found[root].append(task.name)
    return tuple(Cause(by_name[name], tuple(below)) for name, below in found.items())


def _known(task: TaskDifference, by_name: Mapping[str, TaskDifference]) -> list[str]:
    return [name for name in task.upstream if name in by_name]


def _above(task: TaskDifference, by_name: Mapping[str, TaskDifference]) -> set[str]:
    """Tasks that differ, from which a task's difference follows."""
    seen: set[str] = set()
    waiting = _known(task, by_name)
    while waiting:
        name = waiting.pop()
        if name not in seen:
            seen.add(name)
            waiting += _known(by_name[name], by_name)
    return seen


def _completed(record: Record, side: Side, other: Record) -> Record:
    """A record with the software that its side says once for all tasks.

    What neither tells (the code of a Python recipe) is taken for the same.
    """
    if not side.software:
        return record
    call = dict(record.call)
    call["musebuild-key"] = side.software["musebuild-key"]
    drs = bool(other.call.get("version"))
    call["version"] = side.software["version"] if drs else ""
    call["environment"] = side.software["environment"] if drs else {}
    packages = side.software["packages"]
    call["packages"] = {n: packages[n] for n in other.call.get("packages", {}) if n in packages}
    if other.call.get("code"):
        call["code"] = other.call["code"]
    return replace(record, call=call)


def _unnamed(record: Record) -> Record:
    """A record whose inputs are known by tag and source alone."""
    return replace(
        record, inputs=tuple(replace(used, category="", night="") for used in record.inputs)
    )


def _records(first: Side, second: Side, name: str) -> tuple[Record, Record] | None:
    one, two = first.tasks[name].record, second.tasks[name].record
    if one is None or two is None:
        return None
    if first.software and second.software:
        # Two locks: which task needs what software is not said there.
        return _unnamed(one), _unnamed(two)
    one, two = _completed(one, first, two), _completed(two, second, one)
    if not (first.named and second.named):
        one, two = _unnamed(one), _unnamed(two)
    return one, two


def _known_change(change: Change) -> bool:
    """Whether a change says more than that a digest is not known yet."""
    return not (
        change.kind == "content"
        and change.old is not None
        and change.new is not None
        and not (change.old.digest and change.new.digest)
    )


def _contents(task: SideTask) -> Counter[tuple[str, str]]:
    return Counter((product.name, product.digest) for product in task.products)


def _upstream(changes: Iterable[Change], inputs: Iterable[UsedInput]) -> tuple[str, ...]:
    names = [change.upstream for change in changes if change.upstream]
    waiting = [used.source for used in inputs if used.kind == "product" and not used.digest]
    return tuple(dict.fromkeys([*names, *waiting]))


def _task(first: Side, second: Side, name: str) -> TaskDifference | None:
    one, two = first.tasks[name], second.tasks[name]
    records = _records(first, second, name)
    changes: tuple[Change, ...] = ()
    inputs: tuple[UsedInput, ...] = ()
    if one.key != two.key or not one.key:
        if records is not None:
            changes = tuple(filter(_known_change, compare(*records)))
            inputs = (*records[0].inputs, *records[1].inputs)
        if not (one.key and two.key) and not any(not change.upstream for change in changes):
            return TaskDifference(name, "unknown", one, two, changes, _upstream(changes, inputs))
        return TaskDifference(name, "otherwise", one, two, changes, _upstream(changes, inputs))
    if bool(one.products) != bool(two.products):
        return TaskDifference(name, "not made", one, two)
    if _contents(one) != _contents(two):
        return TaskDifference(name, "content", one, two)
    return None


def _products(one: SideTask, two: SideTask) -> Iterable[ProductDifference | None]:
    """Products of a task; None for each that is the same bytes."""
    ours = {product.name: product for product in one.products}
    theirs = {product.name: product for product in two.products}
    if not ours or not theirs:
        # The task is not made on one side, which is told of the task.
        return
    for name in dict.fromkeys([*ours, *theirs]):
        a, b = ours.get(name), theirs.get(name)
        some = a or b
        assert some is not None, "one of the two has it"
        if a is None or b is None:
            verdict = SECOND_ONLY if a is None else FIRST_ONLY
        elif a.object == b.object:
            yield None
            continue
        else:
            verdict = SAME_CONTENT if a.digest == b.digest else DIFFERENT
        yield ProductDifference(one.name, some.category, name, verdict, a, b)


def differ(first: Side, second: Side, only: Collection[str] | None = None) -> Comparison:
    """Compare two sides.

    Parameters
    ----------
    first, second : Side
        Of `side_of`. What differs is told as from the first to the second.
    only : collection of str, optional
        Tell of these tasks alone; root causes may lie in others.
    """
    chosen = (first.tasks.keys() | second.tasks.keys()) if only is None else frozenset(only)
    both = [name for name in first.tasks if name in second.tasks]
    every = [found for name in both if (found := _task(first, second, name)) is not None]
    tasks = [task for task in every if task.name in chosen]
    both = [name for name in both if name in chosen]
    verdicts: Counter[str] = Counter()
    products = []
    for name in both:
        for product in _products(first.tasks[name], second.tasks[name]):
            verdicts[product.verdict if product else SAME_BYTES] += 1
            products += [product] if product else []
    settings = None
    others: tuple[Difference, ...] = ()
    if first.settings is not None and second.settings is not None:
        told = between(first.settings, second.settings)
        settings = tuple(one for one in told if _computes(one))
        others = tuple(one for one in told if not _computes(one))
    return Comparison(
        first,
        second,
        settings,
        others,
        same=len(both) - len(tasks),
        first_only=_alone(first, second, chosen),
        second_only=_alone(second, first, chosen),
        tasks=tuple(tasks),
        products=tuple(products),
        causes=tuple(_concerning(causes_of(every), chosen)),
        software=_software(first, second, tasks),
        verdicts=dict(verdicts),
    )


def _alone(side: Side, other: Side, chosen: Collection[str]) -> tuple[str, ...]:
    return tuple(name for name in side.tasks if name not in other.tasks and name in chosen)


def _concerning(causes: Iterable[Cause], chosen: Collection[str]) -> Iterator[Cause]:
    for cause in causes:
        below = tuple(name for name in cause.below if name in chosen)
        if below or cause.task.name in chosen:
            yield Cause(cause.task, below)


def _software(
    first: Side, second: Side, tasks: Iterable[TaskDifference]
) -> tuple[tuple[str, Any, Any, int], ...]:
    if first.software and second.software:
        changes = Counter(
            (change.name, change.before, change.after)
            for change in compare(
                Record("", "", "", {"recipe": ""} | dict(first.software), ()),
                Record("", "", "", {"recipe": ""} | dict(second.software), ()),
            )
        )
        return tuple((*change, 0) for change in changes)
    counted = Counter(
        (change.name, change.before, change.after)
        for task in tasks
        for change in task.changes
        if change.kind in SOFTWARE
    )
    return tuple((*change, number) for change, number in counted.items())


def _computes(difference: Difference) -> bool:
    top, *rest = difference.keys
    return top in COMPUTES and not (top == "datasets" and "archive_filter" in rest)


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


def compare_quality(
    comparison: Comparison,
) -> tuple[tuple[ParameterDifference, ...], int, tuple[str, ...]]:
    """Quality parameters of the products that differ.

    Returns
    -------
    tuple
        Those that differ; how many were compared; products whose parameters are not at hand.
    """
    first, second = comparison.first, comparison.second
    found: list[ParameterDifference] = []
    compared, lost = 0, []
    for product in comparison.products:
        if product.verdict != DIFFERENT or product.first is None or product.second is None:
            continue
        one = first.quality(first.tasks[product.task], product.first)
        two = second.quality(second.tasks[product.task], product.second)
        if one is None or two is None:
            lost.append(f"{product.task} {product.name}")
            continue
        for hdu in dict.fromkeys([*one, *two]):
            ours, theirs = one.get(hdu, {}), two.get(hdu, {})
            for name in dict.fromkeys([*ours, *theirs]):
                compared += 1
                if ours.get(name) != theirs.get(name):
                    found.append(
                        ParameterDifference(
                            product.task,
                            product.category,
                            product.name,
                            hdu[1] or (str(hdu[0]) if hdu[0] else ""),
                            name,
                            ours.get(name),
                            theirs.get(name),
                        )
                    )
    return tuple(found), compared, tuple(lost)
