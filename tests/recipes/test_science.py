"""The Python recipes of musebuild: cubes with MPDAF, standards of a run."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy.io import fits
from astropy.table import Table

from musebuild.errors import RecipeError
from musebuild.recipes.science.combine import mpdaf_combine
from musebuild.recipes.science.headers import combined_header
from musebuild.recipes.science.standards import muse_std_combine

SHAPE = (6, 8, 10)


@pytest.fixture
def here(tmp_path: Path) -> Iterator[Path]:
    """An empty current folder, as a recipe has it."""
    before = Path.cwd()
    (tmp_path / "out").mkdir()
    os.chdir(tmp_path / "out")
    yield tmp_path
    os.chdir(before)


def cube(
    folder: Path,
    number: int,
    data: Any,
    *,
    crpix: tuple[float, float] = (1, 1),
    top: dict[str, Any] | None = None,
    **cards: Any,
) -> Path:
    """Write a cube as the pipeline does."""
    primary = fits.PrimaryHDU()
    primary.header["DATE-OBS"] = f"2017-06-16T01:0{number}:00.000"
    primary.header["EXPTIME"] = 600.0
    primary.header.update(top or {})
    data = np.asarray(data, np.float32)
    units = []
    for name in ("DATA", "STAT"):
        hdu = fits.ImageHDU(data if name == "DATA" else np.ones_like(data), name=name)
        header = hdu.header
        header.update(
            CTYPE1="RA---TAN", CTYPE2="DEC--TAN", CTYPE3="AWAV", CUNIT1="deg", CUNIT2="deg",
            CUNIT3="Angstrom", CRVAL1=10.0, CRVAL2=-30.0, CRVAL3=5000.0, CRPIX1=crpix[0],
            CRPIX2=crpix[1], CRPIX3=1.0, CD1_1=-5.5e-5, CD1_2=0.0, CD2_1=0.0, CD2_2=5.5e-5,
            CD3_3=1.25, CD1_3=0.0, CD2_3=0.0, CD3_1=0.0, CD3_2=0.0,
            BUNIT="10**(-20)*erg/s/cm**2/Angstrom",
        )  # fmt: skip
        header.update(cards)
        units.append(hdu)
    path = folder / f"cube{number}.fits"
    fits.HDUList([primary, *units]).writeto(path)
    return path


def three(folder: Path) -> list[Path]:
    """Three noisy cubes of 100, one of them with a cosmic ray and a spaxel without data."""
    rng = np.random.default_rng(1)
    cubes = rng.normal(100, 1, (3, *SHAPE))
    cubes[1, 2, 3, 4] = 1e5
    cubes[:, :, 0, 0] = np.nan
    return [cube(folder, n, data) for n, data in enumerate(cubes)]


@pytest.mark.parametrize("method", ["median", "pymedian", "sigclip", "pysigclip"])
def test_cubes_are_combined_without_their_cosmic_rays(here: Path, method: Any) -> None:
    made = mpdaf_combine(three(here), method=method, nclip=30.0, mad=True)
    with fits.open("DATACUBE_FINAL.fits") as hdus:
        data = hdus["DATA"].data
        assert hdus["DATA"].header["CRVAL3"] == 5000.0
        assert hdus["DATA"].header["BUNIT"] == "10**(-20)*erg/s/cm**2/Angstrom"
        assert ("STAT" in hdus) == ("sigclip" in method)
        if "sigclip" in method:
            assert np.nanmedian(hdus["STAT"].data) == pytest.approx(1 / 3)
    assert abs(data[2, 3, 4] - 100) < 3
    assert np.isnan(data[:, 0, 0]).all()
    count = fits.getdata("EXPMAP_CUBE.fits", "DATA")
    assert (count[:, 0, 0] == 0).all()
    assert count[2, 3, 4] == (2 if "sigclip" in method else 3)
    assert (count[0, 1:, 1:] == 3).mean() > 0.9
    table = Table.read("STATPIX.fits")
    assert list(table["NPIX_NAN"]) == [SHAPE[0]] * 3
    assert table["EXPOSURE"][0] == "2017-06-16T01:00:00.000"
    white = fits.getdata(made["IMAGE_FOV"][0], "DATA")  # type: ignore[index]
    assert white.shape == SHAPE[1:]
    assert np.nanmean(white) == pytest.approx(100, abs=0.2)


DATES = [f"2017-06-16T01:0{n}:00.000" for n in range(2)]


def photometry(folder: Path, date: str, bands: dict[str, tuple[float, float]]) -> Path:
    """An IMPHOT table as astropy writes it: band → scale and background."""
    table = Table(
        {
            "filter": list(bands),
            "scale": [scale for scale, _ in bands.values()],
            "bg": [background for _, background in bands.values()],
        }
    )
    table.meta["DATE-OBS"] = date
    path = folder / f"imphot{len(list(folder.glob('imphot*')))}.fits"
    table.write(path)
    return path


def unequal(folder: Path) -> list[Path]:
    """Two cubes: the second has twice the flux, and 10 more of background."""
    data = np.random.default_rng(5).normal(100, 1, SHAPE)
    return [cube(folder, 0, data), cube(folder, 1, 2 * data + 10)]


@pytest.mark.parametrize("given", ["imphot", "bands", "table", "by hand"])
def test_exposures_are_brought_to_one_flux(given: str, here: Path) -> None:
    files = unequal(here)
    more: dict[str, Any] = {}
    if given in ("imphot", "bands"):
        both = {"F775W": (2.0, 10.0), "F606W": (2.0, 10.0) if given == "imphot" else (9.0, 9.0)}
        more["imphot"] = [
            photometry(here, DATES[1], both),
            photometry(here, "2020-01-01T00:00:00", {"F775W": (5.0, 5.0)}),
            photometry(here, DATES[0], {"F775W": (1.0, 0.0)}),
        ]
        more["scale_bands"] = ["F775W"] if given == "bands" else None
    elif given == "table":
        columns = {"Name": DATES[::-1], "SCALE": [0.5, 1.0], "offset": [-10.0, 0.0]}
        Table(columns).write(here / "scales.fits")
        more["scale_table"] = here / "scales.fits"
    else:
        more = {"scales": {DATES[1]: 0.5}, "flux_offsets": {DATES[1]: -10.0}}
    mpdaf_combine(files, **more)
    first = fits.getdata(files[0], "DATA")
    np.testing.assert_allclose(fits.getdata("DATACUBE_FINAL.fits", "DATA"), first, rtol=1e-5)
    table = Table.read("STATPIX.fits")
    assert list(table["SCALE"]) == [1.0, 0.5]
    assert list(table["OFFSET"]) == [0.0, -10.0]


def test_the_statistics_of_a_combination_are_a_table_of_scales(here: Path) -> None:
    files = unequal(here)
    mpdaf_combine(files, scales={DATES[1]: 0.5}, flux_offsets={DATES[1]: -10.0})
    expected = fits.getdata("DATACUBE_FINAL.fits", "DATA")
    table = here / "STATPIX.fits"
    Path("STATPIX.fits").rename(table)
    for path in Path.cwd().glob("*.fits"):
        path.unlink()
    mpdaf_combine(files, scale_table=table)
    np.testing.assert_array_equal(fits.getdata("DATACUBE_FINAL.fits", "DATA"), expected)


def test_scales_that_cannot_be_used(here: Path) -> None:
    files = unequal(here)
    good = [photometry(here, date, {"F775W": (1.0, 0.0)}) for date in DATES]
    undated = photometry(here, "", {"F775W": (1.0, 0.0)})
    for told, more in (
        ("there is no IMPHOT table of 2017-06-16T01:01", {"imphot": good[:1]}),
        ("two IMPHOT tables", {"imphot": [*good, good[0]]}),
        ("has no band F606W", {"imphot": good, "scale_bands": ["F606W"]}),
        ("has no DATE-OBS", {"imphot": [undated, *good]}),
        ("holds no table", {"imphot": [files[0], *good]}),
        ("which cannot be", {"imphot": [good[0], photometry(here, DATES[1], {"a": (0.0, 0.0)})]}),
        ("by use_scale and scales or flux_offsets", {"imphot": good, "scales": {DATES[0]: 2.0}}),
        ("has no column scale", {"scale_table": made(here, name=DATES)}),
        ("does not say which exposure", {"scale_table": made(here, scale=[1.0, 1.0])}),
        ("has 0 rows for", {"scale_table": made(here, name=DATES[:1], scale=[1.0])}),
        ("has 2 rows for", {"scale_table": made(here, name=DATES[:1] * 2, scale=[1.0, 2.0])}),
        (
            "a flux scale must be above 0",
            {"scale_table": made(here, name=DATES, scale=[1.0, -1.0])},
        ),
    ):
        with pytest.raises(RecipeError) as error:
            mpdaf_combine(files, **more)  # type: ignore[arg-type]
        assert told in str(error.value)
        assert not list(Path.cwd().glob("*.fits")), "nothing is written"


def made(folder: Path, **columns: list[Any]) -> Path:
    """Write a table of scales."""
    path = folder / f"table{len(list(folder.glob('table*')))}.fits"
    Table(columns).write(path)
    return path


@pytest.mark.parametrize("nclip", [5.0, 2.5, 2.0])
@pytest.mark.parametrize("mad", [False, True])
def test_equal_weights_are_no_weights(mad: bool, nclip: float, here: Path) -> None:
    # Nine cubes with outliers: what is rejected depends on the centre of the clipping.
    rng = np.random.default_rng(3)
    files = []
    for number in range(9):
        data = rng.normal(100, 1, SHAPE)
        data[rng.random(SHAPE) < 0.02] += 30
        files.append(cube(here, number, data))
    mpdaf_combine(files, method="pysigclip", nclip=nclip, mad=mad)
    plain = fits.getdata("DATACUBE_FINAL.fits", "DATA")
    left = fits.getdata("EXPMAP_CUBE.fits", "DATA")
    for path in Path.cwd().glob("*.fits"):
        path.unlink()
    dates = [fits.getval(path, "DATE-OBS") for path in files]
    mpdaf_combine(files, weights=dict.fromkeys(dates, 2.0), nclip=nclip, mad=mad)
    np.testing.assert_array_equal(fits.getdata("EXPMAP_CUBE.fits", "DATA"), left)
    np.testing.assert_allclose(fits.getdata("DATACUBE_FINAL.fits", "DATA"), plain, rtol=1e-5)
    assert nclip > 2 or left.min() < 9, "nothing was rejected, and so nothing is shown"


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"weights": -3.0}, "weights must be 0 or above"),
        ({"weights": 0.0}, "weights must be 0 or above"),
        ({"weights": float("nan")}, "weights must be 0 or above"),
        ({"scales": 0.0}, "a flux scale must be above 0"),
        ({"nclip": [1.0, 2.0, 3.0]}, "nclip has 3 numbers"),
        ({"weights": 2.0, "var": "stat_mean"}, "has no effect"),
    ],
)
def test_numbers_that_make_no_sense_are_refused(
    params: dict[str, Any], message: str, here: Path
) -> None:
    files = three(here)
    dates = [fits.getval(path, "DATE-OBS") for path in files]
    given = {
        name: dict.fromkeys(dates, value) if name in ("weights", "scales") else value
        for name, value in params.items()
    }
    with pytest.raises(RecipeError, match=message):
        mpdaf_combine(files, **given)
    assert not list(Path.cwd().iterdir())


@pytest.mark.parametrize("lacking", ["STAT", "DATE-OBS"])
def test_a_cube_that_lacks_what_is_needed_is_named(lacking: str, here: Path) -> None:
    files = three(here)
    with fits.open(files[1], mode="update") as hdus:
        if lacking == "STAT":
            del hdus["STAT"]
        else:
            del hdus[0].header["DATE-OBS"]
    with pytest.raises(RecipeError, match=f"{files[1].name} has no .*{lacking}"):
        mpdaf_combine(files)
    assert not list(Path.cwd().iterdir())


def test_weights_and_scales_are_those_of_the_exposures(here: Path) -> None:
    files = [cube(here, n, np.full(SHAPE, 10.0 * (n + 1))) for n in range(2)]
    first, second = (fits.getval(path, "DATE-OBS") for path in files)
    mpdaf_combine(files, weights={first: 3.0})
    assert fits.getdata("DATACUBE_FINAL.fits", "DATA")[0, 0, 0] == pytest.approx(12.5)
    assert fits.getdata("DATACUBE_FINAL.fits", "STAT")[0, 0, 0] == pytest.approx(10 / 16)
    for path in Path.cwd().glob("*.fits"):
        path.unlink()
    mpdaf_combine(files, scales={second: 2.0}, flux_offsets={second: -15.0})
    assert fits.getdata("DATACUBE_FINAL.fits", "DATA")[0, 0, 0] == pytest.approx(10)
    assert list(Table.read("STATPIX.fits")["SCALE"]) == [1.0, 2.0]


def test_a_mosaic_puts_cubes_beside_each_other(here: Path) -> None:
    output = cube(here, 9, np.zeros((6, 8, 20)))
    left = cube(here, 0, np.full(SHAPE, 1.0))
    right = cube(here, 1, np.full(SHAPE, 2.0), crpix=(-9, 1))
    mpdaf_combine([left, right], output, method="pysigclip", mosaic=True)
    data = fits.getdata("DATACUBE_FINAL.fits", "DATA")
    assert data.shape == (6, 8, 20)
    assert (data[0, 0, :10] == 1).all()
    assert (data[0, 0, 10:] == 2).all()


def test_the_fsf_of_the_sum_lies_between_those_of_the_exposures(here: Path) -> None:
    from mpdaf.MUSE import FSFModel, MoffatModel2

    tables = []
    for number, fwhm in enumerate((0.6, 0.8)):
        header = MoffatModel2([-0.1, fwhm], [2.5], [5000, 9000], 0.2).to_header()
        path = here / f"FSF{number}.fits"
        fits.PrimaryHDU(header=header).writeto(path)
        tables.append(path)
    mpdaf_combine(three(here)[:2], None, None, tables)
    model = FSFModel.read(fits.getheader("DATACUBE_FSF.fits"), pixstep=0.2)
    assert 0.6 < model.get_fwhm(7000) < 0.8


@pytest.mark.parametrize(
    ("case", "told"),
    [
        ("one", "nothing to combine"),
        ("shape", "different grids"),
        ("shift", "different grids"),
        ("wave", "CRVAL3"),
        ("nan", "holds no value"),
        ("velocity", "are of BARYCENT, and those of cube8.fits of TOPOCENT"),
        ("apart", "do not overlap"),
        ("outside", "does not lie within"),
        ("no grid", "needs the grid"),
        ("mosaic", "no mosaic with the method"),
        ("weights", "knows no weights"),
        ("stranger", "which is not combined"),
        ("band", "curve of the band"),
    ],
)
def test_what_cannot_be_combined_is_told(here: Path, case: str, told: str) -> None:
    good = cube(here, 0, np.ones(SHAPE))
    halves = [np.full(SHAPE, np.nan) for _ in range(2)]
    halves[0][:, :4], halves[1][:, 4:] = 1, 1
    output = cube(here, 9, np.zeros(SHAPE))
    cases: dict[str, Any] = {
        "one": ([good], {}),
        "shape": ([good, cube(here, 1, np.ones((6, 8, 11)))], {}),
        "shift": ([good, cube(here, 2, np.ones(SHAPE), crpix=(2, 1))], {}),
        "wave": ([good, cube(here, 3, np.ones(SHAPE), CRVAL3=5001.0)], {}),
        "nan": ([good, cube(here, 4, np.full(SHAPE, np.nan))], {}),
        "velocity": (
            [
                cube(here, 8, np.ones(SHAPE), top={"SPECSYS": "TOPOCENT"}),
                cube(here, 10, np.ones(SHAPE), top={"SPECSYS": "BARYCENT"}),
            ],
            {},
        ),
        "apart": ([cube(here, 5, halves[0]), cube(here, 6, halves[1])], {}),
        "outside": (
            [good, cube(here, 7, np.ones(SHAPE), crpix=(50, 1))],
            {"output_wcs": output, "mosaic": True, "method": "pysigclip"},
        ),
        "no grid": ([good, good], {"mosaic": True, "method": "pysigclip"}),
        "mosaic": ([good, good], {"mosaic": True, "output_wcs": output}),
        "weights": ([good, good], {"method": "median", "weights": {"x": 1.0}}),
        "stranger": ([good, good], {"weights": {"2001-01-01": 1.0}}),
        "band": ([good, good], {"filter": "Johnson_V"}),
    }
    files, more = cases[case]
    with pytest.raises(RecipeError) as caught:
        mpdaf_combine(files, **more)
    assert told in str(caught.value)
    assert caught.value.remedy


def curve(folder: Path, name: str, column: str, error: str, level: float) -> Path:
    """Write a curve of a standard star."""
    wave = np.arange(4650.0, 9300.0, 10)
    table = Table({"lambda": wave, column: np.full(len(wave), level), error: wave * 0 + 0.1})
    path = folder / name
    hdus = [fits.PrimaryHDU(), fits.table_to_hdu(table)]
    fits.HDUList(hdus).writeto(path)
    return path


def test_standards_of_a_run_are_combined_by_their_median(here: Path) -> None:
    responses = [curve(here, f"r{n}.fits", "response", "resperr", n) for n in (1, 2, 9)]
    tellurics = [curve(here, f"t{n}.fits", "ftelluric", "ftellerr", 0.9) for n in (1, 2, 9)]
    muse_std_combine(responses, tellurics)
    response = Table.read("STD_RESPONSE.fits")
    assert len(response) == 3700
    assert (response["lambda"][0], response["lambda"][-1]) == (4500.0, 9500.0)
    assert (response["response"] == 2).all()
    np.testing.assert_allclose(response["resperr"], 0.1)
    telluric = Table.read("STD_TELLURIC.fits")
    assert telluric["ftelluric"][0] == 1.0
    assert telluric["ftelluric"][1800] == pytest.approx(0.9)


def test_a_standard_without_a_curve_is_told(here: Path) -> None:
    good = curve(here, "r.fits", "response", "resperr", 1)
    with pytest.raises(RecipeError, match="holds no curve"):
        muse_std_combine([good], [good])


def test_what_is_combined_of_standards_is_chosen_by_the_settings(here: Path) -> None:
    levels = (1.0, 2.0, 9.0)
    responses = [curve(here, f"r{n}.fits", "response", "resperr", n) for n in levels]
    tellurics = [curve(here, f"t{n}.fits", "ftelluric", "ftellerr", n / 10) for n in levels]
    muse_std_combine(responses, tellurics, method="mean", lmin=5000.0, lmax=9000.0, nl=5)
    response = Table.read("STD_RESPONSE.fits")
    assert list(response["lambda"]) == [5000, 6000, 7000, 8000, 9000]
    np.testing.assert_allclose(response["response"], 4.0)
    np.testing.assert_allclose(response["resperr"], 0.1)
    np.testing.assert_allclose(Table.read("STD_TELLURIC.fits")["ftelluric"], 0.4)
    for wrong in ({"lmin": 9000.0, "lmax": 5000.0}, {"nl": 1}, {"lmax": float("nan")}):
        with pytest.raises(RecipeError, match="there are no"):
            muse_std_combine(responses, tellurics, **wrong)  # type: ignore[arg-type]
    fits.setval(responses[0], "ESO DRS MUSE FLUX FFCORR", value=True)
    with pytest.raises(RecipeError, match="1 of 3 responses were corrected for the lamp flat"):
        muse_std_combine(responses, tellurics)


EXPOSURES: list[dict[str, Any]] = [
    {
        "DATE-OBS": f"2017-06-16T01:{minute:02d}:00.000",
        "MJD-OBS": 57920.0 + minute / 1440,
        "EXPTIME": seconds,
        "INSTRUME": "MUSE",
        "ARCFILE": f"MUSE.2017-06-16T01:{minute:02d}:00.000.fits",
        "HIERARCH ESO OBS ID": block,
        "HIERARCH ESO OBS NAME": f"block {block}",
        "HIERARCH ESO TEL AIRM START": 1.0 + minute / 100,
        "HIERARCH ESO QC X": minute,
        "HIERARCH ESO DRS MUSE PIXTABLE RVCORR": -19.0 - minute / 100,
    }
    for minute, seconds, block in ((0, 600.0, 7), (20, 60.0, 7), (30, 60.0, 8))
]


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 0, 1)])
@pytest.mark.parametrize("method", ["sigclip", "pysigclip", "pymedian", "weights", "mosaic"])
def test_the_header_of_a_combination_is_that_of_all_exposures(
    method: str, order: tuple[int, ...], here: Path
) -> None:
    one = [cube(here, n, np.full(SHAPE, 1.0), top=top) for n, top in enumerate(EXPOSURES)]
    files = [one[n] for n in order]
    if method == "mosaic":
        mpdaf_combine(files, one[0], method="pysigclip", mosaic=True)
    elif method == "weights":
        mpdaf_combine(files, weights={EXPOSURES[0]["DATE-OBS"]: 2.0})
    else:
        mpdaf_combine(files, method=method)  # type: ignore[arg-type]
    for path in Path.cwd().glob("*.fits"):
        header = fits.getheader(path)
        # Nowhere in a mosaic need the exposures lie upon each other.
        assert header.get("EXPTIME") == (None if method == "mosaic" else 720.0)
        assert header["TEXPTIME"] == 720.0
        assert header["DATE-OBS"] == EXPOSURES[0]["DATE-OBS"]
        assert header["MJD-OBS"] == 57920.0
        assert header["MJD-END"] == pytest.approx(57920.0 + 31 / 1440, abs=1e-9)
        assert (header["NCOMBINE"], header["NFILES"]) == (3, 3)
        assert [header[f"PROV{n}"] for n in (1, 2, 3)] == [top["ARCFILE"] for top in EXPOSURES]
        assert (header["OBID1"], header["OBID2"], "OBID3" in header) == (7, 8, False)
        assert header["INSTRUME"] == "MUSE"
        velocity = header["ESO DRS MUSE PIXTABLE RVCORR"]
        assert velocity == pytest.approx(-19 - (0.2 + 0.3) / 3)
        for key in ("ARCFILE", "ESO OBS ID", "ESO OBS NAME", "ESO TEL AIRM START", "ESO QC X"):
            assert key not in header
        with fits.open(path) as hdus:
            assert all("EXPTIME" not in hdu.header for hdu in hdus[1:])


def test_a_sum_of_sums_holds_all_of_it_and_one_without_a_time_has_none(here: Path) -> None:
    one = [cube(here, n, np.full(SHAPE, 1.0), top=top) for n, top in enumerate(EXPOSURES)]
    fits.delval(one[0], "EXPTIME")
    header = combined_header(one)
    assert "EXPTIME" not in header
    assert "TEXPTIME" not in header
    fits.setval(one[0], "TEXPTIME", value=1800.0)
    fits.setval(one[0], "MJD-END", value=57921.0)
    header = combined_header(one)
    assert (header["EXPTIME"], header["MJD-END"]) == (1920.0, 57921.0)


def test_a_combined_response_does_not_pass_for_one_star(here: Path) -> None:
    kinds = {"r": ("response", "resperr"), "t": ("ftelluric", "ftellerr")}
    files = [
        curve(here, f"{name}{n}.fits", *columns, 1.0)
        for n in (0, 1)
        for name, columns in kinds.items()
    ]
    for path, top in zip(files, (EXPOSURES[0], EXPOSURES[0], *EXPOSURES[1:]), strict=True):
        with fits.open(path, mode="update") as hdus:
            hdus[0].header.update(top)
    muse_std_combine(files[::2], files[1::2])
    for name, seconds in (("STD_RESPONSE", 660.0), ("STD_TELLURIC", 660.0)):
        header = fits.getheader(f"{name}.fits")
        assert header["TEXPTIME"] == seconds
        assert "EXPTIME" not in header
        assert "ESO TEL AIRM START" not in header
        assert header["INSTRUME"] == "MUSE"


@pytest.mark.parametrize("mosaic", [False, True])
def test_where_values_were_rejected_is_told_by_a_map(mosaic: bool, here: Path) -> None:
    files = three(here)
    more: dict[str, Any] = {"nclip": 30.0, "mad": True, "method": "pysigclip"}
    if mosaic:
        more |= {"mosaic": True, "output_wcs": cube(here, 9, np.zeros((6, 8, 20)))}
    made = mpdaf_combine(files, **more)
    assert made["REJMAP"] == Path("REJMAP.fits")
    rejected = fits.getdata("REJMAP.fits", "DATA")
    assert rejected.dtype == np.dtype(">i4")
    assert rejected.shape == fits.getdata("DATACUBE_FINAL.fits", "DATA").shape
    assert rejected[2, 3, 4] == 1
    assert (rejected[:, 0, 0] == 0).all()
    assert rejected.sum() == Table.read("STATPIX.fits")["NPIX_REJECTED"].sum()
    for path in Path.cwd().glob("*.fits"):
        path.unlink()
    weights = {str(fits.getval(path, "DATE-OBS")): 1.0 for path in files}
    mpdaf_combine(files, weights=weights, **more)
    np.testing.assert_array_equal(fits.getdata("REJMAP.fits", "DATA"), rejected)
