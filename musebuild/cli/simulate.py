"""`musebuild simulate`: a MUSE night to learn and test with."""

from __future__ import annotations

import sys
import time
from pathlib import Path

import click

from musebuild.cli.command import Command
from musebuild.cli.options import Argument, Number, switch
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


def progress(name: str, done: int, total: int) -> None:
    """One line for each frame; on a terminal they overwrite each other."""
    if sys.stdout.isatty():
        end = "\n" if done == total else ""
        sys.stdout.write(f"\r\033[Ksimulating {done}/{total} {name}{end}")
    elif done == total or done % 10 == 0:
        sys.stdout.write(f"simulated {done} of {total} frames\n")
    sys.stdout.flush()


@click.command(
    "simulate", cls=Command, example="musebuild simulate my-project --ifus 1-4", takes="one folder"
)
@click.argument("folder", cls=Argument, what="a folder", type=click.Path(path_type=Path))
@click.option("--ifus", metavar="LIST", default="1", help="IFUs, such as 1 or 1,2 or 1-4.")
@click.option(
    "--exposures",
    type=Number(),
    metavar="N",
    default=2,
    help="Dithered exposures of the field.",
)
@click.option(
    "--sky",
    type=Number(),
    metavar="N",
    default=0,
    help="Exposures of an empty field beside (DPR TYPE SKY).",
)
@click.option(
    "--seed", type=Number(), metavar="N", default=1, help="Same seed and options: same bytes."
)
@click.option(
    "--night", metavar="DATE", default="2017-06-15", help="Date on which the night begins."
)
@click.option("--mode", metavar="MODE", default="WFM-NOAO-N", help="WFM-NOAO-N or WFM-AO-N.")
@click.option(
    "--geometry",
    metavar="KIND",
    default="compact",
    help="compact (one IFU shows whole stars) or real.",
)
@switch("--compress", text="Rice-compressed .fits.fz files, as the archive has them.")
def simulate_night(
    folder: Path,
    ifus: str,
    exposures: int,
    sky: int,
    seed: int,
    night: str,
    mode: str,
    geometry: str,
    compress: bool,
) -> None:
    """Simulate a MUSE night: raw frames and static calibrations."""
    # Slow to load, and every other command starts without it.
    from musebuild.simulation import SimulationOptions, simulate

    began = time.monotonic()
    folder = folder.expanduser()
    report = simulate(
        SimulationOptions(
            folder=folder,
            ifus=parse_ifus(ifus),
            exposures=exposures,
            sky=sky,
            seed=seed,
            night=night,
            mode=mode,
            geometry=geometry,
            compress=compress,
            progress=progress,
        )
    )
    size = sum(path.stat().st_size for path in report.raw) / 1e6
    sys.stdout.write(
        f"{count(len(report.raw), 'raw frame')} ({size:.0f} MB) in {folder / 'raw'}, "
        f"{count(len(report.calib), 'static calibration')} in {folder / 'calib'},\n"
        f"the truth in {report.truth}; {span(time.monotonic() - began)}\n"
    )
