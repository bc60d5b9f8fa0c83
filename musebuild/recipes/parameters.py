"""Parameters as recipes take them: the one place where a value of the settings gets its type."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from musebuild.recipes.model import Parameter, Recipe
from musebuild.recipes.pipeline import pipeline_parameter
from musebuild.settings.numbers import number, text_of, without_spelling

KINDS: dict[str, str] = {
    "bool": "true or false",
    "int": "a whole number",
    "float": "a number",
    "str": "a text",
    "list": "a list",
    "dict": "a mapping",
    "none": "nothing",
}
"""What a person reads for each type that a parameter may have."""
_TRUTHS = {"true": True, "yes": True, "false": False, "no": False}
_PYTHON: dict[str, Any] = {
    "bool": bool,
    "int": int,
    "float": float,
    "str": str,
    "list": list | tuple,
    "dict": Mapping,
    "none": type(None),
}


def _none(value: Any) -> None:
    if value is not None:
        raise ValueError


def _bool(value: Any) -> bool:
    text = str(value).strip().lower()
    if text not in _TRUTHS:
        raise ValueError
    return _TRUTHS[text]


def _int(value: Any) -> int:
    found = number(value)
    if isinstance(value, int):
        return int(value)
    if found != int(found):
        raise ValueError
    return int(found)


def _float(value: Any) -> float:
    return float(number(value))


def _str(value: Any) -> str:
    if not isinstance(value, str | int | float):
        raise ValueError
    return text_of(value)


def _list(value: Any) -> list[Any]:
    if not isinstance(value, list | tuple | str | int | float):
        raise ValueError
    return list(value) if isinstance(value, list | tuple) else [value]


def _dict(value: Any) -> dict[Any, Any]:
    if not isinstance(value, Mapping):
        raise ValueError
    return dict(value)


_AS: dict[str, Callable[[Any], Any]] = {
    "none": _none,
    "bool": _bool,
    "int": _int,
    "float": _float,
    "str": _str,
    "list": _list,
    "dict": _dict,
}


def _exact(kind: str, value: Any) -> bool:
    if isinstance(value, bool):
        return kind == "bool"
    return isinstance(value, _PYTHON[kind])


def _one_of(kinds: Sequence[str], value: Any) -> Any:
    # What YAML read as a number is no text, where both are allowed.
    for kind in sorted(kinds, key=lambda kind: not _exact(kind, value)):
        try:
            return _AS[kind](value)
        except ValueError:
            continue
    raise ValueError(" or ".join(KINDS[kind] for kind in kinds))


def fit(value: Any, parameter: Parameter) -> Any:
    """A value of the settings as the type of a parameter.

    Raises
    ------
    ValueError
        It cannot be that type; the message says what is allowed.
    """
    if not parameter.kinds:
        return value
    if parameter.kinds == ("bool",) and str(value).strip() in ("0", "1"):
        return str(value).strip() == "1"
    found = _one_of(parameter.kinds, value)
    if parameter.choices and found not in parameter.choices:
        others = [kind for kind in parameter.kinds if kind in ("none", "list", "dict")]
        if not any(_exact(kind, found) for kind in others):
            raise ValueError(", ".join(map(str, parameter.choices)))
    if not parameter.items:
        return found
    if isinstance(found, list):
        return [_item(item, parameter) for item in found]
    if isinstance(found, dict):
        return {str(name): _item(item, parameter) for name, item in found.items()}
    return _numbers(found) if parameter.kinds == ("str",) else found


def _numbers(text: str) -> str:
    try:
        return ",".join(str(number(item)) for item in text.split(","))
    except ValueError:
        raise ValueError("numbers with commas between them") from None


def _item(value: Any, parameter: Parameter) -> Any:
    try:
        return _one_of(parameter.items, value)
    except ValueError as error:
        raise ValueError(f"{error} for each item") from None


def for_pipeline(value: Any, parameter: Parameter | None) -> Any:
    """A value as a recipe of the DRS takes it: one value for all ways of writing it.

    A number that is whole is an integer, which CPL takes for a double as well. Lists are joined
    by commas, as CPL has no lists; of a list of numbers each number is plain, and a single one is a
    number.

    Parameters
    ----------
    value : object
        Of the settings.
    parameter : Parameter or None
        None: its type is not known, and numbers are compared as numbers.

    Raises
    ------
    ValueError
        It cannot be that type; the message says what is allowed.
    """
    if isinstance(value, list | tuple):
        items = value if parameter is not None else [without_spelling(item) for item in value]
        value = ",".join(map(text_of, items))
    if parameter is None:
        return without_spelling(value)
    found = fit(value, parameter)
    single = parameter.items and "," not in found
    return number(found) if single or isinstance(found, float) else found


def like(name: str, default: Any) -> Parameter:
    """A parameter of the pipeline that has the type of its default.

    A text of numbers with commas between them stands for a list of numbers.
    """
    kind = type(default).__name__
    kinds = (kind if kind in ("bool", "int", "float") else "str",)
    if isinstance(default, str) and "," in default:
        try:
            _numbers(default)
        except ValueError:
            pass
        else:
            return Parameter(name, kinds, items=("float",))
    return Parameter(name, kinds)


def as_taken(name: str, value: Any, recipe: Recipe) -> Any:
    """A parameter as its recipe takes it, which is what the key knows; as it stands if unfit.

    Parameters
    ----------
    name : str
        Of the parameter.
    value : object
        Of the settings, or of the catalogue.
    recipe : Recipe
        Whose parameter it is.
    """
    if recipe.kind == "drs":
        try:
            return for_pipeline(value, pipeline_parameter(recipe.plugin, name))
        except ValueError:
            return for_pipeline(value, None)
    if name not in recipe.parameters:
        return value
    try:
        return fit(value, recipe.parameters[name])
    except ValueError:
        return value
