"""The graph of invocations."""

from __future__ import annotations

import gc
import random
import sys
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from musebuild.errors import PlanError, UsageError
from musebuild.index.model import FileFrame, Selected
from musebuild.plan.names import closure, concerned, select
from tests.plan.making import TWO_PASSES, dependents, files, frame, night, plan, reasons, source_of

MOSAIC = "mpdaf_combine:FIELD_mpdaf"
SCIPOST = "muse_scipost:2017-06-16T01:30:00"


def test_the_whole_graph_of_a_night() -> None:
    made = plan()
    assert len(made.invocations) == 22
    assert not made.left_out
    assert set(made.default) == set(made.invocations)
    combine = made.invocations["muse_exp_combine:FIELD_drs"]
    assert combine.folder == "exp_combine/FIELD_drs"
    bias = made.invocations["muse_bias:2017-06-16T10:00:00.ifu02"]
    assert bias.folder == "MASTER_BIAS/2017-06-16T10:00:00.WFM-NOAO-N"
    assert bias.params["nifu"] == 2
    assert [w.ifu for w in bias.inputs if w.tag == "BIAS"] == [2, 2, 2]


def test_calibrations_come_split_and_are_joined_where_needed() -> None:
    made = plan()
    flat = "muse_flat:2017-06-16T11:00:00.ifu01"
    assert source_of(made, flat, "MASTER_BIAS") == ["muse_bias:2017-06-16T10:00:00.ifu01"]
    assert source_of(made, "muse_twilight:2017-06-15T22:00:00", "MASTER_FLAT") == [
        "muse_flat:2017-06-16T11:00:00.ifu01",
        "muse_flat:2017-06-16T11:00:00.ifu02",
    ]
    assert len(source_of(made, SCIPOST, "PIXTABLE_OBJECT")) == 2
    assert source_of(made, SCIPOST, "OFFSET_LIST") == ["muse_exp_align:FIELD_drs"]


def test_a_plain_build_takes_only_calibrations_that_are_used() -> None:
    made = plan(raw=[*night("2017-06-15"), *night("2017-06-20", exposures=0)])
    assert "muse_bias:2017-06-21T10:00:00.ifu01" in made.invocations
    assert "muse_bias:2017-06-21T10:00:00.ifu01" not in made.default
    assert len(select(made, ["calib"])) == 18


@given(seed=st.integers(0, 10**6))
@settings(max_examples=15, deadline=None)
def test_the_order_of_discovery_does_not_matter(seed: int) -> None:
    raw = [*night("2017-06-15"), *night("2017-06-16")]
    shuffled = list(raw)
    random.Random(seed).shuffle(shuffled)
    assert plan(raw=raw).invocations == plan(raw=shuffled).invocations


def test_each_follows_what_it_needs_and_takes_what_that_makes() -> None:
    made = plan(raw=[*night("2017-06-15"), *night("2017-06-16")])
    seen: set[str] = set()
    for name, invocation in made.invocations.items():
        for wanted in invocation.inputs:
            if wanted.kind == "product":
                assert wanted.invocation in seen
                assert wanted.category in made.invocations[wanted.invocation].products
        seen.add(name)


def test_one_sequence_with_two_modes_is_two() -> None:
    more = [frame("FLAT", f"2017-06-16T11:1{n}:00", ins_mode="WFM-AO-N") for n in range(3)]
    made = plan(raw=[*night(), *more])
    names = [n for n in made.invocations if n.startswith("muse_flat") and n.endswith("ifu01")]
    assert sorted(names) == [
        "muse_flat:2017-06-16T11:00:00.WFM-AO-N.ifu01",
        "muse_flat:2017-06-16T11:00:00.WFM-NOAO-N.ifu01",
    ]
    scibasic = "muse_scibasic:2017-06-16T01:30:00.ifu01"
    assert source_of(made, scibasic, "MASTER_FLAT") == [
        "muse_flat:2017-06-16T11:00:00.WFM-NOAO-N.ifu01"
    ]


