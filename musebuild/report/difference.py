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
from musebuild.report.why import change_text, folded, some_of

MOST = 10
"""Lines of a kind that are told, unless all are asked for."""
LONGEST = 240
"""Characters of one change that are told."""
_IFU = re.compile(r"\.ifu\d\d\b")


class _Text:
    """Text in sections, of each at most so many lines."""

    def __init__(self, first: str, second: str, *, everything: bool) -> None:
        names = [label if len(label) <= 24 else f"…{label[-23:]}" for label in (first, second)]
        self.names = (names[0], names[1]) if names[0] != names[1] else ("first", "second")
        self.everything = everything
        self.parts: list[str] = []
        self.cut = False

    def line(self, text: str) -> None:
        self.parts.append(f"{text}\n")

    def head(self, text: str) -> None:
        self.parts.append(f"\n{text}\n")

    def some(self, lines: Sequence[Any]) -> Sequence[Any]:
        return lines if self.everything else lines[:MOST]

    def lines(self, lines: Sequence[str], number: int = 0) -> None:
        """Write lines; `number`: how many there are, where these are the first of more."""
        shown = self.some(lines)
        self.parts += [f"  {text}\n" for text in shown]
        left = (number or len(lines)) - len(shown)
        if left:
            self.cut = True
            self.line(f"  and {left} more")

    def table(self, columns: tuple[str, ...], rows: Sequence[tuple[Any, ...]]) -> None:
        head, *lines = text_of(Rows(columns, tuple(self.some(rows)))).splitlines()
        self.line(f"  {head}")
        self.lines(lines, len(rows))


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
    for names, label in zip(_alone(comparison), out.names, strict=True):
        if names:
            out.head(f"Only in {label}")
            tasks = Counter(name.partition(".ifu")[0] for name in names)
            out.lines([f"{n} ({count(k, 'IFU')})" if k > 1 else n for n, k in tasks.items()])
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
    for names, label in zip(_alone(comparison), out.names, strict=True):
        text += f"; {len(names)} only in {label}" if names else ""
    out.line(text)
    verdicts, words = comparison.verdicts, _verdicts(out)
    parts = [f"{verdicts[v]} {words[v]}" for v in VERDICTS if verdicts.get(v)]
    if parts:
        number = count(sum(verdicts.values()), "product")
        out.line(f"{number} of those made in both: {', '.join(parts)}")


def _alone(comparison: Comparison) -> tuple[Sequence[str], Sequence[str]]:
    return comparison.first_only, comparison.second_only


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


def _parted(changes: Iterable[Change]) -> tuple[list[Change], list[Change]]:
    """Changes by which a task takes other frames, and the others."""
    frames: list[Change] = []
    others: list[Change] = []
    for change in changes:
        (frames if change.kind in ASSOCIATIONS else others).append(change)
    return frames, others


def _associations(out: _Text, tasks: Iterable[TaskDifference]) -> None:
    taken = [(task.name, _parted(task.changes)[0]) for task in tasks]
    told = [(name, f": {_changes(changes)}") for name, changes in taken if changes]
    if told:
        out.head(f"Associations (was: in {out.names[0]}; now, is: in {out.names[1]})")
        out.lines(folded(told))


def _cause(task: TaskDifference, comparison: Comparison) -> str:
    if task.own:
        # Software is the same for many tasks, and told once.
        own = [change for change in task.own if change.kind not in SOFTWARE] or task.own
        frames, others = _parted(own)
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
        below = dict.fromkeys(n for cause in causes for n in cause.below if n not in names)
        blocks = Counter(task.partition(":")[0] for task in below)
        follow = ", ".join(f"{number} of {name}" for name, number in blocks.items())
        told = some_of(names, f" of {block}" if block else "")
        more = f"\n    by that differ {follow}" if follow else ""
        lines.append(f"{told}: {text}{more}")
    out.lines(lines)


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
    largest = [(max(ones, key=lambda one: one.size), len(ones)) for ones in groups.values()]
    # The largest change first; what one side does not have at all comes last.
    largest.sort(key=lambda pair: (math.isinf(pair[0].size), -pair[0].size, pair[0].category))
    rows = []
    for one, number in largest:
        hdu = f" {one.hdu}" if one.hdu else ""
        more = f" and {number - 1} more" if number > 1 else ""
        values = ("(none)" if value is None else value for value in (one.first, one.second))
        parameter = one.parameter.removeprefix("QC_")
        rows.append((one.category, parameter, *values, one.change, f"{one.task}{hdu}{more}"))
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
        sides: list[tuple[Any, ...]] = []
        for pair in out.some(pairs):
            sides.append((pair.name, out.names[0], *_statistics(pair.first)))
            sides.append(("", out.names[1], *_statistics(pair.second)))
        if sides:
            columns = ("", "", "values", "not finite", "mean", "median", "std", "min", "max")
            table = text_of(Rows(columns, tuple(sides)))
            out.parts += [f"  {line}\n" for line in table.splitlines()]
        out.lines([f"{pair.name}: {_how_much(pair)}" for pair in pairs])


def _statistics(found: Statistics | None) -> tuple[Any, ...]:
    if found is None:
        return (None,) * 7
    values = (found.mean, found.median, found.std, found.least, found.most)
    return found.size, found.invalid, *(None if math.isnan(value) else value for value in values)


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
                "association": change.kind in ASSOCIATIONS,
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
