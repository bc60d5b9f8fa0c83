"""Rules that choose otherwise than a lock file: why a task would have other inputs today."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

from musebuild.cache.model import Input, UsedInput
from musebuild.engine.project import Project
from musebuild.explain.compare import SideTask
from musebuild.plan.calibrations import WORDS
from musebuild.plan.model import Invocation
from musebuild.recipes.model import Need
from musebuild.settings.resolved import Keys

ANYWHERE = frozenset({"association", "frames", "static_calib", "ifus", "datasets"})
"""Settings that choose frames of all blocks."""


def rule_texts(
    tasks: Sequence[SideTask], project: Project, changed: Collection[Keys]
) -> Iterator[str]:
    """Rules by which frames are chosen now, and were not when a lock was made.

    Parameters
    ----------
    tasks : sequence of SideTask
        Of the lock.
    project : Project
        As it is now.
    changed : collection of keys
        Settings that differ from the lock's: what they choose is told of them.
    """
    if any(keys and keys[0] in ANYWHERE for keys in changed):
        return
    touched = {keys[1] for keys in changed if keys[0] == "recipes" and len(keys) > 1}
    invocations = project.plan.invocations
    told: Counter[str] = Counter()
    for task in tasks:
        here = invocations.get(task.name)
        if here is None or here.block in touched or task.record is None:
            continue
        needs = {need.category: need for need in project.catalogue[here.recipe].needs}
        told.update(_of_task(task.record.inputs, here, needs))
    for text, number in told.items():
        yield f"{text} ({number} task{'s' * (number != 1)})"
    lost = [task for task in tasks if task.name not in invocations]
    yield from _of_frames(lost, project)


def _of_task(
    locked: Sequence[UsedInput], here: Invocation, needs: Mapping[str, Need]
) -> Iterator[str]:
    before, now = _sources(locked), _sources(here.inputs)
    for tag, need in needs.items():
        then, chosen = before.get(tag, set()), now.get(tag, set())
        if then == chosen:
            continue
        if not then:
            yield (
                f"{here.block} takes {tag} by default "
                f"(without it: recipes.{here.block}.frames.exclude: {tag})"
            )
        elif not chosen and need.before is not None:
            yield f"{here.block} takes {tag} only for frames from before MJD {need.before:g}"
        elif not chosen:
            yield f"{here.block} takes no {tag}"
        else:
            criteria = ", ".join(WORDS[name] for name in need.match) or "nothing but its date"
            yield (
                f"{tag} of {here.block} agrees in {criteria}: {_names(chosen)}, "
                f"locked is {_names(then)}"
            )


def _names(sources: Collection[str]) -> str:
    first = min(sources)
    return first if len(sources) == 1 else f"{first} and {len(sources) - 1} more"


def _sources(inputs: Iterable[Input]) -> dict[str, set[str]]:
    """Tag → what its frames come from: tasks, and names of files."""
    found: dict[str, set[str]] = {}
    for one in inputs:
        source = one.source if one.kind == "product" else one.source.rpartition("/")[2]
        found.setdefault(one.tag, set()).add(source)
    return found


def _of_frames(lost: Sequence[SideTask], project: Project) -> Iterator[str]:
    """Raw frames of tasks that are not planned any more, where they are of another category."""
    raw = {
        one.source.rpartition("/")[2]: one.tag
        for task in lost
        if task.record is not None
        for one in task.record.inputs
        if one.kind == "raw"
    }
    if not raw:
        return
    now = {frame.filename: frame.category for frame in project.raw}
    for name, tag in sorted(raw.items()):
        # A frame that is not there at all is told of as a frame.
        if name in now and now[name] != tag:
            yield f"{name} is {now[name] or 'of no category that is used'} now, locked is {tag}"
