"""Whatever valid settings hold, they mean the same however they are written; no damage crashes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from musebuild.check.everything import check_project
from musebuild.engine.project import Project
from musebuild.plan.blocks import meaning_in
from musebuild.recipes.catalogue import load_catalogue
from musebuild.settings.differences import differences
from musebuild.settings.load import load_settings
from musebuild.settings.model import Settings
from musebuild.settings.problems import SettingsProblems
from musebuild.settings.resolved import with_origins
from tests.settings.making import SCALARS, SETTINGS


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("random")


def load(folder: Path, text: str) -> Settings:
    path = folder / "settings.yml"
    path.write_text(text, encoding="utf-8")
    return load_settings(path, environment={})


def escaped(tree: Any) -> Any:
    """Braces of texts that were substituted already."""
    if isinstance(tree, dict):
        return {escaped(name): escaped(value) for name, value in tree.items()}
    if isinstance(tree, list):
        return [escaped(item) for item in tree]
    return tree.replace("{", "{{").replace("}", "}}") if isinstance(tree, str) else tree


def same(one: Settings, other: Settings) -> bool:
    """Whether two settings are the same but for the places in their files."""
    nowhere: dict[str, Any] = {"positions": {}, "key_positions": {}, "lines": {}}
    return replace(one, **nowhere) == replace(other, **nowhere)


MEANING = meaning_in(load_catalogue())
QUICK = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@given(tree=SETTINGS)
@QUICK
def test_valid_settings_survive_reading_and_writing(tree: dict[str, Any], folder: Path) -> None:
    found = load(folder, yaml.safe_dump(tree, allow_unicode=True))
    again = load(folder, yaml.safe_dump(escaped(dict(found.tree)), allow_unicode=True))
    assert same(found, again)
    assert not differences(found, again, MEANING)
    assert {value.key for value in with_origins(found)} >= {"version", "raw_path", "cache"}


@given(tree=SETTINGS, data=st.data())
@QUICK
def test_style_and_order_of_the_parts_mean_nothing(
    tree: dict[str, Any], data: st.DataObject, folder: Path
) -> None:
    found = load(folder, yaml.safe_dump(tree, sort_keys=False))
    keys = data.draw(st.permutations(list(tree)))
    flow, width = data.draw(st.booleans()), data.draw(st.sampled_from([20, 80, 1000]))
    text = yaml.safe_dump(
        {key: tree[key] for key in keys},
        sort_keys=False,
        default_flow_style=flow,
        width=width,
        allow_unicode=data.draw(st.booleans()),
    )
    assert not differences(found, load(folder, f"# a comment\n{text}"), MEANING)


def spots(tree: Any, at: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Paths of all values of a tree."""
    found = [at] if at else []
    if isinstance(tree, dict):
        return found + [spot for name, value in tree.items() for spot in spots(value, (*at, name))]
    if isinstance(tree, list):
        return found + [spot for i, value in enumerate(tree) for spot in spots(value, (*at, i))]
    return found


WRONG = st.one_of(
    SCALARS,
    st.none(),
    st.lists(SCALARS, max_size=2),
    st.dictionaries(st.sampled_from(["raw", "params", "x", "start_date", "A"]), SCALARS),
    st.sampled_from(
        ["{version}", "{nothing}", "{recipes}", "2017-02-30", "1) OR (1", "../..", "*"]
    ),
)


@given(tree=SETTINGS, wrong=WRONG, data=st.data())
@QUICK
def test_a_wrong_value_anywhere_gives_messages_and_no_traceback(
    tree: dict[str, Any], wrong: Any, data: st.DataObject, folder: Path
) -> None:
    *above, last = data.draw(st.sampled_from(spots(tree)))
    node: Any = tree
    for key in above:
        node = node[key]
    node[last] = wrong
    path = folder / "settings.yml"
    path.write_text(yaml.safe_dump(tree), encoding="utf-8")
    project = Project(path, {"cpl": "{runner: mock}"})
    problems = check_project(project)
    project.close()
    for problem in problems:
        assert str(problem)
        assert problem.to_dict()["file"]
    try:
        assert with_origins(load_settings(path, environment={}))
    except SettingsProblems as error:
        assert str(error)
        assert problems
