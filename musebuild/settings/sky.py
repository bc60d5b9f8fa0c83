"""Places on the sky as people write them. Pure."""

from __future__ import annotations

import re
from math import asin, cos, degrees, isfinite, radians, sin, sqrt
from typing import Any

from musebuild.settings.model import Cone

_PARTS = re.compile(
    r"\s*(?P<sign>[+-]?)\s*(?P<whole>\d{1,3})\s*(?P<first>[hd°:\s])\s*(?P<minutes>\d{1,2})"
    r"(?:\s*[m'′:\s]\s*(?P<seconds>\d{1,2}(?:\.\d*)?)?)?\s*[s\"″]?\s*"
)
_LENGTH = re.compile(
    r"\s*(?P<value>\d+(?:\.\d*)?|\.\d+)\s*(?P<unit>arcsec|arcmin|degrees|degree|deg|°|'|′|\"|″|)\s*"
)
_ARCSEC = {"": 1, "arcsec": 1, '"': 1, "″": 1, "arcmin": 60, "'": 60, "′": 60}
"""Unit of a radius → arcsec; others are degrees."""
WIDEST = 5.0
"""Degrees: a radius beyond is a slip of the unit."""


def separation(ra1: float, dec1: float, ra2: float, dec2: float) -> float:
    """Degrees between two places [deg], by the haversine formula, which holds when they are near.

    Examples
    --------
    >>> round(separation(359.5, 0, 0.5, 0), 9)
    1.0
    """
    ra1, dec1, ra2, dec2 = map(radians, (ra1, dec1, ra2, dec2))
    half = sin((dec1 - dec2) / 2) ** 2 + cos(dec1) * cos(dec2) * sin((ra1 - ra2) / 2) ** 2
    return degrees(2 * asin(min(1.0, sqrt(half))))


def within(cone: Cone, ra: Any, dec: Any) -> bool:
    """Whether a place lies in a circle; one that is not known does not."""
    if not (isinstance(ra, int | float) and isinstance(dec, int | float)):
        return False
    return separation(cone.ra, cone.dec, ra, dec) <= cone.radius


def right_ascension(given: float | str) -> float:
    """Right ascension in degrees: a number of degrees, or hours, minutes and seconds.

    Parameters
    ----------
    given : float or str
        `215.6092`, `14:22:26.21`, `14h22m26.21s`.

    Raises
    ------
    ValueError
        It is none; the message says what is wrong.

    Examples
    --------
    >>> right_ascension("14:22:26.4")
    215.61
    """
    value, sexagesimal = _angle(given, "h")
    degree = value * 15 if sexagesimal else value
    if not 0 <= degree < 360:
        raise ValueError("it is not between 0 and 360 degrees (24 h)")
    return round(degree, 9)


def declination(given: float | str) -> float:
    """Declination in degrees: a number of degrees, or degrees, minutes and seconds.

    Raises
    ------
    ValueError
        It is none.

    Examples
    --------
    >>> declination("-44:09:02.0"), declination("-0d30m")
    (-44.150555556, -0.5)
    """
    value, _ = _angle(given, "d°")
    if abs(value) > 90:
        raise ValueError("it is not between -90 and 90 degrees")
    return round(value, 9)


def radius(given: float | str) -> float:
    """Radius in degrees: a number of arcsec, or one with its unit.

    Raises
    ------
    ValueError
        It is none.

    Examples
    --------
    >>> radius(90), radius("1.5 arcmin"), radius("0.025 deg")
    (0.025, 0.025, 0.025)
    """
    match = _LENGTH.fullmatch(str(given))
    if match is None:
        raise ValueError("it is no radius")
    value = float(match["value"]) * _ARCSEC.get(match["unit"], 3600) / 3600
    if not 0 < value <= WIDEST:
        raise ValueError(f"it is not between 0 and {WIDEST:g} degrees")
    return round(value, 9)


def _angle(given: float | str, units: str) -> tuple[float, bool]:
    """An angle, and whether it was written in sixtieths."""
    text = str(given).strip()
    try:
        value = float(text)
    except ValueError:
        match = _PARTS.fullmatch(text)
        first = match["first"] if match else ""
        if match is None or (first not in ":" + units and not first.isspace()):
            raise ValueError("it is no angle") from None
        minutes, seconds = float(match["minutes"]), float(match["seconds"] or 0)
        if minutes >= 60 or seconds >= 60:
            raise ValueError("minutes and seconds are less than 60") from None
        value = int(match["whole"]) + minutes / 60 + seconds / 3600
        return (-value if match["sign"] == "-" else value), True
    if not isfinite(value):
        raise ValueError("it is no angle")
    return value, False
