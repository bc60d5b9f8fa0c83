"""An empty build, a list and a change, on ten years of nights, against ninja, make and Snakemake.

    python -m benchmarks.scale [--nights 2900 …] [--exposures 5] [--json FILE] [--plot FILE]
                               [--snakemake]

The frames are header-only files of `ten_years`; the products are made without recipes, by the
engine's own keys, manifests, objects and links, so that 50,000 invocations are there in minutes.
The peers work on the same graph and the same files: each invocation is one rule, whose inputs are
its raw frames and the products that it takes, and whose outputs are its products.

User and wall seconds are the best of several calls in one run; memory is the peak of the process.
Each goal is printed as met or MISSED. Needs `ninja` (requirements/bench.txt) and `make`;
with --snakemake, Snakemake is installed with pip into a folder of its own that is removed at the
end, and measured at the smallest size (at most SNAKEMAKE_MOST invocations), which it can bear.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import math
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

from benchmarks import invocation
from benchmarks.ten_years import EXPOSURES, NIGHTS, ten_years, write
from musebuild.cache.ledger import Placed, now
from musebuild.cache.model import Manifest, Product
from musebuild.cache.store import OBJECT_TIME
from musebuild.engine.hashing import digest_unchanged
from musebuild.engine.probe import ProjectWorld, file_inputs
from musebuild.engine.project import Project
from musebuild.engine.resolve import Resolver
from musebuild.fits.hashing import hash_file
from musebuild.plan.names import closure
from tests.support.header_only import write_headers

ROUNDS = 3
DONE = "Everything is up to date"
NAMED = "muse_exp_combine"
"""Tasks that are named on the command line: the last of the graph, which need all others."""
MOST_RESTORED = 20_000
"""Invocations that are restored; more take too long to be worth it."""
SNAKEMAKE_MOST = 1500
"""Invocations that Snakemake is given; its time grows faster than their number."""
CHANGES = {
    "a combination's": "recipes.muse_exp_combine.params.lambdamin=4800.0",
    "scipost's": "recipes.muse_scipost.params.skymodel_fraction=0.12",
    "the bias's": "recipes.muse_bias.params.nlow=2",
}
"""One parameter of one block, near the end of the graph, in its middle, and at its root."""
STEEPEST = 1.15
"""Exponent of the growth with the number of invocations that still counts as linear."""
_CALL = """
import atexit, os, time
def peak():
    (line,) = [line for line in open("/proc/self/status") if line.startswith("VmHWM")]
    open(os.environ["SCALE_PEAK"], "w").write(f"{line.split()[1]} {time.process_time()}")
