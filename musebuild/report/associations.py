"""What is used for what, and how well it fits: a tree for people, JSON, Graphviz, Mermaid."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import asdict, dataclass

from musebuild.cache.model import Input, Quality
from musebuild.plan.causes import as_plain
from musebuild.plan.model import Invocation, LeftOut, Plan
from musebuild.report.causes import causes_text
from musebuild.report.graph import Arrow, Box, dot_text, mermaid_text
from musebuild.report.spans import count
from musebuild.report.tables import Rows, text_of

SHOWN = 6
"""Raw frames of one kind that a tree names; more are counted."""


@dataclass(frozen=True, slots=True)
class Association:
    """One kind of frame that a task takes from one source; its IFUs folded."""

    task: str
    tag: str
    kind: str
    """raw, file or product."""
    source: str
    """Task, or path."""
    category: str
    quality: Quality | None
    files: int = 1
    """How many: IFUs of a task that is split, extensions of a raw frame."""


def _source(wanted: Input, plan: Plan, ifus: bool) -> str:
    if wanted.kind != "product":
        return wanted.path
    return wanted.invocation if ifus else plan.invocations[wanted.invocation].task


def associations(
    plan: Plan, names: Iterable[str], *, ifus: bool = False
) -> dict[str, list[Association]]:
    """What each task takes.

    Parameters
    ----------
    plan : Plan
        The plan.
    names : iterable of str
        Invocations.
    ifus : bool
        Keep the IFUs of a task apart.

    Returns
    -------
    dict
        Task → its associations, in the order in which its recipe gets them.
    """
    found: dict[str, dict[tuple[str, str, str], Association]] = {}
    for name in names:
        invocation = plan.invocations[name]
        task = name if ifus else invocation.task
        held = found.setdefault(task, {})
        for wanted in invocation.inputs:
            source = _source(wanted, plan, ifus)
            key = wanted.tag, source, wanted.category
            before = held.get(key)
            held[key] = Association(
                task,
                wanted.tag,
                wanted.kind,
                source,
                wanted.category,
                before.quality if before else wanted.quality,
                before.files + 1 if before else 1,
            )
    return {task: list(held.values()) for task, held in found.items()}


def notes_of(plan: Plan, names: Iterable[str], *, ifus: bool = False) -> dict[str, list[str]]:
    """Task → what a person should know of its association, each said once."""
    found: dict[str, dict[str, None]] = {}
    for name in names:
        invocation = plan.invocations[name]
        held = found.setdefault(name if ifus else invocation.task, {})
        held.update(dict.fromkeys(invocation.notes))
    return {task: list(held) for task, held in found.items() if held}


def fit_text(quality: Quality | None) -> str:
    """How well a frame fits, in an observer's words."""
    if quality is None:
        return ""
    parts: list[str] = [quality.grade]
    if quality.nights:
        way = "later" if quality.nights > 0 else "earlier"
        parts = [f"{count(abs(quality.nights), 'night')} {way}"]
        if quality.grade not in ("other night", "same night"):
            parts.insert(0, quality.grade)
    if quality.hours is not None:
        parts.append(f"{quality.hours:+.1f} h")
    if quality.kelvin is not None:
        parts.append(f"{quality.kelvin:+.2f} °C")
    if quality.note:
        parts.append(quality.note)
    if quality.level is not None:
        parts.append(f"level {quality.level}")
    return ", ".join(parts)


def _named(one: Association) -> str:
    return one.source if one.kind == "product" else one.source.rpartition("/")[2]


def tree_text(
    plan: Plan,
    names: Sequence[str],
    roots: Collection[str],
    left_out: Collection[LeftOut],
    *,
    ifus: bool = False,
) -> str:
    """The tree of what is used for what; a task is opened where it comes first.

    Parameters
    ----------
    plan : Plan
        The plan.
    names : sequence of str
        Invocations that were asked for and all that they need.
    roots : collection of str
        Those that were asked for.
    left_out : collection of LeftOut
        What cannot be planned, with the candidates that were refused.
    ifus : bool
        Keep IFUs apart.
    """
    held = associations(plan, names, ifus=ifus)
    notes = notes_of(plan, names, ifus=ifus)
    tops = dict.fromkeys(_task(plan.invocations[name], ifus) for name in names if name in roots)
    below = {one.source for name in tops for one in held[name]} if len(tops) > 1 else set()
    # What is made of many exposures is opened by its own name.
    made_of = (plan.invocations[name] for name in names)
    of_several = {one.name if ifus else one.task for one in made_of if not one.night}
    lines: list[str] = []
    opened: set[str] = set()

    def write(task: str, indent: str) -> None:
        opened.add(task)
        by_tag: dict[str, list[Association]] = {}
        for one in held[task]:
            by_tag.setdefault(one.tag, []).append(one)
        for tag, group in by_tag.items():
            raw = [one for one in group if one.kind == "raw" and one.quality is None]
            if len(raw) > SHOWN:
                first, last = _named(raw[0]), _named(raw[-1])
                lines.append(f"{indent}{tag}: {len(raw)} raw frames, {first} to {last}")
                group = [one for one in group if one not in raw]
            for one in group:
                text = fit_text(one.quality)
                made = one.kind == "product"
                folded = f" ({one.files} IFUs)" if made and one.files > 1 else ""
                seen = made and one.source in opened
                lines.append(
                    f"{indent}{tag}: {_named(one)}{folded}"
                    + (f"  [{text}]" if text else "")
                    + ("  (opened above)" if seen else "")
                )
                if made and not seen and one.source in held and one.source not in of_several:
                    write(one.source, indent + "    ")
        lines.extend(f"{indent}note: {note}" for note in notes.get(task, ()))

    for task in [*(t for t in tops if t not in below), *tops]:
        if task not in opened:
            lines.append(task)
            write(task, "    ")
    lines += causes_text(left_out)
    return "\n".join(lines) + "\n" if lines else ""


