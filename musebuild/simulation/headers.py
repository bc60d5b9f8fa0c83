"""Headers as on the frames of the real instrument."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from astropy.io import fits

from musebuild.simulation import atmosphere

MJD_EPOCH = dt.datetime(1858, 11, 17)
RON = (2.40, 2.31, 2.42, 2.63)
"""Read-out noise of the four outputs, electrons."""
GAINS = (1.10, 1.13, 1.17, 1.12)
"""Electrons per adu of the four outputs."""
BIAS_LEVELS = (1201.0, 1202.0, 1201.0, 1202.0)
"""adu."""
BIAS_SLOPES = ((5e-5, 1.2e-5), (-5e-5, 1.2e-5), (-5e-5, -1.1e-5), (4e-5, -9e-6))
"""adu per pixel in x and y, of each output."""
PORTS = ((1, 1), (4096, 1), (4096, 4112), (1, 4112))


@dataclass(frozen=True, slots=True)
class FrameSpec:
    """What the header of one raw frame says."""

    start: dt.datetime
    """UTC."""
    dpr_catg: str
    dpr_type: str
    template: str
    template_start: dt.datetime
    number: int
    of: int
    origin: str
    """Stem of ORIGFILE, such as `MUSE_CAL_BIAS`."""
    mode: str
    exposure: float = 0.0
    object_name: str = ""
    target: str = ""
    ra: float | None = None
    dec: float | None = None
    seeing: float = 0.7
    lamps: tuple[str, ...] = ()
    temperature: float = 12.5
    extra: Mapping[str, object] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """Exposure name: `2017-06-16T01:34:56.867`."""
        return stamp(self.start)

    @property
    def filename(self) -> str:
        """Name in the archive."""
        return f"MUSE.{self.name}.fits"


def stamp(moment: dt.datetime) -> str:
    """ISO 8601 with milliseconds."""
    return moment.isoformat(timespec="milliseconds")


def mjd(moment: dt.datetime) -> float:
    """Modified Julian date."""
    return (moment - MJD_EPOCH) / dt.timedelta(days=1)


def sidereal_seconds(moment: dt.datetime) -> float:
    """Local sidereal time at Paranal in seconds (IAU 1982 mean time, to 0.1 s)."""
    days = mjd(moment) - 51544.5
    degrees = 280.46061837 + 360.98564736629 * days + atmosphere.LONGITUDE
    return (degrees % 360) * 240


def hour_angle(moment: dt.datetime, ra: float) -> float:
    """Hour angle in degrees, -180 to 180."""
    return (sidereal_seconds(moment) / 240 - ra + 180) % 360 - 180


def primary_header(spec: FrameSpec) -> fits.Header:
    """The primary header of a raw frame."""
    header = fits.Header()
    header["ORIGIN"] = "ESO-PARANAL"
    header["TELESCOP"] = "ESO-VLT-U4"
    header["INSTRUME"] = "MUSE"
    if spec.ra is not None and spec.dec is not None:
        header["RA"] = (spec.ra, "[deg] J2000 pointing")
        header["DEC"] = (spec.dec, "[deg] J2000 pointing")
    header["EQUINOX"] = 2000.0
    header["RADECSYS"] = "FK5"
    header["EXPTIME"] = spec.exposure
    header["MJD-OBS"] = (round(mjd(spec.start), 8), stamp(spec.start))
    header["DATE-OBS"] = spec.name
    start_of_day = spec.start.replace(hour=0, minute=0, second=0, microsecond=0)
    header["UTC"] = round((spec.start - start_of_day).total_seconds(), 3)
    header["LST"] = round(sidereal_seconds(spec.start), 3)
    header["PI-COI"] = "UNKNOWN"
    header["OBSERVER"] = "UNKNOWN"
    header["OBJECT"] = spec.object_name or spec.dpr_type
    header["ARCFILE"] = spec.filename
    header["ORIGFILE"] = f"{spec.origin}_{spec.number:04d}.fits"
    eso: dict[str, object] = {
        "DPR CATG": spec.dpr_catg,
        "DPR TYPE": spec.dpr_type,
        "DPR TECH": "IFU",
        "TPL ID": spec.template,
        "TPL START": spec.template_start.isoformat(timespec="seconds"),
        "TPL EXPNO": spec.number,
        "TPL NEXP": spec.of,
        "OBS ID": 1755413 if spec.dpr_catg == "SCIENCE" else 200000000,
        "OBS NAME": spec.target or "Calibrations",
        "OBS START": spec.template_start.isoformat(timespec="seconds"),
        "OBS TARG NAME": spec.target,
        "OBS OBSERVER": "UNKNOWN",
        "INS MODE": spec.mode,
        "INS DROT MODE": "SKY" if spec.ra is not None else "STAT",
        "INS DROT POSANG": 0.0,
        "INS TEMP4 VAL": round(spec.temperature - 2.1, 2),
        "INS TEMP7 VAL": round(spec.temperature, 2),
        "INS TEMP11 VAL": round(spec.temperature + 0.2, 2),
        "DET BINX": 1,
        "DET BINY": 1,
        "DET READ CURID": 1,
        "DET READ CURNAME": "SCI1.0",
        "OCS SGS AG FWHMX MED": 0.63,
        "OCS SGS AG FWHMY MED": 0.65,
        "OCS SGS FWHM MED": spec.seeing,
        "OCS SGS FWHM RMS": 0.03,
    }
    eso |= _lamps(spec.lamps)
    if spec.ra is not None and spec.dec is not None:
        eso |= _telescope(spec)
    eso |= spec.extra
    for keyword, value in eso.items():
        header[f"HIERARCH ESO {keyword}"] = value
    return header


def _lamps(lit: tuple[str, ...]) -> dict[str, object]:
    names = ("CU-LAMP-FF1", "CU-LAMP-FF2", "CU-LAMP-Ne", "CU-LAMP-Xe", "CU-LAMP-HgCd")
    cards: dict[str, object] = {"INS LAMPNUM": len(names)}
    for number, name in enumerate(names, 1):
        on = name.removeprefix("CU-LAMP-") in lit
        cards[f"INS LAMP{number} NAME"] = name
        cards[f"INS LAMP{number} ST"] = on
        cards[f"INS SHUT{number} NAME"] = name.replace("LAMP", "SHUT")
        cards[f"INS SHUT{number} ST"] = on
    return cards


def _telescope(spec: FrameSpec) -> dict[str, object]:
    assert spec.ra is not None and spec.dec is not None
    end = spec.start + dt.timedelta(seconds=spec.exposure)
    airmass, angle = [], []
    for moment in (spec.start, end):
        zenith, parallactic = atmosphere.altitude_and_parallactic_angle(
            hour_angle(moment, spec.ra), spec.dec
        )
        airmass.append(round(atmosphere.airmass(zenith), 4))
        angle.append(round(parallactic, 3))
    return {
        "TEL AIRM START": airmass[0],
        "TEL AIRM END": airmass[1],
        "TEL PARANG START": angle[0],
        "TEL PARANG END": angle[1],
        "TEL AMBI PRES START": atmosphere.PRESSURE,
        "TEL AMBI PRES END": atmosphere.PRESSURE,
        "TEL AMBI RHUM": atmosphere.HUMIDITY,
        "TEL AMBI TEMP": atmosphere.TEMPERATURE,
        "TEL AMBI FWHM START": spec.seeing,
        "TEL AMBI FWHM END": spec.seeing,
        "TEL AMBI WINDDIR": 281.5,
        "TEL AMBI WINDSP": 1.98,
        "TEL GEOLAT": atmosphere.LATITUDE,
        "TEL GEOLON": atmosphere.LONGITUDE,
        "TEL GEOELEV": atmosphere.ELEVATION,
        "TEL MOON RA": 340.8,
        "TEL MOON DEC": -9.1,
    }


def channel_header(ifu: int) -> fits.Header:
    """The header of one IFU's extension of a raw frame."""
    header = fits.Header()
    header["EXTNAME"] = f"CHAN{ifu:02d}"
    eso: dict[str, object] = {
        "DET CHIP NAME": f"simulated-{ifu:02d}",
        "DET CHIP ID": f"MUSE_CCD{ifu:02d}",
        "DET CHIP NX": 4096,
        "DET CHIP NY": 4112,
        "DET CHIP LIVE": True,
        "DET OUTPUTS": 4,
    }
    for number, (x, y) in enumerate(PORTS, 1):
        eso |= {
            f"DET OUT{number} X": x,
            f"DET OUT{number} Y": y,
            f"DET OUT{number} NX": 2048,
            f"DET OUT{number} NY": 2056,
            f"DET OUT{number} PRSCX": 32,
            f"DET OUT{number} PRSCY": 32,
            f"DET OUT{number} OVSCX": 32,
            f"DET OUT{number} OVSCY": 32,
            f"DET OUT{number} RON": RON[number - 1],
            f"DET OUT{number} GAIN": GAINS[number - 1],
            f"DET OUT{number} CONAD": GAINS[number - 1],
        }
    for keyword, value in eso.items():
        header[f"HIERARCH ESO {keyword}"] = value
    return header


def sparta_table(spec: FrameSpec, rng: np.random.Generator) -> fits.BinTableHDU:
    """Atmosphere as the adaptive optics saw it (SPARTA_ATM_DATA), for four laser guide stars."""
    rows = 6
    columns = [
        fits.Column("Sec", "J", array=1497576896 + 30 * np.arange(rows)),
        fits.Column("USec", "J", array=np.zeros(rows, dtype=np.int32)),
    ]
    for star in range(1, 5):
        for name, mean, spread in (
            ("R0", 0.14, 0.01),
            ("SEEING", spec.seeing, 0.03),
            ("FWHM_GAIN", 1.5, 0.05),
            ("STREHL", 0.12, 0.01),
            ("TUR_ALT", 0.3, 0.03),
            ("TUR_GND", 0.7, 0.03),
            ("L0", 18.0, 2.0),
        ):
            values = rng.normal(mean, spread, rows)
            columns.append(fits.Column(f"LGS{star}_{name}", "E", array=values))
    return fits.BinTableHDU.from_columns(columns, name="SPARTA_ATM_DATA")
