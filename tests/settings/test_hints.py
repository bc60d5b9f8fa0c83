"""What the schema tells of parameters is what the recipes have."""

from __future__ import annotations

import pytest

from musebuild.check.parameter_checks import read_parameters
from musebuild.recipes.catalogue import load_catalogue
from musebuild.recipes.drs import find_drs
from musebuild.recipes.functions import read_signature
from musebuild.recipes.science.combine import mpdaf_combine
from musebuild.settings.reference import hints

HINTS = dict(hints())


def test_those_of_mpdaf_combine_are_the_arguments_of_its_function() -> None:
    _, parameters = read_signature(mpdaf_combine, "mpdaf_combine")
    own = load_catalogue()["mpdaf_combine"].params
    told = {name: part["default"] for name, part in HINTS["mpdaf_combine"].items()}
    assert told == {name: own.get(name, one.default) for name, one in parameters.items()}


@pytest.fixture(scope="module")
def pipeline() -> dict[str, dict[str, object]]:
    """Recipe of the pipeline → parameter → default."""
    found = read_parameters(
        find_drs(None, None).path, ["muse_scipost", "muse_exp_align", "muse_exp_combine"]
    )
    return {name: {key: one.default for key, one in of.items()} for name, of in found.items()}


@pytest.mark.parametrize("name", sorted(set(HINTS) - {"mpdaf_combine"}))
def test_those_of_the_pipeline_are_its_own_but_for_our_defaults(
    name: str, pipeline: dict[str, dict[str, object]]
) -> None:
    recipe = load_catalogue()[name]
    usual = pipeline[recipe.plugin] | dict(recipe.params) | dict.fromkeys(recipe.follows)
    assert {key: part["default"] for key, part in HINTS[name].items()} == usual


def test_every_recipe_of_the_second_half_has_some() -> None:
    wanted = {"muse_scipost_make_cube", "muse_exp_align", "muse_exp_combine", "mpdaf_combine"}
    assert wanted <= set(HINTS)
    for name, params in HINTS.items():
        for key, part in params.items():
            assert part["title"] and part["description"], (name, key)
