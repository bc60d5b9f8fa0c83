"""Which exposures a combination takes."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from musebuild.index.model import RawFrame, Selected
from musebuild.plan.model import Plan
from tests.plan.making import TWO_PASSES, night, plan, reasons, source_of

NAMES = [f"2017-06-16T01:3{n}:00" for n in range(4)]
ALL = "muse_exp_combine:FIELD_drs"


def flagged(**flags: tuple[int, ...]) -> list[RawFrame]:
    """Four exposures, some with flags."""
    return [
        replace(
            f, flags=tuple(name for name, which in flags.items() if NAMES.index(f.name) in which)
        )
        if f.name in NAMES
        else f
        for f in night(exposures=4)
    ]


def combine(extra: str) -> str:
    return TWO_PASSES.replace("muse_exp_combine: {", f"muse_exp_combine: {{{extra}, ")


def taken(made: Plan, task: str = ALL) -> list[int]:
    sources = source_of(made, task, "PIXTABLE_REDUCED")
    return [NAMES.index(name.removeprefix("muse_scipost:")) for name in sources]


@pytest.mark.parametrize(
    ("given_flags", "expected"),
    [
        ("true", [3]),
        ("BAD_SLICE", [1, 2, 3]),
        ("[BAD_SLICE, MINE]", [2, 3]),
        ("false", [0, 1, 2, 3]),
    ],
)
def test_flagged_exposures_are_left_out_of_the_combination_only(
    given_flags: str, expected: list[int]
) -> None:
    raw = flagged(BAD_SLICE=(0,), MINE=(1,), SATELLITE=(2,))
    made = plan(combine(f"exclude_flags: {given_flags}"), raw)
    if len(expected) > 1:
        assert taken(made) == expected
    else:
        assert ALL not in made.invocations
        told = reasons(made)
        assert "exclude_flags takes 1 of 4 exposures, and it needs at least 2" in told
        assert f"{NAMES[0]} is left out: flagged BAD_SLICE" in told
        assert not any(left.error for left in made.left_out), "a single one is not combined"
    assert all(f"muse_scipost:{name}" in made.invocations for name in NAMES)
    assert len(source_of(made, "muse_exp_align:FIELD_drs", "IMAGE_FOV")) == 4


def test_a_flag_counts_from_a_value_on() -> None:
    raw = [
        replace(f, flags=("BAD_SLICE", "MINE"), flag_values=(NAMES.index(f.name), 1))
        if f.name in NAMES[1:]
        else f
        for f in night(exposures=4)
    ]
    made = plan(combine("exclude_flags: {BAD_SLICE: 2}"), raw)
    assert taken(made) == [0, 1]
    assert f"{NAMES[3]} is left out: flagged BAD_SLICE (3)" in made.invocations[ALL].notes
    assert taken(plan(combine("exclude_flags: {BAD_SLICE: 3}"), raw)) == [0, 1, 2]
    made = plan(combine("exclude_flags: [BAD_SLICE], min_exps: 2"), raw)
    assert ALL not in made.invocations
    made = plan(combine("exclude_flags: {BAD_SLICE: null}"), raw)
    assert ALL not in made.invocations, "no value: any"


def test_the_notes_say_which_and_why() -> None:
    some = {"muse_exp_combine": {"": Selected(frozenset(NAMES[:3]))}}
    text = combine("exclude_flags: true, select: {raw: EXPTIME > 1}, max_exps: 2")
    made = plan(text, flagged(), selections=some)
    assert taken(made) == [0, 1]
    assert made.invocations[ALL].notes[-2:] == (
        f"{NAMES[3]} is left out: not selected by select",
        f"{NAMES[2]} is left out: max_exps is 2",
    )
    made = plan(text, flagged(SATELLITE=(0,)), selections=some)
    assert taken(made) == [1, 2]
    assert f"{NAMES[0]} is left out: flagged SATELLITE" in made.invocations[ALL].notes


def test_each_name_is_a_combination_that_others_can_take_by_its_name() -> None:
    text = combine("names_with_selection: {best: {raw: EXPTIME > 1}, few: {raw: EXPTIME > 9}}")
    text += (
        "  muse_scipost_make_cube: {frames: {OUTPUT_WCS: DATACUBE_FINAL_best}}\n"
        "  mpdaf_combine: {}\n"
    )
    chosen = {
        "muse_exp_combine": {
            "best": Selected(frozenset(NAMES[1:])),
            "few": Selected(frozenset(NAMES[:1])),
        }
    }
    made = plan(text, flagged(), selections=chosen)
    assert taken(made, "muse_exp_combine:FIELD_best") == [1, 2, 3]
    assert ALL not in made.invocations
    assert "the selection few takes 1 of 4 exposures, and it needs at least 2" in reasons(made)
    cube = f"muse_scipost_make_cube:{NAMES[0]}"
    assert source_of(made, cube, "OUTPUT_WCS") == ["muse_exp_combine:FIELD_best"]
    assert made.invocations["muse_exp_combine:FIELD_best"].folder == "exp_combine/FIELD_best"


def test_a_selection_that_cannot_be_made_is_never_ignored() -> None:
    text = combine("select: {qa_raw: SP_seeing < 1}")
    assert "select has no condition that the index was asked for" in reasons(plan(text))
    bad = {"muse_exp_combine": {"": Selected(problem="no such table", remedy="mend it")}}
    made = plan(text, selections=bad)
    assert f"{ALL}: select: no such table () -> mend it" in reasons(made)
    assert ALL not in made.invocations
    assert [left.error for left in made.left_out] == [True]


def test_a_minimum_of_exposures_of_ones_own() -> None:
    made = plan(combine("min_exps: 5"), flagged())
    assert "min_exps takes 4 of 4 exposures, and it needs at least 5: none is left out" in reasons(
        made
    )
    assert taken(plan(combine("min_exps: 4"), flagged())) == [0, 1, 2, 3]


@pytest.mark.parametrize("key", ["exclude_flags: true", "max_exps: 3", "min_exps: 2"])
def test_only_what_combines_a_dataset_selects(key: str) -> None:
    made = plan(TWO_PASSES.replace("  muse_scipost:\n", f"  muse_scipost:\n    {key}\n"))
    told = reasons(made)
    assert (
        f"muse_scipost: {key.partition(':')[0]}: exposures are selected for what combines" in told
    )
    assert not [name for name in made.invocations if name.startswith("muse_scipost:")]


@given(flags=st.sets(st.integers(0, 3)), chosen=st.sets(st.integers(0, 3)), most=st.integers(2, 5))
@settings(max_examples=20, deadline=None)
def test_what_is_taken_is_what_all_conditions_leave(
    flags: set[int], chosen: set[int], most: int
) -> None:
    text = combine(f"exclude_flags: true, select: {{raw: EXPTIME > 1}}, max_exps: {most}")
    some = {"muse_exp_combine": {"": Selected(frozenset(NAMES[i] for i in chosen))}}
    made = plan(text, flagged(MINE=tuple(flags)), selections=some)
    expected = sorted(chosen - flags)[:most]
    if len(expected) < 2:
        assert ALL not in made.invocations
    else:
        assert taken(made) == expected
        assert len(made.invocations[ALL].notes) == 4 - len(expected)
