"""Combination of cubes that lie on one grid, with MPDAF."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
from astropy.io import fits
from astropy.table import Table
from numpy.typing import NDArray

from musebuild.errors import RecipeError
from musebuild.recipes.science.combinable import (
    by_exposure,
    check_choice,
    check_filled,
    check_grids,
    check_numbers,
    check_velocities,
    date_of,
    grid_of,
)
from musebuild.recipes.science.headers import combined_header
from musebuild.recipes.science.scales import flux_scales

LOG = logging.getLogger(__name__)
WHITE = "white"


def mpdaf_combine(
    datacube_final: list[Path],
    output_wcs: Path | None = None,
    filter_list: Path | None = None,
    fsf: list[Path] | None = None,
    imphot: list[Path] | None = None,
    scale_table: Path | None = None,
    *,
    method: Literal["median", "pymedian", "sigclip", "pysigclip"] = "sigclip",
    nmax: int = 2,
    nclip: float | list[float] = 5.0,
    nstop: int = 2,
    var: Literal["propagate", "stat_mean", "stat_one"] = "propagate",
    mad: bool = False,
    mosaic: bool = False,
    filter: str = WHITE,
    scales: dict[str, float] | None = None,
    flux_offsets: dict[str, float] | None = None,
    scale_bands: list[str] | None = None,
    weights: dict[str, float] | None = None,
    version: str | None = None,
) -> dict[str, Path | list[Path]]:
    """Combine cubes with MPDAF's `CubeList`, or as a mosaic with its `CubeMosaic`.

    Parameters
    ----------
    datacube_final : list of Path
        Cubes on one grid; for a mosaic, parts of the grid of `output_wcs`.
    output_wcs : Path, optional
        Cube that has the grid of a mosaic.
    filter_list : Path, optional
        FILTER_LIST of the pipeline: curves of the bands in which images are made.
    fsf : list of Path, optional
        Frames with an FSF model in the header, one for each cube: the model of the combined cube
        is written as DATACUBE_FSF.
    imphot : list of Path, optional
        Image photometry of the exposures, from which scales and offsets are taken
        (`use_scale` of the block).
    scale_table : Path, optional
        A table of scales and offsets: one row for each exposure.
    method, nmax, nclip, nstop, var, mad
        As MPDAF has them; a mosaic knows `pysigclip` only.
    scales, flux_offsets : dict, optional
        DATE-OBS of an exposure → its cube is taken as (data + offset) × scale.
    scale_bands : list of str, optional
        Bands of `imphot` that are used; default: all.
    weights : dict, optional
        DATE-OBS of an exposure → weight in the clipped mean; an exposure that is not named
        weighs 1. Only with sigma clipping.
    version : str, optional
        Written into the header, as VERSION.

    Raises
    ------
    RecipeError
        The cubes cannot be combined.
    """
    from mpdaf.obj import CubeList, CubeMosaic

    # The pipeline's own unit, of which nobody needs to hear.
    warnings.filterwarnings("ignore", message=".*contains multiple slashes.*")
    files = list(datacube_final)
    check_choice(files, method, mosaic=mosaic, output_wcs=output_wcs, weights=weights)
    dates = [date_of(path) for path in files]
    check_grids(files, output_wcs if mosaic else None)
    check_velocities(files)
    for path in files:
        check_filled(path)
    named = [str(path) for path in files]
    scales, flux_offsets = flux_scales(
        imphot, scale_table, scale_bands, scales, flux_offsets, dates
    )
    factor = by_exposure(scales, dates, "scales", 1.0)
    share = by_exposure(weights, dates, "weights", 1.0)
    check_numbers(factor, share, nclip, var if weights else "propagate")
    offset = by_exposure(flux_offsets, dates, "flux_offsets", 0.0)
    if (scales or flux_offsets) and method.endswith("median"):
        raise RecipeError(
            f"the method {method} of MPDAF takes no flux scales or offsets",
            remedy="use method: sigclip, or leave scales and flux_offsets out",
        )
    changed = {"scalelist": factor, "offsetlist": offset} if scales or flux_offsets else {}
    if mosaic:
        cubes: Any = CubeMosaic(named, str(output_wcs), **changed)
    else:
        cubes = CubeList(named, **changed)
    clip = nclip if isinstance(nclip, float) else tuple(nclip)
    if weights:
        place = _places(files, output_wcs) if mosaic else [(0, 0)] * len(files)
        data, variance, count, rejected, counts = weighted_mean(
            files, cubes.shape, place, factor, offset, share, nmax, clip, nstop, mad=mad
        )
        cube = cubes.save_combined_cube(data, var=variance, method="weighted mean")
        table = Table([dates, *counts], names=["EXPOSURE", "NPIX_NAN", "NPIX_REJECTED"])
    else:
        more: dict[str, Any] = {}
        if not method.endswith("median"):
            more = {"nmax": nmax, "nclip": clip, "nstop": nstop, "var": var, "mad": mad}
        name = {"sigclip": "combine", "pysigclip": "pycombine"}.get(method, method)
        cube, expmap, table, *maps = getattr(cubes, name)(**more)
        count = _numbers(expmap.data)
        rejected = _numbers(maps[0].data) if maps else np.zeros_like(count)
        table = Table(table)
        table["FILENAME"] = dates
        table.rename_column("FILENAME", "EXPOSURE")
    empty = _filled_mask(cube)
    # MPDAF leaves the counts of a spaxel undefined that no exposure covers.
    count, rejected = (np.where(empty, 0, one).astype(np.int32) for one in (count, rejected))
    if not mosaic and count.max() < 2:
        raise RecipeError(
            "the exposures do not overlap: no spaxel is covered by more than one",
            remedy="combine exposures of one field, or make a mosaic: mosaic: true",
        )
    table["SCALE"], table["OFFSET"] = factor, offset
    primary = fits.PrimaryHDU(header=_header(files, version, mosaic=mosaic))
    made = _write(cube, count, table, primary, files[0], filter_list, fsf, filter)
    if method == "pysigclip":
        made["REJMAP"] = _map("REJMAP.fits", rejected, primary, cube)
    return made


def _numbers(data: Any) -> NDArray[Any]:
    return np.asarray(data.filled(0) if hasattr(data, "filled") else data)


def _places(files: Sequence[Path], output: Path | None) -> list[tuple[int, int]]:
    """First pixel (y, x) of each cube on the grid of a mosaic."""
    assert output is not None, "a mosaic has a grid"
    cards = grid_of(output)[1]
    found = []
    for path in files:
        own = grid_of(path)[1]
        y, x = (round(cards[f"CRPIX{axis}"] - own[f"CRPIX{axis}"]) for axis in (2, 1))
        found.append((y, x))
    return found


def _filled_mask(cube: Any) -> NDArray[np.bool_]:
    data = cube.data
    mask = np.ma.getmaskarray(data) | ~np.isfinite(np.ma.getdata(data))
    return np.asarray(mask)


def weighted_mean(
    files: Sequence[Path],
    shape: Sequence[int],
    places: Sequence[tuple[int, int]],
    scales: Sequence[float],
    offsets: Sequence[float],
    weights: Sequence[float],
    nmax: int,
    nclip: float | Sequence[float],
    nstop: int,
    *,
    mad: bool,
) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any], NDArray[Any], list[list[int]]]:
    """Weighted mean of cubes after sigma clipping, plane by plane.

    Values are clipped about their unweighted median, as MPDAF does, as long as at least `nstop`
    remain; the variance is Σ w²σ² / (Σ w)².

    Returns
    -------
    data, variance, exposures, rejected : array
        Of the output's shape (λ, y, x); the latter two count values that are taken and rejected.
    counts : list of two lists
        NaN and rejected pixels of each cube.
    """
    low, high = (nclip, nclip) if isinstance(nclip, float) else nclip
    out = [np.full(shape, np.nan, np.float32) for _ in range(2)]
    number, outside = (np.zeros(shape, np.int32) for _ in range(2))
    missing = np.zeros(len(files), np.int64)
    rejected = np.zeros(len(files), np.int64)
    weight = np.asarray(weights, np.float64)[:, None, None]
    opened = [fits.open(path, memmap=True) for path in files]
    try:
        for plane in range(shape[0]):
            data = np.full((len(files), *shape[1:]), np.nan)
            stat = np.full_like(data, np.nan)
            for n, (hdus, (y, x)) in enumerate(zip(opened, places, strict=True)):
                part = np.asarray(hdus["DATA"].data[plane], np.float64)
                box = (n, slice(y, y + part.shape[0]), slice(x, x + part.shape[1]))
                data[box] = (part + offsets[n]) * scales[n]
                stat[box] = np.asarray(hdus["STAT"].data[plane], np.float64) * scales[n] ** 2
            valid = np.isfinite(data)
            good = _clipped(data, valid, nmax, low, high, nstop, mad=mad)
            w = np.where(good, weight, 0.0)
            total = w.sum(axis=0)
            with np.errstate(invalid="ignore", divide="ignore"):
                out[0][plane] = np.where(good, w * data, 0).sum(axis=0) / total
                out[1][plane] = np.where(good, w**2 * stat, 0).sum(axis=0) / total**2
            number[plane] = good.sum(axis=0)
            missing += (~valid).sum(axis=(1, 2))
            outside[plane] = (valid & ~good).sum(axis=0)
            rejected += (valid & ~good).sum(axis=(1, 2))
    finally:
        for hdus in opened:
            hdus.close()
    return out[0], out[1], number, outside, [missing.tolist(), rejected.tolist()]


def _clipped(
    data: NDArray[Any],
    valid: NDArray[np.bool_],
    nmax: int,
    low: float,
    high: float,
    nstop: int,
    *,
    mad: bool,
) -> NDArray[np.bool_]:
    good = valid.copy()
    for _ in range(nmax):
        kept = np.where(good, data, np.nan)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)  # spaxels without any value
            # MPDAF clips about the median, whatever the width is measured by.
            centre = np.nanmedian(kept, axis=0)
            if mad:
                sigma = 1.4826 * np.nanmedian(np.abs(kept - centre), axis=0)
            else:
                sigma = np.nanstd(kept, axis=0)
        inside = good & (data >= centre - low * sigma) & (data <= centre + high * sigma)
        again = np.where(inside.sum(axis=0) >= nstop, inside, good)
        if (again == good).all():
            break
        good = again
    return good


def _write(
    cube: Any,
    count: NDArray[np.int32],
    table: Table,
    primary: fits.PrimaryHDU,
    first: Path,
    filter_list: Path | None,
    fsf: Sequence[Path] | None,
    filters: str,
) -> dict[str, Path | list[Path]]:
    data = fits.getheader(first, "DATA")
    grid = cube.get_data_hdu(name="DATA", savemask="none").header
    grid["BUNIT"] = str(data.get("BUNIT", ""))
    values = np.ma.filled(cube.data, np.nan).astype(np.float32)
    hdus = [primary, fits.ImageHDU(values, grid, name="DATA")]
    variance = None
    if cube.var is not None:
        variance = np.ma.filled(cube.var, np.nan).astype(np.float32)
        hdus.append(fits.ImageHDU(variance, grid, name="STAT"))
    fits.HDUList(hdus).writeto("DATACUBE_FINAL.fits")
    expmap = _map("EXPMAP_CUBE.fits", count, primary, cube)
    flat = cube[0].get_data_hdu(name="DATA", savemask="none").header
    mean = fits.ImageHDU(count.mean(axis=0).astype(np.float32), flat, name="DATA")
    fits.HDUList([primary.copy(), mean]).writeto("EXPMAP_IMAGE.fits")
    statistics = fits.table_to_hdu(table)
    fits.HDUList([primary.copy(), statistics]).writeto("STATPIX.fits")
    flat["BUNIT"] = grid["BUNIT"]
    wavelengths = np.asarray(cube.wave.coord(unit="Angstrom"), np.float64)
    images = _images(values, wavelengths, primary, flat, filters, filter_list)
    made: dict[str, Path | list[Path]] = {
        "DATACUBE_FINAL": Path("DATACUBE_FINAL.fits"),
        "EXPMAP_CUBE": expmap,
        "EXPMAP_IMAGE": Path("EXPMAP_IMAGE.fits"),
        "STATPIX": Path("STATPIX.fits"),
        "IMAGE_FOV": images,
    }
    if fsf:
        made["DATACUBE_FSF"] = _fsf(fsf, len(table), primary)
    return made


def _map(name: str, values: NDArray[np.int32], primary: fits.PrimaryHDU, cube: Any) -> Path:
    """Write a cube of numbers of exposures, on the grid of the combined one."""
    grid = cube.get_data_hdu(name="DATA", savemask="none").header
    grid["BUNIT"] = ""
    fits.HDUList([primary.copy(), fits.ImageHDU(values, grid, name="DATA")]).writeto(name)
    return Path(name)


def _header(files: Sequence[Path], version: str | None, *, mosaic: bool) -> fits.Header:
    header = combined_header(files, in_one_place=not mosaic)
    header["NFILES"] = (len(files), "number of cubes combined")
    if version:
        header["VERSION"] = version
    return header


def _images(
    values: NDArray[Any],
    wavelengths: NDArray[Any],
    primary: fits.PrimaryHDU,
    grid: fits.Header,
    filters: str,
    filter_list: Path | None,
) -> list[Path]:
    """Mean images in bands, weighted with the throughput as the pipeline does."""
    found = []
    for number, name in enumerate(filter(None, map(str.strip, filters.split(","))), 1):
        curve = np.ones_like(wavelengths)
        if name != WHITE:
            curve = _curve(name, wavelengths, filter_list)
        if not curve.any():
            LOG.warning("the band %s lies outside of the cube: no image", name)
            continue
        top = np.zeros(values.shape[1:])
        weight = np.zeros(values.shape[1:])
        for plane in np.flatnonzero(curve):
            good = np.isfinite(values[plane])
            top[good] += curve[plane] * values[plane][good]
            weight[good] += curve[plane]
        with np.errstate(invalid="ignore", divide="ignore"):
            image = fits.ImageHDU((top / weight).astype(np.float32), grid, name="DATA")
        head = primary.copy()
        head.header["HIERARCH ESO DRS MUSE FILTER NAME"] = name
        path = Path(f"IMAGE_FOV_{number:04d}.fits")
        fits.HDUList([head, image]).writeto(path)
        found.append(path)
    return found


def _curve(name: str, wavelengths: NDArray[Any], filter_list: Path | None) -> NDArray[Any]:
    if filter_list is None:
        raise RecipeError(
            f"the curve of the band {name} is not known",
            why="there is no FILTER_LIST",
            remedy="put one into muse_calib_path, or set filter: white",
        )
    with fits.open(filter_list) as hdus:
        if name not in hdus:
            known = ", ".join(hdu.name for hdu in hdus[1:])
            raise RecipeError(
                f"{filter_list.name} holds no band {name}",
                why=f"it has {known}",
                remedy="choose one of these for `filter`",
            )
        table = hdus[name].data
        return np.asarray(
            np.interp(wavelengths, table["lambda"], table["throughput"], left=0, right=0)
        )


def _fsf(files: Sequence[Path], number: int, primary: fits.PrimaryHDU) -> Path:
    """The combined FSF: the models' mean image at each wavelength, fitted anew (MPDAF)."""
    from mpdaf.MUSE import FSFModel, combine_fsf

    if len(files) != number:
        raise RecipeError(
            f"there are {len(files)} FSF for {number} cubes",
            remedy="name one FSF for each exposure, or none",
        )
    models = []
    for path in files:
        try:
            models.append(FSFModel.read(fits.getheader(path), pixstep=0.2))
        except (KeyError, ValueError) as error:
            raise RecipeError(
                f"{path.name} holds no FSF model",
                why=str(error),
                remedy="name frames whose header has FSFMODE and its coefficients",
            ) from error
    model, cube = combine_fsf(models)
    head = primary.copy()
    head.header.update(model.to_header())
    data = fits.ImageHDU(np.asarray(cube.data, np.float32), name="DATA")
    fits.HDUList([head, data]).writeto("DATACUBE_FSF.fits")
    return Path("DATACUBE_FSF.fits")
