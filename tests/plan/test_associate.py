"""Which calibration for which exposure."""

from __future__ import annotations

import datetime as dt

import pytest

from musebuild.index.model import FileFrame
from musebuild.plan.associate import choose_illum, choose_made, choose_static
from musebuild.plan.made import Made, Setup
from musebuild.settings.model import DateRange
from tests.plan.making import frame

HERE = Setup("2017-06-15", 57920.0, "WFM-NOAO-N", "SCI1.0", "1x1")


def made(night: str, mjd: float = 57920.4, label: str = "", **more: str) -> Made:
    setup = Setup(night, mjd, **{"ins_mode": "WFM-NOAO-N", "read_mode": "SCI1.0",
                                 "binning": "1x1", **more})  # fmt: skip
    return Made("muse_x", label or night, setup, ("X",), {1: "one", 2: "two"})


def choose(*candidates: Made, offset: int = 3, match: tuple[str, ...] = (), ifus=(1,)):  # type: ignore[no-untyped-def]
    return choose_made(candidates, HERE, match=match, offset=offset, ifus=ifus)


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
    choice = choose(made("2017-06-15", **more), match=("ins_mode", "read_mode", "binning"))
    assert choice.made is None
    assert word in choice.refused[0]
    assert choose(made("2017-06-15", **more)).made is not None


def test_what_is_too_far_is_refused_with_its_distance() -> None:
    choice = choose(made("2017-06-19"))
    assert choice.made is None
    assert choice.refused == ("muse_x:2017-06-19 is 4 nights away",)


def test_a_missing_ifu_refuses() -> None:
    choice = choose(made("2017-06-15"), ifus=(1, 2, 3))
    assert choice.made is None
    assert "lacks IFU 3" in choice.refused[0]


EXPOSURE = frame("OBJECT", "2017-06-16T03:00:00", temp7=10.0)


def illum(time: str, temp: float | None) -> object:
    return frame("ILLUM", f"2017-06-16T{time}:00", temp7=temp)


def test_within_two_hours_the_nearest_in_temperature() -> None:
    best, quality, _ = choose_illum([illum("02:50", 10.9), illum("01:30", 10.1)], EXPOSURE)  # type: ignore[list-item]
    assert best is not None
    assert best.name.endswith("01:30:00")
    assert quality is not None
    assert quality.kelvin == pytest.approx(0.1)


def test_beyond_two_hours_the_nearest_in_time() -> None:
    best, _, _ = choose_illum([illum("00:10", 10.0), illum("05:30", 10.9)], EXPOSURE)  # type: ignore[list-item]
    assert best is not None
    assert best.name.endswith("05:30:00")


def test_no_illumination_flat_at_another_temperature() -> None:
    best, _, note = choose_illum([illum("02:50", 11.2)], EXPOSURE)  # type: ignore[list-item]
    assert best is None
    assert "1.2 °C" in note


def test_no_illumination_flat_of_another_night() -> None:
    other = frame("ILLUM", "2017-06-17T03:00:00", temp7=10.0)
    assert choose_illum([other], EXPOSURE)[0] is None


def static(path: str, mjd: float | None = None, mode: str = "") -> FileFrame:
    return FileFrame(f"/calib/{path}", "GEOMETRY_TABLE", mode, mjd_obs=mjd)


def test_the_first_range_that_fits_wins() -> None:
    ranges = [
        ("old.fits", DateRange(None, dt.date(2016, 1, 1))),
        ("new.fits", DateRange(dt.date(2016, 1, 2))),
    ]
    path, _, _ = choose_static(
        "X", HERE, ranges=ranges, folder=[static("old.fits"), static("new.fits")], delivered=[]
    )
    assert path == "/calib/new.fits"


def test_a_listed_file_that_is_not_there_is_told() -> None:
    path, _, note = choose_static(
        "X", HERE, ranges=[("new.fits", DateRange())], folder=[static("other.fits")], delivered=[]
    )
    assert not path
    assert "new.fits" in note


def test_wide_and_narrow_field_never_mix() -> None:
    folder = [static("nfm.fits", mode="NFM"), static("wfm.fits", mode="WFM")]
    assert choose_static("X", HERE, ranges=(), folder=folder, delivered=())[0] == "/calib/wfm.fits"
    assert not choose_static("X", HERE, ranges=(), folder=folder[:1], delivered=())[0]


def test_of_several_the_newest_that_is_not_younger() -> None:
    folder = [static("a.fits", 57000), static("b.fits", 57900), static("c.fits", 58000)]
    path, _, note = choose_static("X", HERE, ranges=(), folder=folder, delivered=())
    assert path == "/calib/b.fits"
    assert "of 3" in note


def test_what_the_archive_delivers_is_valid_from_its_date() -> None:
    delivered = [
        frame("GEOMETRY_TABLE", f"{year}-01-01T00:00:00", is_raw=False, ins_mode="WFM")
        for year in (2015, 2017, 2018)
    ]
    path, _, _ = choose_static("X", HERE, ranges=(), folder=(), delivered=delivered)
    assert "2017-01-01" in path
