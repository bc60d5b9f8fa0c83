"""What stays of an invocation that failed: its log, and its scratch folder where asked for."""

from __future__ import annotations

import contextlib
import json
import shlex
import shutil
from pathlib import Path

from musebuild.cache.owner import describe
from musebuild.cache.place import write_atomically
from musebuild.cache.store import OWNER_FILE, Store
from musebuild.errors import MusebuildError
from musebuild.recipes.esorex import arguments, set_of_frames
from musebuild.recipes.pyrun import by_hand
from musebuild.workers.orders import WorkOrder


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
        shutil.copyfile(log, copy)
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
