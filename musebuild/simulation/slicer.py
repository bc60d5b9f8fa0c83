"""The slicer: what sets each of an IFU's 48 slices apart on its detector.

The numbers in `slicer.csv` are medians over the 24 IFUs and three calibration sequences of a
night in June 2017, from the quality-control keywords of the DRS's products; so a simulated
detector looks like the mean of the real ones. Slices count as on the detector, from left to
right.
"""

from __future__ import annotations

import csv
from importlib.resources import files

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

_TEXT = files(__package__).joinpath("slicer.csv").read_text(encoding="utf-8")
_ROWS = list(csv.DictReader(_TEXT.splitlines()))


def _column(name: str) -> Array:
    return np.array([float(row[name]) for row in _ROWS])


WAVELENGTH = _column("wavelength")
"""Å: in the middle of the slice, half-way up the detector (`QC WAVECAL SLICEn WLEN`); the slicer
makes a staircase of three steps."""
SLOPE = _column("slope")
"""Largest slope of the trace (`QC TRACE SLICEn MAXSLOPE`): the slices fan out."""
TILT_BOTTOM = _column("tilt_bottom")
"""Å: wavelength at the right edge less that at the left, at the foot of the detector
(`QC WAVECAL SLICEn DWLEN BOTTOM`): the tilt of the slit's image."""
TILT_TOP = _column("tilt_top")
"""Å: the same at the head of the detector (`DWLEN TOP`)."""
SLIT_WIDTH = _column("slit_width")
"""Å: width of the slit's image, and with `BLUR` the two that give the slice's `QC LSF SLICEn FWHM
MEAN` (of the profile, at half its height) and `QC WAVECAL SLICEn LINES FWHM MEAN` (of a Gaussian
fitted to arc lines). Slices near the ends of a stack are sharper."""
BLUR = _column("blur")
"""Å: standard deviation of the blur by the optics."""
TRANSMISSION = _column("transmission")
"""Relative: level of the flat (`QC FLAT MASTER SLICEn MEAN`) over the lamp's spectrum there."""
WIDE = {3: 2.60, 10: 0.63, 39: 0.63, 46: 2.70} | dict.fromkeys((6, 13, 18, 22, 27, 31, 34, 43), 3.2)
"""Pixels by which some slices are wider than the others' 75.94: of the first four the width
itself is known (`QC TRACE SLICEn WIDTH`), of the rest how many there are and how wide
(`WIDTHS MEAN`, `STDEV`, `MAX`)."""
NARROW = {30: -1.0}
"""One is narrower (`WIDTHS MIN`)."""
