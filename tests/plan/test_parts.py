"""Parts of a dataset: what is aligned and combined with each other, and with no other."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from musebuild.errors import PlanError
from musebuild.index.model import RawFrame, Selected
from musebuild.plan.names import closure, select, stopped
from musebuild.plan.parts import label_of, parts_of, result_of
from tests.plan.making import TWO_PASSES, frame, night, plan, reasons, source_of

NFM = "NFM-AO-N"
COMBINE = "muse_exp_combine"


def exposures(*of: dict[str, object], hour: int = 3) -> list[RawFrame]:
    return [frame("OBJECT", f"2017-06-16T{hour:02d}:0{n}:00", **more) for n, more in enumerate(of)]


def calibrated(*modes: str) -> list[RawFrame]:
    """Calibrations of several instrument modes, without exposures."""
    raw = night(exposures=0)
    for number, mode in enumerate(modes):
        for one in night(exposures=0):
            if one.category == "BIAS":
                continue
            date = f"{one.date_obs[:17]}{number + 1:02d}"
            more = {"ins_mode": mode, "lamps": one.lamps, "tpl_start": date[:13] + f":00:0{number}"}
            raw.append(frame(one.category, date, **more))
    return raw


def combined(made: object) -> dict[str, list[str]]:
    """Combination → the exposures that it takes."""
    return {
        name.partition(":")[2]: [
            source.partition(":")[2]
            for source in source_of(made, name, "PIXTABLE_REDUCED")  # type: ignore[arg-type]
        ]
        for name in made.invocations  # type: ignore[attr-defined]
        if name.startswith(f"{COMBINE}:")
    }


def test_a_dataset_that_is_whole_has_the_names_that_it_always_had() -> None:
    made = plan()
    assert [n for n in made.invocations if n.startswith(COMBINE)] == [f"{COMBINE}:FIELD_drs"]
    assert made.invocations[f"{COMBINE}:FIELD_drs"].folder == "exp_combine/FIELD_drs"
    assert made.units == ("FIELD",)
    assert not made.left_out


def test_the_wide_and_the_narrow_field_are_never_in_one_cube() -> None:
    raw = calibrated(NFM) + exposures({}, {}, hour=1)
    raw += exposures(*[{"ins_mode": NFM}] * 2)
    made = plan(raw=raw)
    assert combined(made) == {
        "FIELD.NFM_drs": ["2017-06-16T03:00:00", "2017-06-16T03:01:00"],
        "FIELD.WFM_drs": ["2017-06-16T01:00:00", "2017-06-16T01:01:00"],
    }
    aligned = "muse_exp_align:FIELD.NFM_drs"
    assert source_of(made, f"{COMBINE}:FIELD.NFM_drs", "OFFSET_LIST") == [aligned]
    assert source_of(made, "muse_scipost:2017-06-16T03:00:00", "OFFSET_LIST") == [aligned]
    note = next(left for left in made.left_out if left.note)
    assert note.reason == "its 4 exposures are combined in 2 parts: FIELD.NFM (2), FIELD.WFM (2)"
    assert not note.error
    assert set(made.groups["FIELD.NFM"]) < set(made.groups["FIELD"])
    assert {made.invocations[n].ins_mode for n in select(made, ["FIELD.NFM"])} == {NFM}


def test_filters_part_and_ao_only_where_it_is_asked_for() -> None:
    modes = ("WFM-NOAO-N", "WFM-AO-N", "WFM-NOAO-E", "WFM-AO-N", "WFM-NOAO-N")
    some = exposures(*({"ins_mode": mode} for mode in modes))
    parts = parts_of(some, {}).counts
    assert parts == {"FIELD": {"extended": 1, "nominal": 4}}
    made = plan(
        TWO_PASSES.replace("{FIELD: {}}", "{FIELD: {split_by: [ao, position]}}"),
        raw=calibrated("WFM-AO-N") + [f for f in some if f.ins_mode[-1] == "N"],
    )
    assert {name: len(of) for name, of in combined(made).items()} == {
        "FIELD.AO_drs": 2,
        "FIELD.NOAO_drs": 2,
    }
    assert not parts_of([f for f in some if f.ins_mode[-1] == "N"], {}).counts


def test_fields_without_overlap_are_combined_on_their_own() -> None:
    here, there = {"ra": 10.0, "dec": -45.0}, {"ra": 10.0, "dec": -45.1}
    raw = night(exposures=0) + exposures(here, there, here, there)
    made = plan(raw=raw)
    assert {name: len(of) for name, of in combined(made).items()} == {
        "FIELD.J004000-450000_drs": 2,
        "FIELD.J004000-450600_drs": 2,
    }
    assert "2 parts: FIELD.J004000-450000 (2)" in reasons(made)
    together = TWO_PASSES.replace("{FIELD: {}}", "{FIELD: {split_by: []}}").replace(
        "OFFSET_LIST: OFFSET_LIST_drs", ""
    )
    assert list(combined(plan(together, raw=raw))) == ["FIELD_drs"]
    # One more exposure of a field changes the name of neither.
    more = plan(raw=raw + exposures(there, hour=5))
    assert combined(more).keys() == combined(made).keys()


def test_what_a_header_lacks_parts_nothing_where_the_others_agree() -> None:
    lack = {"ins_mode": ""}
    assert not parts_of(exposures({"ra": 1.0, "dec": 2.0}, lack), {}).counts
    counts = parts_of(exposures({}, lack, {"ins_mode": NFM}), {}).counts["FIELD"]
    assert counts == {"NFM": 1, "WFM": 1, "unknown": 1}
    counts = parts_of(exposures({"ra": 1.0, "dec": 2.0}, {}, {"ra": 9.0, "dec": 2.0}), {}).counts
    assert counts["FIELD"] == {"J000400+020000": 1, "J003600+020000": 1, "unknown": 1}


def test_each_part_has_a_list_of_its_own_by_hand() -> None:
    text = """
