"""The plan that a lock file pins: what was chosen, whatever the rules would choose today."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence

from musebuild.cache.model import Input, Product, UsedInput
from musebuild.engine.project import Project
from musebuild.errors import UsageError
from musebuild.explain.compare import SideTask
from musebuild.explain.lock import Lock
from musebuild.plan.blocks import PlannedBlock, made_by, plan_blocks, top_folder
from musebuild.plan.model import Invocation, Plan
from musebuild.recipes.model import Recipe
from musebuild.settings.path_names import folder_of, why_no_part


def pinned_plan(lock: Lock, project: Project) -> Plan:
    """The invocations of a lock, with the inputs that were chosen when it was made.

    Rules of classification, grouping and association have no say in it, so that a lock that was
    made before a change of them means what it meant.

    Parameters
    ----------
    lock : Lock
        The lock file.
    project : Project
        Where it is built: its settings are those of the lock.

    Raises
    ------
    UsageError
        A task names a frame or product that is not in the lock, or a recipe that is not known.
    """
    blocks = {b.name: b for b in plan_blocks(project.settings, project.catalogue)[0]}
    made = {task.name: task.products for task in lock.tasks}
    _refuse_damage(lock, made, {recipe.plugin for recipe in project.catalogue.values()})
    invocations: dict[str, Invocation] = {}
    groups: dict[str, list[str]] = defaultdict(list)
    for task in lock.tasks:
        invocation = _invocation(task, blocks, made, project)
        invocations[task.name] = invocation
        for name in dict.fromkeys((invocation.block, invocation.task)):
            groups[name].append(task.name)
    return Plan(
        invocations,
        tuple(invocations),
        {name: tuple(members) for name, members in groups.items() if members != [name]},
    )


def _refuse_damage(
    lock: Lock, made: Mapping[str, Sequence[Product]], plugins: Collection[str]
) -> None:
    """Refuse a lock that a hand or a merge has damaged: nothing of it becomes a path unseen."""
    frames = {f"{frame.place}/{frame.path}" for frame in lock.frames}
    for task in lock.tasks:
        assert task.record is not None, "how a locked task is made is known"
        plugin = task.record.call["recipe"]
        wrong = [
            f"its input {used.source} is not in the lock"
            for used in task.record.inputs
            if used.source not in frames
            and used.digest not in {product.digest for product in made.get(used.source, ())}
        ]
        block, _, label = task.name.partition(":")
        if reason := why_no_part(block) or why_no_part(label):
            wrong.append(f"its name is no task's: {reason}")
        if plugin not in plugins:
            wrong.append(f"there is no recipe {plugin}")
        if wrong:
            raise UsageError(
                f"the task {task.name} of the lock file cannot be made",
                why=wrong[0],
                remedy="take the lock file anew from where it was made (`musebuild lock`)",
            )


def _invocation(
    task: SideTask,
    blocks: Mapping[str, PlannedBlock],
    made: Mapping[str, Sequence[Product]],
    project: Project,
) -> Invocation:
    assert task.record is not None, "how a locked task is made is known"
    block, _, label = task.name.partition(":")
    stem, dot, number = label.rpartition(".ifu")
    ifu = int(number) if dot and number.isdigit() else None
    label = stem if ifu is not None else label
    planned = blocks.get(block)
    params = task.record.call["params"]
    recipe = (
        planned.recipe if planned else _by_plugin(task.record.call["recipe"], project.catalogue)
    )
    inputs = tuple(_inputs(task.record.inputs, made, ifu, project))
    raw = next((given.tag for given in inputs if given.tag in recipe.raw), "")
    return Invocation(
        name=task.name,
        block=block,
        recipe=recipe.name,
        label=label,
        inputs=inputs,
        params=params,
        products=tuple(rule.category for rule in made_by(recipe, params, raw)),
        folder=folder_of(top_folder(planned) if planned else block, label),
        ifu=ifu,
    )


def _by_plugin(plugin: str, catalogue: Mapping[str, Recipe]) -> Recipe:
    return next(recipe for recipe in catalogue.values() if recipe.plugin == plugin)


def _inputs(
    used: Sequence[UsedInput],
    made: Mapping[str, Sequence[Product]],
    ifu: int | None,
    project: Project,
) -> Iterator[Input]:
    """Inputs in the order in which the recipe got them, which `order` keeps."""
    told: set[tuple[str, str, str, str]] = set()
    for number, one in enumerate(used):
        order = f"{number:06d}"
        if one.kind != "product":
            path = _path(one.source, project)
            yield Input(one.tag, one.kind, path=path, ifu=ifu, order=order)
            continue
        product = next(p for p in made[one.source] if p.digest == one.digest)
        key = one.tag, one.source, product.category, product.filter
        if key not in told:
            told.add(key)
            # Without a filter all products of the category are meant.
            several = {p.filter for p in made[one.source] if p.category == product.category}
            filt = product.filter if len(several) > 1 and not _all_taken(one, used, made) else ""
            yield Input(
                one.tag,
                "product",
                invocation=one.source,
                category=product.category,
                filter=filt,
                order=order,
            )
            if not filt:
                told |= {(one.tag, one.source, product.category, other) for other in several}


def _all_taken(
    one: UsedInput, used: Sequence[UsedInput], made: Mapping[str, Sequence[Product]]
) -> bool:
    """Whether all products of a category of what made an input were taken."""
    category = next(p.category for p in made[one.source] if p.digest == one.digest)
    taken = {other.digest for other in used if (other.tag, other.source) == (one.tag, one.source)}
    return {p.digest for p in made[one.source] if p.category == category} <= taken


def _path(source: str, project: Project) -> str:
    """Where a locked frame lies in the project."""
    place, _, below = source.partition("/")
    settings = project.settings
    roots = {"raw": settings.raw_path, "calib": settings.muse_calib_path, "other": settings.folder}
    return os.path.normpath((roots[place] or settings.folder) / below)
