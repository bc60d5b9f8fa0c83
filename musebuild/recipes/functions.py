"""Python functions as recipes: what a function takes and makes, read from its signature."""

from __future__ import annotations

import inspect
import types
import typing
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, TypeVar, Union

from musebuild.errors import RecipeError
from musebuild.recipes.model import Argument, Parameter
from musebuild.recipes.parameters import KINDS

MARK = "__musebuild_recipe__"
Function = TypeVar("Function", bound=Callable[..., Any])


def recipe(
    *,
    products: Sequence[str | Mapping[str, Any]],
    description: str = "",
    group_by: Literal["exposure", "dataset", "run"] = "exposure",
    from_recipe: str = "",
    takes: Sequence[str] = (),
    needs: Sequence[Mapping[str, Any]] = (),
    packages: Sequence[str] = (),
    **more: Any,
) -> Callable[[Function], Function]:
    """Declare a function as a recipe; the function itself stays as it is.

    Parameters
    ----------
    products : sequence
        Categories that it makes; or mappings, as under `products` of the catalogue.
    description : str
        One line for people; default: the first line of the docstring.
    group_by : str
        What makes one invocation: an `exposure`, a `dataset`, a `run`.
    from_recipe : str
        Block whose products it takes unless the settings name another.
    takes : sequence of str
        Categories that come from that block; default: the first argument's.
    needs : sequence of mapping
        Other frames, as under `needs` of the catalogue; default: every further argument is a
        frame that the settings name under `frames`.
    packages : sequence of str
        Distributions that compute: their versions belong to the key.
    **more
        Any other key of an entry of the catalogue (`least`, `memory_base`, `time_limit`, …).
    """
    optional: dict[str, Any] = {
        "description": description,
        "from_recipe": from_recipe,
        "takes": {category: category for category in takes},
        "needs": [dict(need) for need in needs],
        "packages": list(packages),
    }
    declared: dict[str, Any] = {
        "products": [{"category": p} if isinstance(p, str) else dict(p) for p in products],
        "group_by": group_by,
        **{name: value for name, value in optional.items() if value},
        **more,
    }

    def mark(function: Function) -> Function:
        setattr(function, MARK, declared)
        return function

    return mark


def declaration(function: Callable[..., Any]) -> dict[str, Any]:
    """What `recipe` declared of a function; empty where it did not."""
    return dict(getattr(function, MARK, {}))


def _hints(function: Callable[..., Any], name: str) -> dict[str, Any]:
    try:
        return typing.get_type_hints(function)
    except Exception as error:  # an annotation is any expression, and may raise anything
        raise RecipeError(
            f"The annotations of the recipe {name} cannot be read",
            why=f"{type(error).__name__}: {error}",
            remedy="annotate inputs with Path, list[Path] or Path | None, and parameters with "
            "bool, int, float, str, list, dict or Literal",
        ) from error


def _options(annotation: Any) -> list[Any]:
    if typing.get_origin(annotation) in (Union, types.UnionType):
        return [option for part in typing.get_args(annotation) for option in _options(part)]
    return [annotation]


def _argument(name: str, annotation: Any, default: Any, recipe_name: str) -> Argument:
    options = [option for option in _options(annotation) if option is not type(None)]
    many = len(options) == 1 and typing.get_origin(options[0]) in (list, Sequence, tuple)
    inner = typing.get_args(options[0])[0] if many and typing.get_args(options[0]) else None
    if len(options) != 1 or not (options[0] is Path or inner is Path):
        raise RecipeError(
            f"The input {name} of the recipe {recipe_name} has no type that can be used",
            why="what stands before the `*` are input frames, one argument for each category",
            remedy=f"write {name}: Path, {name}: list[Path] or {name}: Path | None = None; "
            "parameters stand behind a `*`",
        )
    required = default is inspect.Parameter.empty and type(None) not in _options(annotation)
    return Argument(name, name.upper(), many=many, required=required)


def _kind(option: Any) -> tuple[str, tuple[Any, ...], tuple[str, ...]]:
    """Type, choices and types of the items of one option of an annotation."""
    origin, args = typing.get_origin(option), typing.get_args(option)
    if origin is Literal:
        return type(args[0]).__name__, args, ()
    name = "none" if option is type(None) else getattr(origin or option, "__name__", "")
    name = {"Sequence": "list", "tuple": "list", "Mapping": "dict"}.get(name, name)
    if name not in KINDS:
        return "", (), ()
    inner = args[-1] if args and name == "dict" else args[0] if args else Any
    items = tuple(kind for kind, _, _ in map(_kind, _options(inner)) if kind)
    return name, (), items


def _parameter(name: str, annotation: Any, default: Any, recipe_name: str) -> Parameter:
    required = default is inspect.Parameter.empty
    found = [_kind(option) for option in _options(annotation)] if annotation is not Any else []
    if annotation is inspect.Parameter.empty or not all(kind for kind, _, _ in found):
        raise RecipeError(
            f"The parameter {name} of the recipe {recipe_name} has no type that can be used",
            remedy=f"annotate it, such as {name}: float = 1.0, with bool, int, float, str, list, "
            "dict, Literal, or several of these joined by |",
        )
    value = None if required else default
    return Parameter(
        name,
        kinds=tuple(kind for kind, _, _ in found),
        choices=tuple(choice for _, choices, _ in found for choice in choices),
        items=tuple(item for _, _, items in found for item in items),
        default=list(value) if isinstance(value, tuple) else value,
        required=required,
    )


def read_signature(
    function: Callable[..., Any], name: str
) -> tuple[tuple[Argument, ...], dict[str, Parameter]]:
    """Inputs and parameters of a recipe.

    Parameters
    ----------
    function : callable
        Arguments before the `*` are input frames: each is named as its category in small
        letters, and annotated `Path` (one file), `list[Path]` (one or more), `Path | None`
        (may be missing). Keyword-only arguments are parameters.
    name : str
        What messages call it.

    Raises
    ------
    RecipeError
        It is no function, or an argument cannot be understood.
    """
    if not inspect.isfunction(function):
        raise RecipeError(
            f"The recipe {name} is no function but {type(function).__name__}",
            remedy="name a function defined with `def`",
        )
    hints = _hints(function, name)
    arguments: list[Argument] = []
    parameters: dict[str, Parameter] = {}
    for one in inspect.signature(function).parameters.values():
        annotation = hints.get(one.name, inspect.Parameter.empty)
        if one.kind in (one.VAR_POSITIONAL, one.VAR_KEYWORD):
            raise RecipeError(
                f"The recipe {name} takes *{one.name}, which says nothing of what it wants",
                remedy="name each input and each parameter",
            )
        if one.kind is one.KEYWORD_ONLY:
            parameters[one.name] = _parameter(one.name, annotation, one.default, name)
        else:
            arguments.append(_argument(one.name, annotation, one.default, name))
    return tuple(arguments), parameters
