"""Keys: all that may change a product changes the key, and nothing else does."""

from __future__ import annotations

import datetime as dt
import itertools
import json
from collections.abc import Mapping
from enum import StrEnum
from typing import Any

import numpy as np
import pytest
from blake3 import blake3
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from musebuild.cache.keys import canonical, key_of, make_preimage, plain

WORDS = st.text(st.characters(codec="utf-8"), max_size=6)
SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(allow_nan=False, allow_infinity=False),
    WORDS,
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS, inner, max_size=3),
    max_leaves=6,
)
DIGESTS = st.sampled_from([f"{n:02x}" * 32 for n in range(6)])
TAGS = st.sampled_from(["BIAS", "FLAT", "MASTER_BIAS", "TRACE_TABLE"])
VERSIONS = st.sampled_from(["", "2.8.7", "2.10.14", "3.6"])
CALLS = st.fixed_dictionaries(
    {
        "recipe": st.sampled_from(["muse_bias", "muse_flat", "zap"]),
        "version": VERSIONS,
        "params": st.dictionaries(WORDS, VALUES, max_size=4),
        "inputs": st.lists(st.tuples(TAGS, DIGESTS), max_size=4),
        "environment": st.dictionaries(st.sampled_from(["MUSE_A", "MUSE_B"]), WORDS),
        "packages": st.dictionaries(st.sampled_from(["mpdaf", "zap", "numpy"]), VERSIONS),
    }
)

PARTS = ["recipe", "version", "params", "inputs", "environment", "packages"]


def key(call: Mapping[str, Any]) -> str:
    """Key of a call of `make_preimage`."""
    return key_of(make_preimage(**call))


def strict(value: Any) -> Any:
    """A value that is equal only to values of the same type, all the way down."""
    if isinstance(value, Mapping):
        return ("mapping", frozenset((name, strict(item)) for name, item in value.items()))
    if isinstance(value, list | tuple):
        return ("list", tuple(map(strict, value)))
    # repr tells 0.0 from -0.0, which are equal.
    return (type(value).__name__, repr(value))


def turned(value: Any) -> Any:
    """The same value with all mappings in the opposite order, and lists as tuples."""
    if isinstance(value, Mapping):
        return {name: turned(value[name]) for name in reversed(list(value))}
    if isinstance(value, list | tuple):
        return tuple(map(turned, value))
    return value


@settings(max_examples=60, deadline=None)
@given(CALLS)
def test_invariant_2_order_of_names_does_not_matter(call: dict[str, Any]) -> None:
    assert key(turned(call)) == key(call)


@settings(max_examples=120, deadline=None)
@given(call=CALLS, other=CALLS, part=st.sampled_from(PARTS))
def test_invariant_2_each_part_is_known_to_the_key(
    call: dict[str, Any], other: dict[str, Any], part: str
) -> None:
    changed = call | {part: other[part]}
    assert (key(changed) == key(call)) == (strict(changed) == strict(call))


@settings(max_examples=80, deadline=None)
@given(call=CALLS, name=WORDS, one=VALUES, other=VALUES)
def test_invariant_2_any_value_of_any_parameter_counts(
    call: dict[str, Any], name: str, one: Any, other: Any
) -> None:
    assume(strict(one) != strict(other))
    first = call | {"params": call["params"] | {name: one}}
    second = call | {"params": call["params"] | {name: other}}
    assert key(first) != key(second)


@settings(max_examples=50, deadline=None)
@given(call=CALLS, which=st.randoms(use_true_random=False))
def test_the_order_of_inputs_counts(call: dict[str, Any], which: Any) -> None:
    mixed = list(call["inputs"])
    which.shuffle(mixed)
    assert (key(call | {"inputs": mixed}) == key(call)) == (mixed == call["inputs"])


@settings(max_examples=60, deadline=None)
@given(CALLS)
def test_a_preimage_read_back_from_its_manifest_has_the_same_key(call: dict[str, Any]) -> None:
    preimage = make_preimage(**call)
    assert key_of(json.loads(json.dumps(preimage))) == key_of(preimage)


CONFUSABLE = [
    None, True, False, 0, 1, 0.0, -0.0, 1.0, "", "1", "1.0", "True", "true", "None", "null", "n",
    "b:1", "i:1", "f:1.0", "s:1", [], {}, [1], ["1"], {"0": 1}, {"1": None}, [[]], [{}], "[]", "é",
    "e\u0301", 10**30, 1e30, 0.1, 0.1 + 1e-17 * 2, 0.30000000000000004, 0.3,
]  # fmt: skip


