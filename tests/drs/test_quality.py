"""Quality control is compared with the ranges of real nights."""

from __future__ import annotations

from pathlib import Path

from astropy.io import fits

from tests.drs.quality import (
    NOT_COMPARED,
    ReferenceRange,
    compare_qc,
    format_comparisons,
    product_headers,
    reference_ranges,
)

RANGES = (
    ReferenceRange("MASTER_BIAS", "ESO QC BIAS MASTER1 RON", 2.0, 3.2),
    ReferenceRange("WAVECAL_TABLE", "ESO QC WAVECAL SLICE* LINES NID", 95, 111, "few lines"),
)


def test_what_is_inside_and_outside_is_told_apart() -> None:
    headers = [
        {"ESO PRO CATG": "MASTER_BIAS", "ESO QC BIAS MASTER1 RON": 2.4},
        {"ESO PRO CATG": "MASTER_BIAS", "ESO QC BIAS MASTER1 RON": 5.6, "EXPTIME": 1.0},
    ]
    inside, outside = compare_qc(RANGES, headers)
    assert (inside.verdict, inside.ok) == ("inside", True)
    assert (outside.verdict, outside.ok) == ("outside", False)
    text = format_comparisons([inside, outside])
    assert "5.6: outside of 2 to 3.2" in text
    assert "1 of 2 keywords inside" in text


def test_the_same_keyword_of_another_category_is_another() -> None:
    header = {"ESO PRO CATG": "MASTER_DARK", "ESO QC BIAS MASTER1 RON": 2.4}
    assert compare_qc(RANGES, [header]) == ()


def test_what_cannot_be_compared_says_why() -> None:
    header = {"ESO PRO CATG": "WAVECAL_TABLE", "ESO QC WAVECAL SLICE12 LINES NID": 83}
    (one,) = compare_qc(RANGES, [header])
    assert (one.verdict, one.ok, one.reason) == ("not compared", True, "few lines")
    text = format_comparisons([one])
    assert "few lines" in text
    assert "0 of 0 keywords" in text


def test_texts_and_missing_values_are_no_numbers() -> None:
    header = {"ESO PRO CATG": "MASTER_BIAS", "ESO QC BIAS MASTER1 RON": "2.4"}
    assert compare_qc(RANGES, [header]) == ()
    header = {"ESO PRO CATG": "MASTER_BIAS", "ESO QC BIAS MASTER1 RON": float("nan")}
    assert [one.verdict for one in compare_qc(RANGES, [header])] == ["outside"]


def test_extensions_belong_to_their_product(tmp_path: Path) -> None:
    primary = fits.PrimaryHDU()
    primary.header["HIERARCH ESO PRO CATG"] = "MASTER_BIAS"
    extension = fits.ImageHDU()
    extension.header["HIERARCH ESO QC BIAS MASTER1 RON"] = 2.5
    fits.HDUList([primary, extension]).writeto(tmp_path / "MASTER_BIAS.fits")
    (one,) = compare_qc(RANGES, product_headers([tmp_path / "MASTER_BIAS.fits"]))
    assert (one.category, one.value) == ("MASTER_BIAS", 2.5)


def test_the_ranges_of_the_table_are_sound() -> None:
    ranges = reference_ranges()
    assert {one.category for one in ranges} >= {
        "MASTER_BIAS", "MASTER_FLAT", "TRACE_TABLE", "WAVECAL_TABLE", "LSF_PROFILE",
        "STD_RESPONSE",
    }  # fmt: skip
    assert len({(one.category, one.keyword) for one in ranges}) == len(ranges)
    assert all(one.low < one.high for one in ranges if not one.reason)
    assert {one.reason for one in ranges} == {"", *NOT_COMPARED.values()}
