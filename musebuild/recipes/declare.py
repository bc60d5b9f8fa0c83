"""Recipes that the settings bring along: Python functions, and DRS recipes declared in a block."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from importlib import resources
from typing import Any

from musebuild.errors import RecipeError
from musebuild.recipes.catalogue import make_recipe, recipe_name
from musebuild.recipes.functions import read_signature
from musebuild.recipes.model import Recipe
from musebuild.recipes.source import (
    code_hash,
    entry_points,
    find_source,
    source_file,
)
from musebuild.settings.model import Block, Settings


def complete(
    catalogue: Mapping[str, Recipe],
    settings: Settings,
    mistakes: list[tuple[str, RecipeError]] | None = None,
) -> dict[str, Recipe]:
    """The catalogue with the recipes of the settings, and the code of the Python recipes in use.

    Parameters
    ----------
    catalogue : mapping
        That which comes with musebuild.
    settings : Settings
        A block may name a function (`recipe: module:function`, `recipe: file.py:function`), a
        recipe that an installed package registers, or, with `declare`, any recipe of the DRS.
    mistakes : list, optional
        Gets the names of blocks whose recipe cannot be used, with the error; they are left out.

    Raises
    ------
    RecipeError
        A function or a declaration cannot be used, and `mistakes` is not given.
    """
    found = dict(catalogue)
    registered: dict[str, str] | None = None
    for block in settings.blocks.values():
        declared = block.extra.get("declare")
        known = recipe_name(block, catalogue)
        if known and not declared:
            entry = found[known]
            if entry.kind == "python" and not entry.unavailable and not entry.code:
                try:
                    found[known] = with_code(entry)
                except RecipeError as error:
                    if mistakes is None:
                        raise
                    mistakes.append((block.name, error))
            continue
        asked = block.recipe or block.name
        where = ("recipes", block.name, "recipe" if block.recipe else "declare")
        try:
            text = asked if ":" in asked else ""
            if not text and not known:
                registered = entry_points() if registered is None else registered
                text = registered.get(_registered(asked, registered), "")
            if text:
                found[block.name] = _from_function(block, text, asked, settings)
            elif declared:
                found[block.name] = _from_declaration(block, asked, catalogue.get(known))
        except RecipeError as error:
            if mistakes is not None:
                mistakes.append((block.name, error))
                continue
            place = str(settings.where(*where))
            raise RecipeError(
                error.what,
                where=f"{place}, {error.where}" if error.where else place,
                why=error.why,
                remedy=error.remedy,
            ) from error
    return found


def _registered(asked: str, names: Mapping[str, str]) -> str:
    if asked in names:
        return asked
    return max((name for name in names if asked.startswith(f"{name}_")), key=len, default="")


def with_code(entry: Recipe) -> Recipe:
    """An entry of the catalogue with its function's parameters and the hash of its source."""
    file = source_file(entry.plugin, entry.location)
    read = read_signature(file, entry.plugin.rpartition(":")[2], entry.asked or entry.plugin)
    defaults = {p.name: p.default for p in read.parameters.values() if not p.required}
    return replace(
        entry,
        arguments=read.arguments,
        parameters=read.parameters,
        params={**defaults, **entry.params},
        code=code_hash(file),
    )


def _checked(data: Mapping[str, Any], block: Block) -> dict[str, Any]:
    """A declaration that agrees with the schema of the catalogue."""
    entry = {"description": "", **data}
    schema = json.loads(
        resources.files("musebuild").joinpath("schemas", "catalogue.schema.json").read_text()
    )
    # Here, since most settings declare no recipe.
    from jsonschema import Draft202012Validator

    validator = Draft202012Validator({**schema["$defs"]["recipe"], "$defs": schema["$defs"]})
    wrong = sorted(validator.iter_errors(entry), key=lambda e: list(map(str, e.path)))
    if wrong:
        lines = [f"{'.'.join(map(str, e.absolute_path)) or 'declare'}: {e.message}" for e in wrong]
        raise RecipeError(
            f"The declaration of the recipe of the block {block.name} is not valid",
            why="\n".join(lines),
            remedy="docs/catalogue.md says what the keys mean",
        )
    return entry


