"""Offsets by hand, lists that lack an exposure, exposures of other parts of the sky."""

from __future__ import annotations

from math import cos, radians

import pytest

from musebuild.index.model import FileFrame, Selected
from musebuild.plan.fields import apart, distance
from musebuild.plan.model import Plan
from musebuild.settings.problems import SettingsProblems
from tests.plan.making import TWO_PASSES, files, frame, night, plan, reasons, settings, source_of

FIRST, SECOND = "2017-06-16T01:30:00", "2017-06-16T01:31:00"
SCIPOST = f"muse_scipost:{FIRST}"
BY_HAND = """
datasets: {FIELD: {}}
recipes:
  exp_align_by_hand:
    offsets:
      2017-06-16T01:30:00: {east: 0, north: 0}
      2017-06-16T01:31:00: {east: 1.8, north: -3.6, scale: 1.25}
  muse_scipost:
    frames: {OFFSET_LIST: OFFSET_LIST_by_hand}
    params: {save: 'cube,individual'}
  muse_exp_combine: {frames: {OFFSET_LIST: OFFSET_LIST_by_hand}}
"""
FROM_FILE = TWO_PASSES.replace("OFFSET_LIST_drs", "mine.fits")
HAND = "exp_align_by_hand:FIELD_by_hand"


def by_file(exposures: tuple[str, ...] | None) -> Plan:
    """The plan with a file of offsets for some exposures."""
    file = FileFrame("/project/mine.fits", "OFFSET_LIST", exposures=exposures)
    return plan(FROM_FILE, index=files(named={("OFFSET_LIST", "mine.fits"): (file,)}))


def test_offsets_of_the_settings_are_the_parameters_of_a_list() -> None:
    made = plan(BY_HAND, raw=night(dec=-60.0))
    listed = made.invocations[HAND]
    assert not listed.inputs, "its key follows from the offsets alone"
    first, second = listed.params["offsets"]
    assert first["DATE_OBS"] == FIRST
    assert first["RA_OFFSET"] == first["DEC_OFFSET"] == 0
    assert "FLUX_SCALE" not in first
    assert second["RA_OFFSET"] == pytest.approx(1.8 / 3600 / cos(radians(-60)))
    assert second["DEC_OFFSET"] == pytest.approx(-0.001)
    assert second["FLUX_SCALE"] == 1.25
    assert source_of(made, SCIPOST, "OFFSET_LIST") == [HAND]
    assert source_of(made, "muse_exp_combine:FIELD_drs", "OFFSET_LIST") == [HAND]
    assert not made.left_out


def test_degrees_are_taken_as_they_stand() -> None:
    text = BY_HAND.replace("{east: 0, north: 0}", "{RA_OFFSET: 1.0e-4, DEC_OFFSET: -2.0e-5}")
    first, _ = plan(text, raw=night(dec=-60.0)).invocations[HAND].params["offsets"]
    assert (first["RA_OFFSET"], first["DEC_OFFSET"]) == (1e-4, -2e-5)


def test_two_datasets_have_a_list_each_of_one_name() -> None:
    other = frame("OBJECT", "2017-06-16T01:40:00", object_orig="B", dataset="B", dec=0.0)
    text = BY_HAND.replace("{FIELD: {}}", "{FIELD: {}, B: {}}")
    raw = [*night(dec=0.0), other]
    alone = plan(text, raw=raw)
    assert "names no exposure of B" in reasons(alone)
    assert [
        left.error for left in alone.left_out if left.name == "exp_align_by_hand:B_by_hand"
    ] == [False], "nobody asked for it"
    assert (
        "muse_scipost:2017-06-16T01:40:00: recipes.exp_align_by_hand.offsets names no exposure of B"
        in reasons(alone)
    )
    text = text.replace(
        "    offsets:\n", "    offsets:\n      2017-06-16T01:40:00: {east: 9, north: 9}\n"
    )
    both = plan(text, raw=raw)
    lists = {name: len(made.params["offsets"]) for name, made in both.invocations.items()
             if made.recipe == "exp_align_by_hand"}  # fmt: skip
    assert lists == {HAND: 2, "exp_align_by_hand:B_by_hand": 1}
    assert len({both.invocations[name].folder for name in lists}) == 2
    other_scipost = "muse_scipost:2017-06-16T01:40:00"
    assert source_of(both, other_scipost, "OFFSET_LIST") == ["exp_align_by_hand:B_by_hand"]