def test_too_few_frames_are_told_to_who_needs_them() -> None:
    raw = [f for f in night() if f.name != "2017-06-16T10:01:00"]
    made = plan(raw=raw)
    assert not made.default
    text = reasons(made)
    assert "BIAS:2017-06-16T10:00:00: 2 BIAS frames, and at least 3 are needed" in text
    assert "muse_scibasic:2017-06-16T01:30:00: BIAS:2017-06-16T10:00:00: 2 BIAS" in text
    assert "add the missing raw frames" in text
    assert any(left.error for left in made.left_out)


def test_a_missing_lamp_is_told() -> None:
    raw = [f for f in night() if "Xe" not in f.lamps]
    assert "2 ARC frames" in reasons(plan(raw=raw))
    twice = [f for f in night() if f.category == "ARC" and "Ne" in f.lamps]
    raw += [frame("ARC", "2017-06-16T12:07:00", lamps=twice[0].lamps)]
    assert "no exposure of the lamp Xe" in reasons(plan(raw=raw))


def test_a_missing_static_calibration_is_told_with_its_folder() -> None:
    text = reasons(plan(index=files("LINE_CATALOG")))
    assert "no LINE_CATALOG in /calib" in text
    assert "ESO PRO CATG = LINE_CATALOG" in text


def test_an_expected_frame_may_be_left_out_on_request() -> None:
    raw = [f for f in night() if f.category != "STD"]
    assert "frames.exclude: [STD_RESPONSE]" in reasons(plan(raw=raw))
    text = """
recipes:
  muse_scipost: {frames: {exclude: [STD_RESPONSE, STD_TELLURIC]}}
"""
    assert not plan(text, raw=raw).left_out


def test_an_optional_frame_that_is_missing_is_a_note() -> None:
    made = plan(index=files("BADPIX_TABLE"))
    assert not made.left_out
    note = made.invocations["muse_bias:2017-06-16T10:00:00.ifu01"].notes[0]
    assert "no BADPIX_TABLE" in note


def test_offsets_accept_another_night() -> None:
    far = [f for f in night("2017-06-18", 0) if f.category == "BIAS"]
    raw = [f for f in night() if f.category != "BIAS"] + far
    assert "is 3 nights later" in reasons(plan(raw=raw))
    blocks = ("muse_flat", "muse_wavecal", "muse_lsf", "muse_twilight", "muse_scibasic")
    text = TWO_PASSES + "".join(
        f"  {block}: {{frames: {{offsets: {{MASTER_BIAS: 3}}}}}}\n" for block in blocks
    )
    assert not plan(text, raw=raw).left_out


def test_a_calibration_from_another_block() -> None:
    text = TWO_PASSES + (
        "  muse_bias_test: {params: {ron: 5}}\n"
        "  muse_flat: {frames: {MASTER_BIAS: muse_bias_test}}\n"
    )
    made = plan(text)
    flat = "muse_flat:2017-06-16T11:00:00.ifu01"
    assert source_of(made, flat, "MASTER_BIAS") == ["muse_bias_test:2017-06-16T10:00:00.ifu01"]
    wave = "muse_wavecal:2017-06-16T12:00:00.ifu01"
    assert source_of(made, wave, "MASTER_BIAS") == ["muse_bias:2017-06-16T10:00:00.ifu01"]
    assert made.invocations["muse_bias_test:2017-06-16T10:00:00.ifu01"].folder.startswith(
        "muse_bias_test/"
    )


DATES = ("2017-06-16T01:30:00", "2017-06-16T01:31:00")
"""Of the exposures of `night`."""


