"""Ten years of plausible MUSE nights, as plain data or as header-only files.

    python benchmarks/ten_years.py DIR [--nights 2400]   write raw/, calib/ and settings.yml

Other benchmarks take `ten_years()` for the frames as the plan sees them, without any file.
A night of operation has biases, lamp flats and arcs in each mode that it used, often twilight
flats and a standard star, illumination flats every hour or so, and exposures of a field.
"""

from __future__ import annotations

import argparse
import datetime as dt
import random
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from musebuild.index.columns import MJD_ZERO, night_of
from musebuild.index.model import FileFrame, FileIndex, RawFrame
from tests.support.frames import DPR, STATICS, write_static
from tests.support.header_only import write_headers

NIGHTS = 2900
"""Nights of operation that hold 200,000 frames: four of five, over ten years."""
FIRST = dt.date(2014, 9, 15)
RUN, PAUSE = 21, 5
"""Nights of operation in a row, and nights without any after them."""
MODES = ("WFM-NOAO-N", "WFM-AO-N", "NFM-AO-N")
LAMPS = ("Ne", "Xe", "HgCd")
FIELD_NIGHTS = 30
"""Nights after which another field is observed."""
EXPOSURES = 5
"""Science exposures of a night."""

SETTINGS = """\
muse_calib_path: calib
ifus: {ifus}
cpl: {{runner: mock}}
recipes:
  muse_scipost:
    frames: {{exclude: [RAMAN_LINES]}}
    params: {{skymethod: model, save: 'cube,individual'}}
  muse_exp_combine: {{}}
"""
"""One pass over every field, and a combination of each; each OBJECT is a dataset."""


class _Night:
    """Makes the frames of one night."""

    def __init__(self, date: dt.date, channels: tuple[int, ...], chance: random.Random) -> None:
        self.date = date
        self.channels = channels
        self.chance = chance
        self.kelvin = round(chance.uniform(6.0, 16.0), 2)
        self.frames: list[RawFrame] = []

    def take(
        self,
        category: str,
        hour: float,
        number: int,
        step: float,
        mode: str,
        lamps: Sequence[tuple[str, ...]] = ((),),
        target: str = "",
    ) -> None:
        """A sequence of frames: `hour` counts from midnight UT after the date, `step` in s."""
        midnight = dt.datetime.combine(self.date, dt.time()) + dt.timedelta(days=1)
        start = midnight + dt.timedelta(hours=hour)
        for n in range(number):
            moment = start + dt.timedelta(seconds=12 + n * step)
            name = moment.isoformat(timespec="milliseconds")
            self.frames.append(
                RawFrame(
                    path=f"/raw/MUSE.{name}.fits",
                    filename=f"MUSE.{name}.fits",
                    name=name,
                    category=category,
                    is_raw=True,
                    night=night_of(moment).isoformat(),
                    date_obs=name,
                    mjd_obs=(moment - MJD_ZERO) / dt.timedelta(days=1),
                    dpr_type=DPR.get(category, category),
                    object_orig=target or DPR.get(category, category),
                    dataset=target or DPR.get(category, category),
                    tpl_start=start.isoformat(timespec="seconds"),
                    ins_mode=mode,
                    exptime=step - 60 if category == "OBJECT" else 1.0,
                    read_mode="SCI1.0",
                    temp7=round(self.kelvin + self.chance.uniform(-0.3, 0.3), 2),
                    lamps=lamps[n % len(lamps)],
                    channels=self.channels,
                )
            )

    def fill(self, field: str, mode: str, exposures: int) -> list[RawFrame]:
        """All frames of the night."""
        chance = self.chance
        modes = [mode]
        if chance.random() < 0.5:
            modes.append(chance.choice([other for other in MODES if other != mode]))
        if chance.random() < 0.6:
            self.take("SKYFLAT", -2.0, 8, 90, mode)
        minutes = chance.uniform(0, 20)
        for n in range(exposures):
            if n % 4 == 0:
                self.take("ILLUM", 0.2 + n * 0.4 + minutes / 60, 1, 60, mode)
            start = 0.4 + n * 0.4 + minutes / 60
            self.take("OBJECT", start, 1, 1200, mode, target=field)
        # Frames that no recipe takes by default make up a part of every archive.
        self.take("SKY", 5.0, 5, 120, mode)
        if chance.random() < 0.3:
            self.take("DARK", 6.0, 5, 1860, mode)
        if chance.random() < 0.9:
            self.take("STD", 9.5, 1, 120, mode)
        self.take("BIAS", 10.5, 11, 70, mode)
        for n, used in enumerate(modes):
            self.take("FLAT", 11.5 + n, 11, 85, used)
            self.take("ARC", 11.9 + n, 15, 85, used, [(lamp,) for lamp in LAMPS])
        return self.frames


