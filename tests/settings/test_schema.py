"""The schema is the list of keys: what the settings are, print and compare follows from it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from musebuild.settings.differences import between
from musebuild.settings.load import load_settings
from musebuild.settings.model import Block
from musebuild.settings.resolved import resolved, with_origins
from musebuild.settings.schema import default_at, described, part_at, schema
from musebuild.settings.values import Values

EXAMPLE = Path(__file__).parents[2] / "settings.yml.example"


def parts(part: Any) -> Iterator[dict[str, Any]]:
    """All parts of a schema."""
    if isinstance(part, dict):
        yield part
        for inner in part.values():
            yield from parts(inner)
    elif isinstance(part, list):
        for inner in part:
            yield from parts(inner)


def test_every_meaning_of_the_schema_is_one_that_values_have() -> None:
    means = {part["x-means"] for part in parts(schema()) if isinstance(part.get("x-means"), str)}
    assert len(means) > 10
    for name in means:
        assert callable(getattr(Values, f"_{name}")), name


def test_nothing_is_left_to_be_looked_up() -> None:
    assert any("$ref" in part for part in parts(schema()))
    assert not any("$ref" in part for part in parts(described()))


def test_a_block_that_is_not_declared_has_the_defaults_of_the_schema(tmp_path: Path) -> None:
    path = tmp_path / "settings.yml"
    path.write_text("recipes: {b: {}}\n", encoding="utf-8")
    assert load_settings(path, environment={}).blocks["b"] == Block("b")


def test_what_is_not_said_stands_at_the_default_of_the_schema(tmp_path: Path) -> None:
    path = tmp_path / "settings.yml"
    path.write_text("recipes: {b: {}}\ndatasets: {A: {}}\n", encoding="utf-8")
    found = resolved(load_settings(path, environment={}))
    usual = {keys: default_at(keys) for keys in found}
    for keys, value in found.items():
        match usual[keys]:
            case bool() | int() | float() as default:
                assert value == default, keys
            case str() as default if not isinstance(value, list):
                text = default.replace("{workdir}", ".").replace("{version}", "0.1")
                assert value in (text, str(tmp_path / text)), keys
    given = {keys[0] for keys, default in usual.items() if default is not None}
    assert given >= {"workdir", "raw_path", "db", "version", "loglevel", "cpl", "retrieve_data"}
    assert found["recipes", "b", "filt"] == part_at(described()["properties"]["recipes"], "b")[
        "properties"]["filt"]["default"]  # fmt: skip
    assert found["ifus",] == "all"
    assert found["datasets", "A", "OBJECT"] == ["A"]


def test_an_empty_list_differs_from_what_is_not_said(tmp_path: Path) -> None:
    def settings(text: str) -> dict[Any, Any]:
        path = tmp_path / "settings.yml"
        path.write_text(text, encoding="utf-8")
        return resolved(load_settings(path, environment={}))

    usual, none = settings("datasets: {A: {}}\n"), settings("datasets: {A: {split_by: []}}\n")
    told = between(usual, none, lambda values, keys: values.get(keys))
    assert [(one.key, one.ours, one.theirs) for one in told] == [
        ("datasets.A.split_by", ["position"], "none")
    ]
    older = {keys: value for keys, value in usual.items() if keys[-1] != "split_by"}
    assert not between(older, usual, lambda values, keys: values.get(keys))


def test_every_top_level_key_stands_in_the_example() -> None:
    text = EXAMPLE.read_text(encoding="utf-8")
    named = set(re.findall(r"^(?:# )?(\w+):", text, re.MULTILINE))
    assert set(schema()["properties"]) <= named


def test_every_key_that_the_example_comments_out_is_one_of_the_schema(tmp_path: Path) -> None:
    text = EXAMPLE.read_text(encoding="utf-8")
    path = tmp_path / "settings.yml"
    whole = re.sub(r"^( *)# (( *)\w+:( |$))", r"\1\2", text, flags=re.MULTILINE)
    assert whole.count("\n# ") < text.count("\n# ")
    path.write_text(whole.replace("include: ../common.yml\n", "\n"), encoding="utf-8")
    found = load_settings(path, environment={})
    assert found.ifus and found.targets and found.resources.cores and found.cache_limit


@pytest.mark.parametrize(
    ("keys", "default", "other"),
    [
        (("recipes", "b", "keep_cubes"), False, True),
        (("recipes", "b", "filt"), "white", "R"),
        (("retrieve_data", "parallel"), 4, 5),
    ],
)
def test_what_an_older_musebuild_did_not_note_had_its_default(
    keys: tuple[str, ...], default: Any, other: Any
) -> None:
    block = {("recipes", "b", "enabled"): True}

    def differing(first: dict[Any, Any], second: dict[Any, Any]) -> list[str]:
        return [one.key for one in between(first, second, lambda values, k: values.get(k))]

    assert differing(block, block | {keys: default}) == []
    assert differing(block | {keys: default}, block) == []
    assert differing(block, block | {keys: other}) == [".".join(keys)]
    assert differing({("flags", "A"): ""}, {}) == ["flags.A"]


def test_what_has_no_effect_is_no_difference(tmp_path: Path) -> None:
    path = tmp_path / "settings.yml"
    path.write_text(
        "recipes: {common: {temp_dir: /a, verbose: no}, b: {init: {log_dir: /b}}}\n",
        encoding="utf-8",
    )
    settings = load_settings(path, environment={})
    idle = {"temp_dir", "verbose", "log_dir", "nifu"}
    assert not [keys for keys in resolved(settings) if keys[-1] in idle]
    assert {v.key: v.origin for v in with_origins(settings) if v.keys[-1] in idle} == {
        "recipes.common.temp_dir": "settings.yml:1, without effect",
        "recipes.common.verbose": "settings.yml:1, without effect",
        "recipes.b.init.log_dir": "settings.yml:1, without effect",
    }