atexit.register(peak)
from musebuild.cli.main import console
console()
"""
# Python's own compiled files are there after the first call, as they are where people work.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
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
    own: float = 0.0
    """CPU seconds of the process itself, without those that it started."""
    told: str = ""
    """The end of what it printed."""


def cost(command: Sequence[str], folder: Path, says: str = "") -> Cost:
    """Run a command that must succeed, or say that nothing is left to do.

    Some exposures of ten years have no calibrations and are left out, which musebuild tells with
    exit status 1.
    """
    began = time.perf_counter()
    peak = folder / "peak.txt"
    peak.write_text("0 0", encoding="utf-8")
    environment = {**os.environ, "SCALE_PEAK": str(peak)}
    told = folder / "told.txt"
    with told.open("w") as out:
        process = subprocess.Popen(command, cwd=folder, stdout=out, env=environment)
        _, status, usage = os.wait4(process.pid, 0)
    wall = time.perf_counter() - began
    text = told.read_text()
    if says not in text or (status and not says):
        raise SystemExit(f"{command} failed: {status}\n{text[-2000:]}")
    memory, own = peak.read_text().split()
    return Cost(wall, usage.ru_utime, usage.ru_stime, 1024 * int(memory), float(own), text[-400:])


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
    resolver = Resolver(plan, project.catalogue, manifests, world.software(), world.world)
    for name in names:
        invocation = plan.invocations[name]
        resolution = resolver.resolve(invocation)
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
            store.verified.was_changed_by_us(str(stored), name_, status)
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


@dataclass(frozen=True)
class Start:
    """How long it takes until the first recipe starts."""

    wall: float
    user: float
    memory: int
    """Peak until then, in bytes."""


def first_start(folder: Path, change: str) -> Start:
    """From the call until the first recipe starts, after one parameter of one block changed."""
    began = time.perf_counter()
    process = subprocess.Popen(
        # What has no calibrations is left out, and keeps nothing else from being made.
        [*MUSEBUILD, "run", "--continue", "--set", change],
        cwd=folder,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "SCALE_PEAK": os.devnull},
    )
    assert process.stdout is not None
    found = None
    for line in process.stdout:
        if "  start  " in line:
            wall = time.perf_counter() - began
            status = Path(f"/proc/{process.pid}")
            user = int((status / "stat").read_text().rpartition(")")[2].split()[11])
            (peak,) = [
                text.split()[1]
                for text in (status / "status").read_text().splitlines()
                if text.startswith("VmHWM")
            ]
            found = Start(wall, user / os.sysconf("SC_CLK_TCK"), 1024 * int(peak))
            break
    process.send_signal(signal.SIGINT)
    process.send_signal(signal.SIGINT)
    process.communicate()
    if found is None:
        raise SystemExit(f"--set {change}: no recipe started")
    return found


_PHASES = """
import gc, json, sys, time
from pathlib import Path
from musebuild.engine.project import Project
gc.disable()  # as a command does
project = Project(Path("settings.yml").absolute())
project.connection, project.catalogue
took = {}
for name in ("scan_report", "raw", "files", "plan"):
    began = time.process_time()
    getattr(project, name)
    took[name] = time.process_time() - began
print(json.dumps(took))
"""


def phases(folder: Path) -> dict[str, float]:
    """CPU seconds of a scan that finds nothing new, and of planning, in one process."""
    done = subprocess.run(
        [sys.executable, "-c", _PHASES], cwd=folder, check=True, capture_output=True, text=True
    )
    found: dict[str, float] = json.loads(done.stdout)
    return found


def overhead(folder: Path) -> tuple[int, float]:
    """Invocations that ran, and CPU seconds of the engine's process for one more."""
    ran, restored = invocation.measure(folder)
    invocation.tell(ran, restored)
    return ran.number, ran.cpu


def write_snakemake(rules: Iterable[tuple[list[str], list[str]]], folder: Path) -> None:
    """A Snakefile; every rule that had to run would fail."""
    rules = list(rules)
    with (folder / "Snakefile").open("w") as file:
        file.write(f"rule all:\n    input: {[path for outputs, _ in rules for path in outputs]}\n")
        for number, (outputs, inputs) in enumerate(rules):
            file.write(
                f'rule r{number}:\n    input: {inputs}\n    output: {outputs}\n    shell: "false"\n'
            )


def snakemake(folder: Path, rules: list[tuple[list[str], list[str]]]) -> Cost:
    """What Snakemake takes to find that nothing is to do."""
    place = folder / "snakemake-venv"
    subprocess.run([sys.executable, "-m", "venv", str(place)], check=True)
    pip = [str(place / "bin" / "python"), "-m", "pip", "install", "-q", "snakemake"]
    subprocess.run(pip, check=True, stderr=subprocess.DEVNULL)
    write_snakemake(rules, folder)
    command = [str(place / "bin" / "snakemake"), "--cores", "1", "--rerun-triggers", "mtime"]
    found = cost(command, folder)
    shutil.rmtree(place)
    return found


