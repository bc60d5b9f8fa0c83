"""Categories of frames, as the pipeline's own rules have them."""

from __future__ import annotations

import pytest

from musebuild.fits.classify import RAW_CATEGORIES, classify


@pytest.mark.parametrize(("kind", "category"), sorted(RAW_CATEGORIES.items()))
def test_raw_frames(kind: str, category: str) -> None:
    assert classify({"ESO DPR TYPE": kind}) == category


def test_an_illumination_flat_is_no_flat() -> None:
    assert classify({"ESO DPR TYPE": "FLAT,LAMP"}) == "FLAT"
    assert classify({"ESO DPR TYPE": "FLAT,LAMP,ILLUM"}) == "ILLUM"
    assert classify({"ESO DPR TYPE": "FLAT,SKY"}) == "SKYFLAT"


def test_a_product_keeps_its_category_whatever_it_was_made_of() -> None:
    assert classify({"ESO PRO CATG": "MASTER_BIAS ", "ESO DPR TYPE": "BIAS"}) == "MASTER_BIAS"


@pytest.mark.parametrize("primary", [{}, {"ESO DPR TYPE": "FOCUS"}, {"OBJECT": "BIAS"}])
def test_what_the_header_does_not_tell(primary: dict[str, object]) -> None:
    assert classify(primary) == ""


def test_case_and_blanks_do_not_count() -> None:
    assert classify({"ESO DPR TYPE": " wave "}) == "ARC"
