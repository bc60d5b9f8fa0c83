"""Torture for a while: `python -m tests.torture --seconds 600 --seed 1`.

Episodes of each kind take turns, some at a time, each in a process and a folder of its own. Of
one that fails the steps are told, its folder is kept, and `--again KIND:SEED:NUMBER` repeats it.
"""

from __future__ import annotations

import argparse
import itertools
import json
import shutil
import subprocess
import sys
import tempfile
import time
import traceback
from collections import Counter
from pathlib import Path
from typing import Any

from tests.support.frames import mock_night
from tests.torture import faults
from tests.torture.damage import damage
from tests.torture.episode import BrokenPromiseError, Episode
from tests.torture.inject import fault
from tests.torture.kills import kill
from tests.torture.walk import walk

KINDS = {"walk": walk, "kill": kill, "damage": damage, "fault": fault}
LACKING = {"fault": faults.lacking}
"""Kind → why this machine cannot do it, empty where it can."""
EPISODE = 60.0
"""Seconds of an episode, at most, when nothing else is asked for."""
GRACE = 300.0
"""Seconds after which an episode that does not end hangs."""


def main() -> int:
    """Run episodes until the time is up; 1 if a promise did not hold."""
    parser = argparse.ArgumentParser(prog="python -m tests.torture", description=__doc__)
    parser.add_argument("--seconds", type=float, default=600, help="how long (default: 600)")
    parser.add_argument("--seed", type=int, default=1, help="another seed, other episodes")
    parser.add_argument("--kinds", default=",".join(KINDS), help="which (default: %(default)s)")
    parser.add_argument("-n", type=int, default=2, help="episodes side by side (default: 2)")
    parser.add_argument("--again", metavar="KIND:SEED:NUMBER", help="one episode, as it was")
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.again:
        return one(given.again, given.folder, given.seconds)
    kinds = given.kinds.split(",")
    left = {kind: why for kind in kinds if kind in LACKING and (why := LACKING[kind]())}
    for kind, why in left.items():
        print(f"left out: {kind}, since {why}", flush=True)
    return many(given.seconds, given.seed, [kind for kind in kinds if kind not in left], given.n)


def one(name: str, folder: Path | None, seconds: float) -> int:
    """One episode; its record goes to the standard output as JSON."""
    kind, seed, number = name.split(":")
    folder = folder or Path(tempfile.mkdtemp(prefix="torture-"))
    if kind == "fault":
        faults.again_preloaded(folder)
    night = mock_night(folder / "night")
    end = time.monotonic() + seconds
    episode = Episode(kind, int(seed), int(number), folder, night, end)
    failure = ""
    try:
        KINDS[kind](episode)
    except BrokenPromiseError as broken:
        failure = str(broken)
    except Exception:
        failure = traceback.format_exc()
    json.dump(
        {"name": name, "failure": failure, "counts": episode.counts, "known": episode.known,
         "steps": episode.steps},
        sys.stdout,
    )  # fmt: skip
    sys.stdout.write("\n")
    return bool(failure)


def many(seconds: float, seed: int, kinds: list[str], workers: int) -> int:
    """Episodes in turn until the time is up."""
    began = time.monotonic()
    base = Path(tempfile.mkdtemp(prefix="torture-"))
    names = (f"{kind}:{seed}:{number}" for number in itertools.count() for kind in kinds)
    running: dict[str, tuple[subprocess.Popen[str], float]] = {}
    counts: Counter[str] = Counter()
    failures = 0
    while running or time.monotonic() - began < seconds:
        left = seconds - (time.monotonic() - began)
        while len(running) < workers and left > 0:
            name = next(names)
            running[name] = (start(name, base, min(EPISODE, left)), time.monotonic())
        for name, (process, since) in list(running.items()):
            if process.poll() is None:
                if time.monotonic() - since > EPISODE + GRACE:
                    process.kill()
                continue
            del running[name]
            failures += tell(name, process, base, counts)
        time.sleep(0.2)
    summary(counts, failures, time.monotonic() - began)
    if not failures:
        shutil.rmtree(base)
    return bool(failures)


def start(name: str, base: Path, seconds: float) -> subprocess.Popen[str]:
    """Start an episode in a process of its own."""
    folder = base / name.replace(":", "-")
    folder.mkdir()
    command = [sys.executable, "-m", "tests.torture", "--again", name, "--folder", str(folder),
               "--seconds", str(seconds)]  # fmt: skip
    return subprocess.Popen(
        command, stdout=(folder / "record").open("w"), stderr=subprocess.STDOUT, text=True
    )


def tell(name: str, process: subprocess.Popen[str], base: Path, counts: Counter[str]) -> int:
    """Add what an episode did to the counts; 1 if it failed, with how."""
    folder = base / name.replace(":", "-")
    lines = (folder / "record").read_text(encoding="utf-8").splitlines()
    try:
        record: dict[str, Any] = json.loads(lines[-1])
    except (IndexError, ValueError):
        record = {"failure": "\n".join([f"it ended with {process.returncode}", *lines[-30:]])}
    counts.update(record.get("counts", {}))
    for text, number in record.get("known", {}).items():
        counts[text] = number
    counts["episodes"] += 1
    if not record["failure"]:
        shutil.rmtree(folder)
        return 0
    steps = record.get("steps", [])
    print(f"FAILED {name}, step {len(steps)}; its folder: {folder}")
    print("  after: " + "; ".join(steps[-6:]))
    print("  " + record["failure"].replace("\n", "\n  "))
    print(f"  again: {sys.executable} -m tests.torture --again {name}", flush=True)
    return 1


def summary(counts: Counter[str], failures: int, seconds: float) -> None:
    """What was tried, and what held."""
    print(f"{counts.pop('episodes', 0)} episodes in {seconds:.0f} s")
    opened = {name: number for name, number in counts.items() if name.startswith("open: ")}
    for name in sorted(counts.keys() - opened.keys()):
        print(f"{counts[name]:8d}  {name}")
    if opened:
        print("Known to be open, and no failure of this run:")
        for name in sorted(opened):
            print(f"{opened[name]:8d}  {name.removeprefix('open: ')}")
    print(f"{failures} failed" if failures else "All held.")


if __name__ == "__main__":
    sys.exit(main())
