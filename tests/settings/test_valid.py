"""What is taken for sound without asking `jsonschema` is sound."""

from __future__ import annotations

import copy
import datetime as dt
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator, FormatChecker

from musebuild.settings.nodes import plain_data
from musebuild.settings.reading import read_text
from musebuild.settings.schema import coerce, schema, surely_valid
from tests.settings.making import SETTINGS

EXAMPLE = Path(__file__).parents[2] / "settings.yml.example"
REFERENCE = Draft202012Validator(schema(), format_checker=FormatChecker(("date",)))
ODD = st.sampled_from(
    [None, True, 0, -1, 1.5, 3.0, "", "a b", "2017-02-30", "2017-W01-1", [], {}, [None], {"": 1}]
)


def tree_of(text: str) -> Any:
    """Settings as they meet the schema."""
    return plain_data(coerce(read_text(text, "settings.yml")))


def spots(tree: Any) -> list[tuple[Any, Any]]:
    """Each (container, key) of a tree."""
    items = tree.items() if isinstance(tree, dict) else enumerate(tree)
    found = []
    for name, value in list(items):
        found.append((tree, name))
        if isinstance(value, dict | list):
            found += spots(value)
    return found


@given(tree=SETTINGS, data=st.data())
@settings(max_examples=30, deadline=None)
def test_what_is_sound_to_us_is_sound_to_jsonschema(tree: dict[str, Any], data: Any) -> None:
    whole = tree_of(yaml.safe_dump(tree, allow_unicode=True))
    # Sound settings are known as such: else every command would load jsonschema.
    assert surely_valid(whole, schema()) == REFERENCE.is_valid(whole)
    for _ in range(8):
        damaged = copy.deepcopy(whole)
        container, key = data.draw(st.sampled_from(spots(damaged)))
        if isinstance(container, dict) and data.draw(st.booleans()):
            container[data.draw(st.sampled_from(["", "no key", "x", "start_date"]))] = 1
        else:
            container[key] = data.draw(ODD)
        if surely_valid(damaged, schema()):
            assert REFERENCE.is_valid(damaged), damaged


def test_the_example_is_surely_sound() -> None:
    text = EXAMPLE.read_text(encoding="utf-8")
    assert surely_valid(tree_of(text), schema())


@pytest.mark.parametrize(
    "tree",
    [
        {"retrieve_data": {"x": float("nan")}},
        {"retrieve_data": {"x": float("inf")}},
        {"runs": {"R": {"start_date": dt.date(2017, 6, 1)}}},
        {"datasets": {"\udc80": {}}},
    ],
    ids=["nan", "infinite", "date", "half a character"],
)
def test_what_json_cannot_hold_is_never_sure(tree: dict[str, object]) -> None:
    assert not surely_valid(tree, schema())


SOUND = """
import sys
from musebuild.settings.load import load_settings
from pathlib import Path
load_settings(Path(sys.argv[1]), environment={})
print(*(name for name in sys.modules if name.split(".")[0] in ("jsonschema", "referencing")))
"""


def test_sound_settings_load_no_slow_validator() -> None:
    done = subprocess.run(
        [sys.executable, "-c", SOUND, str(EXAMPLE)], capture_output=True, text=True, check=True
    )
    assert done.stdout == "\n"
