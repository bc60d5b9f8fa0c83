"""An empty build, a list and a change, on ten years of nights, against ninja and make.

    python benchmarks/scale.py [--nights 2900] [--exposures 5] [--json FILE] [--plot FILE NIGHTS…]

The frames are header-only files of `ten_years`; the products are made without recipes, by the
engine's own keys, manifests, objects and links, so that 50,000 invocations are there in minutes.
The peers work on the same graph and the same files: each invocation is one rule, whose inputs are
its raw frames and the products that it takes, and whose outputs are its products.

User and wall seconds are the best of several calls in one run; memory is the peak of the process.
Needs `ninja` (requirements/bench.txt) and `make`.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from benchmarks.ten_years import EXPOSURES, NIGHTS, ten_years, write
from musebuild.cache.ledger import Placed, now
from musebuild.cache.model import Manifest, Product
from musebuild.cache.store import OBJECT_TIME
from musebuild.engine.hashing import digest_unchanged
from musebuild.engine.project import Project
from musebuild.engine.resolve import resolve_one
from musebuild.engine.world import ProjectWorld, file_inputs
from musebuild.fits.hashing import hash_file
from musebuild.plan.names import closure
from tests.support.header_only import write_headers

ROUNDS = 3
DONE = "Everything is up to date"
MOST_RESTORED = 20_000
"""Invocations that are restored; more take too long to be worth it."""
_CALL = """
import atexit, os
def peak():
    (line,) = [line for line in open("/proc/self/status") if line.startswith("VmHWM")]
    open(os.environ["SCALE_PEAK"], "w").write(line.split()[1])
