"""Static calibrations: all there, in the formats that the DRS reads."""

from __future__ import annotations

import numpy as np
from astropy.io import fits
from astropy.table import Table

from musebuild.simulation import SimulationReport

CATEGORIES = {
    "GEOMETRY_TABLE", "LINE_CATALOG", "EXTINCT_TABLE", "STD_FLUX_TABLE", "FILTER_LIST",
    "ASTROMETRY_WCS", "SKY_LINES", "RAMAN_LINES", "BADPIX_TABLE", "VIGNETTING_MASK",
}  # fmt: skip


def by_category(night: SimulationReport) -> dict[str, fits.HDUList]:
    return {fits.getval(path, "ESO PRO CATG"): fits.open(path) for path in night.calib}


def test_all_categories_are_there(small_night: SimulationReport) -> None:
    assert set(by_category(small_night)) == CATEGORIES


def test_columns_are_those_of_the_drs(small_night: SimulationReport) -> None:
    statics = by_category(small_night)
    expected = {
        "GEOMETRY_TABLE": ["SubField", "SliceCCD", "SliceSky", "x", "y", "angle", "width"],
        "LINE_CATALOG": ["lambda", "flux", "ion", "quality"],
        "EXTINCT_TABLE": ["lambda", "extinction"],
        "STD_FLUX_TABLE": ["lambda", "flux", "fluxerr"],
        "SKY_LINES": ["name", "group", "lambda", "flux", "dq"],
        "BADPIX_TABLE": ["xpos", "ypos", "status", "value"],
    }
    for category, columns in expected.items():
        assert statics[category][1].columns.names == columns, category
    assert statics["LINE_CATALOG"][0].header["VERSION"] == 3
    assert statics["STD_FLUX_TABLE"][1].header["TUNIT2"] == "erg/s/cm**2/Angstrom"
    assert statics["BADPIX_TABLE"][1].header["EXTNAME"] == "CHAN01"
    assert statics["SKY_LINES"][1].header["EXTNAME"] == "LINES"


def test_the_line_catalogue_is_sorted_and_has_references(small_night: SimulationReport) -> None:
    lines = by_category(small_night)["LINE_CATALOG"][1].data
    assert np.all(np.diff(lines["lambda"]) > 0)
    assert (lines["quality"] == 5).sum() > 10
    assert {str(ion)[:2] for ion in lines["ion"]} == {"Ne", "Xe", "Hg", "Cd"}


def test_filters_keep_the_case_of_their_names(small_night: SimulationReport) -> None:
    names = [hdu.header["EXTNAME"] for hdu in by_category(small_night)["FILTER_LIST"][1:]]
    assert {"Johnson_V", "Cousins_R", "Cousins_I"} <= set(names)


def test_bad_pixels_are_hot_in_a_dark(small_night: SimulationReport) -> None:
    table = by_category(small_night)["BADPIX_TABLE"][1].data
    path = next(p for p in small_night.raw if fits.getval(p, "ESO DPR TYPE") == "OBJECT")
    image = fits.getdata(path, "CHAN01")
    values = image[table["ypos"] - 1, table["xpos"] - 1].astype(float)
    assert np.median(values) > np.median(image) + 1000


def test_the_truth_table_can_be_read(small_night: SimulationReport) -> None:
    truth = Table.read(small_night.truth, format="ascii.ecsv")
    assert set(truth["kind"]) == {"band", "line"}
    assert len(set(truth["source"])) == 8
    assert np.all(truth["flux"] > 0)
    assert truth.meta["options"]["seed"] == 1
    (exposure,) = truth.meta["exposures"][:1]
    assert {"name", "ra", "dec", "offset_east_arcsec", "offset_north_arcsec"} <= set(exposure)
    # All sources are within the field of 15 by 9.6 arcsec.
    north = (truth["dec"] - exposure["dec"]) * 3600
    assert np.abs(north).max() < 4.8