def test_files_by_range_of_nights() -> None:
    text = TWO_PASSES.replace(
        "frames: {OFFSET_LIST: OFFSET_LIST_drs}\n    params",
        "frames: {OFFSET_LIST: {a.fits: {end_date: 2017-01-01}, b.fits: {start_date: 2017-01-02}}}"
        "\n    params",
    )
    named = {
        ("OFFSET_LIST", f"{name}.fits"): (
            FileFrame(f"/project/{name}.fits", "OFFSET_LIST", exposures=DATES),
        )
        for name in "ab"
    }
    made = plan(text, index=files(named=named))
    assert source_of(made, SCIPOST, "OFFSET_LIST") == ["/project/b.fits"]


def test_a_named_file_that_is_missing_is_told() -> None:
    text = TWO_PASSES.replace("OFFSET_LIST_drs", "nowhere.fits")
    assert "nowhere.fits does not exist" in reasons(plan(text))


def test_an_alignment_that_is_not_there_is_told_with_what_is() -> None:
    text = TWO_PASSES.replace("OFFSET_LIST: OFFSET_LIST_drs", "OFFSET_LIST: OFFSET_LIST_mine", 1)
    assert "no OFFSET_LIST_mine" in reasons(plan(text))
    assert "there is OFFSET_LIST_drs" in reasons(plan(text))


def test_one_exposure_cannot_be_aligned() -> None:
    made = plan(raw=night(exposures=1))
    assert "muse_exp_align:FIELD_drs: FIELD has 1 exposure" in reasons(made)
    assert not any(left.error for left in made.left_out)


def test_no_ifu_of_those_wanted() -> None:
    text = reasons(plan("ifus: [7]\n" + TWO_PASSES))
    assert "it holds IFU 1, 2, and the settings want IFU 7" in text


def test_only_the_wanted_ifus() -> None:
    made = plan("ifus: 1\n" + TWO_PASSES)
    assert not [n for n in made.invocations if n.endswith("ifu02")]
    assert len(made.invocations) == 15


def test_twilight_needs_ifu_1() -> None:
    assert "muse_twilight needs IFU 1" in reasons(plan("ifus: 2\n" + TWO_PASSES))


def test_objects_of_no_dataset_are_told_and_left_out() -> None:
    more = frame("OBJECT", "2017-06-16T02:00:00", object_orig="OTHER", dataset="OTHER")
    made = plan(raw=[*night(), more])
    assert "OTHER: 1 exposure of this OBJECT belong to no dataset" in reasons(made)
    assert not [n for n in made.invocations if "02:00:00" in n]
    assert not any(left.error for left in made.left_out)


def test_without_datasets_every_object_is_one() -> None:
    more = frame("OBJECT", "2017-06-16T02:00:00", object_orig="OTHER", dataset="OTHER")
    made = plan("recipes: {}", raw=[*night(), more])
    assert "muse_scipost:2017-06-16T02:00:00" in made.default


def test_excluded_masters_are_not_used() -> None:
    text = TWO_PASSES + "frames: {exclude: {MASTER_BIAS: '2017-06-16T10:00:00'}}\n"
    assert "no MASTER_BIAS" in reasons(plan(text))


def test_darks_are_made_by_name_and_used_only_where_included() -> None:
    darks = [frame("DARK", f"2017-06-16T13:0{n}:00") for n in range(3)]
    made = plan(raw=[*night(), *darks])
    dark = "muse_dark:2017-06-16T13:00:00"
    assert select(made, ["muse_dark"]) == (f"{dark}.ifu01", f"{dark}.ifu02")
    assert not [n for n in made.default if n.startswith("muse_dark")]
    users = {w.tag for i in made.invocations.values() for w in i.inputs if dark in w.invocation}
    assert not users
    # Nobody misses those that are too few; the archive is not asked for them.
    (left,) = plan(raw=[*night(), *darks[:2]]).left_out
    assert (left.name, left.error, left.wanted) == (dark, False, ())
    # A block of the settings stands for it.
    made = plan(TWO_PASSES + "  my_dark: {recipe: muse_dark}\n", [*night(), *darks])
    assert {i.block for i in made.invocations.values() if "dark" in i.block} == {"my_dark"}
    made = plan(TWO_PASSES + "  muse_flat: {frames: {include: MASTER_DARK}}\n", [*night(), *darks])
    flat = "muse_flat:2017-06-16T11:00:00.ifu01"
    assert source_of(made, flat, "MASTER_DARK") == ["muse_dark:2017-06-16T13:00:00.ifu01"]