def measure(nights: int, exposures: int, place: Path, *, peer: bool) -> dict[str, Any]:
    """Everything at one size; `peer`: with Snakemake, where the size allows it."""
    folder = place / f"nights{nights}"
    began = time.perf_counter()
    frames = write(folder, ten_years(nights, exposures=exposures))
    # For make and ninja products must be younger than what they are made from.
    for path in [*(Path(frame.path) for frame in frames), *(folder / "calib").iterdir()]:
        os.utime(path, (OBJECT_TIME - 1000, OBJECT_TIME - 1000))
    time.sleep(0.3)
    invocations, products = prefill(folder)
    print(
        f"{len(frames)} frames of {nights} nights; {invocations} invocations, {products} products; "
        f"made in {time.perf_counter() - began:.0f} s",
        flush=True,
    )
    found: dict[str, Any] = {
        "nights": nights,
        "frames": len(frames),
        "invocations": invocations,
        "products": products,
    }
    rules = graph(folder)
    costs = {"run, planned and resolved, and remembered": cost([*MUSEBUILD, "run"], folder, DONE)}
    costs["empty run"] = best([*MUSEBUILD, "run"], folder, DONE)
    costs["list --status"] = best([*MUSEBUILD, "list", "--status"], folder, "up to date")
    costs["empty run of named tasks"] = best([*MUSEBUILD, "run", NAMED], folder, DONE)
    costs["list --status --why"] = cost(
        [*MUSEBUILD, "list", "--status", "--why"], folder, "up to date"
    )
    costs["plan --format json"] = cost(
        [*MUSEBUILD, "plan", "--format", "json"], folder, "up to date"
    )
    costs["start of Python"] = best([sys.executable, "-c", "import musebuild.cli.main"], folder)
    write_ninja(rules, folder)
    write_make(rules, folder)
    costs["ninja"] = best(["ninja"], folder)
    costs["make"] = best(["make", "-s"], folder)
    if peer and invocations <= SNAKEMAKE_MOST:
        costs["snakemake"] = snakemake(folder, rules)
    del rules
    unit = max(costs["ninja"].user, 0.001)
    for name, value in costs.items():
        print(
            f"{name:<42} {value.wall:6.2f} s wall {value.user:6.2f} s user {value.system:5.2f} s "
            f"system {value.memory / 1e6:5.0f} MB  {value.user / unit:6.1f} x ninja",
            flush=True,
        )
    found["costs"] = {name: asdict(value) for name, value in costs.items()}
    took = found["phases"] = phases(folder)
    print(
        f"a scan that finds nothing new {took['scan_report']:.2f} s, frames from the index "
        f"{took['raw']:.2f} s, planning {took['plan']:.2f} s (CPU)",
        flush=True,
    )
    starts: dict[str, Start] = {}
    for name, change in CHANGES.items():
        starts[name] = first_start(folder, change)
        print(
            f"{name} parameter changed: the first recipe starts after {starts[name].wall:.2f} s "
            f"({starts[name].user:.2f} s user, {starts[name].memory / 1e6:.0f} MB)",
            flush=True,
        )
        # Back to what was, and remembered.
        cost([*MUSEBUILD, "run", "--continue"], folder, "up to date")
        cost([*MUSEBUILD, "run"], folder, DONE)
    found["starts"] = {name: asdict(value) for name, value in starts.items()}
    number, each = overhead(folder)
    found["overhead"] = each
    print(f"{number} invocations run: the engine takes {1000 * each:.1f} ms of CPU time for each")
    restored = None
    if invocations <= MOST_RESTORED:
        cost([*MUSEBUILD, "run", "--continue"], folder, "up to date")
        shutil.rmtree(folder / "reduced")
        back = cost([*MUSEBUILD, "run", "-q", "--continue"], folder, "0 ran")
        found["restored"] = asdict(back)
        restored = 1000 * back.wall / invocations
        print(f"all restored after rm -r reduced: {back.wall:.1f} s, {restored:.1f} ms each")
    memory = max(
        *(value.memory for value in costs.values()), *(start.memory for start in starts.values())
    )
    found["goals"] = [
        goal("empty run, user time", costs["empty run"].user / unit, 3, "x ninja"),
        goal("empty run, wall time", costs["empty run"].wall, 2, "s"),
        goal(
            "empty run of named tasks, user time",
            costs["empty run of named tasks"].user / unit,
            2,
            "x ninja",
        ),
        goal("list --status, wall time", costs["list --status"].wall, 2, "s"),
        *(
            goal(f"{name} parameter changed: first recipe", start.wall, 2, "s")
            for name, start in starts.items()
        ),
        goal("peak memory, of all that was measured", memory / 1e6, 400, "MB"),
        goal("planning, CPU time", took["plan"], 3, "s"),
        goal("scan that finds nothing new, CPU time", took["scan_report"], 2, "s"),
        goal("engine for an invocation that runs, CPU time", 1000 * each, 5, "ms"),
    ]
    if restored is not None:
        found["goals"].append(goal("restoring an invocation, wall time", restored, 5, "ms"))
    return found


