"""What the schema tells of parameters is what the recipes have."""

from __future__ import annotations

import inspect
from pathlib import Path

import pytest

from musebuild.check.parameter_checks import read_parameters
from musebuild.recipes.catalogue import load_catalogue
from musebuild.recipes.drs import find_drs
from musebuild.recipes.functions import read_signature
from musebuild.recipes.science.combine import mpdaf_combine
from musebuild.recipes.science.standards import muse_std_combine
from musebuild.settings.reference import hints

HINTS = dict(hints())


FUNCTIONS = {"mpdaf_combine": mpdaf_combine, "muse_std_combine": muse_std_combine}
MEANT_OTHERWISE = {"output_wcs", "cache_cubes"}
"""What the settings take, and no function: a frame, and what is without effect."""


@pytest.mark.parametrize("name", FUNCTIONS)
def test_those_of_a_python_recipe_are_the_arguments_of_its_function(name: str) -> None:
    parameters = read_signature(Path(inspect.getfile(FUNCTIONS[name])), name).parameters
    own = load_catalogue()[name].params
    told = {key: part["default"] for key, part in HINTS[name].items()}
    assert {key: told[key] for key in told.keys() - MEANT_OTHERWISE} == {
        key: own.get(key, one.default) for key, one in parameters.items()
    }


@pytest.fixture(scope="module")
def pipeline() -> dict[str, dict[str, object]]:
    """Recipe of the pipeline → parameter → default."""
    found = read_parameters(
        find_drs(None, None).path,
        ["muse_create_sky", "muse_scipost", "muse_exp_align", "muse_exp_combine"],
    )
    return {name: {key: one.default for key, one in of.items()} for name, of in found.items()}


@pytest.mark.parametrize("name", sorted(HINTS.keys() - FUNCTIONS.keys()))
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
