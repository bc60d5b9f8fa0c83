"""The demo's chain through musebuild, against the same recipes called one by one with esorex.

    python benchmarks/overhead.py [--night DIR] [--targets muse_wavecal] [--rounds 2]

1. One worker, one thread: the build against the esorex calls on the same sets of frames (both
   with OMP_NUM_THREADS=1), in turns. The same recipe on the same frames takes 5 to 10 % more or
   less from one call to the next, so the shortest call of each recipe counts, on both sides; what
   a build takes beside its recipes (the engine: start, plan, keys, processes, digests, syncing to
   disk, ledger) is added to the side of musebuild. esorex syncs nothing: a `sync` after each of
   its calls is given apart.
2. Two workers, two cores: wall time against the bound that the critical path and the two cores
   set, from the times of the builds on one.

Takes about half an hour and 12 GB for the whole chain.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from functools import reduce
from importlib import resources
from pathlib import Path

from musebuild.engine.project import Project
from musebuild.engine.tasks import longest_paths
from musebuild.plan.names import closure, select

MUSEBUILD = Path(sys.executable).with_name("musebuild")


def cpu() -> float:
    """User and system time of all that this process started and that has ended, in seconds."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def run(folder: Path, *arguments: str) -> tuple[float, float]:
    """Wall time and CPU time of a musebuild command."""
    began, used = time.perf_counter(), cpu()
    subprocess.run([MUSEBUILD, *arguments], cwd=folder, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - began, cpu() - used


def project(folder: Path, night: Path, cores: int) -> Path:
    """A demo project with its own store on a simulated night."""
    folder.mkdir()
    text = resources.files("musebuild").joinpath("cli", "demo.yml").read_text("utf-8")
    text = text.replace("'{workdir}/raw'", f"'{night}/raw'")
    text = text.replace("'{workdir}/calib'", f"'{night}/calib'")
    (folder / "settings.yml").write_text(f"{text}\nresources: {{cores: {cores}}}\n")
    return folder


@dataclass
class Times:
    """Seconds of each recipe, and what came on top of them."""

    wall: dict[str, float] = field(default_factory=dict)
    cpu: dict[str, float] = field(default_factory=dict)
    above: float = 0.0
    """A build: wall time less that of its recipes; esorex: a `sync` after each call."""
    above_cpu: float = 0.0

    def shortest(self, other: Times) -> Times:
        """The lesser of two rounds."""
        return Times(
            {task: min(value, other.wall[task]) for task, value in self.wall.items()},
            {task: min(value, other.cpu[task]) for task, value in self.cpu.items()},
            min(self.above, other.above),
            min(self.above_cpu, other.above_cpu),
        )


def build(folder: Path, targets: list[str]) -> Times:
    """A build on one worker."""
    wall, used = run(folder, "run", "-n", "1", *targets)
    times = Times()
    for path in (folder / ".musebuild/store/manifests").glob("*/*.json"):
        manifest = json.loads(path.read_text().partition("\n")[2])
        times.wall[manifest["task"]] = manifest["seconds"]
        times.cpu[manifest["task"]] = manifest["cpu_seconds"]
    times.above = wall - sum(times.wall.values())
    times.above_cpu = used - sum(times.cpu.values())
    return times


def esorex(folder: Path, targets: list[str]) -> Times:
    """The esorex calls of a build, one after another."""
    sofs = folder / "sofs"
    run(folder, "run", "--sof", str(sofs), *targets)
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    times = Times()
    for script in sorted(sofs.glob("*.sh")):
        task = script.read_text().splitlines()[1].removeprefix("# ")
        began, before = time.perf_counter(), cpu()
        subprocess.run([script], check=True, env=environment, stdout=subprocess.DEVNULL)
        ended = time.perf_counter()
        times.wall[task] = ended - began
        times.cpu[task] = cpu() - before
        os.sync()
        times.above += time.perf_counter() - ended
        for product in sofs.glob("*.fits"):
            product.unlink()
    return times


def bound(folder: Path, targets: list[str], seconds: dict[str, float]) -> tuple[float, float]:
    """Critical path and half of the total, from the times of the builds on one core."""
    opened = Project(folder / "settings.yml")
    plan = opened.plan
    names = closure(plan, select(plan, targets) if targets else plan.default)
    paths = longest_paths({name: plan.invocations[name].needs for name in names}, seconds)
    opened.close()
    return max(paths.values()), sum(seconds[name] for name in names) / 2


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--night", type=Path, help="a simulated night; default: a new one")
    parser.add_argument("--targets", nargs="*", default=[])
    parser.add_argument("--rounds", type=int, default=2)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        night = options.night
        if night is None:
            night = folder / "night"
            run(folder, "simulate", str(night))
        ours: list[Times] = []
        peer: list[Times] = []
        for number in range(options.rounds):
            one = project(folder / f"one{number}", night.absolute(), 1)
            ours.append(build(one, options.targets))
            peer.append(esorex(one, options.targets))
            if number < options.rounds - 1:
                shutil.rmtree(one)
        mine, theirs = reduce(Times.shortest, ours), reduce(Times.shortest, peer)
        print("recipe                                        musebuild   esorex  (CPU s)")
        for task, value in theirs.cpu.items():
            print(f"{task:45} {mine.cpu[task]:8.1f} {value:8.1f}")
        for name, left, above, right, sync in (
            ("wall", mine.wall, mine.above, theirs.wall, theirs.above),
            ("CPU", mine.cpu, mine.above_cpu, theirs.cpu, 0.0),
        ):
            recipes, calls = sum(left.values()), sum(right.values())
            print(
                f"{name:4}: recipes {recipes:.1f} s, and the engine {above:.1f} s "
                f"({100 * above / recipes:.1f} % of them); esorex {calls:.1f} s"
                + (f", and {sync:.1f} s to sync" if sync else "")
                + f": {100 * ((recipes + above) / (calls + sync) - 1):+.1f} %"
            )
        critical, half = bound(one, options.targets, mine.wall)
        two = project(folder / "two", night.absolute(), 2)
        wall, _ = run(two, "run", "-n", "2", *options.targets)
        print(f"musebuild -n 2              {wall:7.1f} s")
        print(
            f"bound: critical path {critical:.1f} s, half of all {half:.1f} s: "
            f"{100 * (wall / max(critical, half) - 1):+.1f} %"
        )


if __name__ == "__main__":
    main()