def test_an_exposure_that_the_settings_forget_or_invent() -> None:
    forgotten = plan(BY_HAND, raw=night(exposures=3, dec=0.0))
    assert "offsets lacks 2017-06-16T01:32:00 of the 3 exposures of FIELD" in reasons(forgotten)
    assert HAND not in forgotten.invocations
    assert f"muse_scipost:{FIRST}: recipes.exp_align_by_hand.offsets lacks" in reasons(forgotten)
    text = BY_HAND.replace(
        f"      {FIRST}:", f"      {FIRST}.001: {{east: 1, north: 1}}\n      {FIRST}:"
    )
    invented = plan(text, raw=night(dec=0.0))
    wrong = invented.left_out
    assert not any(left.error for left in wrong), "the others are shifted all the same"
    assert [left.name for left in wrong] == [f"exp_align_by_hand:{FIRST}.001"]
    assert "that there is not" in wrong[0].reason
    assert f"did you mean {FIRST}" in wrong[0].causes[0].hint
    assert HAND in invented.invocations


def test_east_needs_a_declination() -> None:
    assert "has no DEC" in reasons(plan(BY_HAND))


@pytest.mark.parametrize(
    "offset",
    ["{east: 1}", "{}", "{east: 1, DEC_OFFSET: 1}", "{east: 1, north: 1, RA_OFFSET: 1}",
     "{east: .inf, north: 0}"],
)  # fmt: skip
def test_an_offset_has_two_finite_parts(offset: str) -> None:
    with pytest.raises(SettingsProblems) as told:
        settings(BY_HAND.replace("{east: 0, north: 0}", offset))
    assert all(problem.keys[:3] == ("recipes", "exp_align_by_hand", "offsets")
               for problem in told.value.problems)  # fmt: skip


def test_offsets_elsewhere_are_a_mistake() -> None:
    text = BY_HAND.replace("exp_align_by_hand:", "muse_exp_align:")
    assert "muse_exp_align takes none" in reasons(plan(text, raw=night(dec=0.0)))


def test_a_file_that_lacks_an_exposure_is_told_before_anything_runs() -> None:
    assert not by_file((SECOND, FIRST)).left_out, "more rows in any order"
    lacks = by_file((FIRST,))
    assert f"mine.fits has no offset for {SECOND}; DATE_OBS in it: {FIRST}" in reasons(lacks)
    assert SCIPOST in lacks.invocations, "the list has it"
    assert f"muse_scipost:{SECOND}" not in lacks.invocations
    assert all(left.error for left in lacks.left_out)
    assert "mine.fits is no list of offsets" in reasons(by_file(None))


def test_what_an_alignment_leaves_out_cannot_be_shifted() -> None:
    text = TWO_PASSES.replace(
        "muse_exp_align: {from_recipe: muse_scipost_rec}",
        "muse_exp_align: {from_recipe: muse_scipost_rec, exclude_flags: true}",
    )
    raw = night(exposures=3)
    raw = [f if f.name != SECOND else frame("OBJECT", SECOND, flags=("BAD",)) for f in raw]
    made = plan(text, raw=raw)
    left = {one.name: one for one in made.left_out}
    alone = left[f"muse_scipost:{SECOND}"]
    assert f"muse_exp_align:FIELD_drs makes no offset for {SECOND}" in alone.reason
    assert not alone.error, "it was left out on purpose"
    assert left["muse_exp_combine:FIELD_drs"].error, "it would take that exposure, too"
    text = text.replace("muse_exp_combine: {", "muse_exp_combine: {exclude_flags: true, ")
    made = plan(text, raw=raw)
    assert "muse_exp_combine:FIELD_drs" in made.invocations
    assert not any(one.error for one in made.left_out)


