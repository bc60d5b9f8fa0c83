"""Names in the settings that must be known elsewhere: categories, flags, runs, columns."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any

from musebuild.fits.classify import RAW_TYPES, RULES, TELLURIC, categories_of_type
from musebuild.index.flags import known_flags
from musebuild.index.qc import PREFIX
from musebuild.index.selectable import (
    columns_of_table,
    condition_on,
    is_later,
    table_names,
    table_of,
)
from musebuild.plan.blocks import PlannedBlock
from musebuild.recipes.model import Recipe
from musebuild.settings.conditions import ConditionError
from musebuild.settings.model import Settings
from musebuild.settings.problems import Problem, problem_at, unknown_at

Keys = tuple[str | int, ...]


def taken_by(recipe: Recipe) -> set[str]:
    """Categories that a recipe can be given."""
    needs = {need.category for need in recipe.needs}
    return needs | set(recipe.takes) | set(recipe.takes.values()) | set(recipe.raw)


def check_categories(
    blocks: Iterable[PlannedBlock], settings: Settings, catalogue: Mapping[str, Recipe]
) -> list[Problem]:
    """Categories under `frames` that a block's recipe does not know.

    To leave out what some other recipe takes has no effect, and is only a warning.

    Parameters
    ----------
    blocks : iterable of PlannedBlock
        Blocks with their recipes.
    settings : Settings
        Where each stands.
    catalogue : mapping
        All recipes.
    """
    problems = []
    everywhere = {category for recipe in catalogue.values() for category in taken_by(recipe)}
    for planned in blocks:
        recipe, frames = planned.recipe, planned.block.frames
        known = taken_by(recipe)
        if not known:
            continue
        for key, categories in (
            ("exclude", frames.exclude),
            ("include", frames.include),
            ("offsets", frames.offsets),
            ("", frames.sources),
        ):
            for category in sorted(set(categories) - known):
                keys = ("recipes", planned.name, "frames", key or category)
                harmless = key in ("exclude", "offsets") and category in everywhere
                problems.append(
                    unknown_at(
                        settings,
                        (*keys, category) if key == "offsets" else keys,
                        f"{recipe.name} takes no {category}",
                        category,
                        sorted(known),
                        severity="warning" if harmless else "error",
                        of_key=key in ("", "offsets"),
                    )
                )
    return problems


def check_static(settings: Settings, catalogue: Mapping[str, Recipe]) -> list[Problem]:
    """Categories of `static_calib` that no recipe takes, and of `association` that none chooses."""
    known = {category for recipe in catalogue.values() for category in taken_by(recipe)}
    needs = [need for recipe in catalogue.values() for need in recipe.needs]
    made = {need.category for need in needs if need.source == "product"}
    of_key: list[tuple[Keys, Collection[str], set[str]]] = [
        (("static_calib",), settings.static_calib, known),
        (("association", "worst"), settings.association.worst, {need.category for need in needs}),
        (("association", "prefer"), settings.association.prefer, made),
    ]
    return [
        unknown_at(
            settings,
            (*keys, category),
            f"{'no choice is made of' if category in known else 'no recipe takes'} {category}",
            category,
            sorted(categories),
            of_key=True,
            allowed="",
        )
        for keys, given, categories in of_key
        for category in given
        if category not in {*categories, "default"}
    ]


def check_excluded(settings: Settings, catalogue: Mapping[str, Recipe]) -> list[Problem]:
    """Keys of the global `frames.exclude` that are no DPR type and no category.

    Parameters
    ----------
    settings : Settings
        The settings.
    catalogue : mapping
        All recipes.
    """
    known = {"raw", *RAW_TYPES, TELLURIC, *(rule.category for rule in RULES)}
    for recipe in catalogue.values():
        known |= taken_by(recipe) | {rule.category for rule in recipe.products}
    return [
        unknown_at(
            settings,
            ("frames", "exclude", category),
            f"there is no DPR type or category {category}",
            category,
            sorted(known),
            of_key=True,
            allowed=f"raw; {', '.join(sorted(RAW_TYPES))}; a category of a product",
        )
        for category in settings.frames_exclude
        # Headers write types in capitals, and entries are compared as they stand.
        if category not in known
        and (category != category.upper() or not categories_of_type(category))
    ]


def check_flags(settings: Settings) -> list[Problem]:
    """Flags of `exclude_flags` that nobody defines."""
    known = known_flags(settings.flags)
    problems = []
    for block in settings.blocks.values():
        given = block.extra.get("exclude_flags")
        keys: Keys = ("recipes", block.name, "exclude_flags")
        named = [((*keys, flag), flag) for flag in given] if isinstance(given, Mapping) else None
        for at, flag in named or each(given, keys):
            if isinstance(flag, str) and flag not in known:
                problems.append(_unknown(settings, at, "flag", flag, known, "flags"))
    return problems


def check_selections(settings: Settings, catalogue: Mapping[str, Recipe]) -> list[Problem]:
    """Selections and exclusions by column: tables, columns, datasets and runs.

    Parameters
    ----------
    settings : Settings
        The settings.
    catalogue : mapping
        All recipes: what they make may have tables of quality parameters.
    """
    problems = []
    made = {rule.category for recipe in catalogue.values() for rule in recipe.products}
    for keys, table, condition in conditions_of(settings):
        if table.startswith(PREFIX):
            there = table.removeprefix(PREFIX) in made
        else:
            there = table_of(table) is not None or is_later(table)
        if not there:
            problems.append(
                unknown_at(
                    settings,
                    keys,
                    f"there is no table {table} to select from",
                    table,
                    table_names(made),
                    of_key=True,
                    allowed=f"{', '.join(table_names())}, or {PREFIX}CATEGORY of a product",
                )
            )
            continue
        columns = columns_of_table(table, settings)
        if isinstance(condition, Mapping) and columns is not None:
            problems += _columns(settings, keys, table, condition, columns)
            continue
        try:
            condition_on(condition, table, settings)
        except ConditionError as error:
            problems.append(
                problem_at(settings, keys, error.message, allowed=error.allowed, nearest=error.near)
            )
    return problems


def check_targets(settings: Settings, names: Collection[str]) -> list[Problem]:
    """Plain names of `targets` that mean nothing, as far as that is known without raw frames.

    Parameters
    ----------
    settings : Settings
        The settings.
    names : collection of str
        Blocks.
    """
    known = sorted({*names, *settings.datasets, *settings.runs, "calib", "science"})
    return [
        _unknown(settings, keys, "task or group", target, known, "")
        for keys, target in each(settings.tree.get("targets"), ("targets",))
        if isinstance(target, str)
        and not any(c in target for c in ":*?[")
        and not target[:1].isdigit()
        and target not in known
    ]


def each(given: Any, keys: Keys) -> Iterator[tuple[Keys, Any]]:
    """A value or each of a list, with its keys."""
    if isinstance(given, list | tuple):
        yield from (((*keys, i), item) for i, item in enumerate(given))
    elif given is not None:
        yield keys, given


def conditions_of(settings: Settings) -> Iterator[tuple[Keys, str, Any]]:
    """Keys, table and condition of each selection."""
    for block in settings.blocks.values():
        at: Keys = ("recipes", block.name)
        for table, condition in (block.extra.get("select") or {}).items():
            yield (*at, "select", table), table, condition
        for name, tables in (block.extra.get("names_with_selection") or {}).items():
            for table, condition in (tables or {}).items():
                yield (*at, "names_with_selection", name, table), table, condition
    for name, conditions in settings.frames_exclude.items():
        keys: Keys = ("frames", "exclude", name)
        given = (settings.tree["frames"]["exclude"]).get(name)
        several = isinstance(given, list)
        for i, condition in enumerate(conditions):
            if isinstance(condition, Mapping):
                yield ((*keys, i) if several else keys), "raw", condition


def _columns(
    settings: Settings, keys: Keys, table: str, wanted: Mapping[str, Any], columns: tuple[str, ...]
) -> list[Problem]:
    problems = []
    runs, datasets = settings.runs, settings.datasets
    objects = {name for dataset in datasets.values() for name in dataset.objects}
    flags = known_flags(settings.flags)
    for column, value in wanted.items():
        at = (*keys, column)
        if column not in columns:
            what = "table of raw frames" if table == "raw" else f"table {table}"
            more = "; additional_keywords adds some" if table == "raw" else ""
            problems.append(
                unknown_at(
                    settings,
                    at,
                    f"the {what} has no column {column}",
                    column,
                    columns,
                    of_key=True,
                    allowed="",
                    remedy=f"docs/database.md lists the columns{more}",
                )
            )
        for place, one in each(value, at):
            name = str(one)
            if column == "run" and name not in runs:
                problems.append(_unknown(settings, place, "run", name, runs, "runs"))
            elif column == "OBJECT" and datasets and name not in {*datasets, *objects}:
                problems.append(
                    _unknown(settings, place, "dataset", name, {**datasets}, "datasets", warn=True)
                )
            elif column == "flag" and name not in flags:
                problems.append(_unknown(settings, place, "flag", name, flags, "flags"))
    return problems


def _unknown(
    settings: Settings,
    keys: Keys,
    kind: str,
    name: str,
    known: Collection[str],
    section: str,
    *,
    warn: bool = False,
) -> Problem:
    return unknown_at(
        settings,
        keys,
        f"there is no {kind} {name}",
        name,
        known,
        remedy=f"correct the name, or add it under `{section}`" if section else "",
        severity="warning" if warn else "error",
    )
