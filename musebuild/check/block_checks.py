"""Blocks of the settings against the catalogue and each other: every mistake, not the first."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping

from musebuild.plan.blocks import (
    BlockError,
    PlannedBlock,
    made_by,
    path_makers,
    plan_blocks,
    providers,
    result_names,
    source_of,
    top_folder,
)
from musebuild.recipes.catalogue import recipe_name
from musebuild.recipes.model import Recipe
from musebuild.settings.model import Settings
from musebuild.settings.nearest import nearest
from musebuild.settings.path_names import is_path
from musebuild.settings.problems import Problem, problem_at


def check_blocks(
    settings: Settings, catalogue: Mapping[str, Recipe], mistaken: Collection[str] = ()
) -> tuple[list[PlannedBlock], list[Problem]]:
    """Blocks that can be planned, and what is wrong with them and with the others.

    Parameters
    ----------
    settings : Settings
        The declared blocks.
    catalogue : mapping
        Recipes by name.
    mistaken : collection of str
        Blocks of which something is known to be wrong, so that nothing follows from the rest.
    """
    problems: list[Problem] = []
    wrong = set(mistaken)
    while True:
        try:
            blocks, _ = plan_blocks(settings, catalogue, without=wrong)
        except BlockError as error:
            problems.append(_of(error, settings))
            if error.block in wrong:
                return [], problems
            wrong.add(error.block)
            continue
        break
    problems += _sources(blocks, settings)
    problems += _sources_of_others(blocks, settings, catalogue, wrong)
    problems += _places(blocks, settings)
    return blocks, problems


def _of(error: BlockError, settings: Settings) -> Problem:
    dotted = ".".join(error.keys)
    return problem_at(
        settings,
        error.keys,
        error.what.removeprefix(f"{dotted}: ").removeprefix(f"recipes.{error.block}: "),
        of_key=len(error.keys) == 2,
        nearest=error.near,
        found="" if error.near else error.why or "",
        remedy=error.remedy or "",
    )


def _sources(blocks: Iterable[PlannedBlock], settings: Settings) -> list[Problem]:
    """Blocks that take what their source does not make with its parameters."""
    problems = []
    named = {planned.name: planned for planned in blocks}
    for planned in named.values():
        problems += _without_source(planned, settings, named)
        if not planned.source:
            continue
        source = named[planned.source]
        raws = source.recipe.raw or ("",)
        makes = {r.category for raw in raws for r in made_by(source.recipe, source.params, raw)}
        for category in sorted(set(planned.recipe.takes.values()) - makes):
            rule = next((r for r in source.recipe.products if r.category == category), None)
            remedy = f"name another block with recipes.{planned.name}.from_recipe"
            if rule is not None and rule.when:
                wanted = ", ".join(f"{k}: {' or '.join(v)}" for k, v in rule.when.items())
                remedy = f"{category} is made with {wanted}: set recipes.{source.name}.params so"
            problems.append(
                problem_at(
                    settings,
                    ("recipes", planned.name, "from_recipe"),
                    f"{planned.name} takes {category} from {source.name}, which makes none with "
                    "its parameters",
                    found=", ".join(f"{k}: {v}" for k, v in source.params.items()),
                    remedy=remedy,
                )
            )
        filters = [name.strip() for name in str(source.params.get("filter", "")).split(",")]
        if "IMAGE_FOV" in planned.recipe.takes.values() and planned.block.filt not in filters:
            problems.append(
                problem_at(
                    settings,
                    ("recipes", planned.name, "filt"),
                    f"{source.name} makes no images in the filter {planned.block.filt}",
                    allowed=", ".join(filters),
                    remedy=f"add it to recipes.{source.name}.params.filter, or choose another",
                )
            )
    return problems


def _sources_of_others(
    blocks: Iterable[PlannedBlock],
    settings: Settings,
    catalogue: Mapping[str, Recipe],
    wrong: Collection[str],
) -> list[Problem]:
    """A `from_recipe` that names no block, of blocks that are not run: it would show later."""
    planned = {one.name for one in blocks}
    known = sorted(planned | {*settings.blocks})
    return [
        problem_at(
            settings,
            ("recipes", name, "from_recipe"),
            f"there is no block {block.from_recipe}",
            nearest=tuple(nearest(block.from_recipe, known)),
            remedy=f"name one of {', '.join(known)}",
        )
        for name, block in settings.blocks.items()
        if block.from_recipe and name not in planned and name not in wrong
        if block.from_recipe not in known and recipe_name(block, catalogue)
    ]


def _without_source(
    planned: PlannedBlock, settings: Settings, named: Collection[str]
) -> list[Problem]:
    """A `from_recipe` of a block that takes raw frames, and so nothing from another."""
    given = planned.block.from_recipe
    if not planned.recipe.raw or not given:
        return []
    known = sorted({*named, *settings.blocks})
    there = given in known
    return [
        problem_at(
            settings,
            ("recipes", planned.name, "from_recipe"),
            f"{planned.name} takes raw frames, and from_recipe has no effect"
            if there
            else f"there is no block {given}",
            severity="warning" if there else "error",
            nearest=() if there else tuple(nearest(given, known)),
            remedy="leave it out: calibrations are found by themselves, and "
            f"recipes.{planned.name}.frames names others",
        )
    ]


def places_of(planned: PlannedBlock) -> tuple[str, ...]:
    """Where a block's products go below `reduced_path`, but for the name of what is reduced.

    Two blocks with a place in common write the same folder wherever both apply.
    """
    top = top_folder(planned)
    if planned.recipe.group_by == "sequence":
        return (top,)
    return tuple(f"{top}/{name}" for name in result_names(planned))


def kinds(planned: PlannedBlock, blocks: Mapping[str, PlannedBlock]) -> set[str]:
    """Raw categories of the exposures that a block applies to (OBJECT, STD, BIAS, …)."""
    if planned.recipe.raw or planned.source not in blocks:
        return set(planned.recipe.raw)
    source = blocks[planned.source]
    wanted = set(planned.recipe.takes.values())
    if not wanted:
        return kinds(source, blocks) & {"OBJECT"}
    return {
        raw
        for raw in kinds(source, blocks)
        if wanted & {rule.category for rule in made_by(source.recipe, source.params, raw)}
    }


def below(
    blocks: Iterable[PlannedBlock],
    wrong: Collection[str],
    settings: Settings,
    catalogue: Mapping[str, Recipe],
) -> frozenset[str]:
    """Blocks with mistakes, and those that take what these would have made.

    Parameters
    ----------
    blocks : iterable of PlannedBlock
        Those that can be planned, each after those whose products it takes.
    wrong : collection of str
        Blocks with mistakes.
    settings : Settings
        All blocks.
    catalogue : mapping
        Recipes by name.
    """
    found = set(wrong)
    named = {planned.name: planned for planned in blocks}
    for planned in named.values():
        sources = planned.block.frames.sources
        needs = {
            need.recipe
            for need in planned.recipe.needs
            if need.source == "product" and need.category not in sources
        }
        texts = {text for files in sources.values() for text, _ in files}
        if (needs | texts | providers(planned, named, settings)) & found:
            found.add(planned.name)
    left = [block for name, block in settings.blocks.items() if name not in named]
    for _ in left:  # a block may stand before the one that it takes products of
        for block in left:
            recipe = catalogue.get(recipe_name(block, catalogue))
            if block.enabled and recipe is not None and source_of(block, recipe) in found:
                found.add(block.name)
    return frozenset(found)


def _places(blocks: Iterable[PlannedBlock], settings: Settings) -> list[Problem]:
    """Blocks that would write the same folders."""
    problems = []
    named = {planned.name: planned for planned in blocks}
    order = [name for name in named if not named[name].declared]
    order += [name for name in settings.blocks if name in named]
    taken: dict[tuple[str, str], list[PlannedBlock]] = defaultdict(list)
    for planned in map(named.__getitem__, order):
        group = planned.recipe.group_by
        told: set[str] = set()
        for place in places_of(planned):
            others = taken[place, group]
            first = next((o for o in others if kinds(o, named) & kinds(planned, named)), None)
            others.append(planned)
            if first is not None and first.name not in told:
                told.add(first.name)
                problems.append(_same_place(first, planned, place, settings))
        problems += _same_label(planned, settings)
    return problems


def _same_place(
    first: PlannedBlock, planned: PlannedBlock, place: str, settings: Settings
) -> Problem:
    shown = f"{place[:-1]}/…" if place.endswith("/") else place
    block, remedy = f"recipes.{planned.name}", ""
    keys = ("recipes", planned.name, "init", "output_dir")
    name = place.rpartition("/")[2]
    if name in (planned.block.extra.get("names_with_selection") or {}):
        keys = ("recipes", planned.name, "names_with_selection", name)
        remedy = ", or another name to one of the selections"
    elif planned.recipe.group_by == "dataset":
        remedy = f", or another {block}.name"
    return problem_at(
        settings,
        keys,
        f"{first.name} and {planned.name} would write the same folder {shown}",
        of_key="names_with_selection" in keys,
        remedy=f"give one of them another {block}.init.output_dir{remedy}",
    )


def _same_label(planned: PlannedBlock, settings: Settings) -> list[Problem]:
    """Combinations of one block whose dataset and name are put together to the same."""
    if planned.recipe.group_by != "dataset" or not planned.block.extra.get("names_with_selection"):
        return []
    problems = []
    taken: dict[str, tuple[str, str]] = {}
    for name in result_names(planned):
        for dataset in settings.datasets:
            other = taken.setdefault(f"{dataset}_{name}", (dataset, name))
            if other != (dataset, name):
                problems.append(
                    problem_at(
                        settings,
                        ("recipes", planned.name, "names_with_selection", name),
                        f"{name} of the dataset {dataset} and {other[1]} of the dataset "
                        f"{other[0]} would both be {planned.name}:{dataset}_{name}",
                        of_key=True,
                        remedy="give one of the selections another name",
                    )
                )
    return problems


def products_of_paths(settings: Settings, blocks: Iterable[PlannedBlock]) -> set[str]:
    """Paths of `frames` that mean a product of the plan, so that they need not exist yet."""
    named = {planned.name: planned for planned in blocks}
    return {
        text
        for block in settings.blocks.values()
        for category, sources in block.frames.sources.items()
        for text, _ in sources
        if is_path(text) and path_makers(text, category, settings, named)
    }
