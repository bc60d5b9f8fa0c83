"""What differs between two ways in which a task is made, and how it is told."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from musebuild.cache.model import Product, Record, UsedInput
from musebuild.explain.compare import Side, SideTask, compare, compare_records
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


INPUTS = st.lists(
    st.builds(
        UsedInput,
        st.sampled_from(["BIAS", "FLAT"]),
        st.sampled_from(["", "aa", "bb", "cc"]),
        st.sampled_from(["raw", "product"]),
        st.sampled_from(["x", "y", "z"]),
    ),
    max_size=6,
)


@given(INPUTS, INPUTS)
def test_each_input_is_the_same_changed_or_told(
    before: list[UsedInput], now: list[UsedInput]
) -> None:
    kinds = Counter(change.kind for change in compare_records(record(*before), record(*now)))
    assert len(before) - kinds["gone"] == len(now) - kinds["added"]
    assert not compare_records(record(*before), record(*before)) or any(
        not used.digest for used in before
    )


def product(name: str, content: str, file: str) -> Product:
    return Product("MASTER_FLAT", name, file, content, 1)


def side(software: dict[str, Any], call: dict[str, Any], *products: Product) -> Side:
    how = Record("muse_flat:x", "", "", {"recipe": "muse_flat", "params": {}} | call, (RAW,))
    task = SideTask("muse_flat:x", str(call or software), how, products)
    return Side("", "", {task.name: task}, None, software)


SOFTWARE = {
    "musebuild-key": 1,
    "musebuild-digest": 1,
    "version": "2.8.5",
    "packages": {"zap": "2.1", "mpdaf": "3.6"},
    "environment": {"MUSE_PLOT": "1"},
}


def test_a_lock_says_once_with_what_software_its_tasks_are_made() -> None:
    lock = side(SOFTWARE, {})
    other = side(SOFTWARE | {"version": "2.8.7", "musebuild-digest": 2}, {})
    found = compare(lock, other)
    assert found.software == (("digest", 1, 2, 0), ("DRS", "2.8.5", "2.8.7", 0))
    assert not found.equal
    # Of a task that says itself what it needs, only that counts.
    made = {name: value for name, value in SOFTWARE.items() if name != "musebuild-digest"}
    now = side({}, made | {"version": "2.8.7", "packages": {"zap": "2.2"}})
    found = compare(lock, now)
    assert found.software == (("DRS", "2.8.5", "2.8.7", 1), ("zap", "2.1", "2.2", 1))
    (task,) = found.tasks
    assert [change.name for change in task.own] == ["DRS", "zap"]


def test_products_are_compared_by_bytes_and_content() -> None:
    first = side({}, SOFTWARE, product("a", "1", "f"), product("b", "1", "f"),
                 product("c", "1", "f"), product("d", "1", "f"))  # fmt: skip
    second = side({}, SOFTWARE, product("a", "1", "f"), product("b", "1", "g"),
                  product("c", "2", "g"), product("e", "1", "f"))  # fmt: skip
    found = compare(first, second)
    assert {pair.name: pair.verdict for pair in found.products} == {
        "b": "same content",
        "c": "different",
        "d": "only in the first",
        "e": "only in the second",
    }
    assert found.verdicts["same bytes"] == 1
    assert [task.kind for task in found.tasks] == ["content"]
    assert compare(first, first).equal
    # What is not made on one side is told of the task.
    (task,) = compare(first, side({}, SOFTWARE)).tasks
    assert task.kind == "not made"
