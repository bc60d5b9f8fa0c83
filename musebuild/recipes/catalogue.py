"""The catalogue: `catalogue.yml` → recipes."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from importlib import resources
from typing import Any

import yaml

from musebuild.errors import RecipeError
from musebuild.recipes.model import Need, ProductRule, Recipe
from musebuild.settings.model import Block
from musebuild.settings.schema import surely_valid
from musebuild.settings.sizes import parse_bytes, parse_seconds

LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
"""The parser written in C, where PyYAML has it: an empty build waits for the catalogue."""


def _conditions(data: Mapping[str, Any]) -> dict[str, tuple[str, ...]]:
    return {name: tuple(values) for name, values in data.items()}


def _need(data: Mapping[str, Any]) -> Need:
    fields = dict(data)
    fields["match"] = tuple(fields.get("match", ()))
    fields["modes"] = tuple(fields.get("modes", ()))
    fields["when"] = _conditions(fields.get("when", {}))
    return Need(**fields)


def _rule(data: Mapping[str, Any]) -> ProductRule:
    fields = dict(data)
    fields["when"] = _conditions(fields.get("when", {}))
    fields["unless"] = _conditions(fields.get("unless", {}))
    return ProductRule(**fields)


def make_recipe(name: str, data: Mapping[str, Any]) -> Recipe:
    """One entry of the catalogue, checked by its schema already."""
    fields: dict[str, Any] = {"kind": "drs", "plugin": name, **data}
    for key in ("raw", "lamps", "packages", "follows"):
        fields[key] = tuple(fields.get(key, ()))
    fields["needs"] = tuple(_need(need) for need in fields.get("needs", ()))
    fields["products"] = tuple(_rule(rule) for rule in fields.get("products", ()))
    if "memory_base" in fields:
        fields["memory_base"] = parse_bytes(fields["memory_base"])
    if "time_limit" in fields:
        fields["time_limit"] = parse_seconds(fields["time_limit"])
    return Recipe(name=name, **fields)


def read_catalogue(text: str, origin: str) -> dict[str, Recipe]:
    """Recipes of a catalogue.

    Parameters
    ----------
    text : str
        YAML.
    origin : str
        What messages call it.

    Raises
    ------
    RecipeError
        It does not agree with `schemas/catalogue.schema.json`.
    """
    data = yaml.load(text, Loader=LOADER)
    schema = json.loads(
        resources.files("musebuild").joinpath("schemas", "catalogue.schema.json").read_text()
    )
    if not surely_valid(data, schema):
        _refuse(data, schema, origin)
    return {name: make_recipe(name, entry) for name, entry in data.items() if name != "_"}


def _refuse(data: Any, schema: Mapping[str, Any], origin: str) -> None:
    # Here, since our own catalogue is sound, and every command reads it.
    from jsonschema import Draft202012Validator

    errors = sorted(Draft202012Validator(schema).iter_errors(data), key=lambda e: list(e.path))
    if errors:
        lines = [f"{'.'.join(map(str, e.absolute_path))}: {e.message}" for e in errors]
        raise RecipeError(
            "The catalogue of recipes is not valid", where=origin, why="\n".join(lines)
        )


@cache
def load_catalogue() -> dict[str, Recipe]:
    """The catalogue that comes with musebuild."""
    file = resources.files("musebuild").joinpath("recipes", "catalogue.yml")
    return read_catalogue(file.read_text(encoding="utf-8"), str(file))


def recipe_name(block: Block, catalogue: Mapping[str, Recipe]) -> str:
    """Name of a block's recipe: as given, the same as its own, or the longest that it begins with.

    Returns
    -------
    str
        Empty where there is none.
    """
    own = catalogue.get(block.name)
    if own is not None and own.asked and own.asked == (block.recipe or block.name):
        return block.name
    if block.recipe:
        return block.recipe if block.recipe in catalogue else ""
    if block.name in catalogue:
        return block.name
    starts = [name for name in catalogue if block.name.startswith(f"{name}_")]
    return max(starts, key=len, default="")
