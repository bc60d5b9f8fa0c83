"""Parameters of the settings against those of the pipeline that is installed."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from musebuild.errors import RecipeError
from musebuild.plan.blocks import PlannedBlock
from musebuild.recipes.parameters import fit, like
from musebuild.settings.model import Settings
from musebuild.settings.nearest import nearest
from musebuild.settings.of_musered import COMBINE, MOSAIC_METHOD, OUTPUT_WCS
from musebuild.settings.problems import Problem, problem_at, unknown_at


@dataclass(frozen=True, slots=True)
class PipelineParameter:
    """A parameter of a DRS recipe."""

    name: str
    default: Any
    choices: tuple[Any, ...] = ()
    low: float | None = None
    high: float | None = None
    items: tuple[str, ...] = ()
    """What a list may contain, as far as the description of the parameter says."""


def read_parameters(path: str, plugins: Iterable[str]) -> dict[str, dict[str, PipelineParameter]]:
    """Parameters of recipes, as the pipeline declares them.

    They are read in a process of its own, so that this one never loads the recipes' libraries.

    Parameters
    ----------
    path : str
        Folder of the recipes.
    plugins : iterable of str
        Names of recipes; those that are not there are left out.

    Raises
    ------
    RecipeError
        python-cpl cannot be loaded, or fails.
    """
    command = [
        sys.executable,
        "-P",
        "-m",
        "musebuild.check.parameter_checks",
        path,
        *sorted(set(plugins)),
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    if done.returncode:
        last = done.stderr.strip().splitlines()[-1:] or ["no message"]
        raise RecipeError(
            "The parameters of the recipes cannot be read from the pipeline",
            where=path,
            why=last[0],
            remedy="install python-cpl (pip install python-cpl), or go on: the pipeline checks "
            "them when it runs",
        )
    return {
        plugin: {
            one["name"]: PipelineParameter(
                one["name"],
                one["default"],
                tuple(one["choices"] or ()),
                low=one["range"][0],
                high=one["range"][1],
                items=items_of(one["about"]),
            )
            for one in found
        }
        for plugin, found in json.loads(done.stdout).items()
    }


def items_of(description: str) -> tuple[str, ...]:
    """Names in quotes that a list may contain: `save` has "one or more of "cube", …"."""
    if "one or more of" not in description:
        return ()
    return tuple(dict.fromkeys(re.findall(r'"(\w+)"', description)))


def check_parameter(value: Any, parameter: PipelineParameter) -> tuple[str, str]:
    """What is wrong with a value, and what is allowed; two empty texts where nothing is."""
    kind = like(parameter.name, parameter.default)
    try:
        converted = fit(value, kind)
    except ValueError as error:
        example = f", such as {parameter.default}" if kind.items else ""
        return "cannot be used here", f"{error}{example}"
    if parameter.choices and converted not in parameter.choices:
        return "is not one of the choices", ", ".join(map(str, parameter.choices))
    if isinstance(converted, int | float) and not isinstance(converted, bool):
        low, high = parameter.low, parameter.high
        if (low is not None and converted < low) or (high is not None and converted > high):
            return "is out of range", f"{low} to {high}"
    return "", ""


def _strange(value: Any, parameter: PipelineParameter) -> list[str]:
    """Items of a list that the parameter's description does not know."""
    given = [part.strip() for part in str(value).split(",")]
    return [part for part in given if part not in parameter.items] if parameter.items else []


def _unknown(
    settings: Settings, keys: tuple[str, ...], plugin: str, allowed: Iterable[str]
) -> Problem:
    told = f"{plugin} has no parameter {keys[-1]}"
    allowed = list(allowed) or ["none"]
    return unknown_at(settings, keys, told, keys[-1], allowed, of_key=True)