def ten_years(
    nights: int = NIGHTS,
    *,
    channels: Iterable[int] = (1,),
    exposures: int = EXPOSURES,
    seed: int = 1,
) -> Iterator[RawFrame]:
    """Frames of nights spread over ten years, by date.

    Parameters
    ----------
    nights : int
        Nights of operation; each has about 69 frames.
    channels : iterable of int
        IFUs that each frame holds.
    exposures : int
        Science exposures of a night.
    seed : int
        Of the chance by which nights differ.
    """
    chance = random.Random(seed)
    held = tuple(channels)
    for n in range(nights):
        date = FIRST + dt.timedelta(days=n + PAUSE * (n // RUN))
        number = n // FIELD_NIGHTS
        mode = MODES[(0, 1, 0, 1, 2)[number % 5]]
        yield from _Night(date, held, chance).fill(f"FIELD{number:03d}", mode, exposures)


def files() -> FileIndex:
    """Static calibrations, one of each category."""
    return FileIndex(
        static=tuple(FileFrame(f"/calib/{name.lower()}.fits", name) for name in STATICS),
        folder="/calib",
    )


def settings_text(ifus: Iterable[int] = (1,)) -> str:
    """Settings for all of it."""
    return SETTINGS.format(ifus=list(ifus))


def write(folder: Path, frames: Iterable[RawFrame]) -> list[RawFrame]:
    """Write frames as header-only files, with static calibrations and settings.

    Parameters
    ----------
    folder : Path
        Gets `raw/YYYY-MM/`, `calib/` and `settings.yml`.
    frames : iterable of RawFrame
        As `ten_years` gives them.

    Returns
    -------
    list of RawFrame
        With the paths that they have now.
    """
    written = []
    (folder / "calib").mkdir(parents=True)
    for category in STATICS:
        write_static(folder / "calib", category)
    ifus: set[int] = set()
    for frame in frames:
        ifus |= set(frame.channels)
        month = folder / "raw" / frame.night[:7]
        month.mkdir(parents=True, exist_ok=True)
        path = month / frame.filename
        cards = {
            "OBJECT": frame.object_orig,
            "DATE-OBS": frame.date_obs,
            "MJD-OBS": frame.mjd_obs,
            "EXPTIME": frame.exptime,
            "ESO DPR TYPE": frame.dpr_type,
            "ESO TPL START": frame.tpl_start,
            "ESO INS MODE": frame.ins_mode,
            "ESO INS TEMP7 VAL": frame.temp7,
            "ESO DET BINX": frame.binx,
            "ESO DET BINY": frame.biny,
            "ESO DET READ CURNAME": frame.read_mode,
        }
        for n, lamp in enumerate(frame.lamps, start=3):
            cards |= {f"ESO INS LAMP{n} NAME": f"CU-LAMP-{lamp}", f"ESO INS LAMP{n} ST": True}
        write_headers(path, cards, frame.channels)
        written.append(replace(frame, path=str(path)))
    (folder / "settings.yml").write_text(settings_text(sorted(ifus)), encoding="utf-8")
    return written


def main() -> None:
    """Write a project folder."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--nights", type=int, default=NIGHTS)
    parser.add_argument("--channels", type=int, default=1, help="number of IFUs of each frame")
    given = parser.parse_args()
    frames = ten_years(given.nights, channels=range(1, given.channels + 1))
    print(f"{len(write(given.folder, frames))} frames in {given.folder}")


if __name__ == "__main__":
    main()