EXPOSED = frozenset({"OBJECT", "STD", "SKY"})
"""Raw categories of exposures."""


def rows_text(plan: Plan, names: Collection[str], left_out: Collection[LeftOut]) -> str:
    """One row for each exposure and each calibration: what it takes of other nights, and the level.

    Parameters
    ----------
    plan : Plan
        The plan.
    names : collection of str
        Invocations, those among them that are needed by others.
    left_out : collection of LeftOut
        What cannot be planned of them.
    """
    groups: dict[str, list[str]] = {}
    exposures = {
        plan.invocations[name].label
        for name in names
        if any(one.kind == "raw" and one.tag in EXPOSED for one in plan.invocations[name].inputs)
    }
    nights: dict[str, str] = {}
    for name in names:
        made = plan.invocations[name]
        if made.night:
            label = made.label if made.label in exposures else made.task
            groups.setdefault(label, []).append(name)
            nights[label] = made.night
    rows: list[tuple[str, str, int | None, str]] = []
    for label, members in groups.items():
        chosen = [
            one
            for held in associations(plan, members).values()
            for one in held
            if one.quality is not None and one.quality.grade != "static"
        ]
        levels = [one.quality.level for one in chosen if one.quality and one.quality.level]
        rows.append((label, nights[label], max(levels, default=0), _fits(chosen)))
    lost = {left.exposure: left for left in left_out if left.exposure and left.error}
    rows += [(name, left.night, None, "cannot be reduced") for name, left in lost.items()]
    rows.sort(key=lambda row: (row[1], row[0]))
    text = text_of(Rows(("of", "night", "level", "takes"), tuple(rows))) if rows else ""
    hint = "`musebuild associations NAME` opens one: down to its raw frames\n" if groups else ""
    return text + hint + "".join(f"{line}\n" for line in causes_text(left_out))


def _fits(chosen: Iterable[Association]) -> str:
    """What is taken, by how well it fits: what is of the same night is counted."""
    by_fit: dict[str, dict[str, None]] = {}
    for one in chosen:
        assert one.quality is not None, "of what was chosen"
        nights = one.quality.nights
        fit: str = one.quality.grade
        if nights and fit in ("same night", "other night"):
            fit = f"{count(abs(nights), 'night')} {'later' if nights > 0 else 'earlier'}"
        by_fit.setdefault(fit, {})[one.tag] = None
    near = by_fit.pop("same night", {})
    told = [f"{', '.join(tags)} {fit}" for fit, tags in by_fit.items()]
    return "; ".join([*told, *([f"{len(near)} of the same night"] if near else [])])


def _task(invocation: Invocation, ifus: bool) -> str:
    return invocation.name if ifus else invocation.task


def as_json(
    plan: Plan, names: Sequence[str], left_out: Sequence[LeftOut], *, ifus: bool = False
) -> str:
    """Every association with its quality, and what is missing, as JSON."""
    notes = notes_of(plan, names, ifus=ifus)
    document = {
        "tasks": [
            {
                "task": task,
                "inputs": [
                    {key: value for key, value in asdict(one).items() if key != "task"}
                    for one in held
                ],
                "notes": notes.get(task, []),
            }
            for task, held in associations(plan, names, ifus=ifus).items()
        ],
        **as_plain(left_out),
    }
    return json.dumps(document, indent=1) + "\n"


def _drawn(plan: Plan, names: Sequence[str], ifus: bool) -> tuple[list[Box], list[Arrow]]:
    """What is taken, and by whom; raw frames are counted by tag."""
    labels: dict[tuple[str, str], dict[str, str]] = {}
    for task, held in associations(plan, names, ifus=ifus).items():
        counts: Counter[str] = Counter()
        for one in held:
            if one.kind == "raw" and one.quality is None:
                counts[one.tag] += 1
                continue
            labels.setdefault((_named(one), task), {})[one.tag] = fit_text(one.quality)
        for tag, number in counts.items():
            labels.setdefault((f"{number} {tag}", task), {})[tag] = ""
    arrows = [
        Arrow(*ends, tuple(f"{tag} ({text})" if text else tag for tag, text in tags.items()))
        for ends, tags in labels.items()
    ]
    return [Box(name) for name in dict.fromkeys(end for ends in labels for end in ends)], arrows


def as_dot(plan: Plan, names: Sequence[str], *, ifus: bool = False) -> str:
    """The associations for Graphviz."""
    return dot_text("associations", *_drawn(plan, names, ifus))


def as_mermaid(plan: Plan, names: Sequence[str], *, ifus: bool = False) -> str:
    """The associations for Mermaid."""
    return mermaid_text(*_drawn(plan, names, ifus))
