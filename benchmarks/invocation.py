"""What one more invocation costs the engine, run and restored, against a task of doit's own.

    python -m benchmarks.invocation [--nights 60] [--number 100]

In a project of `ten_years` whose products are all there, a parameter of `muse_scipost` changes;
the build is stopped when some of its invocations ran (mock runner, one after another), and the
next build, without the change, restores them. What is told is the slope: the time between the
ends of invocations within one build, without what is paid once (Python, the plan, the first
worker). CPU time is that of the engine's own process, children apart. Wall time between two ends
is told in three parts: the recipe; its worker beside the recipe (its start, links, digests, objects
and manifest synced to disk); and the engine's own process, while no recipe runs.

The peer is doit with its own sqlite3 memory: tasks with as many inputs and products, whose action
writes the products in doit's own process.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

CHANGE = "recipes.muse_scipost.params.skymodel_fraction="
NUMBER = 100
"""Invocations that are run, and restored."""
PEER = (100, 400)
"""Tasks of the two builds whose difference is doit's slope."""
_CALL = """
import atexit, json, os, signal, time
from musebuild.engine.run import BuildRunner
notes, most, plain = [], int(os.environ["MOST"]), BuildRunner._tell
def tell(self, event, *args):
    if event in ("started", "ended", "ran", "restored"):
        manifest = args[1] if event in ("ran", "restored") else None
        inputs = len(args[1].inputs) if event == "started" else 0
        notes.append([event, time.perf_counter(), time.process_time(),
                      manifest.seconds if manifest else 0.0, inputs,
                      len(manifest.products) if manifest else 0])
        if sum(note[0] in ("ran", "restored") for note in notes) == most:
            os.kill(os.getpid(), signal.SIGINT)
            os.kill(os.getpid(), signal.SIGINT)
    plain(self, event, *args)
BuildRunner._tell = tell
atexit.register(lambda: json.dump(notes, open(os.environ["NOTES"], "w")))
from musebuild.cli.main import console
console()
"""
_DODO = """
from pathlib import Path
DOIT_CONFIG = {{"backend": "sqlite3", "reporter": "console"}}
def make(targets):
    for target in targets:
        Path(target).write_text(target)
def task_one():
    for n in range({tasks}):
        yield {{"name": str(n), "actions": [make],
               "file_dep": [f"in{{i}}" for i in range({inputs})],
               "targets": [f"out{{n}}-{{i}}" for i in range({products})]}}
"""


@dataclass(frozen=True)
class Each:
    """Seconds that one more invocation takes."""

    number: int
    cpu: float
    """Of the engine's own process."""
    wall: float
    """The engine's own process, while no recipe runs."""
    worker: float = 0.0
    """Wall time of the worker beside the recipe."""
    recipe: float = 0.0
    inputs: int = 0
    products: int = 0


def _notes(folder: Path, most: int, *more: str) -> list[list[Any]]:
    """What a build told of its invocations, until it was stopped after some."""
    path = folder / "notes.json"
    path.unlink(missing_ok=True)
    subprocess.run(
        [sys.executable, "-c", _CALL, "run", "--continue", "-n", "1", *more],
        cwd=folder,
        stdout=subprocess.DEVNULL,
        env={**os.environ, "NOTES": str(path), "MOST": str(most)},
        check=False,
    )
    found: list[list[Any]] = json.loads(path.read_text())
    return found


def slope(notes: list[list[Any]], ending: str) -> Each:
    """What one more invocation takes, from the ends of those in the middle of a build."""
    ends = [n for n, note in enumerate(notes) if note[0] == ending]
    if len(ends) < 10:
        raise SystemExit(f"only {len(ends)} invocations {ending}: too few to tell what one costs")
    # The first pay for what is loaded with them.
    first, last = ends[len(ends) // 5], ends[-1]
    number = len(ends) - 1 - len(ends) // 5
    wall, cpu = (notes[last][k] - notes[first][k] for k in (1, 2))
    some = notes[first + 1 : last + 1]
    away = sum((1 if note[0] == "ended" else -1) * note[1] for note in some if note[0] in _AWAY)
    recipe = sum(note[3] for note in some if note[0] == "ran")
    inputs = [note[4] for note in some if note[0] == "started"]
    products = [note[5] for note in some if note[0] == ending]
    return Each(
        number,
        cpu / number,
        (wall - away) / number,
        (away - recipe) / number,
        recipe / number,
        round(statistics.mean(inputs or [0])),
        round(statistics.mean(products)),
    )


_AWAY = ("started", "ended")


def measure(folder: Path, number: int = NUMBER) -> tuple[Each, Each]:
    """What an invocation costs that runs, and one that is restored.

    Parameters
    ----------
    folder : Path
        A project in which everything is up to date; it is so again afterwards.
    number : int
        Invocations that run.
    """
    value = f"0.{time.time_ns() % 10**6 + 10**6}"
    ran = slope(_notes(folder, number, "--set", CHANGE + value), "ran")
    return ran, slope(_notes(folder, number), "restored")


def peer(inputs: int, products: int) -> float:
    """CPU seconds of one more task of doit's own."""
    took = []
    for tasks in PEER:
        with tempfile.TemporaryDirectory() as place:
            folder = Path(place)
            for n in range(inputs):
                (folder / f"in{n}").write_text(str(n))
            text = _DODO.format(tasks=tasks, inputs=inputs, products=products)
            (folder / "dodo.py").write_text(text)
            process = subprocess.Popen(
                [sys.executable, "-m", "doit"], cwd=folder, stdout=subprocess.DEVNULL
            )
            _, status, usage = os.wait4(process.pid, 0)
            if status:
                raise SystemExit("doit failed")
            took.append(usage.ru_utime + usage.ru_stime)
    return (took[1] - took[0]) / (PEER[1] - PEER[0])


def tell(ran: Each, restored: Each) -> None:
    """Print what one more invocation costs, and the peer."""
    doit = peer(ran.inputs, ran.products)
    for name, each in (("run", ran), ("restored", restored)):
        print(
            f"an invocation {name} ({ran.inputs} inputs, {each.products} products; {each.number} "
            f"of them): {1000 * each.cpu:.2f} ms of CPU time of the engine's process, "
            f"{each.cpu / doit:.1f} x doit; wall time {1000 * each.wall:.2f} ms of the engine"
            + (
                f", {1000 * each.worker:.1f} ms of its worker, {1000 * each.recipe:.1f} ms recipe"
                if each.recipe
                else ""
            )
        )
    print(f"a task of doit's own with as many: {1000 * doit:.2f} ms of CPU time")


def main() -> None:
    """Make a project, measure, print."""
    from benchmarks.scale import prefill
    from benchmarks.ten_years import ten_years, write

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--nights", type=int, default=60)
    parser.add_argument("--number", type=int, default=NUMBER)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / "project"
        write(folder, ten_years(options.nights))
        time.sleep(0.3)
        prefill(folder)
        for _ in range(2):
            # Planned, and remembered.
            subprocess.run(["musebuild", "run"], cwd=folder, stdout=subprocess.DEVNULL, check=False)
        tell(*measure(folder, options.number))


if __name__ == "__main__":
    main()
