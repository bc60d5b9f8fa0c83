"""Why tasks run, will run or will not, in an astronomer's words."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Sequence
from pathlib import Path

from musebuild.cache.model import UsedInput
from musebuild.engine.resolve import State
from musebuild.explain.compare import Change, value_text
from musebuild.explain.why import Explanation, roots
from musebuild.report.spans import count, span

MOST = 8
"""Changes, and root causes, that are told one by one."""
FIRST = "it was never made in this project"
LOST = "the store has no products for it any more"


def _file(used: UsedInput) -> str:
    return Path(used.source).name


def _nights(old: str, new: str) -> str:
    try:
        days = abs((dt.date.fromisoformat(new) - dt.date.fromisoformat(old)).days)
    except ValueError:
        return ""
    return f" ({count(days, 'night')} away)" if days else ""


def _place(used: UsedInput) -> str:
    if used.kind == "product":
        return f"night {used.night}" if used.night else used.source
    return _file(used)


def _elsewhere(change: Change) -> str:
    old, new = change.old, change.new
    assert old is not None and new is not None, "both are known of what comes from elsewhere"
    if not old.source:
        return f"{change.name} ({_place(new)}) is not what it was made with"
    if old.kind == new.kind == "raw":
        text = f"the {change.name} frame {_file(new)} takes the place of {_file(old)}"
    else:
        was, now = _place(old), _place(new)
        if was == now:
            was, now = old.source, new.source
        away = _nights(old.night, new.night)
        text = f"{change.name} now comes from {now}{away}, was {was}"
    if new.digest and old.digest:
        return f"{text}; its data differ"
    return text


def _content(change: Change) -> str:
    new = change.new
    assert new is not None, "what changed is there"
    if new.kind == "product":
        return f"{change.name} of {new.source} differs in its data"
    noun = "raw frame" if new.kind == "raw" else "file"
    if new.digest:
        return f"the {noun} {_file(new)} ({change.name}) differs in its data"
    return (
        f"the {noun} {_file(new)} ({change.name}) was written to since it was last read "
        "(if its data are the same, nothing runs)"
    )


def change_text(change: Change) -> str:
    """One change, as a clause."""
    before, after = value_text(change.before), value_text(change.after)
    match change.kind:
        case "parameter":
            return f"{change.name} was {before}, is {after}"
        case "version":
            return f"DRS {after}, was {before}"
        case "package":
            return f"{change.name} {after}, was {before}"
        case "environment":
            return f"the environment variable {change.name} was {before}, is {after}"
        case "recipe":
            return f"the recipe is {after}, was {before}"
        case "code":
            return f"the source code of {change.name} is another"
        case "key version":
            return f"musebuild counts inputs in another way now (key version {after}, was {before})"
        case "content":
            return _content(change)
        case "elsewhere":
            return _elsewhere(change)
        case "added" if change.new is not None:
            if change.new.kind == "product":
                return f"{change.name} of {change.new.source} is new among the inputs"
            return f"{change.name} {_file(change.new)} is new among the inputs"
        case "gone" if change.old is not None:
            if not change.old.source:
                return f"a frame of {change.name} is no longer among the inputs"
            if change.old.kind == "product":
                return f"{change.name} of {change.old.source} is no longer among the inputs"
            return f"{change.name} {_file(change.old)} is no longer among the inputs"
        case _:
            return "the inputs come in another order"


def changes_text(changes: Sequence[Change]) -> str:
    """Changes, as one sentence; the same for many products of a tag told once."""
    texts = list(dict.fromkeys(change_text(change) for change in changes))
    shown = texts[:MOST]
    if len(texts) > MOST:
        shown.append(f"and {len(texts) - MOST} more changes")
    return "; ".join(shown)


def _cause(explanation: Explanation) -> str:
    """What happened to a task, without its name and state."""
    parts = []
    if explanation.reason == "forgotten on request":
        parts.append("it was forgotten on request (musebuild forget)")
    elif explanation.reason and explanation.reason != "absent" and explanation.state is State.RUN:
        detail = f": {explanation.detail}" if explanation.detail else ""
        parts.append(f"{explanation.reason}{detail}, so that it is made again")
    if explanation.failed:
        parts.append(f"its last attempt failed {explanation.failed}")
    if explanation.changes:
        parts.append(changes_text(explanation.changes))
    elif explanation.state is State.NOT_HASHED:
        parts.append(FIRST if explanation.before is None else explanation.reason)
    elif not parts and explanation.state in (State.RUN, State.WAITS):
        parts.append(FIRST if explanation.before is None else LOST)
    return "; ".join(parts)


def _restored(explanation: Explanation) -> str:
    parts = []
    if explanation.changes:
        parts.append(f"{changes_text(explanation.changes)}, as once before")
    kinds: dict[str, list[str]] = {}
    for name, kind in explanation.missing:
        kinds.setdefault(kind, []).append(name)
    if "edited" in kinds:
        parts.append(f"{_files(kinds['edited'], 'was', 'were')} edited or replaced in place")
    if "missing" in kinds:
        parts.append(f"{_files(kinds['missing'], 'is', 'are')} missing from the reduced tree")
    if not parts:
        parts.append("other products lie in its place")
    made = f" (made on {date_text(explanation.made)}, in {span(explanation.seconds)})"
    return f"comes back from the store, without a recipe: {'; '.join(parts)}{made}"


def _files(names: list[str], one: str, many: str) -> str:
    """Files with their verb, the first few by name."""
    text = ", ".join(names[:MOST])
    if len(names) > MOST:
        text += f" and {len(names) - MOST} more"
    return f"{text} {one if len(names) == 1 else many}"


def date_text(iso: str) -> str:
    """A date of the ledger for people: `2026-11-24 16:02:40`."""
    return iso[:19].replace("T", " ")


def headline(explanation: Explanation) -> str:
    """A task's state and what it comes from, in one sentence."""
    match explanation.state:
        case State.UP_TO_DATE:
            made = date_text(explanation.made)
            return f"nothing changed; last made on {made}, in {span(explanation.seconds)}"
        case State.RESTORE:
            return _restored(explanation)
        case State.RUN | State.NOT_HASHED:
            return f"will run: {_cause(explanation)}"
        case State.IMPOSSIBLE:
            return f"cannot run: {explanation.reason}"
        case State.LEFT_OUT:
            return f"left out: {explanation.reason}"
        case State.WAITS if explanation.changes:
            return f"will run: {changes_text(explanation.changes)}; {explanation.reason}"
        case State.WAITS if explanation.before is None:
            return f"will run: {FIRST}; {explanation.reason}"
        case State.WAITS:
            return f"{explanation.reason}; it runs if their products differ"
        case _:
            return _happened(explanation)


