"""Downloads over a line that breaks, against astroquery's own `retrieve_data` in the same run.

    python benchmarks/retrieve.py [--frames 40] [--megabytes 4] [--broken 0.2]

Both fetch the same frames from a stand-in of the archive on this machine, one after the other.
A part of the answers breaks off in the middle. astroquery is called until all frames are there,
as a person would. Printed are calls, bytes that went over the line (1: each byte once), and CPU
time of this process, the stand-in's included in both.
"""

from __future__ import annotations

import argparse
import datetime as dt
import random
import tempfile
import time
from pathlib import Path
from typing import Any

from musebuild.archive.client import Client, connect
from musebuild.archive.disk import DiskGuard
from musebuild.archive.downloads import Downloader
from musebuild.archive.eso import addresses_of, quiet
from tests.support.archive_frames import Stored, tiny
from tests.support.archive_server import ArchiveServer, Fault


class Nobody:
    """Watches nothing."""

    def __getattr__(self, name: str) -> Any:
        return lambda *_: None


def ours(client: Client, names: list[str], folder: Path, parallel: int) -> int:
    """Calls until all is there."""
    calls = 0
    while len(list(folder.glob("*.fits"))) < len(names):
        downloader = Downloader(client, folder, DiskGuard(folder, 0), Nobody(), parallel=parallel)
        downloader.first_pause = 0.01
        list(downloader.run([n for n in names if not (folder / f"{n}.fits").exists()]))
        calls += 1
    return calls


def astroquerys(client: Client, names: list[str], folder: Path) -> int:
    """Calls until all is there."""
    calls = 0
    while len(list(folder.glob("*.fits"))) < len(names):
        with quiet():
            missing = [n for n in names if not (folder / f"{n}.fits").exists()]
            client.eso.retrieve_data(missing, destination=str(folder))
        calls += 1
    return calls


def main() -> None:
    """Run both and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--frames", type=int, default=40)
    parser.add_argument("--megabytes", type=float, default=4)
    parser.add_argument("--broken", type=float, default=0.2)
    given = parser.parse_args()
    blocks = int(given.megabytes * 1e6 / 2880)
    start = dt.datetime(2020, 1, 1)
    frames: list[Stored] = [
        tiny(start + dt.timedelta(minutes=n), n, size=blocks) for n in range(given.frames)
    ]
    names = [frame.dp_id for frame in frames]
    size = sum(len(frame.content) for frame in frames)
    print(
        f"{given.frames} frames of {given.megabytes:g} MB, {given.broken:.0%} of the answers break"
    )
    print(f"{'':<28}{'calls':>6}{'bytes':>8}{'CPU [s]':>9}{'wall [s]':>10}")
    for title, fetch in (
        ("musebuild, one at once", lambda c, f: ours(c, names, f, 1)),
        ("musebuild, four at once", lambda c, f: ours(c, names, f, 4)),
        ("astroquery retrieve_data", lambda c, f: astroquerys(c, names, f)),
    ):
        with ArchiveServer() as server, tempfile.TemporaryDirectory() as folder:
            server.add(frames)
            chance = random.Random(1)
            for frame in frames:
                while chance.random() < given.broken:
                    server.fail(frame.dp_id, Fault(drop=len(frame.content) // 2))
            client = connect(addresses_of({"MUSEBUILD_ESO_ARCHIVE": server.url}))
            wall, used = time.perf_counter(), time.process_time()
            calls = fetch(client, Path(folder))
            wall, used = time.perf_counter() - wall, time.process_time() - used
            for frame in frames:
                assert (Path(folder) / f"{frame.dp_id}.fits").read_bytes() == frame.content
            sent = sum(request.sent for request in server.requests)
        print(f"{title:<28}{calls:>6}{sent / size:>8.2f}{used:>9.2f}{wall:>10.2f}")


if __name__ == "__main__":
    main()
