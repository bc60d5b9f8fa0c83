"""DRS recipes through esorex, where python-cpl cannot be built."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from musebuild.errors import FrameError
from musebuild.fits.headers import read_headers
from musebuild.recipes.crash import backtrace, memory_images
from musebuild.recipes.logs import (
    LEFT_ERRORS,
    MOST_ERRORS,
    MOST_WARNINGS,
    messages,
    read_log,
    returned,
)
from musebuild.recipes.model import RecipeCall, RecipeOutcome
from musebuild.recipes.safe_path import moved, safe_name
from musebuild.settings.numbers import text_of

CRASHES = ("SIGSEGV", "SIGBUS", "SIGABRT", "SIGFPE", "SIGILL")
INNERMOST = 6
"""Functions told of after a crash, as many as a failure shows."""


def set_of_frames(inputs: tuple[tuple[str, str], ...]) -> str:
    """The set-of-frames file of a call: a path and a tag in each line."""
    return "".join(f"{path} {tag}\n" for tag, path in inputs)


def arguments(
    plugin: str, params: Mapping[str, Any], sof: str, *, recipe_path: str = "", output: str = "."
) -> list[str]:
    """The esorex command of a call."""
    command = ["esorex", f"--output-dir={output}", "--suppress-prefix=TRUE"]
    if recipe_path:
        command.insert(1, f"--recipe-dir={recipe_path}")
    return [
        *command,
        plugin,
        *(f"--{name}={text_of(value)}" for name, value in params.items()),
        sof,
    ]


class EsorexRunner:
    """Runs DRS recipes with the `esorex` command."""

    def run(self, call: RecipeCall) -> RecipeOutcome:
        """Run a recipe."""
        if shutil.which("esorex") is None:
            return RecipeOutcome(
                (),
                failure="there is no command esorex: install it (Debian: apt-get install esorex)",
                kind="path",
            )
        with safe_name(call.folder.parent) as base:
            return self._run(call, base)

    def _run(self, call: RecipeCall, base: Path) -> RecipeOutcome:
        old = call.folder.parent
        inputs = tuple((tag, str(moved(Path(path), old, base))) for tag, path in call.inputs)
        sof = base / "frames.sof"
        sof.write_text(set_of_frames(inputs), encoding="utf-8")
        output = base / call.folder.name
        level = str(call.options.get("esorex_msg") or "info").lower()
        command = arguments(
            call.plugin,
            call.params,
            str(sof),
            recipe_path=call.recipe_path,
            output=str(output),
        )
        command[1:1] = [
            "--msg-level=error",
            f"--log-level={'warning' if level in ('warn', 'error', 'off') else level}",
            f"--log-dir={base}",
            f"--log-file={call.log.name}",
        ]
        # Our own log directory and home: a person's esorex.rc must not change what is made.
        environment = {**os.environ, "HOME": str(base), "TMPDIR": str(base)}
        with memory_images(output):
            done = subprocess.run(
                command,
                cwd=output,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                check=False,
            )
        told = done.stdout.decode("utf-8", "replace").splitlines()
        if done.returncode < 0:
            return _killed(call, done.returncode, told, command[0])
        return _ended(call, done.returncode, told)


def _killed(call: RecipeCall, status: int, told: list[str], program: str) -> RecipeOutcome:
    """What became of a recipe that a signal ended."""
    name = signal.Signals(-status).name
    if name not in CRASHES:
        errors = messages(read_log(call.log), "ERROR") or told
        return RecipeOutcome(
            (),
            return_code=status,
            failure=f"the recipe was killed ({name})",
            errors=tuple(errors[-MOST_ERRORS:]),
            kind="killed",
        )
    where = backtrace(program, call.folder)
    with call.log.open("a", encoding="utf-8") as log:
        log.write("\n".join([f"crashed with {name}:", *where]) + "\n")
    return RecipeOutcome(
        (),
        return_code=status,
        failure=f"the recipe crashed in the C library ({name})",
        # The innermost functions; all of them are in the log.
        errors=tuple(where[:INNERMOST]),
        kind="crash",
    )


def _ended(call: RecipeCall, status: int, told: list[str]) -> RecipeOutcome:
    """What became of a recipe that returned."""
    lines = read_log(call.log)
    errors = messages(lines, "ERROR")
    warnings = tuple(messages(lines, "WARNING")[:MOST_WARNINGS])
    if status:
        tail = errors or [line for line in told if line.strip()]
        return RecipeOutcome(
            (),
            return_code=status,
            failure=returned(status, errors, tail[-1] if tail else ""),
            errors=tuple(tail[-MOST_ERRORS:]),
            warnings=warnings,
            kind="recipe",
        )
    products = []
    for path in sorted(call.folder.glob("*.fits")):
        category = ""
        with contextlib.suppress(FrameError):
            category = str(read_headers(path).primary.get("ESO PRO CATG") or "")
        products.append((category or path.stem, str(path)))
    return RecipeOutcome(
        tuple(sorted(products)),
        failure=LEFT_ERRORS if errors else "",
        errors=tuple(errors[-MOST_ERRORS:]),
        warnings=warnings,
        kind="cpl-errors" if errors else "",
    )
