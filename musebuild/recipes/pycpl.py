"""DRS recipes through python-cpl, in this process's child."""

from __future__ import annotations

import logging
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from musebuild.recipes.logs import (
    LEFT_ERRORS,
    MOST_ERRORS,
    MOST_WARNINGS,
    messages,
    read_log,
    returned,
)
from musebuild.recipes.model import RecipeCall, RecipeOutcome
from musebuild.recipes.parameters import fit, like
from musebuild.recipes.safe_path import moved, safe_name
from musebuild.settings.nearest import nearest

FORMAT = "%(asctime)s [%(padded)s] %(funcName)s: %(message)s"
LEVELS = {
    "debug": logging.DEBUG,
    "info": logging.INFO,
    "warning": logging.WARNING,
    "warn": logging.WARNING,
    "error": logging.ERROR,
    "off": logging.CRITICAL + 1,
}
PIPES = "/tmp"


class _EsorexFormatter(logging.Formatter):
    """`10:35:25 [ INFO  ] muse_bias: text`, as esorex writes it."""

    def format(self, record: logging.LogRecord) -> str:
        record.padded = f"{record.levelname:^7}"
        return super().format(record)


class PyCplRunner:
    """Runs DRS recipes with python-cpl."""

    def __init__(self) -> None:
        import cpl  # the recipes' threads are set by now

        self._cpl: Any = cpl

    def run(self, call: RecipeCall) -> RecipeOutcome:
        """Run a recipe."""
        with safe_name(call.folder.parent) as base:
            return self._run(call, base)

    def _run(self, call: RecipeCall, base: Path) -> RecipeOutcome:
        cpl = self._cpl
        cpl.Recipe.path = call.recipe_path
        try:
            recipe = cpl.Recipe(call.plugin)
        except OSError as error:
            return RecipeOutcome(
                (),
                failure=f"the recipe {call.plugin} cannot be loaded from {call.recipe_path}: "
                f"{error}",
                kind="path",
            )
        wrong = _set_parameters(recipe, call.params)
        if wrong:
            return RecipeOutcome((), failure=wrong, kind="parameter")
        frames: dict[str, list[str]] = {}
        for tag, path in call.inputs:
            frames.setdefault(tag, []).append(str(moved(Path(path), call.folder.parent, base)))
        handler = _log_handler(call)
        level = LEVELS.get(str(call.options.get("esorex_msg") or "info").lower(), logging.INFO)
        logger = logging.getLogger("cpl")
        logger.setLevel(min(level, logging.WARNING))
        logger.propagate = False
        logger.addHandler(handler)
        output = base / call.folder.name
        os.chdir(output)
        # python-cpl puts the pipe of the log into the folder for temporary files, and CPL cuts
        # off the names of logs at 63 characters: the recipe would then wait forever.
        tempfile.tempdir = PIPES
        try:
            result = recipe(
                raw=frames,
                output_dir=str(output),
                loglevel=min(level, logging.WARNING),
            )
        except cpl.CplError as error:
            return _failed(call, error)
        except cpl.RecipeCrash as error:
            return _crashed(call, error)
        except OSError as error:
            return _killed(call, error)
        finally:
            logger.removeHandler(handler)
            handler.close()
        return _ended(call, base, result)


def _failed(call: RecipeCall, error: Any) -> RecipeOutcome:
    code = int(error.retval or -1)
    told = tuple(messages(read_log(call.log), "ERROR")[-MOST_ERRORS:])
    return RecipeOutcome(
        (),
        return_code=code,
        failure=returned(code, told, error.msg or ""),
        errors=told or _errors(error),
        kind="recipe",
    )


def _crashed(call: RecipeCall, error: Any) -> RecipeOutcome:
    lines = [line for line in str(error).splitlines() if line.strip()]
    with call.log.open("a", encoding="utf-8") as log:
        log.write("\n".join(lines) + "\n")
    last = lines[-1] if lines else "killed by a signal"
    if not error.elements:
        lines.append(
            "where it crashed is not known: python-cpl asks gdb, which is not "
            "installed or may not look (Debian: apt-get install gdb)"
        )
    return RecipeOutcome(
        (),
        return_code=-1,
        failure=f"the recipe crashed in the C library: {last.strip()}",
        errors=tuple(lines[-MOST_ERRORS:]),
        kind="crash",
    )


def _killed(call: RecipeCall, error: OSError) -> RecipeOutcome:
    return RecipeOutcome(
        (),
        return_code=-1,
        failure=f"the recipe's process ended without an answer ({error}): it was killed, "
        "or ran out of memory",
        errors=tuple(messages(read_log(call.log), "ERROR")[-MOST_ERRORS:]),
        kind="killed",
    )


def _ended(call: RecipeCall, base: Path, result: Any) -> RecipeOutcome:
    """What became of a recipe that returned 0."""
    found = [
        (tag, str(moved(Path(path), base, call.folder.parent)))
        for tag, value in result
        for path in (value if isinstance(value, list) else [value])
    ]
    products = tuple(sorted(found))
    warnings = tuple(messages(read_log(call.log), "WARNING")[:MOST_WARNINGS])
    if result.error is None:
        return RecipeOutcome(products, warnings=warnings)
    return RecipeOutcome(
        products,
        failure=LEFT_ERRORS,
        errors=_errors(result.error),
        warnings=warnings,
        kind="cpl-errors",
    )


def _errors(error: Any) -> tuple[str, ...]:
    found = []
    while error is not None:
        if error.code is not None:
            found.append(f"{error.function}: {error.msg} ({error.file}:{error.line})")
        error = error.next_error
    return tuple(reversed(found))[-MOST_ERRORS:]


def _log_handler(call: RecipeCall) -> logging.FileHandler:
    handler = logging.FileHandler(call.log, encoding="utf-8")
    level = str(call.options.get("esorex_msg") or "info").lower()
    handler.setLevel(min(LEVELS.get(level, logging.INFO), logging.WARNING))
    wanted = call.options.get("esorex_msg_format")
    if wanted:
        handler.setFormatter(logging.Formatter(str(wanted)))
    else:
        handler.setFormatter(_EsorexFormatter(FORMAT, datefmt="%H:%M:%S"))
    return handler


def _set_parameters(recipe: Any, params: Mapping[str, Any]) -> str:
    """Give a recipe its parameters; what is wrong with them, or an empty text."""
    for name, value in params.items():
        if name not in recipe.param:
            near = nearest(name, [parameter.name for parameter in recipe.param])
            hint = f"; did you mean {' or '.join(near)}?" if near else ""
            return f"{recipe.__name__} has no parameter {name}{hint}"
        parameter = recipe.param[name]
        try:
            parameter.value = fit(value, like(name, parameter.default))
        except (TypeError, ValueError) as error:
            return f"{recipe.__name__}: {name} cannot be {value!r}: {error} is wanted"
    return ""
