"""Whether data surely agrees with a JSON schema: quickly, and without saying what is wrong.

Every command reads settings, nearly always sound ones, and `jsonschema` with all that it loads
takes as long as the rest of an empty build. It is asked where this is not sure.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable, Mapping
from typing import Any

Schema = Mapping[str, Any] | bool
_Check = Callable[[Any, Any, Mapping[str, Any], Mapping[str, Any]], bool]
"""Value, what the keyword wants, the part of the schema that has it, the whole schema."""


def surely_valid(value: Any, schema: Schema, whole: Mapping[str, Any] | None = None) -> bool:
    """Whether a value agrees with a schema; False also where that is not sure.

    Parameters
    ----------
    value : object
        Plain data.
    schema : mapping or bool
        A schema, or a part of one; a keyword that is not known here is not sure to hold.
    whole : mapping, optional
        The schema that has the definitions; default: `schema`.
    """
    if isinstance(schema, bool):
        return schema
    whole = schema if whole is None else whole
    for keyword, wanted in schema.items():
        if keyword in _SAYS_NOTHING:
            continue
        holds = _CHECKS.get(keyword)
        if holds is None or not holds(value, wanted, schema, whole):
            return False
    return True


_SAYS_NOTHING = frozenset(
    ("$schema", "$id", "$defs", "title", "description", "default", "examples", "x-as-written")
)
_TYPES: Mapping[str, Callable[[Any], bool]] = {
    "object": lambda v: isinstance(v, dict),
    "array": lambda v: isinstance(v, list),
    "string": lambda v: isinstance(v, str),
    "boolean": lambda v: isinstance(v, bool),
    "null": lambda v: v is None,
    "integer": lambda v: isinstance(v, int) and not isinstance(v, bool),
    "number": lambda v: isinstance(v, int | float) and not isinstance(v, bool),
}


def _is_number(value: Any) -> bool:
    return _TYPES["number"](value)


def _type(value: Any, wanted: Any, *_: Any) -> bool:
    kinds = (wanted,) if isinstance(wanted, str) else wanted
    return any(kind in _TYPES and _TYPES[kind](value) for kind in kinds)


def _ref(value: Any, wanted: Any, _: Any, whole: Mapping[str, Any]) -> bool:
    start, _slash, name = str(wanted).rpartition("/")
    defined = whole.get("$defs", {})
    return start == "#/$defs" and name in defined and surely_valid(value, defined[name], whole)


def _properties(value: Any, wanted: Any, _: Any, whole: Mapping[str, Any]) -> bool:
    return not isinstance(value, dict) or all(
        surely_valid(value[name], part, whole) for name, part in wanted.items() if name in value
    )


def _pattern_properties(value: Any, wanted: Any, _: Any, whole: Mapping[str, Any]) -> bool:
    return not isinstance(value, dict) or all(
        surely_valid(item, part, whole)
        for pattern, part in wanted.items()
        for name, item in value.items()
        if re.search(pattern, str(name))
    )


def _additional(value: Any, wanted: Any, part: Mapping[str, Any], whole: Mapping[str, Any]) -> bool:
    if not isinstance(value, dict):
        return True
    named, patterns = part.get("properties", {}), part.get("patternProperties", {})
    return all(
        surely_valid(item, wanted, whole)
        for name, item in value.items()
        if name not in named and not any(re.search(p, str(name)) for p in patterns)
    )


def _format(value: Any, wanted: Any, *_: Any) -> bool:
    if not isinstance(value, str):
        return True
    if wanted != "date" or not re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", value):
        return False
    try:
        dt.date.fromisoformat(value)
    except ValueError:
        return False
    return True


_CHECKS: Mapping[str, _Check] = {
    "type": _type,
    "$ref": _ref,
    "properties": _properties,
    "patternProperties": _pattern_properties,
    "additionalProperties": _additional,
    "format": _format,
    "propertyNames": lambda v, wanted, _, whole: (
        not isinstance(v, dict) or all(surely_valid(name, wanted, whole) for name in v)
    ),
    "items": lambda v, wanted, _, whole: (
        not isinstance(v, list) or all(surely_valid(item, wanted, whole) for item in v)
    ),
    "allOf": lambda v, wanted, _, whole: all(surely_valid(v, part, whole) for part in wanted),
    "required": lambda v, wanted, *_: not isinstance(v, dict) or all(name in v for name in wanted),
    # True is no 1 here: what only Python takes for the same is not sure.
    "enum": lambda v, wanted, *_: any(type(v) is type(one) and v == one for one in wanted),
    "pattern": lambda v, wanted, *_: not isinstance(v, str) or re.search(wanted, v) is not None,
    "minLength": lambda v, wanted, *_: not isinstance(v, str) or len(v) >= wanted,
    "minItems": lambda v, wanted, *_: not isinstance(v, list) or len(v) >= wanted,
    "minProperties": lambda v, wanted, *_: not isinstance(v, dict) or len(v) >= wanted,
    "minimum": lambda v, wanted, *_: not _is_number(v) or v >= wanted,
    "maximum": lambda v, wanted, *_: not _is_number(v) or v <= wanted,
    "exclusiveMinimum": lambda v, wanted, *_: not _is_number(v) or v > wanted,
    "exclusiveMaximum": lambda v, wanted, *_: not _is_number(v) or v < wanted,
}
