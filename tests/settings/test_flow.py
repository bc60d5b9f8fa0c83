"""What a hint proposes is accepted when typed."""

from __future__ import annotations

import string

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from musebuild.index.columns import dataset_of
from musebuild.settings.flow import dataset_of_object, flow, name_for
from musebuild.settings.nodes import plain_data
from tests.plan.making import frame, plan, reasons, typed
from tests.plan.making import settings as settings_of

# As `value_of` gives texts of headers: no blanks at the end, and what is not ASCII replaced.
OBJECTS = (
    st.text(st.characters(max_codepoint=127), max_size=80)
    .map(lambda text: text.rstrip() + "\N{REPLACEMENT CHARACTER}" * (len(text) % 7 == 6))
    .filter(str.strip)
)
ODD = [
    "C/2014 UN271: a",
    "it's",
    'say "x"',
    "#1",
    "{a}",
    "-a",
    "*",
    "&a",
    "!x",
    "%",
    "@",
    "`",
    "a: b",
    "yes",
    "null",
    "1e5",
    "2017-06-16",
    "12:30",
    "47",
    "\t",
    " x",
    "a\nb",
    "~",
    ".",
    "..",
    "\x7f",
    "a,b",
    "[a]",
    "common",
]


@pytest.mark.parametrize("text", [text for text in ODD if text.strip()])
def test_odd_objects(text: str) -> None:
    hint = dataset_of_object(text)
    assert "\n" not in hint
    made = settings_of(hint)
    assert dataset_of(text, made, "OBJECT") in made.datasets


@given(OBJECTS)
@example("a" * 70)
def test_any_object(text: str) -> None:
    made = settings_of(dataset_of_object(text, ["other"]))
    (name,) = made.datasets
    assert dataset_of(text, made, "OBJECT") == name


@given(st.recursive(st.text(string.printable) | st.integers(), st.lists, max_leaves=5))
def test_flow_is_read_as_it_was(value: object) -> None:
    assert plain_data(typed(flow({"a": value}))) == {"a": value}


def test_names_that_are_taken() -> None:
    assert name_for("a/b", ["a_b", "a_b_2"]) == "a_b_3"
    assert name_for("A", ["A"]) == "A_2"
    assert name_for("///") == "unnamed"


def hint_for(**more: object) -> str:
    made = plan(
        "datasets: {OTHER: {}}\nrecipes: {muse_bias: }",
        raw=[frame("OBJECT", "2017-06-16T01:30:00", dataset=str(more.get("object_orig")), **more)],
    )
    told = [line for line in reasons(made).splitlines() if "belong to no dataset" in line]
    return told[0].partition(" -> ")[2]


def test_the_hint_of_the_plan() -> None:
    assert hint_for(object_orig="A: b") == 'to reduce them: datasets: {A_b: {OBJECT: "A: b"}}'
    assert hint_for(object_orig="IC4406") == "to reduce them: datasets: {IC4406: {}}"
    assert "in OBJECT of their headers" in hint_for(object_orig="")
    hint = hint_for(object_orig="", ra=215.6, dec=-44.1).removeprefix("to reduce them: ")
    made = settings_of(hint)
    assert dataset_of("", made, "OBJECT", 215.6, -44.1) == "unnamed"
