"""A picture of an alignment: offsets, and images before and after they were taken off."""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from astropy.io import fits
from astropy.wcs import WCS
from numpy.typing import NDArray
from scipy import ndimage

from musebuild.errors import FrameError, UsageError
from musebuild.report.alignment import Alignment, Shift
from musebuild.report.figures import write_figure

MOST_IMAGES = 20
"""Exposures with a panel of their own; the means hold all."""
MOST_PIXELS = 600
"""Of the side of the common grid; larger fields are drawn coarser."""
MARKED = 8
"""Bright sources that are circled in each panel."""
CIRCLE = 0.8
"""Radius of a circle [arcsec]."""
Image = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Picture:
    """An image with its coordinates."""

    data: Image
    wcs: WCS


@dataclass(frozen=True, slots=True)
class Grid:
    """A common grid: tangential to the middle of all images, north up, east to the left."""

    wcs: WCS
    shape: tuple[int, int]
    scale: float
    """Arcsec of a pixel."""


def read_image(path: Path) -> Picture:
    """The first two-dimensional image of a file.

    Raises
    ------
    FrameError
        There is none with coordinates on the sky.
    """
    try:
        with fits.open(path) as hdus, warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the pipeline's cards make wcslib talk
            for hdu in hdus:
                if hdu.data is not None and hdu.data.ndim == 2:
                    wcs = WCS(hdu.header)
                    if wcs.has_celestial:
                        return Picture(np.asarray(hdu.data, np.float64), wcs.celestial)
    except Exception as error:
        # What astropy raises on damaged cards is of any kind.
        raise FrameError(f"the image {path} cannot be read", why=str(error)) from None
    raise FrameError(
        f"{path} holds no image with coordinates", remedy="`doit` makes the images anew"
    )


def picture_moved(picture: Picture, ra: float, dec: float) -> Picture:
    """An image with its coordinates less an offset [deg]."""
    wcs = picture.wcs.deepcopy()
    wcs.wcs.crval = wcs.wcs.crval - np.array([ra, dec])
    return Picture(picture.data, wcs)


def common_grid(pictures: Sequence[Picture]) -> Grid:
    """A grid that holds all images."""
    corners = []
    scales = []
    for picture in pictures:
        ny, nx = picture.data.shape
        edges = np.array([(x, y) for x in (-0.5, nx - 0.5) for y in (-0.5, ny - 0.5)])
        corners.append(picture.wcs.wcs_pix2world(edges, 0))
        scales.append(math.sqrt(abs(np.linalg.det(picture.wcs.pixel_scale_matrix))) * 3600)
    world = np.concatenate(corners)
    # Right ascensions on both sides of nought are near each other.
    middle = world[0, 0]
    ra = middle + (world[:, 0] - middle + 180) % 360 - 180
    wcs = WCS(naxis=2)
    wcs.wcs.ctype = ["RA---TAN", "DEC--TAN"]
    wcs.wcs.crval = [(ra.min() + ra.max()) / 2 % 360, (world[:, 1].min() + world[:, 1].max()) / 2]
    scale = float(np.median(scales))
    for _ in range(2):
        wcs.wcs.cdelt = [-scale / 3600, scale / 3600]
        wcs.wcs.crpix = [1, 1]
        x, y = wcs.wcs_world2pix(world[:, 0], world[:, 1], 0)
        side = max(np.ptp(x), np.ptp(y))
        if side <= MOST_PIXELS:
            break
        scale *= side / MOST_PIXELS
    nx, ny = math.ceil(np.ptp(x)) + 1, math.ceil(np.ptp(y)) + 1
    wcs.wcs.crpix = [1 - x.min(), 1 - y.min()]
    return Grid(wcs, (ny, nx), scale)


def on_grid(picture: Picture, grid: Grid) -> Image:
    """An image on a grid, linear between its pixels; NaN where it has none."""
    y, x = np.indices(grid.shape, dtype=np.float64)
    world = grid.wcs.wcs_pix2world(x.ravel(), y.ravel(), 0)
    px, py = picture.wcs.wcs_world2pix(*world, 0)
    values = ndimage.map_coordinates(picture.data, [py, px], order=1, cval=np.nan)
    return np.asarray(values, np.float64).reshape(grid.shape)


