"""What is told of an invocation that failed, and what stays of it: log and scratch folder."""

from __future__ import annotations

import contextlib
import json
import os
import shlex
import shutil
import signal
from dataclasses import replace
from pathlib import Path

from musebuild.cache.owner import describe
from musebuild.cache.place import write_atomically
from musebuild.cache.store import OWNER_FILE, Store
from musebuild.errors import MusebuildError
from musebuild.recipes.esorex import arguments, set_of_frames
from musebuild.recipes.logs import MOST_ERRORS
from musebuild.recipes.model import RecipeOutcome
from musebuild.recipes.pyrun import by_hand
from musebuild.settings.own_files import copy_new
from musebuild.workers.orders import WorkOrder, WorkResult

STOPPED = "stopped"
"""Kind of a failure that people asked for, by a second Ctrl-C."""
CAUSES = {
    "time": RecipeOutcome(
        (), failure="it ran longer than its time limit and was stopped", kind="hang"
    ),
    "memory": RecipeOutcome(
        (), failure="it took more memory than its limit and was stopped", kind="memory"
    ),
    "stopped": RecipeOutcome((), failure="stopped on request", kind=STOPPED),
}
"""Why we ended a worker → what is told of it."""


def keep_log(log: Path, store: Store) -> str:
    """Put a log into the store; where that cannot be, it stays where it is.

    Returns
    -------
    str
        The log's object, or its path; empty where there is no log.
    """
    if not log.exists():
        return ""
    copy = log.with_suffix(".copy")
    try:
        copy_new(log, copy)
        return store.put(copy)
    except (OSError, MusebuildError):
        with contextlib.suppress(OSError):
            copy.unlink()
        return str(log)


def keep_scratch(order: WorkOrder) -> str:
    """Mark a scratch folder as one to keep, with a script that repeats the call by hand.

    Returns
    -------
    str
        The folder; empty where the script cannot be written.
    """
    scratch = Path(order.scratch)
    linked = tuple((tag, f"in/{name}") for tag, _, name in order.inputs)
    if order.runner == "python":
        made = [str(rule["category"]) for rule in order.products]
        location = str(order.options.get("location") or "")
        command = by_hand(order.plugin, order.params, "frames.sof", made, location)
    else:
        command = arguments(
            order.plugin, order.params, "frames.sof", recipe_path=order.drs.get("path", "")
        )
        command.insert(1, "--log-dir=.")
    variables = {**order.env, "OMP_NUM_THREADS": str(order.threads)}
    words = [f"{name}={shlex.quote(value)}" for name, value in variables.items()]
    words += [shlex.quote(part) for part in command]
    script = scratch / "run-again.sh"
    try:
        (scratch / "frames.sof").write_text(set_of_frames(linked), encoding="utf-8")
        script.write_text(
            f'#!/bin/sh\n# Repeats {order.task} by hand.\ncd "$(dirname "$0")" || exit 1\n'
            f"{' '.join(words)}\n",
            encoding="utf-8",
        )
        script.chmod(0o755)
        write_atomically(scratch / OWNER_FILE, json.dumps(describe() | {"keep": True}))
    except OSError:
        return ""
    return str(scratch)


def _limit(order: WorkOrder, cause: str) -> str:
    if cause == "time":
        return (
            f" ({order.time_limit:.0f} s; to allow more: time_limit in the block "
            f"recipes.{order.task.partition(':')[0]})"
        )
    if cause == "memory":
        return (
            f" ({order.memory_limit / 1e9:.2f} GB; to allow more: memory in the block "
            f"recipes.{order.task.partition(':')[0]})"
        )
    return ""


def lost(order: WorkOrder, code: int, cause: str) -> WorkResult:
    """The result of a worker that ended without leaving one.

    Parameters
    ----------
    order : WorkOrder
        What it worked on.
    code : int
        Exit status, negative for a signal.
    cause : str
        Why we ended it; empty where we did not.
    """
    scratch = Path(order.scratch)
    if cause:
        ended = CAUSES[cause]
    elif code == -signal.SIGKILL:
        ended = RecipeOutcome(
            (),
            failure="its process was killed (SIGKILL): by somebody, or by the system for want of "
            "memory. Where memory is short, use fewer workers (-n) or set resources.memory",
            kind="killed",
        )
    elif code < 0:
        ended = RecipeOutcome(
            (),
            failure=f"the recipe crashed in the C library ({signal.Signals(-code).name})",
            kind="crash",
        )
    else:
        ended = RecipeOutcome(
            (),
            failure=f"its worker ended with status {code} and left no result",
            kind="worker",
        )
    log = scratch / f"{order.recipe}.log"
    return WorkResult(
        order.task,
        False,
        failure={
            "message": ended.failure + _limit(order, cause),
            "errors": last_words(scratch),
            "return_code": code,
            "kind": ended.kind,
        },
        log=str(log),
    )


def last_words(scratch: Path) -> list[str]:
    """What a worker wrote before it ended, the last at the end."""
    lines: list[str] = []
    with contextlib.suppress(OSError):
        output = (scratch / "worker.out").read_text(encoding="utf-8", errors="replace")
        lines = [line for line in output.splitlines() if line.strip()]
    for number, line in enumerate(lines):
        if line.startswith("Fatal Python error"):
            # Of a crash: Python writes the innermost call first.
            calls = [line for line in lines[number + 1 :] if line.startswith("  File")]
            return [*reversed(calls[:MOST_ERRORS]), line]
    return lines[-MOST_ERRORS:]


def collect(order: WorkOrder, code: int, cause: str) -> WorkResult:
    """The result that a worker left; what a worker without one can no longer keep is kept for it.

    Parameters
    ----------
    order : WorkOrder
        What it worked on.
    code : int
        Exit status, negative for a signal.
    cause : str
        Why we ended it; empty where we did not.
    """
    try:
        return WorkResult.from_json(Path(order.result).read_text(encoding="utf-8"))
    except (OSError, ValueError, TypeError):
        result = lost(order, code, cause)
    log = keep_log(Path(result.log), Store([Path(root) for root in order.store]))
    failure = dict(result.failure or {})
    if order.keep_failed and cause != "stopped":
        failure["scratch"] = keep_scratch(order)
    return replace(result, log=log, failure=failure)


def clear_failed(order: WorkOrder, result: WorkResult) -> None:
    """Remove the scratch folder of what failed, but for a log that found no place in the store."""
    if (result.failure or {}).get("scratch"):
        return
    if not result.log.startswith(order.scratch):
        remove_scratch(order.scratch)
        return
    for name in ("in", "out"):
        shutil.rmtree(Path(order.scratch) / name, ignore_errors=True)


def remove_scratch(scratch: str) -> None:
    """Remove a scratch folder; of one that a worker cleared only a few files are left."""
    try:
        with os.scandir(scratch) as entries:
            for entry in entries:
                os.unlink(entry.path)
        os.rmdir(scratch)
    except OSError:
        shutil.rmtree(scratch, ignore_errors=True)
