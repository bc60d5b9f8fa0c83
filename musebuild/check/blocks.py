"""Blocks of the settings against the catalogue and each other: every mistake, not the first."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping

from musebuild.plan.blocks import BlockError, PlannedBlock, made_by, plan_blocks, result_names
from musebuild.plan.places import path_makers, top_folder
from musebuild.recipes.model import Recipe
from musebuild.settings.model import Settings
from musebuild.settings.problems import Problem, problem_at
from musebuild.settings.sources import is_path


def check_blocks(
    settings: Settings, catalogue: Mapping[str, Recipe], mistaken: Collection[str] = ()
) -> tuple[list[PlannedBlock], list[Problem]]:
    """Blocks that can be planned, and what is wrong with the others.

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


def place_of(planned: PlannedBlock) -> str:
    """Where a block's products go below `reduced_path`, but for the name of what is reduced.

    Two blocks with the same place write the same folders wherever both apply.
    """
    top = top_folder(planned)
    if planned.recipe.group_by == "sequence":
        return top
    return f"{top}/{'+'.join(result_names(planned))}"


def kinds(planned: PlannedBlock, blocks: Mapping[str, PlannedBlock]) -> set[str]:
    """Raw categories of the exposures that a block applies to (OBJECT, STD, BIAS, …)."""
    if planned.recipe.raw or planned.source not in blocks:
        return set(planned.recipe.raw)
    source = blocks[planned.source]
    wanted = set(planned.recipe.takes.values())
    return {
        raw
        for raw in kinds(source, blocks)
        if wanted & {rule.category for rule in made_by(source.recipe, source.params, raw)}
    }


def _places(blocks: Iterable[PlannedBlock], settings: Settings) -> list[Problem]:
    """Blocks that would write the same folders."""
    problems = []
    named = {planned.name: planned for planned in blocks}
    order = [name for name in named if not named[name].declared]
    order += [name for name in settings.blocks if name in named]
    taken: dict[tuple[str, str], list[PlannedBlock]] = defaultdict(list)
    for planned in map(named.__getitem__, order):
        group = planned.recipe.group_by
        others = taken[place_of(planned), group]
        first = next((o for o in others if kinds(o, named) & kinds(planned, named)), None)
        others.append(planned)
        if first is None:
            continue
        place = place_of(planned)
        shown = f"{place[:-1]}/…" if place.endswith("/") else f"{place}"
        problems.append(
            problem_at(
                settings,
                ("recipes", planned.name, "init", "output_dir"),
                f"{first.name} and {planned.name} would write the same folder {shown}",
                remedy=f"give one of them another recipes.{planned.name}.init.output_dir"
                + (f", or another recipes.{planned.name}.name" if group == "dataset" else ""),
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