atexit.register(peak)
from musebuild.cli.main import console
console()
"""
MUSEBUILD = [sys.executable, "-c", _CALL]
"""The command; its peak memory is read at its end, since what `wait4` tells of a child begins
with the memory of its parent."""


@dataclass(frozen=True)
class Cost:
    """What a command took."""

    wall: float
    user: float
    system: float
    memory: int
    """Peak, in bytes; 0: not measured."""


def cost(command: Sequence[str], folder: Path, says: str = "") -> Cost:
    """Run a command that must succeed, or say that nothing is left to do.

    Some exposures of ten years have no calibrations and are left out, which musebuild tells with
    exit status 1.
    """
    began = time.perf_counter()
    peak = folder / "peak.txt"
    peak.write_text("0", encoding="utf-8")
    environment = {**os.environ, "SCALE_PEAK": str(peak)}
    told = folder / "told.txt"
    with told.open("w") as out:
        process = subprocess.Popen(command, cwd=folder, stdout=out, env=environment)
        _, status, usage = os.wait4(process.pid, 0)
    wall = time.perf_counter() - began
    if says not in told.read_text() or (status and not says):
        raise SystemExit(f"{command} failed: {status}")
    return Cost(wall, usage.ru_utime, usage.ru_stime, 1024 * int(peak.read_text()))


def best(command: Sequence[str], folder: Path, says: str = "") -> Cost:
    """The cheapest of several calls, by user time."""
    return min((cost(command, folder, says) for _ in range(ROUNDS)), key=lambda c: c.user)


def prefill(folder: Path) -> tuple[int, int]:
    """Make all products as the engine would; number of invocations and products."""
    project = Project(folder / "settings.yml")
    project.require_writable()
    plan, store, ledger = project.plan, project.store, project.ledger
    names = closure(plan, plan.default)
    world = ProjectWorld(project)
    for path in {p for name in names for p in file_inputs(plan.invocations[name])}:
        hashed = digest_unchanged(Path(path))
        world.known[path] = hashed.digest
        project.digests.remember(Path(path), hashed.digest, hashed.identity, hashed.began_ns)
    project.digests.commit()
    manifests: dict[str, Manifest] = {}
    placed: list[Placed] = []
    for name in names:
        invocation = plan.invocations[name]
        resolution = resolve_one(
            invocation,
            plan=plan,
            catalogue=project.catalogue,
            manifests=manifests,
            software=world.software(),
            world=world.world,
        )
        if not resolution.key:
            raise SystemExit(f"{name}: {resolution.reason}")
        target = folder / project.settings.reduced_path / invocation.folder
        target.mkdir(parents=True, exist_ok=True)
        products = []
        for category in invocation.products:
            ifu = f"-{invocation.ifu:02d}" if invocation.ifu else ""
            path = target / f"{category}{ifu}.fits"
            write_headers(path, {"ESO PRO CATG": category, "ESO TASK": resolution.key[:40]})
            name_ = hash_file(path)
            path.chmod(0o444)
            os.utime(path, (OBJECT_TIME, OBJECT_TIME))
            stored = store.object_path(store.root, name_)
            stored.parent.mkdir(exist_ok=True)
            if not stored.exists():
                os.link(path, stored)
            status = path.stat()
            products.append(Product(category, path.name, name_, name_, status.st_size))
            placed.append(
                Placed(
                    str(path),
                    name,
                    name_,
                    status.st_dev,
                    status.st_ino,
                    status.st_size,
                    status.st_mtime_ns,
                )
            )
        manifests[name] = Manifest(
            resolution.key, resolution.preimage, tuple(products), "", name, now(), 1.0, 1.0, 1, 1
        )
    with without_sync():
        for manifest in manifests.values():
            store.write_manifest(manifest)
    ledger.set_placed(placed)
    ledger.rebuild(store)
    project.close()
    return len(names), len(placed)


@contextlib.contextmanager
def without_sync() -> Iterator[None]:
    """Objects and manifests need not outlive a power cut here."""
    sync, os.fsync = os.fsync, lambda descriptor: None
    try:
        yield
    finally:
        os.fsync = sync


def graph(folder: Path) -> list[tuple[list[str], list[str]]]:
    """(outputs, inputs) of each invocation: paths."""
    project = Project(folder / "settings.yml")
    plan = project.plan
    root = project.settings.reduced_path
    made: dict[str, list[str]] = {}
    rules = []
    for name in closure(plan, plan.default):
        invocation = plan.invocations[name]
        ifu = f"-{invocation.ifu:02d}" if invocation.ifu else ""
        base = f"{root}/{invocation.folder}"
        made[name] = [f"{base}/{category}{ifu}.fits" for category in invocation.products]
        inputs: dict[str, None] = {}
        for wanted in invocation.inputs:
            for path in made[wanted.invocation] if wanted.kind == "product" else [wanted.path]:
                inputs[path] = None
        rules.append((made[name], list(inputs)))
    project.close()
    return rules


def write_ninja(rules: Iterable[tuple[list[str], list[str]]], folder: Path) -> None:
    """A build file; `generator` keeps what has no log entry from being stale."""

    def escaped(paths: list[str]) -> str:
        return " ".join(
            path.replace("$", "$$").replace(":", "$:").replace(" ", "$ ") for path in paths
        )

    with (folder / "build.ninja").open("w") as file:
        file.write("rule r\n  command = false\n  generator = 1\n")
        for outputs, inputs in rules:
            file.write(f"build {escaped(outputs)}: r {escaped(inputs)}\n")


def write_make(rules: Iterable[tuple[list[str], list[str]]], folder: Path) -> None:
    """A Makefile; every rule that had to run would fail."""

    def escaped(paths: list[str]) -> str:
        return " ".join(path.replace("$", "$$").replace(":", "\\:") for path in paths)

    with (folder / "Makefile").open("w") as file:
        file.write(".SUFFIXES:\n.PHONY: all\nall:")
        rules = list(rules)
        for outputs, _ in rules:
            file.write(f" {escaped(outputs)}")
        file.write("\n")
        for outputs, inputs in rules:
            file.write(f"{escaped(outputs)}: {escaped(inputs)}\n\tfalse\n")


def first_start(folder: Path) -> float:
    """Seconds until the first recipe starts after one parameter of one block changed."""
    change = "recipes.muse_exp_combine.params.lambdamin=4800.0"
    began = time.perf_counter()
    process = subprocess.Popen(
        [*MUSEBUILD, "run", "--continue", "--set", change],
        cwd=folder,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "SCALE_PEAK": os.devnull},
    )
    assert process.stdout is not None
    waited = 0.0
    for line in process.stdout:
        if "  start  " in line:
            waited = time.perf_counter() - began
            break
    process.send_signal(signal.SIGINT)
    process.send_signal(signal.SIGINT)
    process.communicate()
    if not waited:
        raise SystemExit(f"--set {change}: no recipe started")
    return waited


def measure(nights: int, exposures: int, place: Path) -> dict[str, Any]:
    """Everything at one size."""
    folder = place / f"nights{nights}"
    began = time.perf_counter()
    frames = write(folder, ten_years(nights, exposures=exposures))
    # For make and ninja products must be younger than what they are made from.
    for path in [*(Path(frame.path) for frame in frames), *(folder / "calib").iterdir()]:
        os.utime(path, (OBJECT_TIME - 1000, OBJECT_TIME - 1000))
    time.sleep(0.3)
    invocations, products = prefill(folder)
    setup = time.perf_counter() - began
    sizes = f"{len(frames)} frames, {invocations} invocations, {products} products"
    print(f"{sizes} (made in {setup:.0f} s)", flush=True)
    found: dict[str, Any] = {
        "frames": len(frames),
        "invocations": invocations,
        "products": products,
    }
    rules = graph(folder)
    costs = {"run, planned and resolved, and remembered": cost([*MUSEBUILD, "run"], folder, DONE)}
    costs["empty run"] = best([*MUSEBUILD, "run"], folder, DONE)
    costs["list --status"] = best([*MUSEBUILD, "list", "--status"], folder, "up to date")
    costs["start of Python"] = best([sys.executable, "-c", "import musebuild.cli.main"], folder)
    write_ninja(rules, folder)
    write_make(rules, folder)
    costs["ninja"] = best(["ninja"], folder)
    costs["make"] = best(["make", "-s"], folder)
    unit = max(costs["ninja"].user, 0.001)
    for name, value in costs.items():
        print(
            f"{name:<42} {value.wall:6.2f} s wall {value.user:6.2f} s user {value.system:5.2f} s "
            f"system {value.memory / 1e6:5.0f} MB  {value.user / unit:6.1f} x ninja",
            flush=True,
        )
    found["costs"] = {name: asdict(value) for name, value in costs.items()}
    found["first start"] = first_start(folder)
    print(f"one parameter changed: the first recipe starts after {found['first start']:.2f} s")
    if invocations <= MOST_RESTORED:
        shutil.rmtree(folder / "reduced")
        back = cost([*MUSEBUILD, "run", "-q"], folder, "0 ran")
        found["restored"] = asdict(back)
        each = 1000 * back.wall / invocations
        print(f"all restored after rm -r reduced: {back.wall:.1f} s, {each:.1f} ms an invocation")
    return found


def plot(results: list[dict[str, Any]], path: Path) -> None:
    """Growth of each with the number of invocations."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(figsize=(7, 5))
    numbers = [result["invocations"] for result in results]
    for name in results[0]["costs"]:
        axes.loglog(
            numbers, [result["costs"][name]["user"] for result in results], "o-", label=name
        )
    axes.loglog(numbers, [result["first start"] for result in results], "s--", label="first start")
    axes.set_xlabel("invocations")
    axes.set_ylabel("user time [s]; first start: wall time [s]")
    axes.grid(True, which="both", alpha=0.3)
    axes.legend(fontsize=7)
    figure.tight_layout()
    figure.savefig(path, dpi=110)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--nights", type=int, nargs="+", default=[NIGHTS])
    parser.add_argument("--exposures", type=int, default=EXPOSURES)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--plot", type=Path)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        results = [measure(nights, options.exposures, Path(place)) for nights in options.nights]
    if options.json:
        options.json.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
    if options.plot:
        plot(results, options.plot)


if __name__ == "__main__":
    main()
