"""What goes before the settings file: the environment, and `--set`."""

from __future__ import annotations

from pathlib import Path

import pytest

from musebuild.settings.load import load_settings
from musebuild.settings.model import Settings
from musebuild.settings.problems import SettingsProblems

FILE = """
version: file
cache: store
recipes:
  muse_scipost: {params: {save: cube, dlambda: 1}}
  zap: {params: {cfwidthSVD: 300}}
static_calib:
  BADPIX_TABLE: {badpix.fits: {start_date: 2017-01-01}}
"""


def load(folder: Path, environment: dict[str, str], **given: str) -> Settings:
    path = folder / "settings.yml"
    path.write_text(FILE, encoding="utf-8")
    return load_settings(path, overrides=given, environment=environment)


def refused(folder: Path, environment: dict[str, str], **given: str) -> str:
    with pytest.raises(SettingsProblems) as error:
        load(folder, environment, **given)
    return str(error.value)


def test_a_variable_goes_before_the_file(tmp_path: Path) -> None:
    found = load(
        tmp_path,
        {"MUSEBUILD__recipes__muse_scipost__params__save": "individual", "MUSEBUILD__ifus": "1-3"},
    )
    assert found.blocks["muse_scipost"].params == {"save": "individual", "dlambda": 1}
    assert found.ifus == (1, 2, 3)


def test_the_case_of_a_variable_does_not_matter_where_the_key_is_known(tmp_path: Path) -> None:
    found = load(
        tmp_path,
        {
            "MUSEBUILD__RECIPES__ZAP__PARAMS__CFWIDTHSVD": "200",
            "MUSEBUILD__RESOURCES__CORES": "2",
            "MUSEBUILD__RECIPES__MUSE_SCIPOST__PARAMS__SKYMETHOD": "none",
            "MUSEBUILD__RECIPES__MUSE_SCIPOST__FRAMES__OUTPUT_WCS": "a.fits",
            "MUSEBUILD__DATASETS__IC4406__object": "[A, B]",
        },
    )
    assert found.blocks["zap"].params == {"cfwidthSVD": 200}
    assert found.resources.cores == 2
    assert found.blocks["muse_scipost"].params["skymethod"] == "none"
    assert list(found.blocks["muse_scipost"].frames.sources) == ["OUTPUT_WCS"]
    assert found.datasets["IC4406"].objects == ("A", "B")


def test_the_command_line_goes_before_the_list_and_that_before_single_variables(
    tmp_path: Path,
) -> None:
    environment = {"MUSEBUILD__version": "one", "MUSEBUILD_SET": "version=two\n\nrevision = 7\n"}
    assert load(tmp_path, environment).version == "two"
    assert load(tmp_path, environment).revision == "7"
    assert load(tmp_path, environment, version="three").version == "three"
    assert load(tmp_path, {}).version == "file"


def test_quotes_hold_names_with_dots(tmp_path: Path) -> None:
    key = 'static_calib.BADPIX_TABLE."badpix.fits".end_date'
    found = load(tmp_path, {}, **{key: "2017-03-01"})
    ((name, span),) = found.static_calib["BADPIX_TABLE"]
    assert (name, str(span.start), str(span.end)) == ("badpix.fits", "2017-01-01", "2017-03-01")


def test_a_value_without_text_unsets(tmp_path: Path) -> None:
    found = load(tmp_path, {}, **{"recipes.muse_scipost.params.dlambda": ""})
    assert found.blocks["muse_scipost"].params == {"save": "cube"}


def test_other_variables_are_left_alone(tmp_path: Path) -> None:
    assert load(tmp_path, {"MUSEBUILD_SETTINGS": "x", "MUSEBUILD": "y", "MUSE_X": "z"})


@pytest.mark.parametrize(
    ("environment", "given", "told"),
    [
        ({"MUSEBUILD__ifus": "99"}, {}, ("MUSEBUILD__ifus: ifus: 99 is out of range",)),
        ({"MUSEBUILD__RECIPES__ZAP__INITT": "{}"}, {}, ("unknown key", "did you mean init")),
        ({"MUSEBUILD____x": "1"}, {}, ("names no key",)),
        ({"MUSEBUILD_SET": "version"}, {}, ("version is not KEY=VALUE",)),
        ({"MUSEBUILD__version": "{a"}, {}, ("MUSEBUILD__version", "no YAML")),
        ({}, {"cache.limit": "1 GB"}, ("cache holds a value", "settings.yml:3:8", "cache itself")),
        ({}, {"a..b": "1"}, ("--set a..b", "is no key")),
        ({}, {'a."b': "1"}, ("is no key",)),
        ({}, {"include": "x.yml"}, ("include cannot be given here",)),
        ({}, {"version": "'{nothing}'"}, ("{nothing} names no top-level key",)),
    ],
)
def test_what_cannot_be_used_is_told_with_its_origin(
    tmp_path: Path, environment: dict[str, str], given: dict[str, str], told: tuple[str, ...]
) -> None:
    text = refused(tmp_path, environment, **given)
    for part in told:
        assert part in text


def test_positions_say_what_a_value_comes_from(tmp_path: Path) -> None:
    found = load(tmp_path, {"MUSEBUILD__revision": "2"}, version="9")
    assert str(found.where("version")) == "--set version"
    assert str(found.where("revision")) == "MUSEBUILD__revision"
    assert str(found.where("cache")).endswith("settings.yml:3:8")
    # What nobody says stands nowhere, and not where another value was given.
    assert str(found.where("raw_path")).endswith("settings.yml:1:1")
