"""The schema of the settings: the list of their keys, and what is wrong with a value.

Besides the words of JSON Schema, parts of it say what a value becomes:

- `x-means`: a path, a size, nights and so on (`values.Values`);
- `x-as-written`: the text as written, whatever it looks like: `version: 0.10`;
- `x-short`: the property that a value stands for where no mapping is given: `cache: FOLDER`;
- `x-none`: a word for no value;
- `x-unused`: accepted, and without effect.
"""

from __future__ import annotations

import datetime as dt
import difflib
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING, Any

from musebuild.settings.homes import home
from musebuild.settings.nearest import nearest
from musebuild.settings.nodes import Keys, Mark, Node, mark_at
from musebuild.settings.problems import Problem

if TYPE_CHECKING:
    from jsonschema import Draft202012Validator
    from jsonschema.exceptions import ValidationError

_KINDS = {
    "object": "a mapping",
    "array": "a list",
    "string": "a text",
    "integer": "a whole number",
    "number": "a number",
    "boolean": "true or false",
    "null": "nothing",
}
_LONGEST_SHOWN = 60
SIMILAR = 0.8
"""A key that is so like a known one is a slip of the pen."""


Part = Mapping[str, Any]
"""A part of the schema: what is said of one key."""


@cache
def schema() -> dict[str, Any]:
    """The schema of the settings, as installed with the package."""
    text = resources.files("musebuild").joinpath("schemas", "settings.schema.json").read_text()
    loaded: dict[str, Any] = json.loads(text)
    return loaded


@cache
def described() -> Part:
    """The schema with each `$ref` put in its place, to be walked with the settings."""
    shared = schema()["$defs"]

    def put_in(part: Any) -> Any:
        if isinstance(part, list):
            return [put_in(item) for item in part]
        if not isinstance(part, dict):
            return part
        found = {key: put_in(value) for key, value in part.items() if key != "$ref"}
        reference = part.get("$ref")
        return put_in(shared[reference.rpartition("/")[2]]) | found if reference else found

    whole: Part = put_in({key: value for key, value in schema().items() if key != "$defs"})
    return whole


def part_at(part: Part, key: str) -> Part:
    """What the schema says of a key of a mapping; nothing of a key that may be anything."""
    named = part.get("properties", {})
    if key in named:
        found: Part = named[key]
        return found
    for pattern, found in part.get("patternProperties", {}).items():
        if re.search(pattern, key):
            return found
    other = part.get("additionalProperties")
    return other if isinstance(other, Mapping) else {}


def default_at(keys: Iterable[str]) -> Any:
    """What stands at some keys where the settings say nothing; None: nothing does."""
    part, named = described(), True
    for key in keys:
        named = key in part.get("properties", {})
        part = part_at(part, key)
    default = part.get("default") if named else None
    return default if default not in ([], {}, "") else None


def text_defaults() -> dict[str, str]:
    """Top-level keys that are texts where the settings do not give them; they may hold braces."""
    parts = described()["properties"].items()
    return {name: part["default"] for name, part in parts if isinstance(part.get("default"), str)}


_WORDS = re.compile(r"\^\(([a-z_|]+)\)\$")
"""A pattern that is a choice of words."""


def surely_valid(data: Any, agreed: dict[str, Any]) -> bool:
    """Whether data agrees with a schema, without a word of what is wrong.

    `jsonschema` has the words, and takes as long to import as the rest of an empty build: it is
    asked only where this says no.

    Parameters
    ----------
    data : object
        Plain data.
    agreed : dict
        The schema.

    Returns
    -------
    bool
        False also for what JSON cannot hold (dates, infinite numbers), which may be valid.
    """
    from jsonschema_rs import Draft202012Validator

    try:
        return Draft202012Validator(agreed, validate_formats=True).is_valid(data)
    except ValueError:
        return False


@cache
def _validator() -> Draft202012Validator:
    from jsonschema import Draft202012Validator, FormatChecker

    return Draft202012Validator(schema(), format_checker=FormatChecker(("date",)))


def _types(part: Part) -> tuple[str, ...]:
    kinds = part.get("type", ())
    return (kinds,) if isinstance(kinds, str) else tuple(kinds)


def coerce(node: Node, part: Part | None = None) -> Node:
    """The tree with scalars as the schema wants them: `version: 0.1` is a text where a text goes.

    A number, date or truth value where only a text is allowed means the text as written.
    """
    part = described() if part is None else part
    if isinstance(node.value, dict):
        own = part.get("properties", {})
        other = part.get("additionalProperties", {})
        other = other if isinstance(other, dict) else {}
        return replace(
            node,
            value={
                name: replace(entry, node=coerce(entry.node, own.get(name, other)))
                for name, entry in node.value.items()
            },
        )
    if isinstance(node.value, list):
        return replace(node, value=[coerce(item, part.get("items", {})) for item in node.value])
    value = node.value
    if value is None or isinstance(value, str):
        return node
    if isinstance(value, dt.date):
        return replace(node, value=node.raw)
    kinds = _types(part)
    if part.get("x-as-written") and isinstance(node.raw, str):
        # `version: 0.10` is a name: editors take the number, and its text is what counts.
        return replace(node, value=node.raw)
    whole = "integer" in kinds and "number" not in kinds
    if whole and isinstance(value, float) and value.is_integer():
        return replace(node, value=int(value))  # 4.0 is a number of cores
    fits = (
        "boolean" in kinds
        if isinstance(value, bool)
        else "number" in kinds or (whole and isinstance(value, int))
    )
    if not fits and "string" in kinds and isinstance(node.raw, str):
        return replace(node, value=node.raw)
    return node


