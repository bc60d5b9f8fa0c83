"""One value of a parameter has one form, whatever way it was written: as CPL would take it."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from musebuild.cache.keys import key_of, make_preimage
from musebuild.check.parameter_checks import read_parameters
from musebuild.plan.blocks import meaning_in, plan_blocks
from musebuild.recipes.catalogue import load_catalogue
from musebuild.recipes.drs import find_drs
from musebuild.recipes.model import Parameter
from musebuild.recipes.parameters import as_taken, fit, for_pipeline, like
from musebuild.recipes.pipeline import EXCEPTIONS, PARAMETERS, pipeline_parameter
from musebuild.settings.differences import differences
from musebuild.settings.load import load_settings
from musebuild.settings.model import Settings

CATALOGUE = load_catalogue()
KINDS = {
    "bool": Parameter("a", ("bool",)),
    "int": Parameter("a", ("int",)),
    "float": Parameter("a", ("float",)),
    "text": Parameter("a", ("str",)),
    "list": Parameter("a", ("str",), items=("float",)),
}
DEFAULTS: dict[str, Any] = {"bool": True, "int": 3, "float": 1.5, "text": "b", "list": "1.,2."}


def key(name: str, value: object, recipe: str = "muse_scipost") -> str:
    """Key of an invocation with one parameter."""
    params = {name: as_taken(name, value, CATALOGUE[recipe])}
    return key_of(make_preimage(recipe=recipe, version="2.8.7", params=params, inputs=[]))


def settings(folder: Path, params: dict[str, Any], block: str = "muse_scipost") -> Settings:
    """Settings with parameters of a block."""
    path = folder / "settings.yml"
    path.write_text(yaml.safe_dump({"recipes": {block: {"params": params}}}), encoding="utf-8")
    return load_settings(path, environment={})


@pytest.mark.parametrize(
    ("recipe", "name", "spellings"),
    [
        ("muse_scipost", "lambdamin", [5000, 5000.0, "5000", "5000.0", "5e3", " 5000 ", "+5000",
                                       "5_000", "5000.", "05000"]),
        ("muse_scipost", "dx", [0, 0.0, -0.0, "0", "-0.0", "0e5"]),
        ("muse_scipost", "dlambda", [0.3, "0.3", "0.30", ".3", "3e-1", "0.29999999999999999"]),
        ("muse_scipost", "ld", [2, 2.0, "2", "2.0", "2e0", "+2"]),
        ("muse_scipost", "astrometry", [True, "true", "True", "yes", 1, "1"]),
        ("muse_scipost", "astrometry", [False, "false", "no", 0, "0"]),
        ("muse_scipost", "save", ["cube,skymodel", ["cube", "skymodel"]]),
        ("muse_scipost", "pixfrac", ["0.8,1", "0.8,1.0", "0.80, 1.", [0.8, 1], [0.8, 1.0],
                                     ["0.8", "1"]]),
        ("muse_scipost", "pixfrac", [1, 1.0, "1", "1.", [1.0]]),
        ("muse_exp_align", "weight", [True, "true", 1]),
        ("muse_exp_combine", "weight", ["5", 5]),
        ("muse_dark", "normalize", [1, 1.0, "1"]),
        ("muse_flat", "normalize", [1, True, "1", "yes"]),
        ("muse_flat", "not_known", [5000, 5000.0, "5000"]),
        ("muse_flat", "not_known", [True, "true"]),
        ("muse_scipost", "lambdamin", [1e22, 10**22, "1e22", "10000000000000000000000"]),
        ("muse_scipost", "lambdamin", [2**53 + 1, 2.0**53, str(2**53 + 1)]),
    ],
)  # fmt: skip
def test_spellings_of_one_value_give_one_key(
    recipe: str, name: str, spellings: list[object]
) -> None:
    assert len({key(name, value, recipe) for value in spellings}) == 1


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("lambdamin", [5000, 5000.1, 5001, "5000 Å", "0x10", "1e400", "nan", True]),
        ("save", ["1", "1.0", "01", "true", "1,0", "1,0.0"]),
        ("astrometry", [True, False, "maybe", 2, "1.0"]),
        ("dx", [0.1 + 0.2, 0.3]),
        ("not_known", ["1.10", 1.1, "007", 7, "7.0", "5e3", True, 1.5]),
    ],
)
def test_what_the_recipe_tells_apart_gives_several_keys(name: str, values: list[object]) -> None:
    assert len({key(name, value) for value in values}) == len(values)


@pytest.mark.parametrize("value", [5000, 0.2, "cube,skymodel", True, -1, 1e-7])
def test_usual_spellings_keep_the_key_that_they_had(value: object) -> None:
    for name in ("lambdamin", "astrometry", "save", "not_known"):
        taken = as_taken(name, value, CATALOGUE["muse_scipost"])
        usual = {"astrometry": bool, "save": str}.get(name, type(value))
        if isinstance(value, usual):
            assert taken == value
            assert type(taken) is type(value)


@pytest.mark.parametrize("recipe", sorted(n for n, r in CATALOGUE.items() if r.kind == "drs"))
def test_defaults_of_the_catalogue_stand_as_recipes_take_them(recipe: str) -> None:
    for name, value in CATALOGUE[recipe].params.items():
        assert as_taken(name, value, CATALOGUE[recipe]) == value


NUMBERS = st.one_of(
    st.integers(-(2**70), 2**70),
    st.floats(allow_nan=False, allow_infinity=False),
    st.floats(-1e6, 1e6).map(lambda number: round(number, 2)),
)
SPELLINGS = st.sampled_from(
    ["{!r}", " {!r} ", "{:.17e}", "{:.30f}", "+{!r}", "{:.1f}", "{:.0f}", "0{!r}", "{}_000"]
)
VALUES = st.one_of(
    NUMBERS,
    st.booleans(),
    st.builds(lambda number, form: form.format(number), NUMBERS, SPELLINGS),
    st.lists(NUMBERS, max_size=3).map(lambda numbers: ",".join(map(str, numbers))),
    st.sampled_from(["true", "yes", "no", "1", "0", "none", "cube", "nan", "inf", "0x10", ""]),
)


def _for_cpl(value: object, kind: str) -> object:
    """What CPL is given: a value of the type of the parameter's default; None: it is refused."""
    try:
        found = fit(value, like("a", DEFAULTS[kind]))
    except ValueError:
        return None
    if kind == "list":
        return [float(item) for item in str(found).split(",")]
    return found


