"""The static calibrations, in the formats that the DRS reads (muse_data_format_z.h)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from astropy.io import fits

from musebuild.simulation import atmosphere, spectra
from musebuild.simulation.field import Field
from musebuild.simulation.instrument import SLICE_SPAXELS, SLICES, Instrument
from musebuild.simulation.rawframes import SCAN, HotPixels

ARC_ELECTRONS = 119_500.0
"""Electrons of a line of strength 1 in one spaxel, where the throughput is greatest."""


def write_static(
    folder: Path, category: str, date: str, hdus: Iterable[fits.FitsHDU], **cards: object
) -> Path:
    """Write a static calibration: its category in the primary header, data in extensions."""
    header = fits.Header()
    header["INSTRUME"] = "MUSE"
    header["OBJECT"] = f"Simulated {category}"
    header["MJD-OBS"] = 56658.0
    header["HIERARCH ESO PRO CATG"] = category
    header["HIERARCH ESO PRO TYPE"] = "REDUCED"
    for keyword, value in cards.items():
        header[keyword] = value
    everything = fits.HDUList([fits.PrimaryHDU(header=header), *hdus])
    for hdu in everything:
        hdu.add_checksum(when=date)
    path = folder / f"{category.lower()}.fits"
    beside = path.with_name(f".{path.name}.part")
    # Filters are found by their name as it is written, and case counts.
    with fits.conf.set_temp("extension_name_case_sensitive", True):
        everything.writeto(beside, overwrite=True)
    beside.replace(path)
    return path


def table(name: str, *columns: tuple[str, str, str, Any]) -> fits.BinTableHDU:
    """A binary table from (name, format, unit, values)."""
    with fits.conf.set_temp("extension_name_case_sensitive", True):
        hdu = fits.BinTableHDU.from_columns(
            [
                fits.Column(column, form, unit=unit or None, array=np.asarray(values))
                for column, form, unit, values in columns
            ]
        )
        if name:
            hdu.header["EXTNAME"] = name
    return hdu


def write_statics(
    folder: Path,
    date: str,
    mode: str,
    instruments: Sequence[Instrument],
    standard: Field,
    hot: dict[int, HotPixels],
) -> list[Path]:
    """Write all static calibrations of a simulated night.

    Parameters
    ----------
    folder : Path
        Where they go.
    date : str
        Stands for the time of writing in the checksums' comments.
    mode : str
        Instrument mode.
    instruments : sequence of Instrument
    standard : Field
        The standard star, for STD_FLUX_TABLE.
    hot : dict
        IFU → its hot pixels, for BADPIX_TABLE.

    Returns
    -------
    list of Path
    """
    return [
        write_static(folder, "GEOMETRY_TABLE", date, [geometry_table(instruments)]),
        write_static(folder, "LINE_CATALOG", date, [line_catalog()], VERSION=3),
        write_static(folder, "EXTINCT_TABLE", date, [extinction_table()]),
        write_static(folder, "STD_FLUX_TABLE", date, [flux_table(standard)]),
        write_static(folder, "FILTER_LIST", date, filters()),
        write_static(folder, "ASTROMETRY_WCS", date, [], **astrometry()),
        write_static(folder, "SKY_LINES", date, [sky_lines()]),
        write_static(folder, "RAMAN_LINES", date, [raman_lines()]),
        write_static(folder, "BADPIX_TABLE", date, [bad_pixels(i, p) for i, p in hot.items()]),
        write_vignetting_mask(folder, date),
    ]


def geometry_table(instruments: Sequence[Instrument]) -> fits.BinTableHDU:
    """GEOMETRY_TABLE: where each slice lies in the field of view."""
    n = len(instruments)
    return table(
        "",
        ("SubField", "J", "", np.repeat([i.ifu for i in instruments], SLICES)),
        ("SliceCCD", "J", "", np.tile(np.arange(1, SLICES + 1), n)),
        ("SliceSky", "J", "", np.concatenate([i.slice_sky for i in instruments])),
        ("x", "D", "pix", np.concatenate([i.sky_x for i in instruments])),
        ("y", "D", "pix", np.concatenate([i.sky_y for i in instruments])),
        ("angle", "D", "deg", np.zeros(n * SLICES)),
        ("width", "D", "pix", np.full(n * SLICES, SLICE_SPAXELS)),
    )


def line_catalog() -> fits.BinTableHDU:
    """LINE_CATALOG: arc lines, with fluxes on the scale of detected counts."""
    response = spectra.throughput("WFM-NOAO-N")
    peak = response.max()
    rows = []
    for lamp in spectra.ARC_LINES:
        for wavelength, strength in zip(*spectra.arc(lamp), strict=True):
            seen = float(np.interp(wavelength, spectra.GRID, response) / peak)
            ion = {"Ne": "NeI", "Xe": "XeI"}.get(lamp)
            ion = ion or ("HgI" if wavelength in spectra.HG_LINES else "CdI")
            rows.append((wavelength, strength * seen * ARC_ELECTRONS, ion, strength))
    rows.sort()
    # 5: a strong line, fit for the measurement of the LSF; 3: good for the wavelength fit.
    quality = [5 if strength >= 0.3 else 3 for *_, strength in rows]
    return table(
        "",
        ("lambda", "E", "Angstrom", [row[0] for row in rows]),
        ("flux", "E", "", [row[1] for row in rows]),
        ("ion", "8A", "", [row[2] for row in rows]),
        ("quality", "J", "", quality),
    )


def extinction_table() -> fits.BinTableHDU:
    """EXTINCT_TABLE."""
    wavelength = np.arange(3500.0, 10500.0, 50.0)
    return table(
        "",
        ("lambda", "D", "Angstrom", wavelength),
        ("extinction", "D", "mag/airmass", atmosphere.extinction(wavelength)),
    )


def flux_table(standard: Field) -> fits.BinTableHDU:
    """STD_FLUX_TABLE: one extension for the simulated star."""
    wavelength = spectra.GRID[::8]
    flux = standard.points[0].spectrum()[::8]
    unit = "erg/s/cm**2/Angstrom"
    hdu = table(
        "SIMSTAR",
        ("lambda", "D", "Angstrom", wavelength),
        ("flux", "D", unit, flux),
        ("fluxerr", "D", unit, 0.005 * flux),
    )
    hdu.header["OBJECT"] = "SIMSTAR"
    hdu.header["RA"] = standard.ra
    hdu.header["DEC"] = standard.dec
    return hdu


def filters() -> list[fits.BinTableHDU]:
    """FILTER_LIST: smooth curves in the places of the usual broad-band filters."""
    curves = {
        "Johnson_V": (5450.0, 850.0),
        "Cousins_R": (6400.0, 1500.0),
        "Cousins_I": (8000.0, 1400.0),
        "SDSS_r": (6200.0, 1350.0),
        "SDSS_i": (7600.0, 1400.0),
    }
    hdus = []
    for name, (centre, width) in curves.items():
        wavelength = np.arange(centre - width, centre + width, 10.0)
        curve = np.exp(-(np.abs(2 * (wavelength - centre) / width) ** 4) * np.log(2))
        hdus.append(
            table(
                name,
                ("lambda", "D", "Angstrom", wavelength),
                ("throughput", "D", "", curve),
            )
        )
    return hdus


def astrometry() -> dict[str, object]:
    """ASTROMETRY_WCS: the nominal scale, no rotation."""
    scale = 0.2 / 3600
    return {
        "CTYPE1": "RA---TAN",
        "CTYPE2": "DEC--TAN",
        "CUNIT1": "deg",
        "CUNIT2": "deg",
        "CRPIX1": 0.0,
        "CRPIX2": 0.0,
        "CRVAL1": 0.0,
        "CRVAL2": 0.0,
        "CD1_1": -scale,
        "CD1_2": 0.0,
        "CD2_1": 0.0,
        "CD2_2": scale,
    }


def sky_lines() -> fits.BinTableHDU:
    """SKY_LINES: the lines that the simulated sky emits, in groups that vary together."""
    lines = sorted(spectra.SKY_LINES, key=lambda line: line[2])
    return _line_table([(name, group, wave, flux) for name, group, wave, flux in lines])


def raman_lines() -> fits.BinTableHDU:
    """RAMAN_LINES: the laser's light, scattered by the air; group 0 is of O2, 1 of N2.

    The DRS fits the flux of each group; the table holds shares of it.
    """
    lines = enumerate(spectra.RAMAN_LINES)
    return _line_table([(name, group, wave, 1.0) for group, (name, wave, _) in lines])


def _line_table(lines: Sequence[tuple[str, int, float, float]]) -> fits.BinTableHDU:
    return table(
        "LINES",
        ("name", "20A", "", [line[0] for line in lines]),
        ("group", "J", "", [line[1] for line in lines]),
        ("lambda", "D", "Angstrom", [line[2] for line in lines]),
        ("flux", "D", "10**(-20)*erg/(s cm^2 arcsec^2)", [line[3] for line in lines]),
        ("dq", "J", "", [0 for _ in lines]),
    )


def bad_pixels(ifu: int, hot: HotPixels) -> fits.BinTableHDU:
    """BADPIX_TABLE of one IFU, in raw coordinates (pre- and overscans counted)."""
    x, y, level = hot
    raw_x = x + 1 + np.where(x < 2048, SCAN, 3 * SCAN)
    raw_y = y + 1 + np.where(y < 2056, SCAN, 3 * SCAN)
    return table(
        f"CHAN{ifu:02d}",
        ("xpos", "J", "pix", raw_x),
        ("ypos", "J", "pix", raw_y),
        ("status", "J", "", np.full(len(x), 256)),
        ("value", "E", "count", level),
    )


def write_vignetting_mask(folder: Path, date: str) -> Path:
    """VIGNETTING_MASK: nothing is vignetted in the simulated field."""
    header = fits.Header()
    header["INSTRUME"] = "MUSE"
    header["HIERARCH ESO PRO CATG"] = "VIGNETTING_MASK"
    header["HIERARCH ESO INS MODE"] = "WFM"
    hdu = fits.PrimaryHDU(np.zeros((320, 330), dtype=np.int32), header=header)
    hdu.add_checksum(when=date)
    path = folder / "vignetting_mask.fits"
    beside = path.with_name(f".{path.name}.part")
    hdu.writeto(beside, overwrite=True)
    beside.replace(path)
    return path
