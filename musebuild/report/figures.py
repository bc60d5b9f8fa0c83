"""Figures of matplotlib, drawn without a screen and written into files; that of a data cube."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from astropy.io import fits
from astropy.wcs import WCS

from musebuild.errors import FrameError, UsageError
from musebuild.settings.own_files import create

DPI = 110
APERTURE_ARCSEC = 1.5
"""Radius of the aperture of a preview's spectrum: about twice the seeing's FWHM."""


def new_figure(**how: Any) -> Any:
    """An empty figure that needs no screen; takes what `matplotlib.figure.Figure` takes."""
    # Here, since matplotlib takes longer to load than all that draws with it.
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(**how)
    FigureCanvasAgg(figure)
    return figure


def write_figure(draw: Callable[[Any], None], output: Path) -> None:
    """Draw a figure into a file.

    Parameters
    ----------
    draw : callable
        Draws into an empty figure.
    output : Path
        PNG, PDF or SVG.

    Raises
    ------
    UsageError
        The file cannot be written.
    """
    figure = new_figure()
    draw(figure)
    try:
        figure.savefig(output, dpi=DPI)
    except (OSError, ValueError) as error:
        raise UsageError(
            f"the plot cannot be written to {output}",
            why=str(error),
            remedy="name a file that can be written, ending in .png, .pdf or .svg",
        ) from None


def write_preview(cube: Path, png: Path) -> Path:
    """Draw a data cube to a PNG image.

    Parameters
    ----------
    cube : Path
        A MUSE data cube (DATACUBE_FINAL): extension DATA of shape (wavelength, y, x),
        in 10**(-20) erg/s/cm**2/Angstrom.
    png : Path
        Where the picture goes; its folder must exist.

    Returns
    -------
    Path
        `png`.

    Raises
    ------
    FrameError
        The file is no data cube.
    """
    data, header = _read_cube(cube)
    with warnings.catch_warnings():
        # All-NaN spaxels at the field's edge are usual, and the DRS's WCS cards make wcslib talk.
        warnings.simplefilter("ignore")
        image = np.nanmean(data, axis=0)
        celestial = WCS(header).celestial
        scale = float(np.sqrt(abs(np.linalg.det(celestial.pixel_scale_matrix)))) * 3600
    peak_y, peak_x = np.unravel_index(np.nanargmax(image), image.shape)
    y, x = np.indices(image.shape)
    aperture = (y - peak_y) ** 2 + (x - peak_x) ** 2 <= (APERTURE_ARCSEC / scale) ** 2
    spectrum = np.nansum(data[:, aperture], axis=1)
    wavelength = header["CRVAL3"] + header.get("CD3_3", header.get("CDELT3", 1.25)) * (
        np.arange(data.shape[0]) + 1 - header.get("CRPIX3", 1)
    )

    figure = new_figure(figsize=(11, 4.2), layout="constrained")
    left, right = figure.subplots(1, 2, width_ratios=(1, 1.6))
    low, high = np.nanpercentile(image, [1, 99.5])
    extent = (0, image.shape[1] * scale, 0, image.shape[0] * scale)
    left.imshow(image, origin="lower", cmap="gray_r", vmin=low, vmax=high, extent=extent)
    left.add_patch(_circle((peak_x + 0.5) * scale, (peak_y + 0.5) * scale))
    left.set(title="white light", xlabel="x [arcsec]", ylabel="y [arcsec]")
    right.plot(wavelength, spectrum, linewidth=0.6, color="black")
    bottom, top = np.nanpercentile(spectrum, [0.5, 99.9])
    right.set_ylim(min(0.0, bottom), top * 1.15)
    right.set(
        title=f'brightest source, within {APERTURE_ARCSEC}"',
        xlabel="wavelength [Å]",
        ylabel=f"flux [{header.get('BUNIT', '')}]",
    )
    figure.suptitle(f"{header.get('OBJECT', '')}  {cube.name}")
    beside = png.with_name(f".{png.name}.{os.getpid()}")
    with open(create(beside), "wb") as file:
        figure.savefig(file, dpi=DPI, format="png")
    beside.replace(png)
    return png


def _circle(x: float, y: float) -> object:
    from matplotlib.patches import Circle

    return Circle((x, y), APERTURE_ARCSEC, fill=False, color="tab:red", linewidth=1)


def _read_cube(cube: Path) -> tuple[np.ndarray, fits.Header]:
    try:
        with fits.open(cube) as hdus:
            unit = hdus["DATA"]
            header = unit.header.copy()
            header["OBJECT"] = hdus[0].header.get("OBJECT", "")
            data = np.asarray(unit.data, dtype=np.float32)
    except (OSError, KeyError, TypeError) as error:
        raise FrameError(
            f"{cube.name} is not a data cube", where=str(cube), why=str(error)
        ) from error
    if data.ndim != 3:
        raise FrameError(
            f"{cube.name} is not a data cube",
            where=str(cube),
            why=f"its extension DATA has {data.ndim} axes, not 3",
        )
    return data, header