def test_a_combination_of_what_was_not_aligned() -> None:
    text = TWO_PASSES.replace("from_recipe: muse_scipost_rec}", "from_recipe: muse_scipost_rec, "
                              "select: {raw: x}}")  # fmt: skip
    text = text.replace("    frames: {OFFSET_LIST: OFFSET_LIST_drs}\n    params", "    params")
    chosen = Selected(frozenset([FIRST, "2017-06-16T01:32:00"]))
    made = plan(text, raw=night(exposures=3), selections={"muse_exp_align": {"": chosen}})
    wrong = [one for one in made.left_out if one.error]
    assert [one.name for one in wrong] == ["muse_exp_combine:FIELD_drs"]
    assert f"makes no offset for {SECOND}" in wrong[0].reason
    assert "select the same exposures" in wrong[0].causes[0].hint


def test_exposures_without_overlap_are_not_aligned() -> None:
    def placed(
        *places: tuple[float, float], mode: str = "WFM-NOAO-N", text: str = TWO_PASSES
    ) -> Plan:
        raw = [f for f in night(ins_mode=mode) if f.category != "OBJECT"]
        raw += [
            frame("OBJECT", f"2017-06-16T01:3{n}:00", ra=ra, dec=dec, ins_mode=mode)
            for n, (ra, dec) in enumerate(places)
        ]
        return plan(text, raw=raw)

    chain = placed((10, -45), (10.02, -45), (10.04, -45.01))
    assert "muse_exp_align:FIELD_drs" in chain.invocations, "each overlaps with the next"
    together = TWO_PASSES.replace("{FIELD: {}}", "{FIELD: {split_by: []}}")
    apart_ = placed((10, -45), (10.001, -45), (10, -45.1), text=together)
    assert (
        "muse_exp_align:FIELD_drs: 2017-06-16T01:32:00 lies 6.0 arcmin from the others: there is "
        "no overlap" in reasons(apart_)
    )
    narrow = placed((10, -45), (10, -45.02), mode="NFM-AO-N", text=together)
    assert "no overlap" in reasons(narrow)
    far = plan(
        together.replace("OFFSET_LIST: OFFSET_LIST_drs", ""),
        raw=[
            f if f.name != SECOND else frame("OBJECT", SECOND, ra=10.0, dec=1.0)
            for f in night(ra=10.0, dec=0.0)
        ],
    )
    assert "muse_exp_combine:FIELD_drs: 2017-06-16T01:31:00 lies 60.0 arcmin" in reasons(far)


def test_distances() -> None:
    north = [frame("OBJECT", FIRST, ra=ra, dec=89.999) for ra in (0.0, 180.0)]
    assert distance(*north) == pytest.approx(7.2, rel=1e-3), "across the pole"
    across = [frame("OBJECT", FIRST, ra=ra, dec=0.0) for ra in (359.999, 0.001)]
    assert distance(*across) == pytest.approx(7.2, rel=1e-3)
    assert distance(frame("OBJECT", FIRST), north[0]) == 0, "without coordinates nothing is said"
    assert apart([], 90) == ([], 0.0)


def test_a_single_exposure_is_not_aligned_but_may_be_shifted_by_hand() -> None:
    alone = plan(raw=night(exposures=1))
    assert "muse_exp_align:FIELD_drs: FIELD has 1 exposure" in reasons(alone)
    assert not source_of(alone, SCIPOST, "OFFSET_LIST")
    assert (
        "muse_exp_align:FIELD_drs is left out, since this is the only exposure: reduced without "
        "OFFSET_LIST" in alone.invocations[SCIPOST].notes
    )
    assert not any(left.error for left in alone.left_out)
    text = BY_HAND.replace("      2017-06-16T01:31:00: {east: 1.8, north: -3.6, scale: 1.25}\n", "")
    by_hand = plan(text, raw=night(exposures=1, dec=0.0))
    assert SCIPOST in by_hand.invocations