def test_the_model_of_raman_lines_needs_the_line_spread_function() -> None:
    rec = "muse_scipost_rec:2017-06-16T01:30:00"
    lsf = ["muse_lsf:2017-06-16T12:00:00.ifu01", "muse_lsf:2017-06-16T12:00:00.ifu02"]
    assert not source_of(plan(), rec, "LSF_PROFILE")
    made = plan(raw=night(ins_mode="WFM-AO-N"))
    assert source_of(made, rec, "LSF_PROFILE") == lsf
    assert source_of(made, SCIPOST, "LSF_PROFILE") == lsf
    text = TWO_PASSES.replace("init: {output_dir: rec}", "frames: {exclude: RAMAN_LINES}")
    made = plan(text, raw=night(ins_mode="WFM-AO-N"))
    assert not source_of(made, rec, "LSF_PROFILE")


def test_raman_lines_in_ao_modes_only() -> None:
    assert not source_of(plan(), SCIPOST, "RAMAN_LINES")
    made = plan(raw=night(ins_mode="WFM-AO-N"))
    assert source_of(made, SCIPOST, "RAMAN_LINES") == ["/calib/raman_lines.fits"]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("recipes: {muse_scipst: {}}", "did you mean muse_scipost"),
        ("recipes: {mine: {recipe: muse_flatt}}", "did you mean muse_flat"),
        ("recipes: {muse_exp_align: {from_recipe: nowhere}}", "there is no block nowhere"),
        ("recipes: {muse_exp_combine: {}}", "takes PIXTABLE_REDUCED from muse_scipost"),
        ("recipes: {muse_exp_align: {filt: R}}", "takes images in the filter R"),
        (
            "recipes: {muse_scipost_a: {init: {output_dir: x}}, "
            "muse_scipost_b: {init: {output_dir: x}}}",
            "would write the same folder",
        ),
        (
            "recipes: {muse_exp_align: {}, muse_scipost: {frames: {OFFSET_LIST: OFFSET_LIST_drs}}}",
            "in a circle",
        ),
    ],
)
def test_blocks_that_contradict_each_other(text: str, told: str) -> None:
    with pytest.raises(PlanError) as error:
        plan(text)
    assert told in str(error.value)
    assert "settings.yml" in str(error.value)
    assert error.value.remedy


def test_blocks_that_cannot_run_are_left_out_with_what_depends_on_them() -> None:
    text = TWO_PASSES + "  superflat: {}\n  zap: {from_recipe: superflat}\n"
    told = reasons(plan(text))
    assert "superflat: musebuild does not run it yet" in told
    assert "zap: " in told


def test_targets_change_what_a_plain_build_takes() -> None:
    made = plan("targets: [muse_flat]\n" + TWO_PASSES)
    assert {made.invocations[name].block for name in made.default} == {"muse_bias", "muse_flat"}


def test_names_patterns_and_groups() -> None:
    made = plan()
    assert len(select(made, ["muse_flat:2017-06-16T11:00:00"])) == 2
    assert len(select(made, ["muse_scipost*"])) == 4
    assert select(made, ["FIELD"]) == tuple(
        name for name, invocation in made.invocations.items() if invocation.dataset
    )
    assert len(select(made, ["2017-06-15"])) == 20
    with pytest.raises(UsageError, match="muse_flatt") as error:
        select(made, ["muse_flatt"])
    assert "muse_flat" in str(error.value.why)


