"""A key at the wrong level is told where it belongs."""

from __future__ import annotations

from pathlib import Path

import pytest

from musebuild.settings.load import load_settings
from musebuild.settings.problems import SettingsProblems

WRONG = {
    "recipes: {muse_scipost: {skymethod: model}}": "stands under recipes.muse_scipost.params",
    "recipes: {muse_scipost: {OFFSET_LIST: OFFSET_LIST_drs}}": (
        "move it under recipes.muse_scipost.frames"
    ),
    "recipes: {muse_scipost: {exclude: [SKY_MASK]}}": "move it under recipes.muse_scipost.frames",
    "recipes: {params: {a: 1}}": "params belongs to a block: recipes.BLOCK.params",
    "muse_scipost: {params: {a: 1}}": "a block stands under recipes: recipes.muse_scipost",
    "recipe_path: /usr/lib": "it belongs elsewhere: cpl.recipe_path",
    "cpl: {raw_path: raw}": "it belongs elsewhere: raw_path",
    "datasets: {A: {parallel: 3}}": "it belongs elsewhere: retrieve_data.parallel",
    # A slip of the pen is one, and is told with the name that comes near.
    "recipes: {muse_scipost: {parms: {a: 1}}}": "did you mean params",
}


@pytest.mark.parametrize("text", WRONG)
def test_it_is_told_where_a_key_belongs(tmp_path: Path, text: str) -> None:
    path = tmp_path / "settings.yml"
    path.write_text(f"version: '1'\nraw_path: {tmp_path}\n{text}\n")
    with pytest.raises(SettingsProblems) as told:
        load_settings(path)
    (problem,) = told.value.problems
    assert WRONG[text] in str(problem)
    assert ("allowed" in str(problem)) == ("did you mean" in WRONG[text])


def test_a_key_of_ones_own_that_nothing_is_called_by_is_no_mistake(tmp_path: Path) -> None:
    path = tmp_path / "settings.yml"
    path.write_text("version: '1'\nmy_place: /x\nlimit: 3\n")
    assert load_settings(path).version == "1"
