"""What stops a plan is told once, all of it at once, with hints that mend it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st

from musebuild.index.model import FileIndex, RawFrame
from musebuild.plan.causes import Folded, as_plain, folded, from_plain
from musebuild.plan.model import LeftOut, Plan
from musebuild.report.causes import LONGEST, MOST_LINES, causes_text
from tests.plan.making import TWO_PASSES, files, frame, night, plan

PLAIN = "datasets: {FIELD: {}}\n"
NEEDED = ("SKYFLAT", "STD", "BIAS", "FLAT", "ARC")
FIRST = "2017-06-16T01:30:00"


def without(*categories: str) -> list[RawFrame]:
    return [one for one in night() if one.category not in categories]


def exposures(date: str, number: int) -> list[RawFrame]:
    return [frame("OBJECT", f"{date}T{21 + n // 20}:{n % 20 * 3:02d}:00") for n in range(number)]


def wrong(made: Plan) -> list[Folded]:
    return [cause for cause in folded(made.left_out) if cause.error]


@given(lost=st.sets(st.sampled_from(NEEDED)))
@examples(deadline=None, max_examples=32)
def test_all_that_is_missing_is_found_at_once(lost: set[str]) -> None:
    made = plan(raw=without(*lost), index=files("STD_FLUX_TABLE", "LINE_CATALOG"))
    found = {
        category for left in made.left_out for one in left.wanted for category in one.categories
    }
    assert found == lost
    titles = " ".join(cause.title for cause in wrong(made))
    assert "STD_FLUX_TABLE" in titles and "LINE_CATALOG" in titles
    assert all(left.causes for left in made.left_out)


def test_effects_point_at_their_causes_and_alike_ones_are_one() -> None:
    nights = [*night("2017-06-15"), *night("2017-06-16"), *night("2017-06-25")]
    made = plan(raw=[one for one in nights if one.category not in ("SKYFLAT", "STD")])
    flats, stars = wrong(made)
    assert flats.title == (
        "no raw SKYFLAT within 3 nights of 2017-06-15 to 2017-06-16, 2017-06-25 (for TWILIGHT_CUBE)"
    )
    assert stars.categories == ("STD_RESPONSE", "STD_TELLURIC")
    assert flats.stops["muse_scibasic"] == 6
    assert "muse_scibasic" not in stars.stops
    scipost = next(left for left in made.left_out if left.name == f"muse_scipost:{FIRST}")
    assert {*scipost.causes} <= {*flats.causes, *stars.causes}


def test_only_what_takes_it_is_stopped_and_a_standard_is_told() -> None:
    made = plan(PLAIN, raw=without("SKYFLAT"))
    standards = [left.name for left in made.left_out if left.name.startswith("muse_standard")]
    assert standards == ["muse_standard:2017-06-16T09:30:00"]
    # Another standard takes its place: nothing is wrong with the exposures.
    far = [one for one in night("2017-06-19", 0) if one.category in ("STD", "SKYFLAT")]
    bad = [frame("STD", "2017-06-16T09:30:00", channels=())]
    good = [one for one in night("2017-06-19", 0) if one not in far]
    made = plan(PLAIN, raw=[*without("STD"), *bad, *far, *good])
    assert not any(left.error for left in made.left_out)
    assert "muse_standard:2017-06-16T09:30:00" in {left.name for left in made.left_out}


def test_what_is_made_already_goes_before_what_would_be() -> None:
    """A sequence that is too small takes the place of none that is whole."""
    stray = frame("BIAS", "2017-06-16T09:00:00")
    made = plan(PLAIN, raw=[*night(), stray])
    assert not any(left.error for left in made.left_out)


def test_plain_data_hold_each_cause_once() -> None:
    made = plan(raw=without("STD", "SKYFLAT"))
    data = json.loads(json.dumps(as_plain(made.left_out)))
    assert from_plain(data) == made.left_out
    assert len(data["causes"]) == len({cause for left in made.left_out for cause in left.causes})


@pytest.mark.parametrize("lost", [NEEDED, ("SKYFLAT", "STD"), ("BIAS",)])
def test_few_lines_for_any_number_of_exposures(lost: tuple[str, ...]) -> None:
    raw = [
        one
        for date in ("2017-06-15", "2017-06-16", "2017-06-17")
        for one in (*night(date, 0), *exposures(date, 30))
        if one.category not in lost
    ]
    raw = [replace(one, channels=tuple(range(1, 25))) for one in raw]
    lines = causes_text(plan(raw=raw, index=files("EXTINCT_TABLE")).left_out)
    assert len(lines) <= MOST_LINES
    assert max(map(len, lines)) <= LONGEST
    for category in (*lost, "EXTINCT_TABLE"):
        assert any(category in line for line in lines)


def test_the_rest_is_counted_and_told_on_request() -> None:
    left = [LeftOut.of(f"block:{n}", f"cause {n}", "mend it", error=True) for n in range(60)]
    lines = causes_text(left)
    assert len(lines) <= MOST_LINES
    assert lines[-1].endswith("more causes: `musebuild check --all`")
    every = causes_text(left, most=None)
    assert all(any(f"cause {n}" in line for line in every) for n in range(60))


# hints, each typed as it is proposed

MASTERS = [
    frame(
        "MASTER_BIAS",
        "2017-06-16T10:00:00",
        is_raw=False,
        channels=(n,),
        filename=f"M.MUSE.{n}.fits",
        path=f"/raw/M.MUSE.{n}.fits",
    )
    for n in (1, 2)
]
FAR = [one for one in night("2017-06-19", 0) if one.category == "BIAS"]
STARS = [one for one in night("2017-06-17", 0) if one.category == "STD"]
WORST = "association: {worst: {STD_RESPONSE: 0}}\n"
OFF = """
recipes:
  muse_exp_align: {enabled: false, from_recipe: muse_scipost_rec}
  muse_scipost: {params: {save: cube}, frames: {OFFSET_LIST: muse_exp_align}}
  muse_scipost_rec: {params: {save: cube}, init: {output_dir: rec}}