def test_closure_and_dependents() -> None:
    made = plan()
    flat = "muse_flat:2017-06-16T11:00:00.ifu02"
    assert set(closure(made, [flat])) == {flat, "muse_bias:2017-06-16T10:00:00.ifu02"}
    after = dependents(made, ["muse_exp_align:FIELD_drs"])
    assert [made.invocations[name].block for name in after] == [
        "muse_exp_align",
        "muse_scipost",
        "muse_scipost",
        "muse_exp_combine",
    ]


def test_what_is_left_out_concerns_those_who_ask_for_it() -> None:
    made = plan(raw=[f for f in night() if f.category != "STD"])
    whole = len(concerned(made.left_out, [], ["FIELD"]))
    assert whole == len(made.left_out)
    for name in ("muse_scipost", SCIPOST, "muse_scipost:*", "FIELD", "science"):
        assert any(left.error for left in concerned(made.left_out, [name], ["FIELD"])), name
    assert not concerned(made.left_out, ["muse_flat"], ["FIELD"])


def test_what_is_left_out_is_found_by_its_exposure_night_and_dataset() -> None:
    raw = [*night(), *night("2017-07-20")]
    raw = [f for f in raw if f.category != "STD" or f.night != "2017-07-20"]
    made = plan(raw=raw)

    def lost(name: str) -> set[str]:
        return {left.name for left in concerned(made.left_out, [name], ["FIELD", "OTHER"])}

    first, second = "muse_scipost:2017-07-21T01:30:00", "muse_scipost:2017-07-21T01:31:00"
    assert first in lost("2017-07-20") and second in lost("2017-07-20")
    assert lost("2017-07-21T01:30:00") == {first, first.replace("scipost", "scipost_rec")}
    assert lost("2017-07-01..") >= {first, second}
    assert first in lost("FIELD")
    assert not any("2017-07" in name for name in lost("2017-06-15"))
    assert not lost("OTHER") and not lost("..2017-06-14")


def test_a_block_of_which_nothing_is_left_says_why() -> None:
    made = plan(raw=[f for f in night() if f.category != "STD"])
    with pytest.raises(UsageError) as error:
        select(made, ["muse_scipost"])
    assert "muse_scipost is left out of the plan" in str(error.value)
    assert "no raw STD within 5 nights of 2017-06-15 (for STD_RESPONSE, STD_TELLURIC)" in str(
        error.value
    )


STANDARDS = """
datasets: {FIELD: {}}
runs: {June: {start_date: 2017-06-01, end_date: 2017-06-30}}
recipes:
  muse_std_combine: {}
  muse_scipost:
    frames: {STD_RESPONSE: muse_std_combine, STD_TELLURIC: muse_std_combine}
"""


def test_the_standards_of_a_run_serve_all_its_exposures_where_a_block_asks_for_it() -> None:
    raw = [*night("2017-06-15", run="June"), *night("2017-06-18", run="June")]
    made = plan(STANDARDS, raw)
    combined = made.invocations["muse_std_combine:June"]
    assert combined.folder == "std_combine/June"
    assert len(combined.inputs) == 4
    exposures = [name for name in made.invocations if name.startswith("muse_scipost:")]
    assert len(exposures) == 4
    for name in exposures:
        for tag in ("STD_RESPONSE", "STD_TELLURIC"):
            assert source_of(made, name, tag) == ["muse_std_combine:June"]


def test_an_exposure_outside_of_all_runs_has_no_standards_of_a_run() -> None:
    made = plan(STANDARDS, [*night("2017-06-15", run="June"), *night("2017-07-18")])
    told = reasons(made)
    assert "belong to no run" in told
    assert "makes no STD_RESPONSE for a night that belongs to no run" in told
    assert "muse_scipost:2017-06-16T01:30:00" in made.invocations


