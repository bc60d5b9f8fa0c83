"""What raw frames would mend a plan: the frames that `musebuild retrieve --missing` seeks."""

from __future__ import annotations

from musebuild.plan.model import Plan, Wanted
from tests.plan.making import frame, night, plan

NIGHT = "2017-06-15"


def wanted(made: Plan) -> set[Wanted]:
    return {item for left in made.left_out for item in left.wanted}


def test_a_whole_night_wants_nothing() -> None:
    assert wanted(plan()) == set()


def test_only_the_deepest_cause_is_wanted() -> None:
    # Without biases nothing can be made, and the flats, arcs and twilights are all there.
    made = plan(raw=[item for item in night() if item.category != "BIAS"])
    assert {item.categories for item in wanted(made)} == {("BIAS",)}
    assert {item.night for item in wanted(made)} == {NIGHT}


def test_frames_of_another_mode_do_not_count_where_the_mode_must_agree() -> None:
    others = [item for item in night() if item.category != "FLAT"]
    others += [frame("FLAT", f"2017-06-16T11:0{n}:00", ins_mode="WFM-AO-N") for n in range(3)]
    found = wanted(plan(raw=others))
    assert any(w.categories == ("FLAT",) and w.ins_mode == "WFM-NOAO-N" for w in found)


def test_a_sequence_that_is_too_small_wants_the_rest_of_its_night() -> None:
    few = [item for item in night() if item.category != "BIAS"]
    few += [item for item in night() if item.category == "BIAS"][:2]
    assert Wanted(("BIAS",), NIGHT, 0, "WFM-NOAO-N") in wanted(plan(raw=few))


def test_a_missing_standard_star_is_wanted_within_its_nights() -> None:
    found = wanted(plan(raw=[item for item in night() if item.category != "STD"]))
    assert found == {Wanted(("STD",), NIGHT, 5, "WFM-NOAO-N")}