def test_what_settings_tell_apart_keys_tell_apart() -> None:
    for one, other in itertools.combinations(CONFUSABLE, 2):
        same = key_of({"value": plain(one)}) == key_of({"value": plain(other)})
        assert same == (strict(one) == strict(other)), (one, other)


def test_a_part_cannot_stand_for_another() -> None:
    base = {"recipe": "r", "version": "", "params": {}, "inputs": []}
    calls = [
        base | {"params": {"x": "1"}},
        base | {"environment": {"x": "1"}},
        base | {"packages": {"x": "1"}},
        base | {"inputs": [("x", "1")]},
        base | {"recipe": "x", "version": "1"},
        base | {"inputs": [("x1", "")]},
    ]
    assert len({key(call) for call in calls}) == len(calls)


def test_invariant_2_nothing_else_is_in_the_preimage() -> None:
    """No path, name, date, host, user or number of threads has a place there."""
    preimage = make_preimage(recipe="r", version="1", params={}, inputs=[("BIAS", "ab")])
    assert set(preimage) == {
        "musebuild-key", "recipe", "version", "params", "inputs", "environment", "packages"
    }  # fmt: skip
    assert preimage["inputs"] == [["BIAS", "ab"]]


class Method(StrEnum):
    MEDIAN = "median"


@pytest.mark.parametrize(
    ("value", "same"),
    [(np.float64(0.1), 0.1), (Method.MEDIAN, "median"), ((1, 2), [1, 2]),
     (dt.date(2017, 6, 16), "2017-06-16")],
)  # fmt: skip
def test_values_of_libraries_are_what_they_say(value: Any, same: Any) -> None:
    assert plain(value) == same
    assert key_of({"v": plain(value)}) == key_of({"v": same})
    assert json.loads(json.dumps(plain(value))) == same


@pytest.mark.parametrize(
    "value", [float("nan"), float("inf"), [-float("inf")], {1, 2}, b"x", object(), np.int64(1)]
)
def test_values_without_a_canonical_form_are_refused(value: Any) -> None:
    with pytest.raises(ValueError, match="cannot be part of a key"):
        make_preimage(recipe="r", version="", params={"x": value}, inputs=[])


def test_names_that_would_hide_each_other_are_refused() -> None:
    with pytest.raises(ValueError, match="same text"):
        make_preimage(recipe="r", version="", params={"x": {1: "a", "1": "b"}}, inputs=[])


BIAS = make_preimage(
    recipe="muse_bias",
    version="2.8.7",
    params={"nifu": 7, "overscan": "vpoly", "ovscsigma": 30.0, "merge": False, "extra": None},
    inputs=[("BIAS", "11" * 32), ("BIAS", "22" * 32), ("BADPIX_TABLE", "33" * 32)],
    environment={"MUSE_DEBUG": "1"},
)
PYTHON = make_preimage(
    recipe="zap",
    version="",
    params={"cfwidth": [300, 0.5, "é"], "mask": {"n": 1}},
    inputs=[("DATACUBE_FINAL", "44" * 32)],
    packages={"mpdaf": "3.6", "zap": "2.1"},
)


def test_invariant_10_golden_keys() -> None:
    """A change of these makes every cache worthless: raise KEY_VERSION, and say so."""
    assert key_of(BIAS) == GOLDEN_BIAS
    assert key_of(PYTHON) == GOLDEN_PYTHON


def test_invariant_10_the_canonical_form() -> None:
    text = (
        '{"environment":{"MUSE_DEBUG":"s:1"},'
        f'"inputs":[["s:BIAS","s:{"11" * 32}"],["s:BIAS","s:{"22" * 32}"],'
        f'["s:BADPIX_TABLE","s:{"33" * 32}"]],'
        '"musebuild-key":"i:1","packages":{},'
        '"params":{"extra":"n","merge":"b:0","nifu":"i:7","overscan":"s:vpoly",'
        '"ovscsigma":"f:30.0"},"recipe":"s:muse_bias","version":"s:2.8.7"}'
    )
    assert canonical(BIAS) == text
    assert key_of(BIAS) == blake3(text.encode()).hexdigest()


GOLDEN_BIAS = "f15f7c1696af832d5eeaf1485104fc1c341e6b8eb48ff45c2994d979c0f8bdf9"
GOLDEN_PYTHON = "90a4d5544ea8394c87d487df0fa151a7f2ec2b0afae5ee8f1bc0b6d1acec6578"
