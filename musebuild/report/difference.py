"""In what two sides differ, for people (text) and for programs (JSON)."""

from __future__ import annotations

import json
import math
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from musebuild.explain.compare import (
    ASSOCIATIONS,
    FIRST_ONLY,
    SAME_CONTENT,
    SECOND_ONLY,
    SOFTWARE,
    VERDICTS,
    Cause,
    Change,
    Comparison,
    TaskDifference,
    value_text,
)
from musebuild.explain.diff import Findings, ParameterDifference
from musebuild.fits.statistics import ArrayPair, Statistics
from musebuild.report.spans import count
from musebuild.report.tables import Rows, text_of
from musebuild.report.why import change_text

MOST = 10
"""Lines of a kind that are told, unless all are asked for."""
LONGEST = 240
"""Characters of one change that are told."""
_IFU = re.compile(r"\.ifu\d\d\b")


def _short(label: str) -> str:
    """A side's name at the head of a column."""
    return label if len(label) <= 24 else f"…{label[-23:]}"


class _Text:
    """Text in sections, of each at most so many lines."""

    def __init__(self, first: str, second: str, *, everything: bool) -> None:
        self.names = (_short(first), _short(second))
        if self.names[0] == self.names[1]:
            self.names = ("first", "second")
        self.everything = everything
        self.parts: list[str] = []
        self.cut = False

    def line(self, text: str) -> None:
        self.parts.append(f"{text}\n")

    def head(self, text: str) -> None:
        self.parts.append(f"\n{text}\n")

    def some(self, lines: Sequence[Any]) -> Sequence[Any]:
        return lines if self.everything else lines[:MOST]

    def more(self, lines: Sequence[Any], noun: str = "more") -> None:
        if not self.everything and len(lines) > MOST:
            self.cut = True
            self.line(f"  and {len(lines) - MOST} {noun}")

    def lines(self, lines: Sequence[str]) -> None:
        for text in self.some(lines):
            self.line(f"  {text}")
        self.more(lines)

    def table(self, columns: tuple[str, ...], rows: Sequence[tuple[Any, ...]]) -> None:
        table = Rows(columns, tuple(self.some(rows)))
        self.parts += [f"  {line}\n" for line in text_of(table).splitlines()]
        self.more(rows)


def difference_text(found: Findings, *, everything: bool = False) -> str:
    """What `musebuild diff` prints.

    Parameters
    ----------
    found : Findings
    everything : bool
        Tell all, not only the first of each kind.
    """
    comparison = found.comparison
    first, second = comparison.first, comparison.second
    out = _Text(first.label, second.label, everything=everything)
    out.line(f"first:  {first.what}")
    out.line(f"second: {second.what}")
    _counts(out, comparison)
    _settings(out, comparison)
    if comparison.software:
        out.head("Software")
        rows = [(n, a, b, tasks or None) for n, a, b, tasks in comparison.software]
        out.table(("", *out.names, "tasks"), rows)
    for names, where in ((comparison.first_only, 0), (comparison.second_only, 1)):
        if names:
            out.head(f"Only in {out.names[where]}")
            out.lines(_folded_names(names))
    _associations(out, comparison.tasks)
    _causes(out, comparison)
    _products(out, comparison)
    _quality(out, found)
    _pixels(out, found)
    if comparison.equal:
        out.line("They do not differ.")
    elif out.cut:
        out.head("--all tells the rest.")
    return "".join(out.parts)


def _counts(out: _Text, comparison: Comparison) -> None:
    kinds: Counter[str] = Counter(task.kind for task in comparison.tasks)
    both = comparison.same + len(comparison.tasks)
    told = [f"{comparison.same} the same"]
    for kind, text in (
        ("otherwise", "made otherwise"),
        ("content", "made alike and come out otherwise"),
        ("not made", "made on one side only"),
        ("unknown", "not known yet on one side (until what they need is made, and read)"),
    ):
        told += [f"{kinds[kind]} {text}"] if kinds[kind] else []
    text = f"{count(both, 'task')} in both: {', '.join(told)}"
    alone = [
        f"{len(names)} only in {label}"
        for names, label in zip(
            (comparison.first_only, comparison.second_only), out.names, strict=True
        )
        if names
    ]
    out.line("; ".join([text, *alone]))
    verdicts = comparison.verdicts
    number = sum(verdicts.values())
    words = _verdicts(out)
    parts = [f"{verdicts[v]} {words[v]}" for v in VERDICTS if verdicts.get(v)]
    if number:
        out.line(f"{count(number, 'product')} of those made in both: {', '.join(parts)}")


def _verdicts(out: _Text) -> dict[str, str]:
    """Verdict → how it is told of these two."""
    return {v: v for v in VERDICTS} | {
        FIRST_ONLY: f"only in {out.names[0]}",
        SECOND_ONLY: f"only in {out.names[1]}",
    }


