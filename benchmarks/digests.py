"""Digests of one raw frame: all of it and each IFU, in one pass, against `b3sum` on the file.

python benchmarks/digests.py [--ifus 24] [--rounds 5]
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import tempfile
import time
from pathlib import Path

import numpy as np
from astropy.io import fits

from musebuild.fits.digest import digest_frame


def write_frame(path: Path, ifus: int) -> None:
    """A raw frame of the size of real ones."""
    generator = np.random.default_rng(1)
    hdus = [fits.PrimaryHDU()]
    for ifu in range(1, ifus + 1):
        data = generator.integers(0, 65535, (4240, 4224), dtype=np.uint16)
        hdus.append(fits.ImageHDU(data, name=f"CHAN{ifu:02d}"))
    fits.HDUList(hdus).writeto(path)


def best(rounds: int, *measured: tuple[str, object]) -> dict[str, float]:
    """Best time of each, taken in turns, so that both meet the same machine."""
    times: dict[str, float] = {}
    for _ in range(rounds):
        for name, function in measured:
            began = time.perf_counter()
            function()  # type: ignore[operator]
            times[name] = min(times.get(name, 1e9), time.perf_counter() - began)
    return times


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--ifus", type=int, default=24)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    if shutil.which("b3sum") is None:
        raise SystemExit("there is no b3sum to compare with (Debian: apt-get install b3sum)")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "frame.fits"
        write_frame(path, options.ifus)
        size = path.stat().st_size
        times = best(
            options.rounds,
            ("b3sum", lambda: subprocess.run(["b3sum", path], stdout=subprocess.DEVNULL)),
            ("digest_frame", lambda: digest_frame(path)),
            ("digest_frame, bytes too", lambda: digest_frame(path, whole_bytes=True)),
        )
    for name, seconds in times.items():
        rate, ratio = size / seconds / 1e9, times["b3sum"] / seconds
        print(f"{name:<24} {rate:6.2f} GB/s   {ratio:5.2f} of b3sum")


if __name__ == "__main__":
    main()