def test_cubes_lie_on_the_grid_of_a_combined_cube_that_is_named() -> None:
    for grid in ("muse_exp_combine", "drs", "DATACUBE_FINAL_drs"):
        text = TWO_PASSES + (
            "  muse_scipost_make_cube:\n"
            f"    frames: {{OFFSET_LIST: OFFSET_LIST_drs, OUTPUT_WCS: {grid}}}\n"
            "  mpdaf_combine: {}\n"
        )
        made = plan(text)
        cubes = source_of(made, "mpdaf_combine:FIELD_mpdaf", "DATACUBE_FINAL")
        assert len(cubes) == 2
        for name in cubes:
            assert source_of(made, name, "OUTPUT_WCS") == ["muse_exp_combine:FIELD_drs"]
            (grid_input,) = [i for i in made.invocations[name].inputs if i.tag == "OUTPUT_WCS"]
            assert grid_input.category == "DATACUBE_FINAL"


@pytest.mark.parametrize(
    "place",
    [
        "exp_combine/FIELD/DATACUBE_FINAL.fits",
        "exp_combine/FIELD_drs/DATACUBE_FINAL.fits",
        "exp_combine/FIELD_drs/DATACUBE_FINAL_FIELD.fits",
        "exp_combine/drs/DATACUBE_FINAL.fits",
    ],
)
def test_a_product_is_found_by_the_path_that_it_has_in_musered(place: str) -> None:
    text = TWO_PASSES.replace("OFFSET_LIST_drs", "reduced/0.1/exp_align/drs", 1)
    grid = f"reduced/0.1/{place}"
    text += (
        "  muse_scipost_make_cube:\n"
        f"    frames: {{OFFSET_LIST: OFFSET_LIST_drs, OUTPUT_WCS: {grid}}}\n"
        "  mpdaf_combine: {}\n"
    )
    made = plan(text)
    assert not reasons(made)
    assert source_of(made, SCIPOST, "OFFSET_LIST") == ["muse_exp_align:FIELD_drs"]
    for name in source_of(made, "mpdaf_combine:FIELD_mpdaf", "DATACUBE_FINAL"):
        assert source_of(made, name, "OUTPUT_WCS") == ["muse_exp_combine:FIELD_drs"]
    # A file that is there is taken as it is named.
    there = FileFrame("/elsewhere.fits", "OUTPUT_WCS")
    made = plan(text, index=files(named={("OUTPUT_WCS", grid): (there,)}))
    cube = made.invocations["muse_scipost_make_cube:2017-06-16T01:30:00"]
    (wanted,) = [one for one in cube.inputs if one.tag == "OUTPUT_WCS"]
    means_ours = place.startswith("exp_combine/FIELD_drs/")
    assert (wanted.path == there.path) != means_ours


AS_IN_MUSERED = (
    TWO_PASSES.replace("OFFSET_LIST_drs", "reduced/0.1/exp_align/drs/OFFSET_LIST.fits")
    + "  muse_scipost_make_cube:\n"
    "    frames: {OUTPUT_WCS: reduced/0.1/exp_combine/FIELD/DATACUBE_FINAL.fits}\n"
)


def test_a_single_exposure_does_without_what_such_a_path_would_be() -> None:
    made = plan(AS_IN_MUSERED, night(exposures=1))
    assert not [left for left in made.left_out if left.error]
    for name in (SCIPOST, "muse_scipost_make_cube:2017-06-16T01:30:00"):
        notes = made.invocations[name].notes
        assert any("since this is the only exposure: reduced without" in note for note in notes)


def test_such_a_path_means_what_is_made_of_the_same_part_of_a_dataset() -> None:
    narrow = [
        frame("OBJECT", f"2017-06-16T02:3{n}:00", ins_mode="NFM-AO-N", field="NFM") for n in (0, 1)
    ]
    for text in (AS_IN_MUSERED, AS_IN_MUSERED.replace("exp_align/drs", "exp_align/FIELD_drs")):
        made = plan(text, [*night(), *narrow])
        assert source_of(made, SCIPOST, "OFFSET_LIST") == ["muse_exp_align:FIELD.WFM_drs"]


