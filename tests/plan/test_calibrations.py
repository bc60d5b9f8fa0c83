"""Which calibration for which exposure."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import replace

import pytest

from musebuild.cache.model import Quality
from musebuild.index.model import FileFrame, RawFrame
from musebuild.plan.calibrations import Nearest, choose_made, refused_for
from musebuild.plan.calibrations import choose_illum as choose_illum_by
from musebuild.plan.levels import Rule
from musebuild.plan.planned_task import Candidates, PlannedTask, Setup, setup_of
from musebuild.plan.static_files import Static, choose_static
from musebuild.settings.model import DateRange
from tests.plan.making import frame

HERE = Setup("2017-06-15", 57920.0, "WFM-NOAO-N", "SCI1.0", "1x1")


def made(night: str, mjd: float = 57920.4, label: str = "", **more: str) -> PlannedTask:
    setup = Setup(night, mjd, **{"ins_mode": "WFM-NOAO-N", "read_mode": "SCI1.0",
                                 "binning": "1x1", **more})  # fmt: skip
    return PlannedTask("muse_x", label or night, setup, ("X",), {1: "one", 2: "two"})


def shelf(*tasks: PlannedTask) -> Candidates:
    candidates = Candidates()
    for task in tasks:
        candidates.add(task)
    return candidates


def choose(
    *tasks: PlannedTask, offset: int = 3, match: tuple[str, ...] = (), ifus: tuple[int, ...] = (1,)
) -> Nearest:
    return choose_made(shelf(*tasks), HERE, Rule(match, offset), ifus)


def refused(
    *tasks: PlannedTask, offset: int = 3, match: tuple[str, ...] = (), ifus: tuple[int, ...] = (1,)
) -> list[tuple[str, str]]:
    found = refused_for(
        shelf(*tasks), HERE, Rule(match, offset), ifus, block="muse_b", category="X"
    )
    return [(told.reason, told.setting) for _, _, told in found]


def test_the_same_night_goes_before_a_nearer_time() -> None:
    choice = choose(made("2017-06-16", 57920.1), made("2017-06-15", 57920.9))
    assert choice.made is not None
    assert choice.made.label == "2017-06-15"
    assert choice.quality is not None
    assert choice.quality.grade == "same night"


def test_a_later_night_goes_before_an_earlier_one() -> None:
    choice = choose(made("2017-06-14", 57919.9), made("2017-06-16", 57921.9))
    assert choice.made is not None
    assert choice.made.label == "2017-06-16"
    assert choice.quality is not None
    assert (choice.quality.grade, choice.quality.nights) == ("other night", 1)


def test_the_nearest_night_wins_whatever_its_side() -> None:
    choice = choose(made("2017-06-14"), made("2017-06-17"))
    assert choice.made is not None
    assert choice.made.label == "2017-06-14"


def test_of_one_night_the_nearest_in_time_then_the_name() -> None:
    choice = choose(made("2017-06-15", 57920.9, "late"), made("2017-06-15", 57920.2, "b"),
                    made("2017-06-15", 57920.2, "a"))  # fmt: skip
    assert choice.made is not None
    assert choice.made.label == "a"
    assert choice.quality is not None
    assert "of 3" in choice.quality.note


@pytest.mark.parametrize(
    ("more", "word"),
    [({"ins_mode": "WFM-AO-N"}, "INS MODE"), ({"read_mode": "SCI2.0"}, "read-out mode"),
     ({"binning": "2x2"}, "binning")],
)  # fmt: skip
def test_criteria_refuse_with_a_reason(more: dict[str, str], word: str) -> None:
    criteria = ("ins_mode", "read_mode", "binning")
    assert choose(made("2017-06-15", **more), match=criteria).made is None
    ((reason, _),) = refused(made("2017-06-15", **more), match=criteria)
    assert word in reason
    assert choose(made("2017-06-15", **more)).made is not None


def test_what_is_too_far_is_refused_with_the_setting_that_accepts_it() -> None:
    assert choose(made("2017-06-19")).made is None
    assert refused(made("2017-06-10"), made("2017-06-19")) == [
        ("is 4 nights later", "recipes.muse_b.frames.offsets: {X: 4}"),
        ("is 5 nights earlier", "recipes.muse_b.frames.offsets: {X: 5}"),
    ]


def test_a_missing_ifu_refuses() -> None:
    assert choose(made("2017-06-15"), ifus=(1, 2, 3)).made is None
    assert refused(made("2017-06-15"), ifus=(1, 2, 3)) == [("lacks IFU 3", "ifus: [1, 2]")]


ILLUM = Rule(("field", "read_mode", "binning"), close={"hours": 1, "kelvin": 1})


def choose_illum(
    flats: Sequence[RawFrame], exposure: RawFrame, rule: Rule = ILLUM
) -> tuple[RawFrame | None, Quality | None, str]:
    return choose_illum_by([(flat, setup_of(flat)) for flat in flats], exposure, rule)


EXPOSURE = frame("OBJECT", "2017-06-16T03:00:00", temp7=10.0)


def test_a_flat_without_a_temperature_only_where_no_other_is_near() -> None:
    best, _, _ = choose_illum([illum("02:59", None), illum("01:30", 10.9)], EXPOSURE)
    assert best is not None
    assert best.name.endswith("01:30:00")
    best, quality, _ = choose_illum([illum("02:50", None)], EXPOSURE)
    assert best is not None
    assert quality is not None
    assert quality.kelvin is None
    assert "temperatures unknown" in quality.note


def test_a_degree_is_a_degree() -> None:
    """16.1 - 15.1 is more than 1 for a computer."""
    exposure = frame("OBJECT", "2017-06-16T03:00:00", temp7=15.1)
    best, quality, _ = choose_illum([illum("02:50", 16.1)], exposure)
    assert best is not None
    assert quality is not None
    assert quality.level == 0
    assert "differs by 1.001 °C" in choose_illum([illum("02:50", 16.101)], exposure)[2]


def test_where_one_is_within_two_hours_those_beyond_are_not_considered() -> None:
    best, _, note = choose_illum([illum("02:50", 11.2), illum("06:30", 10.0)], EXPOSURE)
    assert best is None  # of those within two hours none fits: the one in the morning is no help
    assert "1.2 °C" in note


def illum(time: str, temp: float | None) -> RawFrame:
    return frame("ILLUM", f"2017-06-16T{time}:00", temp7=temp)


def test_within_two_hours_the_nearest_in_temperature() -> None:
    best, quality, _ = choose_illum([illum("02:50", 10.9), illum("01:30", 10.1)], EXPOSURE)
    assert best is not None
    assert best.name.endswith("01:30:00")
    assert quality is not None
    assert quality.kelvin == pytest.approx(0.1)


def test_beyond_two_hours_the_nearest_in_time() -> None:
    best, _, _ = choose_illum([illum("00:10", 10.0), illum("05:30", 10.9)], EXPOSURE)
    assert best is not None
    assert best.name.endswith("05:30:00")


def test_no_illumination_flat_at_another_temperature() -> None:
    best, _, note = choose_illum([illum("02:50", 11.2)], EXPOSURE)
    assert best is None
    assert "1.2 °C" in note


def test_no_illumination_flat_of_another_night() -> None:
    other = frame("ILLUM", "2017-06-17T03:00:00", temp7=10.0)
    assert choose_illum([other], EXPOSURE)[0] is None


def test_an_illumination_flat_of_the_same_ins_mode_first_then_one_of_the_same_field() -> None:
    exposure = frame("OBJECT", "2017-06-16T03:00:00", temp7=10.0, ins_mode="WFM-AO-N")
    own = frame("ILLUM", "2017-06-16T02:30:00", temp7=10.9, ins_mode="WFM-AO-N")
    other = frame("ILLUM", "2017-06-16T02:50:00", temp7=10.0)
    narrow = frame("ILLUM", "2017-06-16T02:55:00", temp7=10.0, ins_mode="NFM-AO-N")
    best, quality, _ = choose_illum([other, own, narrow], exposure)
    assert best is own
    assert quality is not None
    assert quality.level == 0
    best, quality, _ = choose_illum([other, narrow], exposure)
    assert best is other
    assert quality is not None
    assert quality.level == 2
    assert "INS MODE WFM-NOAO-N, not WFM-AO-N" in quality.note
    worst = replace(ILLUM, category="ILLUM", levels={"default": 3, "ILLUM": 1})
    best, _, note = choose_illum([other, narrow], exposure, worst)
    assert best is None
    assert "association.worst: {ILLUM: 2}" in note
    # One that was taken hours before goes before what the settings refuse.
    early = frame("ILLUM", "2017-06-16T00:10:00", temp7=10.0, ins_mode="WFM-AO-N")
    best, quality, _ = choose_illum([other, early], exposure, worst)
    assert best is early
    assert quality is not None
    assert quality.level == 1


def statics(
    ranges: Sequence[tuple[str, DateRange]] = (),
    folder: Sequence[FileFrame] = (),
    delivered: Sequence[RawFrame] = (),
    *,
    match: tuple[str, ...] = ("field",),
) -> Static:
    return choose_static("X", HERE, ranges=ranges, folder=folder, delivered=delivered, match=match)


def static(path: str, mjd: float | None = None, mode: str = "") -> FileFrame:
    return FileFrame(f"/calib/{path}", "GEOMETRY_TABLE", mode, mjd_obs=mjd)


def test_the_first_range_that_fits_wins() -> None:
    ranges = [
        ("old.fits", DateRange(None, dt.date(2016, 1, 1))),
        ("new.fits", DateRange(dt.date(2016, 1, 2))),
    ]
    folder = [static("old.fits"), static("new.fits")]
    chosen = statics(ranges=ranges, folder=folder)
    assert chosen.path == "/calib/new.fits"
    assert chosen.quality is not None
    assert chosen.quality.grade == "as set"


def test_a_listed_file_that_is_not_there_is_told() -> None:
    chosen = statics(ranges=[("new.fits", DateRange())], folder=[static("other.fits")])
    assert not chosen.path
    assert "new.fits" in chosen.note


def test_wide_and_narrow_field_never_mix() -> None:
    folder = [static("a.fits", mode="NFM"), static("b.fits", mode="WFM")]
    assert statics(folder=folder).path == "/calib/b.fits"
    assert not statics(folder=folder[:1]).path


def test_the_name_of_a_file_tells_the_field_where_its_header_does_not() -> None:
    folder = [static("a_nfm.fits"), static("b_wfm_gto17.fits")]
    assert statics(folder=folder).path == "/calib/b_wfm_gto17.fits"
    assert not statics(folder=folder[:1]).path
    ranges = [("a_nfm.fits", DateRange()), ("b_wfm_gto17.fits", DateRange())]
    assert statics(ranges=ranges, folder=folder).path == "/calib/b_wfm_gto17.fits"


def test_of_several_the_newest_that_is_not_younger() -> None:
    folder = [static("a.fits", 57000), static("b.fits", 57900), static("c.fits", 58000)]
    chosen = statics(folder=folder)
    assert chosen.path == "/calib/b.fits"
    assert "of 3" in chosen.note


def test_a_file_that_is_younger_is_taken_only_without_another_and_told() -> None:
    chosen = statics(folder=[static("b.fits", 58000), static("a.fits", 59000)])
    assert chosen.path == "/calib/b.fits"
    assert chosen.quality is not None
    assert chosen.quality.grade == "other than asked"
    assert "younger than the frame" in chosen.note
    assert statics(folder=[static("b.fits", 58000), static("c.fits")]).path == "/calib/c.fits"


def delivered(year: int, mode: str = "WFM-NOAO-N") -> RawFrame:
    return frame("GEOMETRY_TABLE", f"{year}-01-01T00:00:00", is_raw=False, ins_mode=mode)


def test_what_the_archive_delivers_is_valid_from_its_date_until_the_next() -> None:
    files = [delivered(2018), delivered(2015), delivered(2017)]
    assert "2017-01-01" in statics(delivered=files).path
    assert "2015-01-01" in statics(delivered=files[:2]).path


def test_what_the_archive_delivers_of_another_field_does_not_end_a_validity() -> None:
    assert "2015" in statics(delivered=[delivered(2015), delivered(2017, "NFM-AO-N")]).path


def test_where_ins_mode_must_match_the_field_alone_is_not_enough() -> None:
    files = [delivered(2015), delivered(2017, "WFM-AO-N")]
    assert "2017" in statics(delivered=files).path
    assert "2015" in statics(delivered=files, match=("ins_mode",)).path


def test_the_folder_goes_before_what_the_archive_delivers_and_both_are_told() -> None:
    chosen = statics(folder=[static("a.fits")], delivered=[delivered(2015)])
    assert chosen.path == "/calib/a.fits"
    assert "the archive delivered one, too" in chosen.note
