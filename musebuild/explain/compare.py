"""In what two sides differ: settings, software, tasks down to the root causes, products. Pure.

`diff`, `why`, `--locked` and `reproduce` all compare here; `sides` and `lock` make the sides.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from musebuild.cache.model import Product, Record, UsedInput
from musebuild.engine.portable_settings import COMPUTES
from musebuild.plan.blocks import meaning_in
from musebuild.recipes.catalogue import load_catalogue
from musebuild.settings.differences import Difference, between

if TYPE_CHECKING:
    from sqlite_utils import Database

    from musebuild.cache.store import Store
    from musebuild.settings.resolved import Keys

MISSING = "(not set)"
"""Stands for the value of what is not there."""

SAME_BYTES = "same bytes"
SAME_CONTENT = "same content"
DIFFERENT = "different"
FIRST_ONLY = "only in the first"
SECOND_ONLY = "only in the second"
VERDICTS = (SAME_BYTES, SAME_CONTENT, DIFFERENT, FIRST_ONLY, SECOND_ONLY)

Kind = Literal[
    "parameter",
    "version",
    "package",
    "environment",
    "recipe",
    "code",
    "key version",
    "content",
    "elsewhere",
    "added",
    "gone",
    "order",
]
SOFTWARE = ("version", "package", "environment", "key version")
"""Kinds of changes by which other software computes."""
ASSOCIATIONS = ("elsewhere", "added", "gone")
"""Kinds of changes by which a task takes other frames, not the same with other data."""

_CALL: tuple[tuple[str, Kind, str], ...] = (
    ("musebuild-key", "key version", "key"),
    ("musebuild-digest", "key version", "digest"),
    ("recipe", "recipe", "recipe"),
    ("params", "parameter", ""),
    ("version", "version", "DRS"),
    ("code", "code", ""),
    ("packages", "package", ""),
    ("environment", "environment", ""),
)
"""(part of a call, kind of its changes, name of a change), in the order in which people ask."""


def value_text(value: object) -> str:
    """A value as people write it in the settings."""
    if value is None or value == MISSING:
        return MISSING
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list | tuple):
        value = ", ".join(map(value_text, value))
    return str(value) or "(empty)"


@dataclass(frozen=True, slots=True)
class Change:
    """One thing that differs in how a task is made."""

    kind: Kind
    name: str
    """Of the parameter, package, variable; tag of an input."""
    before: Any = None
    after: Any = None
    old: UsedInput | None = None
    """Of an input: what it was."""
    new: UsedInput | None = None

    @property
    def upstream(self) -> str:
        """The task whose product changed, and is made by the same task as before."""
        if self.kind == "content" and self.new is not None and self.new.kind == "product":
            return self.new.source
        return ""


def compare_records(before: Record, now: Record) -> list[Change]:
    """What differs in how a task is made: parameters, software, inputs.

    Parameters
    ----------
    before, now : Record
        An input of `now` without a digest counts as changed, if it is not a product: a file
        that is not hashed is new, or differs from the one that was.
    """
    changes = [*compare_calls(before.call, now.call), *_inputs(before.inputs, now.inputs)]
    return changes or list(_order(before.inputs, now.inputs))


def compare_calls(before: Mapping[str, Any], now: Mapping[str, Any]) -> Iterator[Change]:
    """What differs in a recipe, its parameters and the software: preimages less their inputs."""
    for part, kind, name in _CALL:
        old, new = before.get(part), now.get(part)
        if isinstance(old, Mapping) or isinstance(new, Mapping):
            yield from _values(old or {}, new or {}, kind)
        elif old != new:
            yield Change(kind, name or str(now["recipe"]), old, new)


def _values(before: Mapping[str, Any], after: Mapping[str, Any], kind: Kind) -> Iterator[Change]:
    for name in sorted(before.keys() | after.keys()):
        old, new = before.get(name, MISSING), after.get(name, MISSING)
        # 1, 1.0 and true are different parameters of a recipe.
        if old != new or type(old) is not type(new):
            yield Change(kind, name, old, new)


def _inputs(before: Iterable[UsedInput], now: Iterable[UsedInput]) -> Iterator[Change]:
    tags = dict.fromkeys([*(used.tag for used in before), *(used.tag for used in now)])
    for tag in tags:
        old = [used for used in before if used.tag == tag]
        new = [used for used in now if used.tag == tag]
        # The same data under another name are the same input.
        _paired(old, new, lambda used: (used.digest, used.source) if used.digest else None)
        _paired(old, new, lambda used: used.digest or None)
        for was, used in _paired(old, new, lambda used: (used.source, used.category)):
            if used.digest or used.kind != "product":
                yield Change("content", tag, old=was, new=used)
        for was, used in zip(old, new, strict=False):
            if was.source or used.digest or used.kind != "product":
                yield Change("elsewhere", tag, old=was, new=used)
        for was in old[len(new) :]:
            yield Change("gone", tag, old=was)
        for used in new[len(old) :]:
            yield Change("added", tag, new=used)


def _paired(
    old: list[UsedInput], new: list[UsedInput], by: Callable[[UsedInput], object]
) -> list[tuple[UsedInput, UsedInput]]:
    """Take what is alike off both lists; None is like nothing."""
    waiting: dict[object, list[UsedInput]] = {}
    for used in old:
        waiting.setdefault(by(used), []).append(used)
    waiting.pop(None, None)
    pairs = [(same.pop(0), used) for used in new if (same := waiting.get(by(used)))]
    taken = {id(used) for pair in pairs for used in pair}
    for some in (old, new):
        some[:] = [used for used in some if id(used) not in taken]
    return pairs


def _order(before: Iterable[UsedInput], now: Iterable[UsedInput]) -> Iterator[Change]:
    old = [(used.tag, used.digest) for used in before]
    new = [(used.tag, used.digest) for used in now]
    if old != new and all(digest for _, digest in new):
        yield Change("order", "inputs")


@dataclass(frozen=True, slots=True)
class SideTask:
    """A task on one side."""

    name: str
    key: str
    """Empty: not known, as its inputs are not made or not hashed."""
    record: Record | None
    """How it was made; None: not known any more."""
    products: tuple[Product, ...]
    state: str = ""
    """Why it has no products."""
    seconds: float = 0.0
    """That it took to make them."""
    impossible: bool = False
    """Whether it cannot be made, as what it needs came out."""


@dataclass(frozen=True, slots=True)
class Side:
    """One side of a comparison."""

    label: str
    """As it was named."""
    what: str
    """What that is, for people."""
    tasks: Mapping[str, SideTask]
    settings: Mapping[Keys, Any] | None
    """None: not known."""
    software: Mapping[str, Any] = field(default_factory=dict)
    """Of a lock, which has it once for all tasks: parts of a call."""
    stores: tuple[Store, ...] = ()
    db: Database | None = None

    def path(self, product: Product) -> Path | None:
        """Where a product's bytes lie, unharmed; None: they are not at hand."""
        for store in self.stores:
            if store.holds(product.object, product.size):
                return store.path(product.object)
        return None


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
class ProductPair:
    """A product on two sides."""

    task: str
    category: str
    name: str
    verdict: str
    """One of `VERDICTS`."""
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
    products: tuple[ProductPair, ...]
    """Of tasks that are made on both sides: those that are not the same bytes."""
    causes: tuple[Cause, ...]
    software: tuple[tuple[str, Any, Any, int], ...]
    """(name, in the first, in the second, tasks that it concerns; 0: not known)."""
    verdicts: Mapping[str, int]
    """Verdict → number of products of tasks that are made on both sides."""

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


