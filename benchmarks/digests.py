"""Digests of one raw frame: all of it and each IFU, in one pass, against `b3sum` on the file.

python benchmarks/digests.py [--ifus 24] [--rounds 5]

Where there is no `b3sum`, the peer is what it does: the reference implementation of BLAKE3 on the
mapped file, with all threads. Wall time is that of a warm file; user and system time tell what a
machine that others use hides.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import tempfile
import time
from pathlib import Path

import numpy as np
from astropy.io import fits
from blake3 import blake3

from musebuild.fits.digest import digest_frame


def write_frame(path: Path, ifus: int) -> None:
    """A raw frame of the size of real ones."""
    generator = np.random.default_rng(1)
    hdus = [fits.PrimaryHDU()]
    for ifu in range(1, ifus + 1):
        data = generator.integers(0, 65535, (4240, 4224), dtype=np.uint16)
        hdus.append(fits.ImageHDU(data, name=f"CHAN{ifu:02d}"))
    fits.HDUList(hdus).writeto(path)


def cpu() -> float:
    """User and system time of this process and of its children, in seconds."""
    return sum(os.times()[:4])


def best(rounds: int, *measured: tuple[str, object]) -> dict[str, tuple[float, float]]:
    """Best wall time and CPU time of each, taken in turns, so that all meet the same machine."""
    times: dict[str, tuple[float, float]] = {}
    for _ in range(rounds):
        for name, function in measured:
            wall, used = time.perf_counter(), cpu()
            function()  # type: ignore[operator]
            wall, used = time.perf_counter() - wall, cpu() - used
            before = times.get(name, (1e9, 1e9))
            times[name] = min(before[0], wall), min(before[1], used)
    return times


def peer(path: Path) -> tuple[str, object]:
    """Name and call of what we are compared with."""
    program = shutil.which("b3sum", path=f"{os.environ['PATH']}:{Path.home()}/.cargo/bin")
    if program:
        version = subprocess.run([program, "--version"], capture_output=True, text=True).stdout
        return version.strip(), lambda: subprocess.run([program, path], stdout=subprocess.DEVNULL)
    return "BLAKE3, mapped", lambda: blake3(max_threads=blake3.AUTO).update_mmap(path).hexdigest()


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--ifus", type=int, default=24)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "frame.fits"
        write_frame(path, options.ifus)
        size = path.stat().st_size
        name, call = peer(path)
        times = best(
            options.rounds,
            (name, call),
            ("digest_frame", lambda: digest_frame(path)),
            ("digest_frame, bytes too", lambda: digest_frame(path, whole_bytes=True)),
        )
    print(f"{options.ifus} IFUs, {size / 1e6:.0f} MB, best of {options.rounds} rounds")
    for measured, (wall, used) in times.items():
        rate, ratio = size / wall / 1e9, times[name][0] / wall
        print(
            f"{measured:<24} {rate:6.2f} GB/s   {ratio:5.2f} of the peer's speed   "
            f"{used:5.2f} s CPU, {used / times[name][1]:5.2f} of the peer's"
        )


if __name__ == "__main__":
    main()
