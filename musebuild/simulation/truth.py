"""The truth of a simulated night, for comparison with what a reduction finds."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from astropy.table import Table

from musebuild.simulation.field import Field, Pointing
from musebuild.simulation.headers import FrameSpec
from musebuild.simulation.options import SimulationOptions
from musebuild.simulation.spectra import GRID

BANDS = ((5000.0, 5500.0), (6000.0, 6400.0), (7000.0, 7500.0), (8000.0, 8500.0))
"""Å: where the fluxes of stars are compared."""

EDITION = 2
"""Grows with what simulated headers or data say: nights of an older one are to be made again.

2: all frames are of categories that the pipeline's own organizer gives them.
"""

_META = re.compile(r"^# meta:.*?(?:^# - \{edition: (\d+)\}|\Z)", re.DOTALL | re.MULTILINE)


def is_outdated(truth: Path) -> bool:
    """Whether an older musebuild simulated a night, whose frames may be refused now.

    Parameters
    ----------
    truth : Path
        Its `truth.ecsv`.
    """
    header = "".join(
        line
        for line in truth.read_text(encoding="utf-8").splitlines(keepends=True)
        if line.startswith("#")
    )
    match = _META.search(header)
    return match is not None and int(match[1] or 1) < EDITION


def write_truth(
    path: Path,
    options: SimulationOptions,
    field: Field,
    pointings: Sequence[Pointing],
    exposures: Sequence[FrameSpec],
    skies: Sequence[tuple[FrameSpec, Pointing, float]] = (),
) -> Path:
    """Write the truth table (ECSV).

    One row for each star and band, and for each line of the nebula: place on the sky (deg),
    flux density in the band or flux of the line. The metadata hold the exposures with the
    offsets of their pointings, and the exposures of an empty sky with the strength of its lines.
    """
    rows: list[tuple[str, str, float, float, float, float, float]] = []
    cos_dec = np.cos(np.radians(field.dec))
    for star in field.points:
        ra, dec = field.ra + star.east / 3600 / cos_dec, field.dec + star.north / 3600
        for low, high in BANDS:
            inside = (low <= GRID) & (high >= GRID)
            mean = float(star.spectrum()[inside].mean())
            rows.append((star.name, "band", ra, dec, (low + high) / 2, high - low, mean))
    for nebula in field.nebulae:
        ra, dec = field.ra + nebula.east / 3600 / cos_dec, field.dec + nebula.north / 3600
        rows += [(nebula.name, "line", ra, dec, wave, 0.0, flux) for wave, flux in nebula.lines]
    table = Table(
        rows=rows,
        names=("source", "kind", "ra", "dec", "wavelength", "width", "flux"),
        units=(None, None, "deg", "deg", "Angstrom", "Angstrom", None),
    )
    table["flux"].description = "erg/s/cm2/Angstrom (bands), erg/s/cm2 (lines)"
    table.meta["edition"] = EDITION
    table.meta["options"] = {
        "seed": options.seed,
        "mode": options.mode,
        "geometry": options.geometry,
        "ifus": list(options.ifus),
        "night": options.night,
    }
    table.meta["exposures"] = [
        {
            "name": spec.name,
            "ra": pointing.ra,
            "dec": pointing.dec,
            "offset_east_arcsec": pointing.offset_east,
            "offset_north_arcsec": pointing.offset_north,
            "seeing_arcsec": pointing.seeing,
            "airmass": pointing.airmass,
        }
        for spec, pointing in zip(exposures, pointings, strict=True)
    ]
    if skies:
        table.meta["options"]["sky"] = options.sky
        table.meta["sky_exposures"] = [
            {
                "name": spec.name,
                "ra": pointing.ra,
                "dec": pointing.dec,
                "airmass": pointing.airmass,
                "exptime": spec.exposure,
                "lines": lines,
            }
            for spec, pointing, lines in skies
        ]
    beside = path.with_name(f".{path.name}.part")
    table.write(beside, format="ascii.ecsv", overwrite=True)
    beside.replace(path)
    return path
