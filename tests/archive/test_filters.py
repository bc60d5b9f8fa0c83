"""`archive_filter` as a query of the form and of the TAP service; nights as spans of time."""

from __future__ import annotations

import datetime as dt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from musebuild.archive.filters import form_query, nights, tap_query, window_of
from musebuild.archive.model import ALWAYS, ArchiveFrame, Window
from musebuild.archive.queries import around, nearest_night
from musebuild.errors import UsageError
from musebuild.index.columns import night_of
from musebuild.plan.model import Wanted
from musebuild.settings.model import Cone

NIGHT = dt.date(2017, 6, 15)
COLUMNS = ("target", "object", "prog_id", "ins_mode", "exposure", "exp_start", "dp_cat")


def test_the_form_is_asked_in_whole_hours() -> None:
    assert form_query({"dp_cat": "CALIB"}, nights(NIGHT, NIGHT)) == {
        "dp_cat": "CALIB",
        "stime": "2017-06-15",
        "starttime": "20",
        "etime": "2017-06-16",
        "endtime": "21",
    }


def test_dates_of_yaml_are_dates() -> None:
    window = window_of({"stime": NIGHT, "etime": "2017-06-17", "endtime": 6})
    assert window == Window(dt.datetime(2017, 6, 15, 12), dt.datetime(2017, 6, 17, 6))
    assert form_query({"stime": NIGHT, "rel_date": NIGHT}, ALWAYS) == {"rel_date": "2017-06-15"}


@given(st.datetimes(dt.datetime(2014, 1, 1), dt.datetime(2030, 1, 1)))
def test_a_moment_lies_in_its_own_night_only(moment: dt.datetime) -> None:
    night = night_of(moment)
    day = dt.timedelta(days=1)
    assert moment in nights(night, night)
    assert moment not in nights(night - day, night - day)
    assert moment not in nights(night + day, night + day)
    assert moment in nights(None, night)
    assert moment in nights(night, None)


def test_a_box_becomes_a_circle() -> None:
    query = tap_query(
        {"coord1": "14 22 26.3", "coord2": "-44 09 04", "box": "00 10 00"}, ALWAYS, COLUMNS
    )
    assert query.conditions == {}
    assert query.cone == pytest.approx(
        {"cone_ra": 215.609583, "cone_dec": -44.151111, "cone_radius": 1 / 12}, abs=1e-6
    )


@pytest.mark.parametrize(
    "wrong",
    [
        {"exptime": "long"},
        {"coord1": "14 22 26"},
        {"coord1": "14 22 26", "coord2": "0", "coord_sys": "gal"},
    ],
)
def test_values_of_the_wrong_kind_are_refused(wrong: dict[str, str]) -> None:
    with pytest.raises(UsageError):
        tap_query(wrong, ALWAYS, COLUMNS)


@given(st.text(max_size=30))
def test_a_name_never_becomes_a_condition_of_its_own(text: str) -> None:
    """Whatever a target is called, quotes included, it stays one string of ADQL."""
    condition = tap_query({"obs_targ_name": ["A", text]}, ALWAYS, COLUMNS).conditions["target"]
    assert condition.startswith("in ('A', '")
    assert condition.removeprefix("in ('A', '").removesuffix("')").replace("''", "").count("'") == 0


def bias(date: str, mode: str = "WFM-NOAO-N") -> ArchiveFrame:
    return ArchiveFrame(f"MUSE.{date}", "CALIB", "BIAS", ins_mode=mode)


def test_the_nearest_night_mends_what_is_missing_the_later_one_first() -> None:
    before = [bias(f"2017-06-15T10:4{n}:00.000") for n in range(3)]
    after = [bias(f"2017-06-17T10:4{n}:00.000") for n in range(3)]
    far = [bias("2017-06-19T10:40:00.000")]
    wanted = Wanted(("BIAS",), "2017-06-15", 3)
    assert nearest_night(wanted, [*far, *before, *after]) == after
    assert nearest_night(wanted, [*far, *before]) == before
    assert nearest_night(Wanted(("BIAS",), "2017-06-15", 0), [*before, *after]) == []
    assert nearest_night(Wanted(("BIAS",), "2017-06-15", 3, "NFM-AO-N"), before) == []
    assert nearest_night(Wanted(("FLAT",), "2017-06-15", 3), before) == []


def test_the_circle_of_a_dataset_is_asked_for_where_it_has_no_query() -> None:
    query = tap_query(around(Cone(53.1629, -27.7914, 0.025)), ALWAYS, ())
    assert query.cone == pytest.approx(
        {"cone_ra": 53.1629, "cone_dec": -27.7914, "cone_radius": 0.025}
    )
    assert around(None) == {}
