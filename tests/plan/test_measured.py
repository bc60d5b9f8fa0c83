"""On which products candidates of a combination are measured."""

from __future__ import annotations

from musebuild.index.model import Condition, Selected
from musebuild.plan.build import make_plan
from musebuild.plan.model import Plan
from musebuild.plan.names import closure
from musebuild.recipes.catalogue import load_catalogue
from musebuild.recipes.declare import complete
from tests.plan.making import TWO_PASSES, dependents, files, night, reasons, settings, source_of

NAMES = [f"2017-06-16T01:3{n}:00" for n in range(3)]
COMBINED = "muse_exp_combine:FIELD_drs"
SKY = TWO_PASSES.replace("save: 'cube,individual'", "save: 'cube,skymodel,individual'")
FSF = """
  my_fsf:
    from_recipe: muse_scipost
    declare: {takes: {PIXTABLE: PIXTABLE_REDUCED}, products: [FSF]}
"""


def planned(
    text: str, *categories: str, block: str = "muse_exp_combine", sure: tuple[str, ...] = ()
) -> Plan:
    condition = Condition("qa_reduced", "1", columns=("skyV",), categories=categories)
    own = settings(text)
    catalogue = complete(load_catalogue(), own)
    selections = {block: {"": Selected(frozenset(sure), (condition,))}}
    return make_plan(own, night(exposures=3), files(), catalogue, selections)


def select(text: str, block: str = "muse_exp_combine") -> str:
    return text.replace(f"{block}: {{", f"{block}: {{select: {{qa_reduced: skyV < 1}}, ")


def test_all_exposures_are_candidates_each_measured_on_its_own_products() -> None:
    made = planned(select(SKY).replace("select:", "max_exps: 2, select:"), "SKY_SPECTRUM")
    invocation = made.invocations[COMBINED]
    assert len(source_of(made, COMBINED, "PIXTABLE_REDUCED")) == 3
    assert invocation.choosing is not None
    assert [c.exposure for c in invocation.choosing.candidates] == NAMES
    assert [c.measured for c in invocation.choosing.candidates] == [
        ((f"muse_scipost:{name}", "SKY_SPECTRUM"),) for name in NAMES
    ]
    # The number is limited only among those that are chosen.
    assert (invocation.choosing.least, invocation.choosing.most) == (2, 2)
    assert not invocation.notes


def test_flags_and_other_tables_count_at_once() -> None:
    raw = night(exposures=3)
    made = planned(select(SKY), "SKY_SPECTRUM", sure=(NAMES[0],))
    choosing = made.invocations[COMBINED].choosing
    assert choosing is not None
    assert choosing.clauses[0].exposures == {NAMES[0]}
    assert len(raw) > len(choosing.candidates) == 3


def test_what_a_candidate_is_made_from_may_have_been_measured() -> None:
    text = select(SKY + "  mpdaf_combine: {}\n  muse_scipost_make_cube: {}\n", "mpdaf_combine")
    made = planned(text, "SKY_SPECTRUM", block="mpdaf_combine")
    choosing = made.invocations["mpdaf_combine:FIELD_mpdaf"].choosing
    assert choosing is not None
    assert choosing.candidates[0].invocations == (f"muse_scipost_make_cube:{NAMES[0]}",)
    assert choosing.candidates[0].measured == ((f"muse_scipost:{NAMES[0]}", "SKY_SPECTRUM"),)


def test_without_a_product_to_measure_it_is_left_out() -> None:
    made = planned(select(TWO_PASSES), "SKY_SPECTRUM")
    assert COMBINED not in made.invocations
    told = reasons(made)
    assert f"measured on SKY_SPECTRUM, which nothing makes of {NAMES[0]}" in told
    assert "let muse_scipost make it: save: 'cube,skymodel,individual'" in told


def test_a_block_beside_is_made_before_though_nothing_of_it_is_taken() -> None:
    made = planned(select(SKY) + FSF, "FSF")
    invocation = made.invocations[COMBINED]
    assert invocation.choosing is not None
    assert invocation.choosing.candidates[1].measured == ((f"my_fsf:{NAMES[1]}", "FSF"),)
    assert f"my_fsf:{NAMES[1]}" in invocation.needs
    assert f"my_fsf:{NAMES[1]}" in closure(made, [COMBINED])
    assert COMBINED in dependents(made, [f"my_fsf:{NAMES[1]}"])
    order = list(made.invocations)
    assert order.index(f"my_fsf:{NAMES[2]}") < order.index(COMBINED)
    assert not source_of(made, COMBINED, "FSF")


def test_what_takes_the_combination_is_never_asked_for_it() -> None:
    later = FSF + "    frames: {OUTPUT_WCS: DATACUBE_FINAL_drs}\n"
    later = later.replace("products:", "needs: [{category: OUTPUT_WCS, source: named}], products:")
    made = planned(select(SKY) + later, "FSF")
    assert "measured on FSF, which nothing makes of" in reasons(made)
    assert COMBINED not in made.invocations


def test_two_blocks_that_measure_are_one_too_many() -> None:
    other = FSF.replace("my_fsf", "other_fsf")
    made = planned(select(SKY) + FSF + other, "FSF")
    assert "measured on FSF, which my_fsf and other_fsf make of" in reasons(made)