def test_a_path_of_musered_that_means_several_results_is_told() -> None:
    two = (
        "  muse_scipost_make_cube: {frames: {OUTPUT_WCS: reduced/0.1/exp_combine/FIELD/D.fits}}\n"
    ).replace("D.fits", "DATACUBE_FINAL.fits")
    named = "names_with_selection: {one: {raw: 'EXPTIME > 1'}, two: {raw: 'EXPTIME > 2'}}"
    text = TWO_PASSES.replace("muse_exp_combine: {frames", f"muse_exp_combine: {{{named}, frames")
    chosen = Selected(frozenset(["2017-06-16T01:30:00", "2017-06-16T01:31:00"]))
    made = plan(text + two, selections={"muse_exp_combine": {"one": chosen, "two": chosen}})
    assert "means several results: muse_exp_combine:FIELD_one and muse_exp_combine:FIELD_two" in (
        reasons(made)
    )


def test_the_grid_of_a_mosaic_may_be_given_as_musered_has_it() -> None:
    text = TWO_PASSES + (
        "  muse_scipost_make_cube: {frames: {OFFSET_LIST: OFFSET_LIST_drs}}\n"
        "  mpdaf_combine: {params: {output_wcs: GRID, cache_cubes: true}}\n"
    )
    there = FileFrame("/somewhere/grid.fits", "OUTPUT_WCS")
    index = files(named={("OUTPUT_WCS", "grid.fits"): (there,)})
    combined = plan(text.replace("GRID", "grid.fits"), index=index).invocations[MOSAIC]
    (grid,) = [one for one in combined.inputs if one.tag == "OUTPUT_WCS"]
    assert (grid.kind, grid.path) == ("file", there.path), "known by its content"
    assert (combined.params["mosaic"], combined.params["method"]) == (True, "pysigclip")
    assert not {"output_wcs", "cache_cubes"} & set(combined.params)
    assert "REJMAP" in combined.products
    made = plan(text.replace("GRID", "muse_exp_combine"))
    assert source_of(made, MOSAIC, "OUTPUT_WCS") == ["muse_exp_combine:FIELD_drs"]


def test_cubes_are_corrected_as_their_pixel_tables_were() -> None:
    text = TWO_PASSES + "  muse_scipost_make_cube: {}\n"

    def chosen(text: str) -> object:
        made = plan(text)
        return made.invocations["muse_scipost_make_cube:2017-06-16T01:30:00"].params.get("rvcorr")

    assert chosen(text) is None, "the pipeline's default, as in muse_scipost"
    none = text.replace("save: 'cube,individual'", "save: 'cube,individual', rvcorr: none")
    assert chosen(none) == "none"
    assert chosen(none.replace("make_cube: {}", "make_cube: {params: {rvcorr: bary}}")) == "bary"


def test_a_plan_keeps_no_raw_frame_alive() -> None:
    raw = night()
    held = [sys.getrefcount(frame) for frame in raw]
    collecting = gc.isenabled()
    # A build holds the collector of circles off.
    gc.disable()
    try:
        made = plan(raw=raw)
        now = [sys.getrefcount(frame) for frame in raw]
    finally:
        if collecting:
            gc.enable()
    assert made.invocations
    assert now == held


def test_lacking_ifus_are_told() -> None:
    """Half a file holds fewer of them, and the pipeline makes a cube of the rest."""
    first, *rest = night()
    assert "IFU" not in reasons(plan(raw=[first, *rest]))
    short = [replace(f, channels=(1,)) if f.category == "OBJECT" else f for f in [first, *rest]]
    (told,) = (left for left in plan(raw=short).left_out if "is lacking" in left.reason)
    assert told.note
    assert told.name.endswith(" and 1 more")
    assert told.reason.startswith("IFU 2 is lacking, which other frames of the night hold")
    assert "is lacking" not in reasons(plan(f"ifus: [1]\n{TWO_PASSES}", raw=short))
    assert "no frame holds IFU 7" in reasons(plan(f"ifus: [1, 7]\n{TWO_PASSES}", raw=short))
