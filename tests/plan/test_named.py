"""Frames that the settings name: products by their paths, exclusions, globs, validity ranges."""

from __future__ import annotations

from dataclasses import replace

from musebuild.index.model import FileFrame
from musebuild.plan.model import Plan
from tests.plan.making import TWO_PASSES, files, night, plan, reasons, source_of

FLAT = "muse_flat:2017-06-16T11:00:00.ifu0{}"
BIAS = "muse_bias:2017-06-16T10:00:00.ifu0{}"
REDUCED = "/project/reduced/0.1"
SCIBASIC = "muse_scibasic:2017-06-16T01:30:00.ifu01"


def qualities(made: Plan, name: str, tag: str) -> list[str]:
    """Grade and note of the inputs of a tag."""
    return [
        f"{one.quality.grade}: {one.quality.note}"
        for one in made.invocations[name].inputs
        if one.tag == tag and one.quality is not None
    ]


def test_a_path_of_a_product_is_a_dependency_ifu_by_ifu() -> None:
    folder = plan().invocations[BIAS.format(1)].folder
    for path in (f"{folder}/MASTER_BIAS-*.fits", folder, f"{folder}/MASTER_BIAS-01.fits"):
        text = f"{TWO_PASSES}  muse_flat: {{frames: {{MASTER_BIAS: '{REDUCED}/{path}'}}}}\n"
        made = plan(text)
        for ifu in (1, 2):
            assert source_of(made, FLAT.format(ifu), "MASTER_BIAS") == [BIAS.format(ifu)], path
        assert qualities(made, FLAT.format(1), "MASTER_BIAS") == ["as set: "]


def test_of_products_that_a_glob_means_the_nearest_is_taken_and_what_differs_is_told() -> None:
    text = (
        f"{TWO_PASSES}  muse_flat: "
        f"{{frames: {{MASTER_BIAS: '{REDUCED}/MASTER_BIAS/*/MASTER_BIAS-*.fits'}}}}\n"
    )
    later = [f for f in night("2017-06-20") if f.category == "BIAS"]
    made = plan(text, raw=[*night(), *later])
    assert source_of(made, FLAT.format(1), "MASTER_BIAS") == [BIAS.format(1)]
    told = "nearest of 2 that the path means"
    assert qualities(made, FLAT.format(1), "MASTER_BIAS") == [f"as set: {told}"]
    fast = [f for f in night(read_mode="SCI2.0") if f.category == "BIAS"]
    made = plan(text, raw=[*(f for f in night() if f.category != "BIAS"), *later, *fast])
    # One of the right read-out mode is farther away, and goes before.
    assert source_of(made, FLAT.format(1), "MASTER_BIAS") == ["muse_bias:2017-06-21T10:00:00.ifu01"]
    made = plan(text, raw=[*(f for f in night() if f.category != "BIAS"), *fast])
    assert source_of(made, FLAT.format(1), "MASTER_BIAS") == [BIAS.format(1)]
    assert qualities(made, FLAT.format(1), "MASTER_BIAS") == [
        "other than asked: its read-out mode differs"
    ]


def test_products_are_excluded_by_name_and_by_what_they_were_made_from() -> None:
    late = [f for f in night("2017-06-16") if f.category == "BIAS"]
    for rule in ("'2017-06-16T10:00:00'", "{night: 2017-06-15}"):
        text = f"{TWO_PASSES}frames: {{exclude: {{MASTER_BIAS: [{rule}]}}}}\n"
        made = plan(text, raw=[*night(), *late])
        taken = source_of(made, FLAT.format(1), "MASTER_BIAS")
        assert taken == ["muse_bias:2017-06-17T10:00:00.ifu01"], rule
        told = reasons(plan(text))
        assert "is excluded by frames.exclude.MASTER_BIAS in the settings" in told


def test_a_glob_of_files_gives_each_ifu_its_own() -> None:
    text = f"{TWO_PASSES}  muse_scibasic: {{frames: {{TRACE_TABLE: 'old/TRACE_TABLE-*.fits'}}}}\n"
    named = {
        ("TRACE_TABLE", "old/TRACE_TABLE-*.fits"): tuple(
            FileFrame(f"/project/old/TRACE_TABLE-{ifu:02d}.fits", "TRACE_TABLE") for ifu in (1, 2)
        )
    }
    made = plan(text, index=files(named=named))
    for ifu in (1, 2):
        name = SCIBASIC.replace("ifu01", f"ifu{ifu:02d}")
        assert source_of(made, name, "TRACE_TABLE") == [f"/project/old/TRACE_TABLE-{ifu:02d}.fits"]


def test_static_calib_takes_the_place_of_what_a_block_would_make() -> None:
    text = (
        f"{TWO_PASSES}static_calib:\n  STD_RESPONSE:\n"
        "    early.fits: {end_date: 2017-06-14}\n    right.fits: {start_date: 2017-06-15}\n"
    )
    responses = (
        FileFrame(f"/calib/{name}", "STD_RESPONSE") for name in ("early.fits", "right.fits")
    )
    index = files()
    index = replace(index, static=(*index.static, *responses))
    raw = [f for f in night() if f.category != "STD"]
    scipost = "muse_scipost:2017-06-16T01:30:00"
    made = plan(text, raw=raw, index=index)
    assert not any("STD_RESPONSE" in left.reason for left in made.left_out), reasons(made)
    made = plan(text, index=index)
    assert source_of(made, scipost, "STD_RESPONSE") == ["/calib/right.fits"]
    assert source_of(made, scipost, "STD_TELLURIC") == ["muse_standard:2017-06-16T09:30:00"]
