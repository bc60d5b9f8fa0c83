"""What differs between two ways in which a task is made, and how it is told."""

from __future__ import annotations

from dataclasses import replace

from musebuild.cache.model import Record, UsedInput
from musebuild.explain.compare import compare_records
from musebuild.report.why import change_text

CALL = {"musebuild-key": 1, "recipe": "muse_scibasic", "version": "2.8.5", "params": {"nifu": 1}}
TWILIGHT = UsedInput.named(
    "TWILIGHT_CUBE", "aa", "product", "muse_twilight:2017-06-15", "TWILIGHT_CUBE", "2017-06-15"
)
RAW = UsedInput.named("OBJECT", "bb", "raw", "/raw/MUSE.1.fits")


def record(*inputs: UsedInput, **call: object) -> Record:
    return Record("muse_scibasic:x", "key", "", CALL | call, inputs)


def told(before: Record, now: Record) -> list[str]:
    return [change_text(change) for change in compare_records(before, now)]


def test_a_calibration_of_another_night_with_other_data() -> None:
    later = replace(TWILIGHT, invocation="muse_twilight:x", night="2017-06-18", digest="cc")
    assert told(record(TWILIGHT), record(later)) == [
        "TWILIGHT_CUBE now comes from night 2017-06-18 (3 nights away), was night 2017-06-15; "
        "its data differ"
    ]


def test_the_same_data_from_elsewhere_are_no_change() -> None:
    later = replace(TWILIGHT, invocation="muse_twilight:x", night="2017-06-18")
    renamed = replace(RAW, path="/elsewhere/x.fits")
    assert told(record(TWILIGHT, RAW), record(later, renamed)) == []


def test_types_of_parameters_count() -> None:
    now = record(params={"nifu": 1.0, "skymethod": "none"})
    assert told(record(), now) == ["nifu was 1, is 1.0", "skymethod was (not set), is none"]


def test_software_comes_before_inputs() -> None:
    now = record(replace(RAW, digest="x"), version="2.8.7", packages={"zap": "2.1"})
    assert told(record(RAW), now) == [
        "DRS 2.8.7, was 2.8.5",
        "zap 2.1, was (not set)",
        "the raw frame MUSE.1.fits (OBJECT) differs in its data",
    ]


def test_what_is_not_made_yet_is_no_change() -> None:
    assert told(record(TWILIGHT), record(replace(TWILIGHT, digest=""))) == []


def test_frames_more_and_less_and_in_another_order() -> None:
    second = replace(RAW, path="/raw/MUSE.2.fits", digest="cc")
    assert told(record(RAW), record(RAW, second)) == ["OBJECT MUSE.2.fits is new among the inputs"]
    assert told(record(RAW, second), record(RAW)) == [
        "OBJECT MUSE.2.fits is no longer among the inputs"
    ]
    assert told(record(RAW, second), record(second, RAW)) == ["the inputs come in another order"]


def test_what_is_only_known_from_the_store_has_no_names() -> None:
    before = record(
        UsedInput.named("TWILIGHT_CUBE", "x", "", ""), UsedInput.named("OBJECT", "y", "", "")
    )
    assert told(before, record(TWILIGHT)) == [
        "TWILIGHT_CUBE (night 2017-06-15) is not what it was made with",
        "a frame of OBJECT is no longer among the inputs",
    ]
    assert told(record(UsedInput.named("TWILIGHT_CUBE", "aa", "", "")), record(TWILIGHT)) == []
