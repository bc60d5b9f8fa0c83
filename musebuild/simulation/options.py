"""What to simulate, and the checks of what was asked for."""

from __future__ import annotations

import datetime as dt
import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from musebuild.errors import UsageError

MODES = ("WFM-NOAO-N", "WFM-AO-N")
GEOMETRIES = ("compact", "real")
IFUS = range(1, 25)
MOST_EXPOSURES = 20
CALIBRATION_FRAMES = 32
"""Upper bound of frames in a night besides the exposures, for the estimate of disk space."""
BYTES_PER_CHANNEL = 4224 * 4240 * 2 + 3 * 2880


@dataclass(frozen=True, slots=True)
class SimulationOptions:
    """A simulated night.

    Parameters
    ----------
    folder : Path
        Where `raw/`, `calib/` and `truth.ecsv` go; made if missing.
    ifus : tuple of int
        IFUs, 1 to 24. `muse_twilight` needs IFU 1 among them.
    exposures : int
        Dithered exposures of the field.
    seed : int
        Seed of noise, detector pattern and dither. Same options and seed: same bytes.
    night : str
        `YYYY-MM-DD`, the date on which the night begins.
    mode : str
        Instrument mode: `WFM-NOAO-N` or `WFM-AO-N`.
    geometry : str
        `real`: the slices lie as on the sky, each IFU 12 spaxels high over the whole width.
        `compact`: an IFU is laid out as 75 × 48 spaxels, several IFUs above each other, so that
        one IFU shows whole stars.
    compress : bool
        Write Rice-compressed `.fits.fz` files, as the ESO archive ships them.
    short : bool
        Write as few lamp flats (3) and arcs (one of each lamp) as the recipes accept, and no dark.
        A third less time and disk, a little more noise.
    sky : int
        Exposures of an empty field beside, taken in turn with those of the field (DPR TYPE SKY).
    progress : callable, optional
        Called with (name of the frame, frames done, frames in all).
    """

    folder: Path
    ifus: tuple[int, ...] = (1,)
    exposures: int = 2
    seed: int = 1
    night: str = "2017-06-15"
    mode: str = "WFM-NOAO-N"
    geometry: str = "compact"
    compress: bool = False
    short: bool = False
    sky: int = 0
    progress: Callable[[str, int, int], None] | None = None

    def check(self) -> None:
        """Refuse what cannot be simulated.

        Raises
        ------
        UsageError
            An option is out of range, or the folder cannot be written.
        """
        bad = [ifu for ifu in self.ifus if ifu not in IFUS]
        if bad or not self.ifus:
            raise UsageError(
                f"There is no IFU {', '.join(map(str, bad)) or '(none was given)'}",
                where="--ifus",
                why="MUSE has IFUs 1 to 24",
                remedy="give numbers and ranges from 1 to 24, such as --ifus 1,2 or --ifus 1-4",
            )
        if len(set(self.ifus)) != len(self.ifus):
            raise UsageError("An IFU was given twice", where="--ifus", remedy="give each IFU once")
        if not 1 <= self.exposures <= MOST_EXPOSURES:
            raise UsageError(
                f"{self.exposures} exposures cannot be simulated",
                where="--exposures",
                why=f"a night holds 1 to {MOST_EXPOSURES} of them",
                remedy="--exposures 2 is enough to align and combine",
            )
        if not 0 <= self.sky <= MOST_EXPOSURES:
            raise UsageError(
                f"{self.sky} sky exposures cannot be simulated",
                where="--sky",
                why=f"a night holds 0 to {MOST_EXPOSURES} of them",
                remedy="--sky 1 is enough to try what is done with them",
            )
        for option, value, allowed in (
            ("--mode", self.mode, MODES),
            ("--geometry", self.geometry, GEOMETRIES),
        ):
            if value not in allowed:
                raise UsageError(
                    f"{value!r} cannot be simulated",
                    where=option,
                    remedy=f"choose one of {', '.join(allowed)}",
                )
        if self.seed < 0:
            raise UsageError("The seed is negative", where="--seed", remedy="give 0 or more")
        self.date()
        self._check_folder()

    def date(self) -> dt.date:
        """The night as a date."""
        try:
            night = dt.date.fromisoformat(self.night)
        except ValueError as error:
            raise UsageError(
                f"{self.night!r} is no night",
                where="--night",
                why=str(error),
                remedy="give the date on which the night begins, such as --night 2017-06-15",
            ) from None
        if not 2014 <= night.year <= 2099:
            raise UsageError(
                f"MUSE saw no night {self.night}", where="--night", why="its first light was 2014"
            )
        return night

    def bytes_needed(self) -> int:
        """Upper bound of the disk space that the raw frames take, in bytes."""
        frames = CALIBRATION_FRAMES + self.exposures + self.sky
        return frames * len(self.ifus) * BYTES_PER_CHANNEL

    def _check_folder(self) -> None:
        existing = self.folder.absolute()
        while not existing.exists():
            existing = existing.parent
        if not existing.is_dir():
            raise UsageError(
                f"{self.folder} is no folder", where=str(existing), remedy="name another folder"
            )
        if not os.access(existing, os.W_OK):
            raise UsageError(
                f"{self.folder} cannot be written",
                where=str(existing),
                remedy="name a folder of yours, or change its permissions",
            )
        free = shutil.disk_usage(existing).free
        if free < self.bytes_needed():
            raise UsageError(
                f"There is no space for the simulation in {self.folder}",
                why=f"it takes up to {self.bytes_needed() / 1e9:.1f} GB; "
                f"{free / 1e9:.1f} GB are free",
                remedy="name a folder on another disk, or fewer IFUs or exposures",
            )