def check_python(blocks: Iterable[PlannedBlock], settings: Settings) -> list[Problem]:
    """Every parameter that a Python recipe does not take, or wants and is not given.

    Parameters
    ----------
    blocks : iterable of PlannedBlock
        Blocks with their recipes.
    settings : Settings
        Where each stands.
    """
    problems = []
    for planned in blocks:
        recipe = planned.recipe
        if recipe.kind != "python":
            continue
        allowed = recipe.parameters
        for name, value in planned.block.params.items():
            keys = ("recipes", planned.name, "params", name)
            if recipe.by_hand:
                remedy = f"offsets stand in recipes.{planned.name}.offsets"
                text = f"{recipe.name} takes no parameters"
                problems.append(problem_at(settings, keys, text, of_key=True, remedy=remedy))
                continue
            if name not in allowed:
                problems.append(_unknown(settings, keys, recipe.name, allowed))
                continue
            try:
                fit(value, allowed[name])
            except ValueError as error:
                problems.append(
                    problem_at(settings, keys, f"{value} cannot be used here", allowed=str(error))
                )
        problems += [
            problem_at(
                settings,
                ("recipes", planned.name, "params"),
                f"{recipe.plugin} needs {name}",
                remedy=f"give it: recipes.{planned.name}.params.{name}",
            )
            for name, parameter in allowed.items()
            if parameter.required and name not in planned.params and not recipe.by_hand
        ]
        if recipe.name == COMBINE and planned.params.get("mosaic") is True:
            problems += _mosaic(planned, settings)
    return problems


def _mosaic(planned: PlannedBlock, settings: Settings) -> list[Problem]:
    """A mosaic that cannot be made, which would show when all its cubes are there."""
    problems = []
    keys = ("recipes", planned.name, "params")
    method = planned.params.get("method")
    if method != MOSAIC_METHOD:
        at = (*keys, "method") if "method" in planned.block.params else (*keys, "mosaic")
        text = f"MPDAF makes no mosaic with the method {method}"
        remedy = f"set method: {MOSAIC_METHOD}"
        problems.append(problem_at(settings, at, text, remedy=remedy))
    if OUTPUT_WCS not in planned.block.frames.sources:
        problems.append(
            problem_at(
                settings,
                (*keys, "mosaic"),
                "a mosaic needs the grid that it lies on",
                remedy=f"name a cube with frames: {{{OUTPUT_WCS}: FILE}}",
            )
        )
    return problems


def check_parameters(
    blocks: Iterable[PlannedBlock],
    known: Mapping[str, Mapping[str, PipelineParameter]],
    settings: Settings,
) -> list[Problem]:
    """Every parameter of the settings that its recipe does not take.

    Parameters
    ----------
    blocks : iterable of PlannedBlock
        Blocks with their recipes.
    known : mapping
        Recipe's plugin → name → parameter.
    settings : Settings
        Where each stands.
    """
    problems = []
    for planned in blocks:
        allowed = known.get(planned.recipe.plugin)
        if allowed is None or planned.recipe.kind != "drs":
            continue
        for name in planned.block.params:
            keys = ("recipes", planned.name, "params", name)
            if name not in allowed:
                problems.append(_unknown(settings, keys, planned.recipe.plugin, allowed))
                continue
            value, parameter = planned.params[name], allowed[name]
            wrong, choices = check_parameter(value, parameter)
            if wrong:
                close = tuple(nearest(str(value), map(str, parameter.choices), 1))
                problems.append(
                    problem_at(settings, keys, f"{value} {wrong}", allowed=choices, nearest=close)
                )
            strange = [] if wrong else _strange(value, parameter)
            if strange:
                problems.append(
                    problem_at(
                        settings,
                        keys,
                        f"the description of {name} in {planned.recipe.plugin} does not speak "
                        f"of {', '.join(strange)}",
                        severity="warning",
                        allowed=", ".join(parameter.items),
                        nearest=tuple(nearest(strange[0], parameter.items, 1)),
                    )
                )
    return problems


def main(path: str, plugins: list[str]) -> None:
    """Print the parameters of recipes as JSON."""
    import cpl

    cpl.Recipe.path = path
    found: dict[str, list[dict[str, Any]]] = {}
    for plugin in plugins:
        try:
            recipe = cpl.Recipe(plugin)
        except OSError:
            continue
        found[plugin] = [
            {
                "name": one.name,
                "default": one.default,
                "choices": list(one.sequence) if one.sequence else None,
                "range": list(one.range) if one.range else [None, None],
                "about": str(one.__doc__ or ""),
            }
            for one in recipe.param
        ]
    json.dump(found, sys.stdout)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
