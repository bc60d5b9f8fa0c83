"""The slicer: what sets each of an IFU's 48 slices apart on its detector.

The numbers are medians over the 24 IFUs and three calibration sequences of a night in June
2017, from the quality-control keywords of the DRS's products; so the simulated detectors look
like the mean of the real ones. Slices count as on the detector, from left to right.
"""

from __future__ import annotations

WAVELENGTH = (
    7126.2, 6980.8, 6817.5, 7142.9, 6992.6, 6834.6, 7156.7, 7001.5, 6848.7, 7168.7, 7008.1,
    6859.6, 7168.7, 7022.6, 6859.2, 7177.8, 7027.0, 6868.8, 7185.0, 7028.2, 6874.5, 7190.2,
    7027.3, 6877.7, 7182.7, 7035.9, 6870.8, 7185.6, 7032.8, 6872.8, 7186.4, 7027.9, 6871.2,
    7184.9, 7019.8, 6867.7, 7172.2, 7021.9, 6853.6, 7168.0, 7012.5, 6848.0, 7162.7, 6999.2,
    6839.1, 7153.4, 6983.5, 6826.2,
)
"""Å: in the middle of the slice, half-way up the detector (`QC WAVECAL SLICEn WLEN`). The slicer
makes a staircase of three steps."""

SLOPE = (
    -631e-5, -779e-5, -957e-5, -524e-5, -647e-5, -770e-5, -427e-5, -529e-5, -628e-5, -337e-5,
    -444e-5, -517e-5, -267e-5, -348e-5, -421e-5, -202e-5, -259e-5, -273e-5, -129e-5, -151e-5,
    -171e-5, -73e-5, -80e-5, -55e-5, 25e-5, 61e-5, 107e-5, 79e-5, 128e-5, 215e-5, 143e-5, 232e-5,
    355e-5, 209e-5, 318e-5, 454e-5, 277e-5, 399e-5, 571e-5, 354e-5, 512e-5, 723e-5, 435e-5,
    628e-5, 860e-5, 541e-5, 748e-5, 1003e-5,
)
"""Largest slope of the trace (`QC TRACE SLICEn MAXSLOPE`): the slices fan out."""

TILT_BOTTOM = (
    -4.67, -5.05, -5.30, -3.85, -4.48, -4.15, -3.46, -3.98, -3.71, -3.24, -3.73, -3.75, -1.67,
    -1.68, -1.86, -1.23, -1.45, -1.38, -1.08, -1.37, -1.36, -0.98, -1.30, -1.45, 0.52, 0.63, 0.61,
    0.73, 0.54, 0.86, 0.84, 0.61, 0.95, 1.01, 0.99, 1.42, 2.74, 2.81, 2.95, 3.04, 2.97, 3.60,
    3.34, 3.38, 4.19, 3.69, 4.05, 4.96,
)
"""Å: wavelength at the right edge less that at the left, at the foot of the detector
(`QC WAVECAL SLICEn DWLEN BOTTOM`): the tilt of the slit's image."""

TILT_TOP = (
    -3.40, -3.57, -3.71, -3.22, -3.53, -3.47, -3.13, -3.46, -3.40, -3.12, -3.33, -3.44, -1.57,
    -1.52, -1.46, -1.22, -1.36, -1.29, -1.27, -1.32, -1.20, -1.02, -1.25, -1.26, 0.43, 0.65, 0.67,
    0.67, 0.67, 0.89, 0.88, 0.69, 0.97, 0.88, 0.96, 0.93, 2.44, 2.58, 2.80, 2.75, 2.70, 3.09,
    2.81, 2.84, 3.17, 2.82, 2.94, 3.21,
)
"""Å: the same at the head of the detector (`DWLEN TOP`)."""

LSF_FWHM = (
    2.813, 2.651, 2.310, 2.651, 2.590, 2.640, 2.610, 2.616, 2.675, 2.370, 2.644, 2.774, 2.621,
    2.587, 2.315, 2.557, 2.565, 2.562, 2.562, 2.549, 2.522, 2.330, 2.550, 2.595, 2.572, 2.551,
    2.249, 2.531, 2.546, 2.543, 2.560, 2.556, 2.542, 2.354, 2.580, 2.638, 2.632, 2.623, 2.439,
    2.600, 2.605, 2.637, 2.639, 2.599, 2.566, 2.501, 2.638, 2.656,
)
"""Å (`QC LSF SLICEn FWHM MEAN`): slices near the ends of a stack are sharper."""

TRANSMISSION = (
    0.969, 0.998, 0.850, 0.981, 0.998, 1.008, 0.999, 1.009, 1.008, 0.879, 1.029, 1.062, 1.034,
    1.037, 0.901, 1.014, 1.026, 1.028, 1.023, 1.030, 1.021, 0.910, 1.041, 1.067, 1.045, 1.049,
    0.912, 1.020, 1.036, 1.035, 1.023, 1.032, 1.020, 0.912, 1.037, 1.058, 1.043, 1.039, 0.891,
    1.011, 1.019, 1.021, 1.002, 1.007, 0.996, 0.864, 1.001, 1.005,
)
"""Relative: level of the flat (`QC FLAT MASTER SLICEn MEAN`) over the lamp's spectrum there."""

WIDE = {3: 2.60, 10: 0.63, 39: 0.63, 46: 2.60} | dict.fromkeys((6, 13, 18, 22, 27, 31, 34, 43), 3.2)
"""Pixels by which some slices are wider than the others' 75.94: of the first four the width
itself is known (`QC TRACE SLICEn WIDTH`), of the rest how many there are and how wide
(`WIDTHS MEAN`, `STDEV`, `MAX`)."""
