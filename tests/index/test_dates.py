"""Dates as people write them."""

from __future__ import annotations

import datetime as dt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from musebuild.errors import UsageError
from musebuild.index.columns import night_of
from musebuild.index.dates import When, choose, matches
from musebuild.settings.model import DateRange

EXPOSURE = When("2017-06-16T01:34:56.867", "2017-06-15", "GTO17", "2017-06-16T01:34:08")
EVENING = When("2017-06-16T22:10:00.000", "2017-06-16", "GTO17", "2017-06-16T22:09:00")
LATER = When("2018-01-02T03:00:00.000", "2018-01-01", "", "2018-01-02T02:58:00")
ALL = [EXPOSURE, EVENING, LATER]


def pick(*texts: str) -> list[When]:
    return choose(ALL, texts, lambda when: when, runs={"GTO19": DateRange(dt.date(2017, 9, 15))})


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("2017-06-16T01:34:56.867", [EXPOSURE]),
        ("2017-06-16T01:34:08", [EXPOSURE]),
        ("2017-06-15", [EXPOSURE]),
        ("2017-06", [EXPOSURE, EVENING]),
        ("2018", [LATER]),
        ("GTO17", [EXPOSURE, EVENING]),
        ("GTO*", [EXPOSURE, EVENING]),
        ("2017-06-1?", [EXPOSURE, EVENING]),
        ("2017-06-15..2017-06-16", [EXPOSURE, EVENING]),
        ("2017-06-16..", [EVENING, LATER]),
        ("..2017-06-15", [EXPOSURE]),
        ("2017-06..2017-12", [EXPOSURE, EVENING]),
        ("2017-06-16T02:00..2017-06-17T00:00", [EVENING]),
        ("..2017-06-16T01:34", [EXPOSURE]),
    ],
)
def test_a_date_stands_for(text: str, found: list[When]) -> None:
    assert pick(text) == found


def test_several_dates_are_joined_and_none_is_all() -> None:
    assert pick("2018-01-01", "2017-06-15") == [EXPOSURE, LATER]
    assert pick() == ALL


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("2017-06-1x", "2017-06-15"),
        ("GTO18", "GTO17"),
        ("GTO19", "holds no frame"),
        ("2018-01-02", "belongs to the night 2018-01-01"),
        ("a..b", "is no date"),
        ("2017-13-01..", "is no date"),
        ("..", "without ends"),
        ("2018..2017", "ends before it begins"),
        ("2019*", "stands for no"),
        ("", "stands for no"),
    ],
)
def test_a_date_that_stands_for_nothing_says_what_would(text: str, told: str) -> None:
    with pytest.raises(UsageError) as caught:
        pick(text)
    assert told in str(caught.value)


@given(st.datetimes(min_value=dt.datetime(2014, 1, 2), max_value=dt.datetime(2030, 1, 1)))
def test_every_exposure_is_in_its_night_month_year_and_ranges_around_it(
    moment: dt.datetime,
) -> None:
    night = night_of(moment).isoformat()
    when = When(moment.isoformat(), night)
    for text in (night, night[:7], night[:4], f"{night}..{night}", f"{night}..", f"..{night}"):
        assert matches(text, when)
    before = (night_of(moment) - dt.timedelta(days=1)).isoformat()
    after = (night_of(moment) + dt.timedelta(days=1)).isoformat()
    assert not matches(f"..{before}", when)
    assert not matches(f"{after}..", when)
    assert matches(f"{when.name}..{when.name}", when)
