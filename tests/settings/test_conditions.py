"""SQL conditions of the settings: one table, read-only, nothing else."""

from __future__ import annotations

import sqlite3

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from musebuild.settings.conditions import (
    ConditionError,
    check_condition,
    column_condition,
    guarded,
    make_condition,
)

COLUMNS = ("name", "night", "EXPTIME", "seeing", "OBJECT_ORIG")


@pytest.mark.parametrize(
    "text",
    [
        "seeing < 0.9",
        "night LIKE '2017-06-%' AND (EXPTIME > 100 OR seeing IS NULL)",
        "OBJECT_ORIG IN ('A', 'B;--')",
        "exptime BETWEEN 1 AND 2",
        '"seeing" < round(EXPTIME / 100.0, 1)',
        "raw.seeing < 1",
        "date(night) > '2017-06-15'",
        "CASE WHEN seeing < 1 THEN 1 ELSE 0 END",
    ],
)
def test_conditions_that_people_write(text: str) -> None:
    condition = check_condition(text, "raw", COLUMNS)
    assert condition.columns <= set(COLUMNS)
    assert condition.columns


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("1; DROP TABLE raw", "second statement"),
        ("1) UNION SELECT sql FROM sqlite_master WHERE (1", "closed and was never opened"),
        ("name IN (SELECT name FROM sqlite_master)", "reads"),
        ("name IN (SELECT name FROM raw)", "a query within"),
        ("EXISTS (WITH RECURSIVE a(n) AS (SELECT 1 UNION SELECT n+1 FROM a) SELECT n FROM a)", ""),
        ("load_extension('x') = 1", "the function load_extension cannot be used"),
        ("length(randomblob(1000000000)) > 1", "randomblob"),
        ("length(printf('%1000000000d', 1)) > 1", "printf"),
        ("date() = night AND CURRENT_DATE = night", "current_date"),
        ("1 GROUP BY name", "no SQL condition"),
        ("1 LIMIT 1", "no SQL condition"),
        ("seeing < 0.9 -- and more", "comment"),
        ("seeing < 0.9 /*", "comment"),
        ("name = 'x", "not closed"),
        ("(seeing < 1", "not closed"),
        ("seeing <", "no SQL condition"),
        ("seeing < ?", "stands for no value"),
        ("seeing < :x", "stands for no value"),
        ("count(*) > 1", "count"),
        ("  ", "empty"),
        ("1" * 20_000, "more than 10000"),
        ("(" * 60 + "1" + ")" * 60, "within each other"),
        ("name = '\x00'", ""),
        ("name = '\ud800'", ""),
    ],
)
def test_anything_else_is_refused(text: str, told: str) -> None:
    with pytest.raises(ConditionError) as error:
        check_condition(text, "raw", COLUMNS)
    assert told in str(error.value)


def test_an_unknown_column_names_the_nearest() -> None:
    with pytest.raises(ConditionError, match="has no column seing") as error:
        check_condition("seing < 0.9", "raw", COLUMNS)
    assert error.value.near == ("seeing",)
    with pytest.raises(ConditionError, match="has no column nigth") as error:
        column_condition({"nigth": 1}, "raw", COLUMNS)
    assert error.value.near == ("night",)
    with pytest.raises(ConditionError, match="has no column"):
        column_condition({'a" OR 1 --': 1}, "raw")


def test_where_columns_are_not_known_the_condition_says_which_it_reads() -> None:
    condition = check_condition("FSF_FWHM_R < 0.7 AND skyB > skyR", "qa_reduced")
    assert condition.columns == {"FSF_FWHM_R", "skyB", "skyR"}


@pytest.fixture
def database() -> sqlite3.Connection:
    connection = sqlite3.connect(":memory:")
    connection.execute("CREATE TABLE raw (name, night, EXPTIME, seeing, OBJECT_ORIG)")
    connection.execute("CREATE TABLE secret (word)")
    connection.executemany(
        "INSERT INTO raw VALUES (?, ?, ?, ?, ?)",
        [("a", "n1", 100, 0.8, "X"), ("b", "n1", 200, None, "Y"), ("c", "n2", 300, 1.2, "X")],
    )
    return connection


@pytest.mark.parametrize(
    ("given", "names"),
    [
        ("seeing < 1", "a"),
        ({"night": "n1"}, "ab"),
        ({"night": ["n1", "n2"], "OBJECT_ORIG": "X"}, "ac"),
        ({"seeing": None}, "b"),
        ({"seeing": [None, 0.8]}, "ab"),
        ({"night": []}, ""),
        ({}, "abc"),
    ],
)
def test_what_a_condition_selects(
    database: sqlite3.Connection, given: str | dict[str, object], names: str
) -> None:
    condition = make_condition(given, "raw", COLUMNS)
    with guarded(database, ["raw"]):
        query = f"SELECT name FROM raw WHERE {condition.sql}"
        found = database.execute(query, condition.parameters).fetchall()
    assert "".join(name for (name,) in found) == names


def test_a_guarded_connection_reads_one_table_and_writes_none(
    database: sqlite3.Connection,
) -> None:
    with guarded(database, ["raw"]):
        for query in ("SELECT * FROM secret", "DELETE FROM raw", "PRAGMA user_version"):
            with pytest.raises(sqlite3.DatabaseError):
                database.execute(query)
    assert database.execute("SELECT count(*) FROM secret").fetchone() == (0,)


WORDS = """( ) ' " ; -- /* */ SELECT FROM raw secret seeing 1 , UNION WHERE OR AND IN = <
WITH AS PRAGMA ATTACH CASE WHEN THEN END word"""
PIECES = st.sampled_from(WORDS.split())


@given(st.lists(PIECES, max_size=12).map(" ".join))
@settings(max_examples=120, deadline=None)
def test_no_text_gets_past_the_check_and_reads_another_table(text: str) -> None:
    try:
        condition = check_condition(text, "raw", COLUMNS)
    except ConditionError as error:
        assert str(error)
        return
    assert condition.columns <= set(COLUMNS)
    assert "secret" not in condition.sql or "'" in text or '"' in text
