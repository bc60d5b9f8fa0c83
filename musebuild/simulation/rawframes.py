"""Raw frames: electrons on the detector → adu with bias, overscans and noise, in a file."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
from astropy.io import fits
from numpy.typing import NDArray

from musebuild.simulation.headers import (
    BIAS_LEVELS,
    BIAS_SLOPES,
    GAINS,
    RON,
    FrameSpec,
    channel_header,
    primary_header,
    sparta_table,
)
from musebuild.simulation.instrument import NX, NY

RAW_NX, RAW_NY = 4224, 4240
SCAN = 32
"""Pre- and overscan of each output, in pixels."""
DARK_PER_HOUR = 3.0
"""Electrons."""

Float = NDArray[np.float32]
HotPixels = tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float32]]


def hot_pixels(rng: np.random.Generator, count: int = 60) -> HotPixels:
    """Hot pixels of a detector: x, y (trimmed, from 0) and electrons per hour."""
    x = rng.integers(8, NX - 8, count)
    y = rng.integers(8, NY - 8, count)
    return x, y, rng.uniform(2e4, 2e5, count).astype(np.float32)


def read_out(electrons: Float | None, rng: np.random.Generator) -> NDArray[np.uint16]:
    """What the detector gives for an image of expected electrons.

    Parameters
    ----------
    electrons : array or None
        Shape (4112, 4096); None for a bias.
    rng : numpy.random.Generator

    Returns
    -------
    array
        Shape (4240, 4224), adu: pre- and overscans included.
    """
    raw = rng.standard_normal((RAW_NY, RAW_NX), dtype=np.float32)
    half_x, half_y = NX // 2, NY // 2
    drift = rng.normal(0, 0.12, 4)
    noise = None if electrons is None else rng.standard_normal((NY, NX), dtype=np.float32)
    for port, (right, top) in enumerate(((0, 0), (1, 0), (1, 1), (0, 1))):
        raw_x = slice(right * RAW_NX // 2, (right + 1) * RAW_NX // 2)
        raw_y = slice(top * RAW_NY // 2, (top + 1) * RAW_NY // 2)
        quadrant = raw[raw_y, raw_x]
        quadrant *= np.float32(RON[port] / GAINS[port])
        quadrant += np.float32(BIAS_LEVELS[port] + drift[port])
        lit = quadrant[SCAN : SCAN + half_y, SCAN : SCAN + half_x]
        for pixels, slope, axis in zip(lit.shape, reversed(BIAS_SLOPES[port]), (1, 0), strict=True):
            ramp = np.float32(slope) * (np.arange(pixels, dtype=np.float32) - pixels // 2)
            lit += np.expand_dims(ramp, axis)
        if electrons is not None and noise is not None:
            light_x = slice(right * half_x, (right + 1) * half_x)
            light_y = slice(top * half_y, (top + 1) * half_y)
            light = electrons[light_y, light_x]
            signal = light + noise[light_y, light_x] * np.sqrt(np.maximum(light, 0))
            lit += signal / np.float32(GAINS[port])
    np.rint(raw, out=raw)
    np.clip(raw, 0, 65535, out=raw)
    return raw.astype(np.uint16)


def write_frame(
    folder: Path,
    spec: FrameSpec,
    channels: dict[int, Callable[[], NDArray[np.uint16]]],
    *,
    compress: bool,
    rng: np.random.Generator,
) -> Path:
    """Write one raw frame.

    Parameters
    ----------
    folder : Path
    spec : FrameSpec
    channels : dict
        IFU → a function that gives its image.
    compress : bool
        Rice-compressed `.fits.fz`.
    rng : numpy.random.Generator
        For the tables of adaptive optics.

    Returns
    -------
    Path
        The file; written beside its place and renamed.
    """
    primary = fits.PrimaryHDU(header=primary_header(spec))
    hdus = fits.HDUList([primary])
    for ifu, image in channels.items():
        if compress:
            # ESO's files are made by fpack: dithering does not apply to integers.
            hdu: fits.ImageHDU | fits.CompImageHDU = fits.CompImageHDU(
                image(), header=channel_header(ifu), compression_type="RICE_1"
            )
        else:
            hdu = fits.ImageHDU(image(), header=channel_header(ifu))
        hdus.append(hdu)
    if spec.mode.startswith("WFM-AO") and spec.dpr_type in ("OBJECT", "STD"):
        hdus.append(sparta_table(spec, rng))
    path = folder / (spec.filename + (".fz" if compress else ""))
    beside = path.with_name(f".{path.name}.part")
    # The date of the exposure stands for the time of writing, so that bytes repeat.
    if compress:
        hdus.writeto(beside, overwrite=True, output_verify="exception")
        # Checksums are those of the compressed data, which exist only now.
        with fits.open(beside, mode="update", disable_image_compression=True) as written:
            for hdu in written:
                hdu.add_checksum(when=spec.name)
    else:
        for hdu in hdus:
            hdu.add_checksum(when=spec.name)
        hdus.writeto(beside, overwrite=True, output_verify="exception")
    beside.replace(path)
    return path