@given(first=VALUES, second=VALUES, kind=st.sampled_from(sorted(KINDS)))
def test_two_spellings_have_one_form_if_and_only_if_cpl_takes_them_alike(
    first: object, second: object, kind: str
) -> None:
    ours, theirs = _for_cpl(first, kind), _for_cpl(second, kind)
    if ours is None or theirs is None:
        return
    one, other = for_pipeline(first, KINDS[kind]), for_pipeline(second, KINDS[kind])
    alike = one == other and type(one) is type(other)
    assert alike == (ours == theirs)


@given(number=NUMBERS, form=SPELLINGS, kind=st.sampled_from(["float", "list"]))
def test_a_number_and_its_text_have_one_form(number: float, form: str, kind: str) -> None:
    text = form.format(number)
    try:
        meant = float(text)
    except (ValueError, OverflowError):
        return
    if not math.isfinite(meant):
        return
    assert for_pipeline(text, KINDS[kind]) == for_pipeline(meant, KINDS[kind])
    assert type(for_pipeline(text, KINDS[kind])) is type(for_pipeline(meant, KINDS[kind]))


@given(value=VALUES, kind=st.sampled_from([None, *sorted(KINDS)]))
def test_the_form_is_taken_as_what_was_written_and_stays(value: object, kind: str | None) -> None:
    try:
        found = for_pipeline(value, KINDS[kind] if kind else None)
    except ValueError:
        return
    assert for_pipeline(found, KINDS[kind] if kind else None) == found
    if kind:
        assert _for_cpl(found, kind) == _for_cpl(value, kind)
    elif isinstance(value, str):
        # Whatever type it has: a recipe that takes texts is given the same text.
        assert fit(found, KINDS["text"]) == value


def test_types_are_those_of_the_pipeline() -> None:
    plugins = {recipe.plugin for recipe in CATALOGUE.values() if recipe.kind == "drs"}
    installed = read_parameters(find_drs(None, None).path, sorted(plugins))
    seen = set()
    for plugin, parameters in installed.items():
        for name, one in parameters.items():
            assert pipeline_parameter(plugin, name) == like(name, one.default), (plugin, name)
            seen.add(name)
    assert seen == set(PARAMETERS) | {n for names in EXCEPTIONS.values() for n in names}


def test_the_plan_and_a_difference_of_settings_agree(tmp_path: Path) -> None:
    first = settings(tmp_path, {"lambdamin": 5000, "pixfrac": [0.8, 1.0], "astrometry": True})
    second = settings(tmp_path, {"lambdamin": "5e3", "pixfrac": "0.8,1", "astrometry": 1})
    third = settings(tmp_path, {"lambdamin": 5000.5, "pixfrac": "0.8,1", "astrometry": 1})

    def params(one: Settings) -> Any:
        blocks = plan_blocks(one, CATALOGUE)[0]
        return next(block.params for block in blocks if block.name == "muse_scipost")

    assert params(first) == params(second)
    assert differences(first, second, meaning_in(CATALOGUE)) == []
    assert [one.key for one in differences(second, third, meaning_in(CATALOGUE))] == [
        "recipes.muse_scipost.params.lambdamin"
    ]


def test_a_block_with_a_name_of_its_own_has_the_types_of_its_recipe(tmp_path: Path) -> None:
    first = settings(tmp_path, {"astrometry": 1, "save": ["cube"]}, "muse_scipost_rec")
    second = settings(tmp_path, {"astrometry": "yes", "save": "cube"}, "muse_scipost_rec")
    assert differences(first, second, meaning_in(CATALOGUE)) == []
    numbers = settings(tmp_path, {"nclip": 5}, "mpdaf_combine")
    others = settings(tmp_path, {"nclip": 5.0}, "mpdaf_combine")
    assert differences(numbers, others, meaning_in(CATALOGUE)) == []