def compare(first: Side, second: Side, only: Collection[str] | None = None) -> Comparison:
    """Compare two sides.

    Parameters
    ----------
    first, second : Side
        What differs is told as from the first to the second.
    only : collection of str, optional
        Tell of these tasks alone; root causes may lie in others.
    """
    chosen = (first.tasks.keys() | second.tasks.keys()) if only is None else frozenset(only)
    both = [name for name in first.tasks if name in second.tasks]
    every = [found for name in both if (found := _task(first, second, name)) is not None]
    tasks = [task for task in every if task.name in chosen]
    both = [name for name in both if name in chosen]
    products = [
        pair
        for name in both
        if first.tasks[name].products and second.tasks[name].products
        for pair in compare_products(first.tasks[name], second.tasks[name])
    ]
    settings = None
    others: tuple[Difference, ...] = ()
    if first.settings is not None and second.settings is not None:
        told = between(first.settings, second.settings, meaning_in(load_catalogue()))
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
        products=tuple(pair for pair in products if pair.verdict != SAME_BYTES),
        causes=tuple(_concerning(causes_of(every), chosen)),
        software=_software(first, second, tasks),
        verdicts=Counter(pair.verdict for pair in products),
    )


def compare_products(first: SideTask, second: SideTask) -> Iterator[ProductPair]:
    """Products of a task on two sides, by their names."""
    ours = {product.name: product for product in first.products}
    theirs = {product.name: product for product in second.products}
    for name in dict.fromkeys([*ours, *theirs]):
        one, two = ours.get(name), theirs.get(name)
        if one is None or two is None:
            verdict = SECOND_ONLY if one is None else FIRST_ONLY
        elif one.object == two.object:
            verdict = SAME_BYTES
        else:
            verdict = SAME_CONTENT if one.digest == two.digest else DIFFERENT
        some = one or two
        assert some is not None, "one of the two has it"
        yield ProductPair(first.name, some.category, name, verdict, one, two)