def _dotted(keys: Keys) -> str:
    return ".".join(str(key) for key in keys) or "the settings"


def _shown(value: Any) -> str:
    if isinstance(value, dict):
        return "a mapping"
    if isinstance(value, list):
        return "a list"
    if value is None:
        return "no value"
    text = str(value)
    return text if len(text) <= _LONGEST_SHOWN else text[: _LONGEST_SHOWN - 1] + "…"


def _explain(error: ValidationError, root: Node) -> Iterator[Problem]:
    keys: Keys = tuple(error.absolute_path)
    where = _dotted(keys)
    mark = mark_at(root, keys)
    found = _shown(error.instance)
    limit: Any = error.validator_value
    instance: Any = error.instance
    part = error.schema if isinstance(error.schema, Mapping) else {}

    def problem(message: str, at: Mark = mark, **details: Any) -> Problem:
        return at.problem(f"{where}: {message}", keys=keys, **details)

    match error.validator:
        case "additionalProperties":
            allowed = list(part.get("properties", {}))
            for name in instance:
                if name not in allowed:
                    here = (*keys, name)
                    close = nearest(name, allowed)
                    slip = difflib.get_close_matches(name.lower(), allowed, n=1, cutoff=SIMILAR)
                    belongs = "" if slip else home(here, described())
                    yield mark_at(root, here, of_key=True).problem(
                        f"{_dotted(here)}: unknown key",
                        keys=here,
                        nearest=() if belongs else tuple(close),
                        allowed="" if belongs else ", ".join(allowed),
                        remedy=belongs,
                    )
        case "type":
            kinds = " or ".join(_KINDS[k] for k in _types(part) if k != "null")
            if len(keys) == 1 and keys[0] not in described()["properties"]:
                yield mark_at(root, keys, of_key=True).problem(
                    f"{where}: unknown key",
                    keys=keys,
                    nearest=tuple(nearest(str(keys[0]), described()["properties"])),
                    remedy=home(keys, described())
                    or "a key of one's own holds a text or a number, to be used as {key}",
                )
            else:
                yield problem("this cannot be used here", found=found, allowed=kinds)
        case "enum":
            choices = list(dict.fromkeys(str(c).lower() for c in limit if c is not None))
            yield problem(
                f"{found} is not one of the choices",
                allowed=", ".join(choices),
                nearest=tuple(nearest(str(error.instance), choices, 1)),
            )
        case "minimum" | "exclusiveMinimum" | "maximum" | "exclusiveMaximum":
            word = {
                "minimum": "at least",
                "exclusiveMinimum": "more than",
                "maximum": "at most",
                "exclusiveMaximum": "less than",
            }[error.validator]
            yield problem(f"{found} is out of range", allowed=f"{word} {limit}")
        case "minItems" | "minLength" | "minProperties":
            yield problem("this must not be empty")
        case "format":
            yield problem(f"{found} is no date", allowed="a date such as 2017-06-15")
        case "pattern":
            title = str(part.get("title", "value")).lower()
            words = _WORDS.fullmatch(limit)
            choices = words[1].split("|") if words else []
            yield problem(
                f"{found} is no valid {title}",
                allowed=", ".join(choices) or str(part.get("description", "") or ""),
                nearest=tuple(nearest(str(error.instance), choices, 1)),
            )
        case "propertyNames":
            yield problem("a key in it is not valid")
        case _:
            yield problem(error.message)


def schema_problems(root: Node, data: Mapping[str, Any]) -> list[Problem]:
    """Every mistake that the schema finds.

    Parameters
    ----------
    root : Node
        The coerced tree.
    data : mapping
        The same as plain data.
    """
    if surely_valid(data, schema()):
        return []
    problems: list[Problem] = []
    for error in _validator().iter_errors(data):
        if (
            error.parent is None
            and error.validator in ("pattern", "type")
            and ("propertyNames" in error.absolute_schema_path)
        ):
            # The instance is the key itself; its path is the mapping's.
            here = (*error.absolute_path, str(error.instance))
            title = "category" if "category" in str(error.schema.get("title")).lower() else "name"
            problems.append(
                mark_at(root, here, of_key=True).problem(
                    f"{_dotted(here)}: {error.instance} is no valid {title}",
                    keys=here,
                    allowed=str(error.schema.get("description", "")),
                )
            )
            continue
        problems.extend(_explain(error, root))
    return problems