"""


def merged(into: dict[str, Any], more: Mapping[str, Any]) -> dict[str, Any]:
    for key, value in more.items():
        old = into.get(key)
        into[key] = merged(dict(old or {}), value) if isinstance(value, Mapping) else value
    return into


def typed(text: str, hint: str) -> str:
    """Settings with what a hint proposes: dotted keys and their values."""
    tree: dict[str, Any] = yaml.safe_load(text)
    proposed = hint.partition(": ")[2] if not hint.startswith("recipes.") else hint
    proposed = proposed.partition(" (in one")[0]
    for setting in proposed.replace(" and recipes.", "\nrecipes.").splitlines():
        keys, _, value = setting.partition(": ")
        nested: Any = yaml.safe_load(value)
        for key in reversed(keys.split(".")):
            nested = {key: nested}
        merged(tree, nested)
    return yaml.safe_dump(tree)


@pytest.mark.parametrize(
    ("raw", "text", "start"),
    [
        (without("SKYFLAT"), TWO_PASSES, "go without: "),
        (without("STD"), TWO_PASSES, "go without: "),
        ([*without("BIAS"), *FAR], TWO_PASSES, "accept the nearest: "),
        ([*without("BIAS"), *MASTERS], TWO_PASSES, "accept the nearest: "),
        (
            [*without("STD"), *STARS],
            PLAIN + "association: {worst: {STD_RESPONSE: 0}}\n",
            "accept the ",
        ),
        ([*night(), frame("OBJECT", "2017-06-16T02:00:00", channels=(9,))], PLAIN, "leave it out"),
        (night(), PLAIN + OFF, "recipes.muse_exp_align.enabled: true"),
    ],
    ids=["twilight", "standard", "offsets", "masters", "levels", "exposure", "switched off"],
)
def test_what_a_hint_proposes_mends_its_cause(raw: list[RawFrame], text: str, start: str) -> None:
    made = plan(text, raw=raw)
    causes = wrong(made)
    assert causes
    for _ in range(12):
        cause = causes[0]
        hint = next(hint for hint in cause.hints if hint.startswith(start))
        text = typed(text, hint)
        if start == "leave it out":
            # The index, not the plan, passes over what is excluded.
            names = yaml.safe_load(text)["frames"]["exclude"]["OBJECT"]
            raw = [one for one in raw if one.name not in names]
        made = plan(text, raw=raw)
        causes = wrong(made)
        assert cause.title not in [one.title for one in causes]
        if not causes:
            break
    assert not causes, [one.title for one in causes]


def test_frames_that_a_hint_asks_for_mend_it() -> None:
    for lost in NEEDED:
        (cause, *more) = wrong(plan(raw=without(lost)))
        assert not more
        assert f"add raw {lost} frames of those nights to raw_path" in cause.hints[0]
    assert not wrong(plan())


@pytest.mark.parametrize(
    ("index", "hint"),
    [
        (
            FileIndex((), folder="/nowhere", folder_exists=False),
            "set muse_calib_path to the folder",
        ),
        (FileIndex(()), "set muse_calib_path to the folder"),
        (files("LINE_CATALOG"), "put a file with ESO PRO CATG = LINE_CATALOG into /calib"),
    ],
)
def test_static_calibrations_are_one_cause(index: FileIndex, hint: str) -> None:
    (cause,) = wrong(plan(index=index))
    assert cause.hints[0].startswith(hint)
