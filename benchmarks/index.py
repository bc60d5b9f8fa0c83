"""Headers a second, and the scan of a large archive.

python benchmarks/index.py [--frames 200000] [--peers 2000]

Writes header-only frames with the 355 cards of a MUSE raw frame into TMPDIR, and takes them away
again. The peers read the primary header of the same files in the same run: astropy's getheader,
and fitsio (requirements/bench.txt). Everything lies in the page cache for all of them.
"""

from __future__ import annotations

import argparse
import datetime as dt
import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from astropy.io import fits

from musebuild.index.readers import read_row, read_rows

CARDS = 355
DAY = 250
"""Frames a night."""


def template() -> bytes:
    """The header of a bias frame with marks where date and name go; no data."""
    header = fits.PrimaryHDU().header
    header["INSTRUME"] = "MUSE"
    header["OBJECT"] = "BIAS"
    header["DATE-OBS"] = "2017-01-01T00:00:00.000"
    header["MJD-OBS"] = 57754.25
    header["ARCFILE"] = "MUSE.2017-01-01T00:00:00.000.fits"
    header["EXPTIME"] = 0.0
    for name, value in {
        "DPR CATG": "CALIB",
        "DPR TYPE": "BIAS",
        "TPL START": "2017-01-01T00:00:00",
        "INS MODE": "WFM-NOAO-N",
        "INS TEMP7 VAL": 12.5,
        "DET BINX": 1,
        "DET BINY": 1,
        "DET READ CURNAME": "SCI1.0",
    }.items():
        header[f"HIERARCH ESO {name}"] = value
    for number in range(CARDS - len(header)):
        header[f"HIERARCH ESO DET CHIP{number // 10} VALUE{number % 10}"] = (number, "a card")
    return header.tostring().encode("ascii")


def write(folder: Path, frames: int) -> list[str]:
    """Write the frames of many nights."""
    base = template()
    start = dt.datetime(2014, 10, 1, 22)
    paths = []
    for number in range(frames):
        night, place = divmod(number, DAY)
        moment = start + dt.timedelta(days=night, seconds=150 * place)
        date = moment.isoformat(timespec="milliseconds")
        tpl = (start + dt.timedelta(days=night, seconds=150 * (place - place % 11))).isoformat()
        data = base.replace(b"2017-01-01T00:00:00.000", date.encode())
        data = data.replace(b"2017-01-01T00:00:00", tpl.encode())
        below = folder / f"{night:04d}"
        if not place:
            below.mkdir(parents=True)
        path = below / f"MUSE.{date}.fits"
        path.write_bytes(data)
        paths.append(str(path))
    return paths


def rate(action: Callable[[], object], count: int) -> tuple[float, float]:
    """Headers a second of wall time and of CPU time (of children, too); the better of two."""

    def cpu() -> float:
        own, others = (
            resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
        )
        return own.ru_utime + own.ru_stime + others.ru_utime + others.ru_stime

    best = (0.0, 0.0)
    for _ in range(2):
        wall, used = time.perf_counter(), cpu()
        action()
        wall, used = time.perf_counter() - wall, cpu() - used
        best = max(best, (count / wall, count / used))
    return best


def peers(paths: list[str]) -> None:
    """Compare readers on the same files."""
    found = {
        "astropy getheader": rate(lambda: [fits.getheader(path, 0) for path in paths], len(paths))
    }
    try:
        import fitsio
    except ImportError:
        print("fitsio is not installed (pip install -r requirements/bench.txt)")
    else:
        some = paths[: max(1, len(paths) // 20)]
        found["fitsio read_header"] = rate(
            lambda: [fitsio.read_header(path) for path in some], len(some)
        )
    found["musebuild, one process"] = rate(lambda: [read_row(path) for path in paths], len(paths))
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        found["musebuild, threads"] = rate(lambda: list(pool.map(read_row, paths)), len(paths))
    found["musebuild, its processes"] = rate(
        lambda: list(read_rows(paths, processes=os.cpu_count())), len(paths)
    )
    fastest = max(value for name, (value, _) in found.items() if not name.startswith("musebuild"))
    print(f"{len(paths)} primary headers of {CARDS} cards")
    for name, (wall, cpu) in found.items():
        print(
            f"{name:<26} {wall:8.0f} a second ({cpu:7.0f} a CPU second)  "
            f"{wall / fastest:5.1f} of the fastest peer"
        )


_SCAN = """
import json, sys, time
from pathlib import Path
from musebuild.engine.project import Project
from musebuild.index.frames import raw_frames

def most():
    # Of this program alone; ru_maxrss would begin with what its parent took.
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0])

project = Project(Path(sys.argv[1]))
project.settings
project.connection
start, used = time.perf_counter(), time.process_time()
report = project.scan_report
wall, cpu = time.perf_counter() - start, time.process_time() - used
scanned = most()
start = time.perf_counter()
frames = raw_frames(project.connection, project.settings)
print(json.dumps([report.new, report.unchanged, wall, cpu, scanned,
    time.perf_counter() - start, most()]))
"""


def scans(folder: Path) -> None:
    """Scan an archive, and scan it again unchanged, each in a process of its own."""
    settings = folder / "settings.yml"
    settings.write_text("raw_path: raw\n", encoding="utf-8")
    for name in ("first scan", "scan of the unchanged archive", "the same again"):
        out = subprocess.run(
            [sys.executable, "-c", _SCAN, str(settings)],
            stdout=subprocess.PIPE,
            check=True,
            text=True,
        ).stdout
        new, unchanged, wall, cpu, scanned, loading, peak = json.loads(out)
        print(
            f"{name}: {new} new, {unchanged} unchanged; {wall:.2f} s ({cpu:.2f} CPU s), "
            f"at most {scanned / 1000:.0f} MB; frames as data in {loading:.2f} s, "
            f"at most {peak / 1000:.0f} MB"
        )


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--frames", type=int, default=200_000)
    parser.add_argument("--peers", type=int, default=2000)
    options = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="musebuild-index-"))
    try:
        paths = write(folder / "raw", options.frames)
        peers(paths[: options.peers])
        scans(folder)
    finally:
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
