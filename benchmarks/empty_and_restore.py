"""An empty build, a list, and the restore of a deleted reduced tree, on a mock project.

The peers, in the same run: `make` over as many targets and files; `cp -r` of the tree.

    python benchmarks/empty_and_restore.py [--exposures 20] [--ifus 8]
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

from tests.support.frames import mock_night
from tests.support.projects import MockProject, make_mock_project


def seconds(command: list[str], folder: Path, rounds: int = 1) -> float:
    """Best wall time of a command."""
    times = []
    for _ in range(rounds):
        began = time.perf_counter()
        subprocess.run(command, cwd=folder, check=True, stdout=subprocess.DEVNULL)
        times.append(time.perf_counter() - began)
    return min(times)


def makefile(project: MockProject, folder: Path) -> None:
    """A Makefile with one rule for each product, depending on all raw frames of its task."""
    folder.mkdir()
    products = sorted(project.reduced.rglob("*.fits"))
    raw = sorted((project.folder / "raw").glob("*.fits"))[:9]
    rules = ["all: " + " ".join(f"p{n}" for n in range(len(products)))]
    for number in range(len(products)):
        (folder / f"p{number}").write_text("")
        names = " ".join(str(path).replace(":", "\\:") for path in raw)
        rules.append(f"p{number}: {names}\n\ttrue")
    (folder / "Makefile").write_text("\n".join(rules) + "\n")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--exposures", type=int, default=12)
    parser.add_argument("--ifus", type=int, default=8)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        night = mock_night(
            folder / "night", ifus=range(1, options.ifus + 1), exposures=options.exposures
        )
        project = make_mock_project(folder / "project", night)
        command = project.command("run")
        first = seconds(command, project.folder)
        tasks = project.manifests()
        files = len(list(project.reduced.rglob("*.fits")))
        print(
            f"{tasks} invocations, {files} products; first build {first:.1f} s "
            f"({1000 * first / tasks:.0f} ms an invocation, mock recipes)"
        )
        time.sleep(0.5)
        second = seconds(command, project.folder)
        empty = seconds(command, project.folder, 5)
        listed = seconds(project.command("list", "--status"), project.folder, 3)
        makefile(project, folder / "make")
        make = seconds(["make"], folder / "make", 5)
        start = seconds([sys.executable, "-c", "import musebuild.cli.main"], folder, 5)
        print(f"empty build, planned and resolved {second:6.2f} s")
        print(
            f"empty build, remembered           {empty:6.2f} s, {start:.2f} s of it to load Python"
        )
        print(f"list --status                     {listed:6.2f} s")
        print(f"make, {files} up-to-date targets    {make:6.2f} s")
        copy = seconds(["cp", "-r", str(project.reduced), str(folder / "copy")], folder)
        shutil.rmtree(project.folder / "reduced")
        restore = seconds(command, project.folder)
        print(f"restore of the reduced tree       {restore:6.2f} s")
        print(f"cp -r of it                       {copy:6.2f} s")


if __name__ == "__main__":
    main()
