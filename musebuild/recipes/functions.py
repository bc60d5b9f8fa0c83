"""Python functions as recipes: what a function takes and makes, read from its source.

Nothing of the source is executed: a look at a project runs no code that its settings name.
"""

from __future__ import annotations

import ast
import types
import typing
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Literal, TypeVar, Union

from musebuild.errors import RecipeError
from musebuild.recipes.model import Argument, Parameter
from musebuild.recipes.parameters import KINDS
from musebuild.recipes.source import unreadable
from musebuild.recipes.source_names import Module, NotPlain, find_function

RECIPE = ("musebuild.recipes.recipe", "musebuild.recipes.functions.recipe")
"""Names of the decorator."""
MISSING = object()
"""In place of an annotation or a default that is not there."""
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

    What stands here is read from the source: write plain values, or constants of the module.

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
    return lambda function: function


def _declared(
    *,
    products: Sequence[str | Mapping[str, Any]],
    group_by: str = "exposure",
    takes: Sequence[str] = (),
    needs: Sequence[Mapping[str, Any]] = (),
    packages: Sequence[str] = (),
    description: str = "",
    from_recipe: str = "",
    **more: Any,
) -> dict[str, Any]:
    """What `recipe` declares, as an entry of the catalogue."""
    optional: dict[str, Any] = {
        "description": description,
        "from_recipe": from_recipe,
        "takes": {category: category for category in takes},
        "needs": [dict(need) for need in needs],
        "packages": list(packages),
    }
    return {
        "products": [{"category": p} if isinstance(p, str) else dict(p) for p in products],
        "group_by": group_by,
        **{name: value for name, value in optional.items() if value},
        **more,
    }


@dataclass(frozen=True, slots=True)
class Signature:
    """What the source says of a recipe's function."""

    arguments: tuple[Argument, ...]
    """Its inputs."""
    parameters: Mapping[str, Parameter]
    declared: Mapping[str, Any] = field(default_factory=dict)
    """What `recipe` declares of it; empty where it does not."""
    description: str = ""
    """First line of its docstring."""


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
    required = default is MISSING and type(None) not in _options(annotation)
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


def _parameter(
    name: str, annotation: Any, default_of: Callable[[], Any], recipe_name: str
) -> Parameter:
    found = [_kind(option) for option in _options(annotation)] if annotation is not Any else []
    if annotation is MISSING or not all(kind for kind, _, _ in found):
        raise RecipeError(
            f"The parameter {name} of the recipe {recipe_name} has no type that can be used",
            remedy=f"annotate it, such as {name}: float = 1.0, with bool, int, float, str, list, "
            "dict, Literal, or several of these joined by |",
        )
    default = default_of()
    value = None if default is MISSING else default
    return Parameter(
        name,
        kinds=tuple(kind for kind, _, _ in found),
        choices=tuple(choice for _, choices, _ in found for choice in choices),
        items=tuple(item for _, _, items in found for item in items),
        default=list(value) if isinstance(value, tuple) else value,
        required=default is MISSING,
    )


def read_signature(file: Path, function: str, name: str = "") -> Signature:
    """Inputs, parameters and declaration of a recipe, from the source of its function.

    Parameters
    ----------
    file : Path
        The module's source.
    function : str
        Its name there. Arguments before the `*` are input frames: each is named as its category
        in small letters, and annotated `Path` (one file), `list[Path]` (one or more),
        `Path | None` (may be missing). Keyword-only arguments are parameters.
    name : str
        What messages call it; default: the function's name.

    Raises
    ------
    RecipeError
        There is no such function, or an argument cannot be understood.
    """
    name = name or function
    module, node = find_function(file, function, name)
    try:
        arguments, parameters = _read_arguments(module, node, name)
        declared = _read_declaration(module, node, name)
    except RecipeError as error:
        place = f"{module.file}:{node.lineno}"
        raise RecipeError(
            error.what, where=error.where or place, why=error.why, remedy=error.remedy
        ) from error
    except RecursionError as error:
        raise unreadable(f"{module.file}:{node.lineno}", error) from error
    told = (ast.get_docstring(node) or "").strip().partition("\n")[0]
    return Signature(arguments, parameters, declared, told)


def _read_arguments(
    module: Module, node: ast.FunctionDef, name: str
) -> tuple[tuple[Argument, ...], dict[str, Parameter]]:
    found = node.args
    for star in (found.vararg, found.kwarg):
        if star is not None:
            raise RecipeError(
                f"The recipe {name} takes *{star.arg}, which says nothing of what it wants",
                remedy="name each input and each parameter",
            )
    plain = [*found.posonlyargs, *found.args]
    without = len(plain) - len(found.defaults)
    arguments = tuple(
        # That an input has a default is all that matters of it.
        _argument(one.arg, _annotation(module, one), None if place >= without else MISSING, name)
        for place, one in enumerate(plain)
    )
    parameters = {
        one.arg: _parameter(
            one.arg,
            _annotation(module, one),
            partial(_default, module, one.arg, value, name),
            name,
        )
        for one, value in zip(found.kwonlyargs, found.kw_defaults, strict=True)
    }
    return arguments, parameters


def _annotation(module: Module, argument: ast.arg) -> Any:
    return MISSING if argument.annotation is None else module.type_of(argument.annotation)


def _default(module: Module, argument: str, node: ast.expr | None, name: str) -> Any:
    if node is None:
        return MISSING
    try:
        return module.value_of(node)
    except NotPlain as error:
        raise RecipeError(
            f"The default of the parameter {argument} of the recipe {name} cannot be read",
            where=f"{module.file}:{node.lineno}",
            why=f"{error}, and the source is read without being run",
            remedy="write a number, a text, a list or None there, or a constant of the module",
        ) from None


def _read_declaration(module: Module, node: ast.FunctionDef, name: str) -> dict[str, Any]:
    for one in node.decorator_list:
        if not isinstance(one, ast.Call) or module.dotted(one.func) not in RECIPE:
            continue
        given: dict[str, Any] = {}
        try:
            if one.args:
                raise TypeError("each of its arguments has a name, such as products=[…]")
            for keyword in one.keywords:
                value = module.value_of(keyword.value)
                given |= {keyword.arg: value} if keyword.arg else dict(value)
            return _declared(**given)
        except NotPlain as error:
            why = f"{error}, and the source is read without being run"
        except (TypeError, ValueError, AttributeError) as error:
            why = str(error).replace("_declared()", "@recipe")
        raise RecipeError(
            f"What @recipe says of the recipe {name} cannot be read",
            where=f"{module.file}:{one.lineno}",
            why=why,
            remedy='write plain values, such as @recipe(products=["MEAN_SPECTRUM"])',
        )
    return {}
