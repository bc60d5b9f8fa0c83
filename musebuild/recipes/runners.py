"""The runners by name; each is imported only where it is used."""

from __future__ import annotations

from importlib import import_module

from musebuild.errors import RecipeError
from musebuild.recipes.model import Runner

RUNNERS = {
    "python-cpl": "musebuild.recipes.pycpl:PyCplRunner",
    "esorex": "musebuild.recipes.esorex:EsorexRunner",
    "mock": "musebuild.recipes.mock:MockRunner",
    "python": "musebuild.recipes.pyrun:PythonRunner",
}


def runner(name: str) -> Runner:
    """A runner by the name that `cpl.runner` gives it.

    Raises
    ------
    RecipeError
        There is none of that name, or what it needs is not installed.
    """
    if name not in RUNNERS:
        chosen = [one for one in RUNNERS if one != "python"]
        raise RecipeError(f"There is no runner {name}", remedy=f"use one of {', '.join(chosen)}")
    module, _, attribute = RUNNERS[name].partition(":")
    try:
        made: Runner = getattr(import_module(module), attribute)()
    except ImportError as error:
        raise RecipeError(
            f"The runner {name} cannot be loaded",
            why=str(error),
            remedy="install what it needs (pip install python-cpl), or use another with "
            "cpl: {runner: esorex} in the settings",
        ) from error
    return made