def _products(out: _Text, comparison: Comparison) -> None:
    categories: dict[str, Counter[str]] = {}
    for product in comparison.products:
        categories.setdefault(product.category, Counter())[product.verdict] += 1
    told = [v for v in VERDICTS if any(counted[v] for counted in categories.values())]
    if told == [SAME_CONTENT] or not told:
        return
    words = _verdicts(out)
    out.head("Products that are not the same bytes")
    rows = [(c, *(counted[v] or None for v in told)) for c, counted in categories.items()]
    out.table(("category", *(words[verdict] for verdict in told)), rows)


def _settings(out: _Text, comparison: Comparison) -> None:
    if comparison.settings is None:
        unknown = [
            name
            for name, side in zip(out.names, (comparison.first, comparison.second), strict=True)
            if side.settings is None
        ]
        out.head(f"Settings: those of {' and '.join(unknown)} are not known")
        return
    if comparison.settings:
        out.head("Settings")
        rows = [(one.key, *map(value_text, one.shown)) for one in comparison.settings]
        out.table(("", *out.names), rows)
    if comparison.others:
        names = ", ".join(one.key for one in comparison.others)
        out.line(f"Set otherwise as well, which changes no product: {names}")


def _task_of(name: str) -> str:
    return name.partition(".ifu")[0]


def _folded_names(names: Iterable[str]) -> list[str]:
    counted = Counter(map(_task_of, names))
    return [f"{n} ({count(k, 'IFU')})" if k > 1 else n for n, k in counted.items()]


def _folded(pairs: Iterable[tuple[str, str]]) -> list[str]:
    """(task, text) → lines; what is the same of many tasks of a block is told once."""
    groups: dict[tuple[str, str], list[str]] = {}
    for name, text in pairs:
        groups.setdefault((name.partition(":")[0], text), []).append(name)
    lines = []
    for (block, text), names in groups.items():
        more = f" (and {len(names) - 1} more of {block})" if len(names) > 1 else ""
        lines.append(f"{names[0]}{more}: {text}")
    return lines


def _changes(changes: Iterable[Change]) -> str:
    """Changes as one sentence; what is the same of many IFUs is told once."""
    counted = Counter(_shortened(_IFU.sub("", change_text(change))) for change in changes)
    texts = [f"{text} ({number} IFUs)" if number > 1 else text for text, number in counted.items()]
    if len(texts) > MOST:
        texts[MOST:] = [f"and {len(texts) - MOST} more"]
    return "; ".join(texts)


def _shortened(text: str) -> str:
    """A text of which people see the beginning: a parameter may be a whole list."""
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…"


def _is_association(change: Change) -> bool:
    return change.kind in ASSOCIATIONS


def _associations(out: _Text, tasks: Iterable[TaskDifference]) -> None:
    told = []
    for task in tasks:
        changes = [change for change in task.changes if _is_association(change)]
        if changes:
            told.append((task.name, _changes(changes)))
    if told:
        out.head(f"Associations (was: in {out.names[0]}; now, is: in {out.names[1]})")
        out.lines(_folded(told))


def _cause(task: TaskDifference, comparison: Comparison) -> str:
    if task.own:
        # Software is the same for many tasks, and told once.
        own = [change for change in task.own if change.kind not in SOFTWARE] or task.own
        frames = [change for change in own if _is_association(change)]
        others = [change for change in own if not _is_association(change)]
        if others and frames:
            return f"{_changes(others)}; and it takes other frames (see Associations)"
        return _changes(own)
    if task.kind == "content":
        return (
            "the same parameters, software and inputs (one key), and other content: the recipe "
            "does not give the same twice"
        )
    if task.kind == "not made":
        missing = task.first if not task.first.products else task.second
        return f"not made in one of them: {missing.state or 'no products'}"
    if task.kind == "unknown":
        unknown = task.first if not task.first.key else task.second
        return f"not known yet: {unknown.state}"
    if task.first.record is None or task.second.record is None:
        return "another key; how it was made is not known any more"
    if comparison.software:
        return "another key; nothing differs but the software"
    return "another key, of the same parameters and inputs"


def _causes(out: _Text, comparison: Comparison) -> None:
    if not comparison.causes:
        return
    groups: dict[tuple[str, str], list[Cause]] = {}
    for cause in comparison.causes:
        text = _cause(cause.task, comparison)
        alone = cause.task.own and all(change.kind in SOFTWARE for change in cause.task.own)
        block = "" if alone else cause.task.name.partition(":")[0]
        groups.setdefault((block, text), []).append(cause)
    out.head(f"Root causes (was: in {out.names[0]}; is: in {out.names[1]})")
    lines = []
    for (block, text), causes in groups.items():
        names = [cause.task.name for cause in causes]
        of_what = f" of {block}" if block else ""
        more = f" (and {len(names) - 1} more{of_what})" if len(names) > 1 else ""
        below = dict.fromkeys(n for cause in causes for n in cause.below if n not in names)
        blocks = Counter(task.partition(":")[0] for task in below)
        follow = ", ".join(f"{number} of {name}" for name, number in blocks.items())
        lines.append(f"{names[0]}{more}: {text}")
        if follow:
            lines[-1] += f"\n    by that differ {follow}"
    out.lines(lines)


def _number(value: Any) -> Any:
    return "(none)" if value is None else value