def _happened(explanation: Explanation) -> str:
    when = f" on {date_text(explanation.made)}" if explanation.made else ""
    if explanation.changes:
        return f"was made anew{when}: {changes_text(explanation.changes)}"
    return f"was made anew{when}"


def folded(pairs: Iterable[tuple[str, str]]) -> list[str]:
    """(task, text) → lines; what is the same of many tasks of a block is told once."""
    groups: dict[tuple[str, str], list[str]] = {}
    for name, text in pairs:
        groups.setdefault((name.partition(":")[0], text), []).append(name)
    return [f"{some_of(names, f' of {block}')}{text}" for (block, text), names in groups.items()]


def some_of(names: Sequence[str], of_what: str = "") -> str:
    """Tasks by the first of them, and how many more there are."""
    return names[0] + (f" (and {len(names) - 1} more{of_what})" if len(names) > 1 else "")


def _folded(explanations: Iterable[Explanation]) -> list[str]:
    """Lines of explanations; what differs in the IFU or exposure alone is told once."""
    return folded((one.name, f" {headline(one)}") for one in explanations)


def why_text(explanations: Sequence[Explanation]) -> str:
    """What `musebuild why` prints of tasks."""
    groups: dict[tuple[str, str, tuple[str, ...]], list[str]] = {}
    for explanation in explanations:
        task = explanation.name.partition(".ifu")[0]
        causes = [] if explanation.state is State.UP_TO_DATE else roots(explanation)
        text = headline(explanation)
        if explanation.ran_for:
            text += f"\n  it ran then because {changes_text(explanation.ran_for)}"
            causes = roots(explanation)
        groups.setdefault((task, text, tuple(_folded(causes))), []).append(explanation.name)
    lines = []
    for (task, text, told), names in groups.items():
        title = names[0] if len(names) == 1 else f"{task} ({len(names)} IFUs)"
        lines.append(f"{title} {text}")
        word = "root cause" if len(told) == 1 else "root causes"
        if told:
            lines.append(f"  {word}:")
        lines += [f"    {cause}" for cause in told[:MOST]]
        if len(told) > MOST:
            lines.append(f"    and {len(told) - MOST} more")
    return "\n".join(lines) + "\n"


def short(explanation: Explanation) -> str:
    """Why a task is in its state, on one line with its root cause."""
    if explanation.state is State.UP_TO_DATE:
        return headline(explanation)
    causes = roots(explanation)
    text = headline(explanation)
    if causes and not explanation.own:
        first = _folded(causes)
        more = f" and {len(first) - 1} more causes" if len(first) > 1 else ""
        return f"{text}; root cause: {first[0]}{more}"
    return text
