"""What holds for whatever nights there are: held against a search through all of them."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from musebuild.index.model import RawFrame
from musebuild.plan.model import Invocation, Plan
from musebuild.recipes.catalogue import load_catalogue
from tests.plan.making import night, plan

SETUPS = st.fixed_dictionaries(
    {},
    optional={
        "ins_mode": st.sampled_from(["WFM-NOAO-N", "WFM-AO-N", "WFM-NOAO-E"]),
        "read_mode": st.sampled_from(["SCI1.0", "SCI2.0"]),
        "binx": st.sampled_from([1, 2]),
    },
)
AGREE = {
    "MASTER_BIAS": ("read_mode", "binning"),
    "MASTER_FLAT": ("ins_mode", "read_mode", "binning"),
    "TRACE_TABLE": ("field", "filter", "read_mode", "binning"),
    "WAVECAL_TABLE": ("field", "filter", "read_mode", "binning"),
    "TWILIGHT_CUBE": ("field", "filter"),
    "LSF_PROFILE": ("ins_mode", "read_mode", "binning"),
    "STD_RESPONSE": ("ins_mode",),
    "STD_TELLURIC": ("ins_mode",),
}
"""What muse.oca asks for, and binning."""
CATEGORIES = ("BIAS", "FLAT", "ARC", "SKYFLAT", "STD", "OBJECT")
NIGHTS = st.lists(
    st.tuples(
        st.integers(0, 8),
        st.dictionaries(st.sampled_from(CATEGORIES), SETUPS, max_size=2),
        st.sets(st.sampled_from(CATEGORIES), max_size=2),
    ),
    min_size=1,
    max_size=4,
    unique_by=lambda night: night[0],
)


def frames_of(nights: list[tuple[int, dict[str, Any], set[str]]]) -> list[RawFrame]:
    """Whole nights, of which some lack categories and some have them in another set-up."""
    found = []
    for day, setups, without in nights:
        date = (dt.date(2017, 6, 1) + dt.timedelta(days=day)).isoformat()
        plain = {frame.path: frame for frame in night(date, exposures=1, channels=(1,))}
        for category, setup in setups.items():
            changed = night(date, exposures=1, channels=(1,), **setup)
            plain |= {frame.path: frame for frame in changed if frame.category == category}
        found += [frame for frame in plain.values() if frame.category not in without]
    return found


class Sought:
    """Set-ups of invocations, from their raw frames alone."""

    def __init__(self, made: Plan, frames: list[RawFrame]) -> None:
        self.made = made
        self.frames = {frame.path: frame for frame in frames}

    def raw(self, name: str) -> RawFrame:
        """The raw frame that an invocation is about."""
        invocation = self.made.invocations[name]
        for wanted in invocation.inputs:
            if wanted.kind == "raw" and wanted.tag != "ILLUM":
                return self.frames[wanted.path]
        return self.raw(invocation.inputs[0].invocation)

    def differ(self, one: RawFrame, other: RawFrame, criteria: tuple[str, ...]) -> bool:
        """Whether two frames differ in what must agree."""
        mine, its = (
            {
                "ins_mode": frame.ins_mode,
                "field": frame.ins_mode[:3],
                "filter": frame.ins_mode[-1],
                "read_mode": frame.read_mode,
                "binning": frame.binx,
            }
            for frame in (one, other)
        )
        return any(mine[name] != its[name] for name in criteria)

    def best(self, invocation: Invocation, category: str) -> str:
        """The invocation that should be taken for a need, by the rules as they are told."""
        need = next(
            n
            for n in load_catalogue()[invocation.recipe].needs
            if n.category == category and n.source == "product"
        )
        about = self.raw(invocation.name)
        ranked = []
        for name, other in self.made.invocations.items():
            if other.block != need.recipe or category not in other.products:
                continue
            its = self.raw(name)
            away = (dt.date.fromisoformat(its.night) - dt.date.fromisoformat(about.night)).days
            if abs(away) > need.offset or self.differ(about, its, need.match):
                continue
            mode = category != "MASTER_BIAS" and its.ins_mode != about.ins_mode
            time = abs(its.mjd_obs - about.mjd_obs)
            ranked.append((mode, abs(away), away < 0, time, name))
        return min(ranked)[-1] if ranked else ""


@given(nights=NIGHTS)
@settings(max_examples=40)
def test_the_nearest_of_the_right_set_up_is_taken_and_never_another(
    nights: list[tuple[int, dict[str, Any], set[str]]],
) -> None:
    frames = frames_of(nights)
    made = plan("datasets: {FIELD: {}}", raw=frames)
    sought = Sought(made, frames)
    for invocation in made.invocations.values():
        for wanted in invocation.inputs:
            if wanted.kind != "product" or wanted.quality is None:
                continue
            assert wanted.invocation == sought.best(invocation, wanted.tag), invocation.name
            one, other = sought.raw(invocation.name), sought.raw(wanted.invocation)
            assert not sought.differ(one, other, AGREE[wanted.tag]), invocation.name


@given(nights=NIGHTS, data=st.data())
@settings(max_examples=20)
def test_excluded_frames_never_appear(
    nights: list[tuple[int, dict[str, Any], set[str]]], data: st.DataObject
) -> None:
    frames = frames_of(nights)
    out = data.draw(st.sets(st.sampled_from([frame.path for frame in frames]), max_size=6))
    marked = [replace(frame, excluded="frames.exclude" * (frame.path in out)) for frame in frames]
    made = plan("datasets: {FIELD: {}}", raw=marked)
    used = {w.path for invocation in made.invocations.values() for w in invocation.inputs}
    assert not used & out
    # They are not missed either: the plan is that of a night without them.
    rest = [frame for frame in frames if frame.path not in out]
    assert made.invocations == plan("datasets: {FIELD: {}}", raw=rest).invocations