def goal(name: str, value: float, most: float, unit: str) -> dict[str, Any]:
    """Print a goal as met or MISSED; the same as data."""
    met = value <= most
    print(f"  {'met   ' if met else 'MISSED'}  {name}: {value:.2f} {unit} (goal {most} {unit})")
    return {"name": name, "value": value, "most": most, "unit": unit, "met": met}


def growth(results: list[dict[str, Any]]) -> None:
    """Print how each grows with the number of invocations, from one size to the next."""
    for small, large in pairwise(results):
        ratio = math.log(large["invocations"] / small["invocations"])
        print(f"growth from {small['invocations']} to {large['invocations']} invocations:")
        start = [min(r["costs"]["start of Python"]["user"], 0.35) for r in (small, large)]
        pairs = {
            name: (small["costs"][name]["user"], large["costs"][name]["user"])
            for name in small["costs"]
            if name in large["costs"] and name != "start of Python"
        }
        pairs |= {
            f"{name} first recipe": (small["starts"][name]["user"], large["starts"][name]["user"])
            for name in CHANGES
        }
        for name, (before, after) in pairs.items():
            # The start of Python is the same at every size; a hundredth is all that is told.
            own = [
                max(value - (0 if name in ("ninja", "make") else part), 0.01)
                for value, part in zip((before, after), start, strict=True)
            ]
            goal(f"{name}: exponent", math.log(own[1] / own[0]) / ratio, STEEPEST, "")


def plot(results: list[dict[str, Any]], path: Path) -> None:
    """Growth of each with the number of invocations."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(figsize=(7, 5))
    numbers = [result["invocations"] for result in results]
    for name in results[-1]["costs"]:
        times = [result["costs"][name]["user"] for result in results]
        axes.loglog(numbers, times, "o-", label=name)
    for name in CHANGES:
        times = [result["starts"][name]["wall"] for result in results]
        axes.loglog(numbers, times, "s--", label=f"{name} parameter changed: first recipe")
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
    parser.add_argument("--snakemake", action="store_true", help="install it, and measure it")
    options = parser.parse_args()
    results = []
    for nights in sorted(options.nights):
        with tempfile.TemporaryDirectory() as place:
            results.append(measure(nights, options.exposures, Path(place), peer=options.snakemake))
    growth(results)
    if "snakemake" in results[0]["costs"]:
        found, last = results[0]["costs"]["snakemake"], results[-1]["invocations"]
        scale = last / results[0]["invocations"]
        print(
            f"Snakemake: {found['user']:.1f} s user for {results[0]['invocations']} invocations; "
            f"were it to grow no faster than their number: {scale * found['user']:.0f} s for {last}"
        )
    if options.json:
        options.json.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
    if options.plot:
        plot(results, options.plot)


if __name__ == "__main__":
    main()