def _spread(declared: Mapping[str, Any]) -> dict[str, Any]:
    """A declaration in which categories may stand for what they mean."""
    data = dict(declared)
    for key, more in (("products", {}), ("needs", {"source": "static"})):
        if key in data:
            listed = data[key] if isinstance(data[key], list) else [data[key]]
            data[key] = [
                {"category": one, **more} if isinstance(one, str) else one for one in listed
            ]
    if isinstance(data.get("takes"), str | list):
        listed = data["takes"] if isinstance(data["takes"], list) else [data["takes"]]
        data["takes"] = {category: category for category in listed}
    if isinstance(data.get("raw"), str):
        data["raw"] = [data["raw"]]
    return data


def _finish(block: Block, asked: str, data: Mapping[str, Any]) -> Recipe:
    entry = _checked(data, block)
    if not entry.get("products"):
        raise RecipeError(
            f"The recipe of the block {block.name} does not say what it makes",
            remedy="name its products: @recipe(products=[…]) above the function, or "
            f"recipes.{block.name}.declare.products in the settings",
        )
    if not entry.get("raw") and not entry.get("takes"):
        raise RecipeError(
            f"The recipe of the block {block.name} does not say what it takes",
            remedy=f"name raw categories (recipes.{block.name}.declare.raw), or products of "
            f"another block (recipes.{block.name}.declare.takes, and from_recipe)",
        )
    if entry.get("takes") and not (block.from_recipe or entry.get("from_recipe")):
        raise RecipeError(
            f"The block {block.name} does not say from which block it takes its frames",
            remedy=f"name one with recipes.{block.name}.from_recipe",
        )
    entry.setdefault("output_dir", block.name)
    entry.setdefault("folder", "{output_dir}")
    recipe = make_recipe(block.name, {**entry, "default": False})
    return replace(recipe, asked=asked)


def _from_declaration(block: Block, asked: str, known: Recipe | None) -> Recipe:
    data = _spread(block.extra["declare"])
    data.setdefault("plugin", known.plugin if known else asked)
    data.setdefault("group_by", "sequence" if data.get("raw") else "exposure")
    return _finish(block, asked, {**data, "kind": "drs"})


def _from_function(block: Block, text: str, asked: str, settings: Settings) -> Recipe:
    plugin, location, function = find_source(text, settings.folder)
    read = read_signature(source_file(plugin, location), function, asked)
    arguments, data = read.arguments, dict(read.declared)
    takes, needs = data.get("takes"), data.get("needs")
    data |= _spread(block.extra.get("declare") or {})
    if not takes and "takes" not in data and "raw" not in data and arguments:
        data["takes"] = {arguments[0].category: arguments[0].category}
    taken = set(data.get("takes", ())) | set(data.get("raw", ()))
    if not needs and "needs" not in data:
        data["needs"] = [
            {"category": one.category, "source": "named", "required": one.required}
            for one in arguments
            if one.category not in taken
        ]
    data.setdefault("group_by", "exposure")
    if not data.get("description"):
        data["description"] = read.description
    recipe = _finish(block, asked, {**data, "kind": "python", "plugin": plugin})
    unknown = set(recipe.takes) - {one.category for one in arguments}
    unknown |= {need.category for need in recipe.needs} - {one.category for one in arguments}
    if unknown:
        raise RecipeError(
            f"The recipe {asked} is declared to take {', '.join(sorted(unknown))}, and has no "
            "such argument",
            why=f"it has {', '.join(one.name for one in arguments) or 'none'}",
            remedy="an input's argument is its category in small letters",
        )
    return with_code(replace(recipe, location=location))
