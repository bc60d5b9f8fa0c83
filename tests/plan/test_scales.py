"""Flux scales from a block (`use_scale`), and what a block takes (`DPR_TYPE`)."""

from __future__ import annotations

import pytest

from musebuild.errors import PlanError
from musebuild.index.model import Condition, Selected
from musebuild.plan.build import make_plan
from musebuild.plan.model import Plan
from musebuild.recipes.catalogue import load_catalogue
from musebuild.recipes.declare import complete
from tests.plan.making import TWO_PASSES, files, night, reasons, settings, source_of

NAMES = [f"2017-06-16T01:3{n}:00" for n in range(3)]
COMBINED = "mpdaf_combine:FIELD_mpdaf"
PHOT = "  phot: {from_recipe: muse_scipost_make_cube, declare: {GROUP takes: \
{CUBE: DATACUBE_FINAL}, products: [IMPHOT]}}\n"
EACH, ALL = PHOT.replace("GROUP ", ""), PHOT.replace("GROUP ", "group_by: dataset, ")


def planned(extra: str, more: str = "", *, later: bool = False) -> Plan:
    text = TWO_PASSES.replace("cube,individual", "cube,skymodel,individual")
    # The block of the tables comes last: the order follows from who takes what.
    own = settings(f"{text}  mpdaf_combine: {{{extra}}}\n  muse_scipost_make_cube: {{}}\n{more}")
    catalogue = complete(load_catalogue(), own)
    condition = Condition("qa_reduced", "1", categories=("SKY_SPECTRUM",))
    selections = {"mpdaf_combine": {"": Selected(later=(condition,))}} if later else {}
    return make_plan(own, night(exposures=3), files(), catalogue, selections)


def test_each_exposure_brings_its_table() -> None:
    made = planned("use_scale: {from: phot, bands: [F775W]}", EACH)
    assert source_of(made, COMBINED, "IMPHOT") == [f"phot:{name}" for name in NAMES]
    assert made.invocations[COMBINED].params["scale_bands"] == ["F775W"]
    made = planned("use_scale: {from: phot}", EACH)
    assert made.invocations[COMBINED].params["scale_bands"] is None


def test_or_all_of_a_dataset_have_one_maker() -> None:
    made = planned("use_scale: {from: phot, bands: F775W}", ALL)
    (source,) = source_of(made, COMBINED, "IMPHOT")
    assert source.startswith("phot:FIELD")
    assert made.invocations[COMBINED].params["scale_bands"] == ["F775W"]


def test_without_it_nothing_changes() -> None:
    for extra in ("", "use_scale: false"):
        made = planned(extra, EACH)
        assert source_of(made, COMBINED, "IMPHOT") == []
        assert made.invocations[COMBINED].params["scale_bands"] is None


def test_the_table_goes_with_a_candidate_that_is_not_chosen() -> None:
    made = planned("select: {qa_reduced: skyV < 1}, use_scale: {from: phot}", EACH, later=True)
    choosing = made.invocations[COMBINED].choosing
    assert choosing is not None
    assert [one.invocations for one in choosing.candidates] == [
        (f"muse_scipost_make_cube:{name}", f"phot:{name}") for name in NAMES
    ]


@pytest.mark.parametrize(
    ("extra", "more", "told"),
    [
        ("use_scale: true", "", "use_scale: there is no block imphot"),
        ("use_scale: true", "  imphot: {}\n", "imphot: the imphot package"),
        ("use_scale: {from: phott}", EACH, "use_scale: there is no block phott; did you mean phot"),
        ("use_scale: {from: muse_scipost}", "", "use_scale: muse_scipost makes no IMPHOT"),
    ],
)
def test_scales_that_nothing_makes(extra: str, more: str, told: str) -> None:
    made = planned(extra, more)
    assert f"mpdaf_combine: {told}" in reasons(made)
    assert COMBINED not in made.invocations
    assert [left.error for left in made.left_out if left.name == "mpdaf_combine"] == [True]


def test_only_what_knows_scales_takes_them() -> None:
    own = settings(
        TWO_PASSES.replace("muse_exp_combine: {", "muse_exp_combine: {use_scale: true, ")
    )
    made = make_plan(own, night(), files(), load_catalogue())
    assert "muse_exp_combine: use_scale: muse_exp_combine takes no flux scales" in reasons(made)


def test_a_block_takes_another_category_than_its_recipe_usually_does() -> None:
    cleaned = (
        "  clean:\n    from_recipe: muse_scipost_make_cube\n"
        "    declare: {takes: {CUBE: DATACUBE_FINAL}, products: [DATACUBE_ZAP]}\n"
    )
    made = planned("from_recipe: clean, DPR_TYPE: DATACUBE_ZAP", cleaned)
    taken = [w for w in made.invocations[COMBINED].inputs if w.tag == "DATACUBE_FINAL"]
    assert [(w.invocation, w.category) for w in taken] == [
        (f"clean:{name}", "DATACUBE_ZAP") for name in NAMES
    ]


def test_a_block_takes_raw_frames_of_some_types() -> None:
    stars = "  stars: {recipe: muse_scibasic, DPR_TYPE: [STD], init: {output_dir: stars}}\n"
    made = make_plan(settings(TWO_PASSES + stars), night(), files(), load_catalogue())
    own = [one for one in made.invocations.values() if one.block == "stars"]
    taken = {w.tag for one in own for w in one.inputs if w.kind == "raw"}
    assert taken - {"ILLUM"} == {"STD"}


@pytest.mark.parametrize(
    ("block", "told"),
    [
        ("muse_scibasic: {DPR_TYPE: OBJEKT}", "muse_scibasic takes no OBJEKT"),
        ("muse_flat: {DPR_TYPE: 'FLAT,SKY'}", "muse_flat takes no SKYFLAT"),
        ("mpdaf_combine: {from_recipe: muse_scipost, DPR_TYPE: [A, B]}", "2 categories cannot"),
        ("mpdaf_combine: {from_recipe: muse_scipost, DPR_TYPE: A}", "which makes none"),
    ],
)
def test_types_that_do_not_fit(block: str, told: str) -> None:
    with pytest.raises(PlanError) as error:
        make_plan(settings(f"{TWO_PASSES}  {block}\n"), night(), files(), load_catalogue())
    assert told in str(error.value)
    assert error.value.remedy
