"""The demo's chain through musebuild, against the same recipes called one by one with esorex.

    python benchmarks/overhead.py [--night DIR] [--targets muse_wavecal]

1. One worker, one thread: wall time of the build against the sum of the esorex calls on the same
   sets of frames (both with OMP_NUM_THREADS=1): what the engine costs. musebuild syncs every
   product to disk before it counts; the time of a `sync` after each esorex call is given apart.
   CPU time is printed beside wall time: on a machine that others use it is what can be compared.
2. Two workers, two cores: wall time against the bound that the critical path and the two cores
   set, from the times of the first build.

Takes about a quarter of an hour and 12 GB for the whole chain.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
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


def esorex(folder: Path, targets: list[str]) -> tuple[float, float, float]:
    """Sums over the esorex calls: wall time, CPU time, wall time of a `sync` after each."""
    sofs = folder / "sofs"
    run(folder, "run", "--sof", str(sofs), *targets)
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    calls = used = syncs = 0.0
    for script in sorted(sofs.glob("*.sh")):
        began, before = time.perf_counter(), cpu()
        subprocess.run([script], check=True, env=environment, stdout=subprocess.DEVNULL)
        ended = time.perf_counter()
        used += cpu() - before
        os.sync()
        syncs += time.perf_counter() - ended
        calls += ended - began
        for product in sofs.glob("*.fits"):
            product.unlink()
    return calls, used, syncs


def bound(folder: Path, targets: list[str]) -> tuple[float, float]:
    """Critical path and half of the total, from the times of a build on one core."""
    opened = Project(folder / "settings.yml")
    plan = opened.plan
    seconds = {}
    for path in (folder / ".musebuild/store/manifests").glob("*/*.json"):
        manifest = json.loads(path.read_text().partition("\n")[2])
        seconds[manifest["task"]] = manifest["seconds"]
    names = closure(plan, select(plan, targets) if targets else plan.default)
    paths = longest_paths(plan, names, seconds)
    opened.close()
    return max(paths.values()), sum(seconds[name] for name in names) / 2


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--night", type=Path, help="a simulated night; default: a new one")
    parser.add_argument("--targets", nargs="*", default=[])
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        night = options.night
        if night is None:
            night = folder / "night"
            run(folder, "simulate", str(night))
        one = project(folder / "one", night.absolute(), 1)
        wall, used = run(one, "run", "-n", "1", *options.targets)
        calls, calls_cpu, syncs = esorex(one, options.targets)
        print(f"musebuild, one worker       {wall:7.1f} s, {used:.1f} s CPU")
        print(
            f"esorex, one after another   {calls:7.1f} s, {calls_cpu:.1f} s CPU, "
            f"and {syncs:.1f} s to sync"
        )
        print(
            f"overhead of the engine      {100 * (wall / calls - 1):+7.1f} %, "
            f"{100 * (wall / (calls + syncs) - 1):+.1f} % with the sync, "
            f"{100 * (used / calls_cpu - 1):+.1f} % of CPU time"
        )
        critical, half = bound(one, options.targets)
        two = project(folder / "two", night.absolute(), 2)
        wall, _ = run(two, "run", "-n", "2", *options.targets)
        print(f"musebuild -n 2              {wall:7.1f} s")
        print(
            f"bound: critical path {critical:.1f} s, half of all {half:.1f} s: "
            f"{100 * (wall / max(critical, half) - 1):+.1f} %"
        )


if __name__ == "__main__":
    main()
