"""The balance of frames: every file has one fate, and the numbers add up."""

from __future__ import annotations

import re

from hypothesis import given
from hypothesis import settings as profile
from hypothesis import strategies as st

from musebuild.index.model import RawFrame
from musebuild.plan.balance import Balance, Fate, Judge, Told, judged
from musebuild.plan.blocks import plan_blocks
from musebuild.recipes.catalogue import load_catalogue
from tests.plan.making import TWO_PASSES, frame, night, plan, settings

WHOLE = night()


def balance(frames: list[RawFrame], *others: Told, text: str = TWO_PASSES) -> Balance:
    """What becomes of frames with some settings."""
    chosen = settings(text)
    blocks, _ = plan_blocks(chosen, load_catalogue())
    judge = Judge(plan(text, frames), blocks, chosen.datasets)
    return Balance(tuple(judged(frames, others, judge)))


def told(found: Balance, path: str) -> Told:
    return next(one for one in found.told if one.path == path)


def test_a_whole_night_is_used_and_each_frame_names_its_tasks() -> None:
    found = balance(WHOLE)
    assert found.line == "16 files: 16 used"
    assert not found.parts
    bias = told(found, "/raw/MUSE.2017-06-16T10:01:00.fits")
    assert bias.tasks == ("muse_bias:2017-06-16T10:00:00",)
    exposure = told(found, "/raw/MUSE.2017-06-16T01:30:00.fits")
    assert exposure.tasks == ("muse_scibasic:2017-06-16T01:30:00",)


def test_a_frame_has_the_reason_of_its_own_sequence() -> None:
    """Also where one template took frames of several types."""
    few = [frame(kind, f"2017-05-16T13:0{n}:00") for n, kind in enumerate(("BIAS", "FLAT", "DARK"))]
    found = balance([*WHOLE, *few])
    for one in few:
        assert told(found, one.path).reason.startswith(f"1 {one.category} frame, and")


def test_what_is_not_used_has_a_reason_each() -> None:
    strange = [
        frame("AMPL", "2017-06-16T13:00:00"),
        frame("MASK", "2017-06-16T13:01:00"),
        frame("MASK", "2017-06-16T13:02:00"),
        frame("OBJECT", "2017-06-16T02:30:00", object_orig="STRAY", dataset="STRAY"),
        frame("BIAS", "2017-06-16T13:03:00", excluded="excluded by frames.exclude.raw"),
        frame("BIAS", "2017-06-16T13:04:00", excluded="the same exposure as /raw/a.fits"),
        frame("", "2017-06-16T13:05:00", dpr_type="FOO", excluded="DPR TYPE FOO is not known"),
        frame("BIAS", "2017-05-16T13:03:00"),
        *(frame("BIAS", f"2017-05-20T13:0{n}:00") for n in range(3)),
    ]
    broken = Told("/raw/b.fits", Fate.UNREADABLE, "FITS", "it cannot be read", "it is cut off")
    found = balance([*WHOLE, *strange], broken)
    assert found.line == (
        "28 files: 16 used, 3 not needed, 1 of tasks left out, 1 of no dataset, "
        "3 by no block (MASK 2, others 1), 1 excluded, 1 duplicate, 1 not classified, "
        "1 not readable"
    )
    assert {fate: dict(kinds) for fate, kinds in found.counts.items()} == {
        Fate.USED: {
            "BIAS": 3,
            "FLAT": 3,
            "ARC": 3,
            "SKYFLAT": 3,
            "OBJECT": 2,
            "STD": 1,
            "ILLUM": 1,
        },
        Fate.NOT_NEEDED: {"BIAS": 3},
        Fate.LEFT_OUT: {"BIAS": 1},
        Fate.NO_DATASET: {"STRAY": 1},
        Fate.NO_BLOCK: {"MASK": 2, "AMPL": 1},
        Fate.EXCLUDED: {"BIAS": 1},
        Fate.COPY: {"BIAS": 1},
        Fate.NO_CATEGORY: {"FOO": 1},
        Fate.UNREADABLE: {"FITS": 1},
    }
    assert all(one.reason for one in found.told if one.fate is not Fate.USED)
    alone = told(found, "/raw/MUSE.2017-05-16T13:03:00.fits")
    assert "at least" in alone.reason or "needs" in alone.reason
    assert [part.about for part in found.parts if part.fate is Fate.NO_BLOCK] == ["MASK", "AMPL"]


def test_a_frame_that_only_an_unasked_block_takes_is_not_needed() -> None:
    other = frame("OBJECT", "2017-06-16T02:30:00", object_orig="OTHER", dataset="OTHER")
    text = TWO_PASSES.replace("datasets: {FIELD: {}}", "datasets: {FIELD: {}, OTHER: {}}")
    found = balance([*WHOLE, other], text=text + "targets: [FIELD]\n")
    assert told(found, other.path).fate is Fate.NOT_NEEDED


CATEGORIES = ("BIAS", "DARK", "FLAT", "ARC", "SKYFLAT", "ILLUM", "OBJECT", "STD", "SKY", "MASK", "")
ODD = st.builds(
    lambda number, category, excluded, dataset, raw: frame(
        category,
        f"2017-06-{10 + number % 15}T0{number % 9}:{number:02d}:00",
        path=f"/raw/{number}",
        excluded=excluded or ("DPR TYPE is not known" if not category else ""),
        dataset=dataset,
        is_raw=raw,
    ),
    st.integers(0, 50),
    st.sampled_from(CATEGORIES),
    st.sampled_from(("", "", "", "excluded by x", "the same exposure as y")),
    st.sampled_from(("FIELD", "STRAY", "")),
    st.booleans(),
)
OTHERS = st.builds(
    Told,
    st.integers(100, 120).map("/raw/{}".format),
    st.sampled_from(list(Fate)[1:]),
    st.sampled_from((".fits.Z", "FITS")),
    st.just("for a reason"),
)


@profile(max_examples=25, deadline=None)
@given(
    st.lists(st.sampled_from(WHOLE), unique=True),
    st.lists(ODD, unique_by=lambda one: one.path),
    st.lists(OTHERS, unique_by=lambda one: one.path, max_size=9),
)
def test_the_parts_of_any_mixture_add_up(
    known: list[RawFrame], odd: list[RawFrame], others: list[Told]
) -> None:
    frames = sorted([*known, *odd], key=lambda one: (one.mjd_obs, one.path))
    found = balance(frames, *others)
    total, _, parts = found.line.partition(": ")
    number = len(frames) + len(others)
    assert total == f"{number} file{'s' * (number != 1)}"
    assert (
        sum(int(n) for n in re.findall(r"(?:^|, )(\d+) ", re.sub(r"\(.*?\)", "", parts))) == number
    )
    assert sorted(one.path for one in found.told) == sorted(
        [*(one.path for one in frames), *(one.path for one in others)]
    )
    used = sum(one.fate is Fate.USED for one in found.told)
    assert sum(len(part.files) for part in found.parts) == number - used
