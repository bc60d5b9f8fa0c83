"""`musebuild simulate`: a MUSE night to learn and test with."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Any

from musebuild.cli.base import BaseCommand
from musebuild.errors import UsageError
from musebuild.report.spans import count, span


def parse_ifus(text: str) -> tuple[int, ...]:
    """IFUs from `1`, `1,2` or `1-4`.

    Raises
    ------
    UsageError
        It is no such list.
    """
    found: list[int] = []
    for part in text.split(","):
        first, _, last = part.strip().partition("-")
        if not first.isdigit() or (last and not last.isdigit()):
            raise UsageError(
                f"--ifus {text} is no list of IFUs", remedy="write it like 1, or 1,2, or 1-4"
            )
        found.extend(range(int(first), int(last or first) + 1))
    return tuple(found)


def option(name: str, default: Any, text: str, metavar: str = "ARG") -> dict[str, Any]:
    """An option of doit's kind."""
    return {
        "name": name,
        "long": name,
        "type": type(default),
        "default": default,
        "metavar": metavar,
        "help": text,
    }


def progress(name: str, done: int, total: int) -> None:
    """One line for each frame; on a terminal they overwrite each other."""
    if sys.stdout.isatty():
        end = "\n" if done == total else ""
        sys.stdout.write(f"\r\033[Ksimulating {done}/{total} {name}{end}")
    elif done == total or done % 10 == 0:
        sys.stdout.write(f"simulated {done} of {total} frames\n")
    sys.stdout.flush()


class SimulateCommand(BaseCommand):
    """Simulate a night."""

    name = "simulate"
    doc_purpose = "simulate a MUSE night: raw frames, static calibrations, the truth"
    doc_usage = "DIR"
    doc_description = None
    cmd_options = (
        option("ifus", "1", "IFUs, such as 1 or 1,2 or 1-4", "LIST"),
        option("exposures", 2, "dithered exposures of the field", "N"),
        option("seed", 1, "same seed and options: same bytes", "N"),
        option("night", "2017-06-15", "date on which the night begins", "DATE"),
        option("mode", "WFM-NOAO-N", "WFM-NOAO-N or WFM-AO-N", "MODE"),
        option("geometry", "compact", "compact (one IFU shows whole stars) or real", "KIND"),
        option("compress", False, "Rice-compressed .fits.fz files, as the archive has them"),
    )

    def run(self, params: Any, args: list[str]) -> int:
        """Simulate into a folder."""
        # Slow to load, and every other command starts without it.
        from musebuild.simulation import SimulationOptions, simulate

        if len(args) != 1:
            raise UsageError("musebuild simulate wants a folder", remedy="musebuild simulate DIR")
        began = time.monotonic()
        folder = Path(args[0]).expanduser()
        report = simulate(
            SimulationOptions(
                folder=folder,
                ifus=parse_ifus(params["ifus"]),
                exposures=params["exposures"],
                seed=params["seed"],
                night=params["night"],
                mode=params["mode"],
                geometry=params["geometry"],
                compress=params["compress"],
                progress=progress,
            )
        )
        size = sum(path.stat().st_size for path in report.raw) / 1e6
        sys.stdout.write(
            f"{count(len(report.raw), 'raw frame')} ({size:.0f} MB) in {folder / 'raw'}, "
            f"{count(len(report.calib), 'static calibration')} in {folder / 'calib'},\n"
            f"the truth in {report.truth}; {span(time.monotonic() - began)}\n"
        )
        return 0