def _quality(out: _Text, found: Findings) -> None:
    if not found.compared and not found.lost:
        return
    differing = len(found.quality)
    out.head(
        f"Quality parameters: {differing} of {found.compared} differ in the products that differ"
    )
    groups: dict[tuple[str, str], list[ParameterDifference]] = {}
    for one in found.quality:
        groups.setdefault((one.category, one.parameter), []).append(one)
    rows = []
    largest: list[float] = []
    for (category, parameter), ones in groups.items():
        worst = max(ones, key=lambda one: one.size)
        hdu = f" {worst.hdu}" if worst.hdu else ""
        largest.append(worst.size)
        rows.append(
            (
                category,
                parameter.removeprefix("QC_"),
                _number(worst.first),
                _number(worst.second),
                worst.change,
                f"{worst.task}{hdu}" + (f" and {len(ones) - 1} more" if len(ones) > 1 else ""),
            )
        )
    # The largest change first; what one side does not have at all comes last.
    order = sorted(
        range(len(rows)), key=lambda n: (math.isinf(largest[n]), -largest[n], rows[n][0])
    )
    rows = [rows[n] for n in order]
    if rows:
        out.table(("category", "QC", *out.names, "change", "where it is largest"), rows)
    if found.lost:
        out.line(f"  not at hand: the parameters of {count(len(found.lost), 'product')}")


def _pixels(out: _Text, found: Findings) -> None:
    for product in [*found.pixels, *found.unread]:
        out.head(f"Pixels of {product}")
        if product in found.unread:
            out.line(f"  {found.unread[product]}")
            continue
        pairs = found.pixels[product]
        if not pairs:
            out.line("  no pixel differs: only header cards do")
        rows: list[tuple[Any, ...]] = []
        for pair in out.some(pairs):
            rows += [
                (pair.name, out.names[0], *_statistics(pair.first)),
                ("", out.names[1], *_statistics(pair.second)),
            ]
        if rows:
            columns = ("", "", "values", "not finite", "mean", "median", "std", "min", "max")
            table = Rows(columns, tuple(rows))
            out.parts += [f"  {line}\n" for line in text_of(table).splitlines()]
        for pair in out.some(pairs):
            out.line(f"  {pair.name}: {_how_much(pair)}")
        out.more(pairs)


def _statistics(found: Statistics | None) -> tuple[Any, ...]:
    if found is None:
        return (None,) * 7
    return (
        found.size,
        found.invalid,
        *(
            None if math.isnan(value) else value
            for value in (found.mean, found.median, found.std, found.least, found.most)
        ),
    )


def _how_much(pair: ArrayPair) -> str:
    if pair.first is None or pair.second is None:
        return f"only in the {'second' if pair.first is None else 'first'}"
    if pair.differing is None:
        return "of different shapes"
    share = 100 * pair.differing / max(pair.first.size, 1)
    return (
        f"{pair.differing} of {pair.first.size} differ ({share:.3g} %), by at most "
        f"{pair.largest:.6g}, rms {pair.rms:.6g}"
    )


def difference_json(found: Findings) -> str:
    """The same for programs: all of it."""
    comparison = found.comparison
    document = {
        "equal": comparison.equal,
        "first": {"name": comparison.first.label, "what": comparison.first.what},
        "second": {"name": comparison.second.label, "what": comparison.second.what},
        "tasks": {
            "same": comparison.same,
            "first only": comparison.first_only,
            "second only": comparison.second_only,
            "different": [_task(task) for task in comparison.tasks],
        },
        "settings": None
        if comparison.settings is None
        else [_difference(one) for one in comparison.settings],
        "other settings": [_difference(one) for one in comparison.others],
        "software": [
            {"name": name, "first": one, "second": two, "tasks": tasks}
            for name, one, two, tasks in comparison.software
        ],
        "causes": [
            {
                "task": cause.task.name,
                "cause": _cause(cause.task, comparison),
                "below": cause.below,
            }
            for cause in comparison.causes
        ],
        "products": {
            "counts": comparison.verdicts,
            "different": [asdict(product) for product in comparison.products],
        },
        "quality": {
            "compared": found.compared,
            "different": [asdict(one) | {"change": one.change} for one in found.quality],
            "not at hand": found.lost,
        },
        "pixels": {name: [asdict(pair) for pair in pairs] for name, pairs in found.pixels.items()},
        "pixels not compared": found.unread,
    }
    return json.dumps(_finite(document), indent=1, ensure_ascii=False) + "\n"


def _difference(one: Any) -> dict[str, Any]:
    first, second = one.shown
    return {"key": one.key, "first": first, "second": second}


def _task(task: TaskDifference) -> dict[str, Any]:
    return {
        "task": task.name,
        "kind": task.kind,
        "first": {"key": task.first.key, "state": task.first.state or "made"},
        "second": {"key": task.second.key, "state": task.second.state or "made"},
        "changes": [
            {
                "kind": change.kind,
                "name": change.name,
                "association": _is_association(change),
                "text": change_text(change),
            }
            for change in task.changes
        ],
        "upstream": task.upstream,
    }


def _finite(value: Any) -> Any:
    """JSON has no NaN."""
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, Mapping):
        return {name: _finite(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return value