def _task(first: Side, second: Side, name: str) -> TaskDifference | None:
    one, two = first.tasks[name], second.tasks[name]
    if one.key != two.key or not one.key:
        changes: tuple[Change, ...] = ()
        inputs: tuple[UsedInput, ...] = ()
        if one.record is not None and two.record is not None:
            records = _comparable(one.record, first, two.record, second)
            changes = tuple(filter(_known_change, compare_records(*records)))
            inputs = (*records[0].inputs, *records[1].inputs)
        unknown = not (one.key and two.key) and all(change.upstream for change in changes)
        kind: Literal["unknown", "otherwise"] = "unknown" if unknown else "otherwise"
        return TaskDifference(name, kind, one, two, changes, _upstream(changes, inputs))
    if bool(one.products) != bool(two.products):
        return TaskDifference(name, "not made", one, two)
    contents = [Counter((p.name, p.digest) for p in task.products) for task in (one, two)]
    return None if contents[0] == contents[1] else TaskDifference(name, "content", one, two)


def _comparable(one: Record, first: Side, two: Record, second: Side) -> tuple[Record, Record]:
    """Two records, of which a lock may know the software once for all, and no night of an input."""
    if not (first.software or second.software):
        return one, two
    if not (first.software and second.software):
        # Of two locks neither says which task needs what software.
        one, two = _completed(one, first, two), _completed(two, second, one)
    return _unnamed(one), _unnamed(two)


def _completed(record: Record, side: Side, other: Record) -> Record:
    """A record with the software that its side says once for all tasks.

    What neither tells (the code of a Python recipe) is taken for the same.
    """
    if not side.software:
        return record
    drs = bool(other.call.get("version"))
    packages = side.software["packages"]
    call = dict(record.call) | {
        "musebuild-key": side.software["musebuild-key"],
        "version": side.software["version"] if drs else "",
        "environment": side.software["environment"] if drs else {},
        "packages": {n: packages[n] for n in other.call.get("packages", {}) if n in packages},
    }
    if other.call.get("code"):
        call["code"] = other.call["code"]
    return replace(record, call=call)


def _unnamed(record: Record) -> Record:
    """A record whose inputs are known by tag and source alone."""
    return replace(
        record, inputs=tuple(replace(used, category="", night="") for used in record.inputs)
    )


def _known_change(change: Change) -> bool:
    """Whether a change says more than that a digest is not known yet."""
    return not (
        change.kind == "content"
        and change.old is not None
        and change.new is not None
        and not (change.old.digest and change.new.digest)
    )


def _upstream(changes: Iterable[Change], inputs: Iterable[UsedInput]) -> tuple[str, ...]:
    names = [change.upstream for change in changes if change.upstream]
    waiting = [used.source for used in inputs if used.kind == "product" and not used.digest]
    return tuple(dict.fromkeys([*names, *waiting]))


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


def _concerning(causes: Iterable[Cause], chosen: Collection[str]) -> Iterator[Cause]:
    for cause in causes:
        below = tuple(name for name in cause.below if name in chosen)
        if below or cause.task.name in chosen:
            yield Cause(cause.task, below)


def _alone(side: Side, other: Side, chosen: Collection[str]) -> tuple[str, ...]:
    return tuple(name for name in side.tasks if name not in other.tasks and name in chosen)


def _software(
    first: Side, second: Side, tasks: Iterable[TaskDifference]
) -> tuple[tuple[str, Any, Any, int], ...]:
    if first.software and second.software:
        changes = compare_calls(first.software, second.software)
        return tuple((change.name, change.before, change.after, 0) for change in changes)
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