datasets: {FIELD: {}}
recipes:
  exp_align_by_hand:
    offsets:
      2017-06-16T01:00:00: {east: 1, north: 0}
      2017-06-16T01:01:00: {east: 2, north: 0}
  muse_scipost: {frames: {OFFSET_LIST: OFFSET_LIST_by_hand}, params: {save: individual}}
  muse_exp_combine: {frames: {OFFSET_LIST: OFFSET_LIST_by_hand}}
"""
    raw = calibrated(NFM) + exposures({"dec": 0.0}, {"dec": 0.0}, hour=1)
    raw += exposures(*[{"ins_mode": NFM}] * 2)
    made = plan(text, raw=raw)
    assert list(combined(made)) == ["FIELD.WFM_drs"]
    lists = [name for name in made.invocations if name.startswith("exp_align_by_hand")]
    assert lists == ["exp_align_by_hand:FIELD.WFM_by_hand"]
    assert "offsets names no exposure of FIELD.NFM" in reasons(made)
    assert stopped(made.left_out, made.units) <= {"FIELD.NFM"}


def test_a_part_of_one_exposure_is_reduced_without_offsets() -> None:
    raw = calibrated(NFM) + exposures({}, {}, hour=1) + exposures({"ins_mode": NFM})
    made = plan(raw=raw)
    assert list(combined(made)) == ["FIELD.WFM_drs"]
    single = "muse_scipost:2017-06-16T03:00:00"
    assert not source_of(made, single, "OFFSET_LIST")
    assert any("the only exposure" in note for note in made.invocations[single].notes)
    assert "FIELD.NFM has 1 exposure" in reasons(made)
    assert not any(left.error for left in made.left_out)


def test_what_alone_is_left_by_flags_does_without_and_the_flagged_one_is_left_out() -> None:
    text = TWO_PASSES.replace("muse_scipost_rec}", "muse_scipost_rec, exclude_flags: true}")
    raw = night(exposures=0) + exposures({}, {"flags": ("BAD",)})
    made = plan(text, raw=raw)
    assert "muse_scipost:2017-06-16T03:00:00" in made.invocations
    assert "muse_scipost:2017-06-16T03:01:00" not in made.invocations, "its place is not known"
    wrong = [left.name for left in made.left_out if left.error]
    assert wrong == [f"{COMBINE}:FIELD_drs"], "it would take both"
    text = text.replace(f"{COMBINE}: {{", f"{COMBINE}: {{exclude_flags: true, ")
    assert not any(left.error for left in plan(text, raw=raw).left_out)


def test_a_grid_of_a_combination_of_one_is_done_without() -> None:
    text = TWO_PASSES + "  muse_scipost_make_cube: {frames: {OUTPUT_WCS: muse_exp_combine}}\n"
    made = plan(text, raw=night(exposures=1))
    assert "muse_scipost_make_cube:2017-06-16T01:30:00" in made.invocations
    assert not any(left.error for left in made.left_out)


def test_a_selection_that_takes_nothing_is_told_and_stops_nothing() -> None:
    text = TWO_PASSES.replace(f"{COMBINE}: {{", f"{COMBINE}: {{select: {{raw: EXPTIME > 1}}, ")
    text = text.replace("{FIELD: {}}", "{FIELD: {}, B: {}}")
    raw = night() + exposures({"dataset": "B"}, {"dataset": "B"})
    names = {f.name for f in raw if f.dataset == "B"}
    some = plan(text, raw=raw, selections={COMBINE: {"": Selected(frozenset(names))}})
    assert list(combined(some)) == ["B_drs"]
    assert not any(left.error for left in some.left_out), "none of FIELD may be meant"
    none = plan(text, raw=raw, selections={COMBINE: {"": Selected()}})
    assert [left.error for left in none.left_out] == [False, False]
    assert reasons(none).count("select takes 0 of 2 exposures, and it needs at least 2") == 2
    assert not combined(none)


def test_what_stops_one_part_stops_no_other() -> None:
    raw = night() + exposures({"ins_mode": NFM}, {"ins_mode": NFM})
    raw += exposures(*[{"dataset": "B"}] * 2, hour=4)
    made = plan(TWO_PASSES.replace("{FIELD: {}}", "{FIELD: {}, B: {}}"), raw=raw)
    units = (*made.units, "FIELD.NFM")
    assert stopped(made.left_out, units) == {"FIELD.NFM"}
    sound = closure(made, [*made.groups["FIELD.WFM"], *made.groups["B"]])
    assert {f"{COMBINE}:FIELD.WFM_drs", f"{COMBINE}:B_drs"} < set(sound)


def test_a_dataset_with_the_name_of_a_part_is_refused() -> None:
    raw = calibrated(NFM) + exposures({}, {}, *[{"ins_mode": NFM}] * 2)
    raw += exposures({"dataset": "FIELD.NFM"}, {"dataset": "FIELD.NFM"}, hour=5)
    with pytest.raises(PlanError, match="two tasks would both be"):
        plan(TWO_PASSES.replace("{FIELD: {}}", "{FIELD: {}, FIELD.NFM: {}}"), raw=raw)


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["WFM-NOAO-N", "WFM-AO-E", NFM, ""]),
            st.sampled_from([None, 1.0, 1.001, 2.0]),
        ),
        max_size=8,
    ),
    st.randoms(use_true_random=False),
)
@settings(max_examples=40, deadline=None)
def test_parts_hold_every_exposure_once_whatever_the_order(
    given_: list[tuple[str, float | None]], random: object
) -> None:
    some = exposures(*({"ins_mode": mode, "ra": ra, "dec": 0.0} for mode, ra in given_))
    found = parts_of(some, {})
    mixed = some[:]
    random.shuffle(mixed)  # type: ignore[attr-defined]
    assert parts_of(mixed, {}) == found
    for counts in found.counts.values():
        assert sum(counts.values()) == len(some) == len(found.of)
    modes: dict[str, set[str]] = {}
    for one in some:
        if one.ins_mode:
            modes.setdefault(found.name(one.name), set()).add(one.ins_mode[:3] + one.ins_mode[-1])
    assert all(len(of) == 1 for of in modes.values())


def test_labels() -> None:
    assert label_of("A", "") == "A"
    assert label_of("A_B", "NFM", "drs") == "A_B.NFM_drs"
    for part in ("", "NFM", "WFM.J1-2"):
        assert result_of(label_of("A_B", part, "by_hand"), "A_B") == "by_hand"