def mean_of(images: Sequence[Image]) -> Image:
    """The mean of images where any has a value."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return np.asarray(np.nanmean(images, axis=0), np.float64)


def brightest(image: Image, most: int, apart: float) -> list[tuple[int, int]]:
    """Places (y, x) of the brightest peaks, some pixels from each other and from the edge."""
    left = np.where(np.isfinite(image), image, -np.inf)
    edge = ndimage.binary_erosion(np.isfinite(image), iterations=max(1, round(apart)))
    left[~edge] = -np.inf
    found: list[tuple[int, int]] = []
    y, x = np.indices(image.shape)
    while len(found) < most and np.isfinite(left).any():
        peak = np.unravel_index(int(np.argmax(left)), image.shape)
        found.append((int(peak[0]), int(peak[1])))
        left[(y - peak[0]) ** 2 + (x - peak[1]) ** 2 < (2 * apart) ** 2] = -np.inf
    return found


def draw_alignment(one: Alignment, figure: Any) -> None:
    """Draw an alignment into a figure of matplotlib.

    Parameters
    ----------
    one : Alignment
        With offsets; images as far as they were made.
    figure : matplotlib.figure.Figure
        Empty.
    """
    shown = [shift for shift in one.shifts if shift.exposure in one.images]
    pictures = {s.exposure: read_image(one.images[s.exposure]) for s in shown}
    panels = min(len(shown), MOST_IMAGES)
    columns = 4 if panels > 3 else 3
    lines = 1 + math.ceil(panels / columns) if panels else 1
    figure.set_size_inches(3.4 * (columns if shown else 1.3), 3.4 * lines + 0.4)
    figure.set_layout_engine("constrained")
    axes = list(figure.subplots(lines, columns if shown else 1, squeeze=False).flat)
    _draw_offsets(one.shifts, axes[0])
    if shown:
        _draw_images(one, shown, pictures, axes)
    figure.suptitle(f"{one.name}  ({one.dataset})")


def _draw_offsets(shifts: Sequence[Shift], panel: Any) -> None:
    panel.axhline(0, color="0.8", lw=0.8)
    panel.axvline(0, color="0.8", lw=0.8)
    for number, shift in enumerate(shifts, 1):
        panel.plot(shift.east, shift.north, "o", ms=4, color="tab:blue")
        panel.annotate(
            str(number), (shift.east, shift.north), xytext=(4, 4), textcoords="offset points",
            fontsize="x-small",
        )  # fmt: skip
    reach = 1.25 * max([0.1, *(max(abs(s.east), abs(s.north)) for s in shifts)])
    # East is to the left, as on the images.
    panel.set(xlim=(reach, -reach), ylim=(-reach, reach), aspect="equal", title="offsets",
              xlabel="east [arcsec]", ylabel="north [arcsec]")  # fmt: skip


def _draw_images(
    one: Alignment,
    shown: Sequence[Shift],
    pictures: Mapping[str, Picture],
    axes: Sequence[Any],
) -> None:
    # What the list shifted already is moved back for the picture without it.
    with_list = {s.exposure: pictures[s.exposure] for s in shown}
    without = dict(with_list)
    for s in shown:
        if one.shifted:
            without[s.exposure] = picture_moved(pictures[s.exposure], -s.offset.ra, -s.offset.dec)
        else:
            with_list[s.exposure] = picture_moved(pictures[s.exposure], s.offset.ra, s.offset.dec)
    grid = common_grid([*with_list.values(), *without.values()])
    after = {name: on_grid(picture, grid) for name, picture in with_list.items()}
    mean = mean_of(list(after.values()))
    before = mean_of([on_grid(picture, grid) for picture in without.values()])
    marks = brightest(mean, MARKED, CIRCLE / grid.scale)
    _panel(axes[1], before, marks, grid, "mean, without the list")
    _panel(axes[2], mean, marks, grid, f"mean, with the list ({len(shown)})")
    place = len(axes) // max(1, _lines(axes))
    for panel in axes[3:place]:
        panel.set_visible(False)
    numbers = {shift.exposure: n for n, shift in enumerate(one.shifts, 1)}
    rest = axes[place:]
    for shift, panel in zip(shown[:MOST_IMAGES], rest, strict=False):
        title = f"{numbers[shift.exposure]}: {shift.exposure}"
        _panel(panel, after[shift.exposure], marks, grid, title)
    for panel in rest[min(len(shown), MOST_IMAGES) :]:
        panel.set_visible(False)


def _lines(axes: Sequence[Any]) -> int:
    return int(axes[0].get_gridspec().nrows)


def _panel(
    panel: Any, image: Image, marks: Sequence[tuple[int, int]], grid: Grid, title: str
) -> None:
    from matplotlib.patches import Circle

    finite = image[np.isfinite(image)]
    low, high = np.percentile(finite, [5, 99.5]) if finite.size else (0.0, 1.0)
    panel.imshow(image, origin="lower", cmap="gray_r", vmin=low, vmax=high)
    for y, x in marks:
        panel.add_patch(Circle((x, y), CIRCLE / grid.scale, fill=False, color="tab:red", lw=0.7))
    panel.set_title(title, fontsize="small")
    panel.set_xticks([])
    panel.set_yticks([])


def write_plot(one: Alignment, output: Path) -> None:
    """Draw an alignment into a file.

    Parameters
    ----------
    one : Alignment
        What to draw.
    output : Path
        PNG, PDF or SVG.

    Raises
    ------
    UsageError
        It has no offsets yet, or the file cannot be written.
    FrameError
        An image cannot be read.
    """
    if not one.shifts:
        raise UsageError(
            f"there is nothing to draw of {one.name}",
            why=f"it {one.state}" if one.state else "it has no rows",
        )
    write_figure(lambda figure: draw_alignment(one, figure), output)
