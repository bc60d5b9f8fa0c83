"""The catalogue, where the DRS is, and the runners' own parts."""

from __future__ import annotations

from pathlib import Path

import pytest

from musebuild.errors import RecipeError, UsageError
from musebuild.recipes.catalogue import load_catalogue, read_catalogue, recipe_name
from musebuild.recipes.drs import find_drs, installed
from musebuild.recipes.esorex import arguments, set_of_frames
from musebuild.recipes.logs import messages
from musebuild.recipes.model import ProductRule, RecipeCall
from musebuild.recipes.parameters import fit, like
from musebuild.recipes.runners import runner
from musebuild.recipes.safe_path import safe_name
from musebuild.settings.model import Block

CATALOGUE = load_catalogue()
DOCS = Path(__file__).parent.parent.parent / "docs"


@pytest.mark.parametrize("name", CATALOGUE)
def test_what_a_recipe_needs_is_made_by_the_recipe_it_names(name: str) -> None:
    recipe = CATALOGUE[name]
    for need in recipe.needs:
        if need.source == "product":
            made = {rule.category for rule in CATALOGUE[need.recipe].products}
            assert need.category in made
    for category in recipe.takes.values():
        made = {rule.category for rule in CATALOGUE[recipe.from_recipe].products}
        assert category in made


@pytest.mark.parametrize("name", CATALOGUE)
def test_each_recipe_is_documented(name: str) -> None:
    assert f"`{name}`" in (DOCS / "catalogue.md").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("a: {}", "'description' is a required property"),
        ("a: {description: x, mem: 3}", "'mem' was unexpected"),
        ("a: {description: x, needs: [{category: X, source: magic}]}", "magic"),
        ("a: {description: x, raw: [bias]}", "bias"),
    ],
)
def test_a_mistake_in_the_catalogue_is_told(text: str, told: str) -> None:
    with pytest.raises(RecipeError) as error:
        read_catalogue(text, "mine.yml")
    assert told in str(error.value)
    assert "mine.yml" in str(error.value)


@pytest.mark.parametrize(
    ("block", "recipe"),
    [
        (Block("muse_scipost"), "muse_scipost"),
        (Block("muse_scipost_rec"), "muse_scipost"),
        (Block("muse_scipost_make_cube_2"), "muse_scipost_make_cube"),
        (Block("mpdaf_combine_best"), "mpdaf_combine"),
        (Block("mine", recipe="muse_flat"), "muse_flat"),
        (Block("mine", recipe="muse_flt"), ""),
        (Block("muse_scipostrec"), ""),
    ],
)
def test_the_recipe_is_found_from_the_name_of_the_block(block: Block, recipe: str) -> None:
    assert recipe_name(block, CATALOGUE) == recipe


def pipeline(folder: Path, *versions: str) -> Path:
    for version in versions:
        place = folder / f"muse-{version}"
        place.mkdir(parents=True)
        (place / "muse_bias.so").write_bytes(b"")
    return folder


def test_the_newest_drs_unless_another_is_wanted(tmp_path: Path) -> None:
    folder = pipeline(tmp_path, "2.8.5", "2.10.1", "2.8.7")
    assert [drs.version for drs in installed(folder)] == ["2.10.1", "2.8.7", "2.8.5"]
    assert find_drs(folder, None).version == "2.10.1"
    assert find_drs(folder, "2.8.5").path == str(folder / "muse-2.8.5")


@pytest.mark.parametrize(
    ("versions", "wanted", "told"),
    [
        ([], None, "holds no MUSE recipes"),
        (["2.8.7"], "2.8.5", "version 2.8.5 of the DRS is not installed"),
        (["1.6.2"], None, "Version 1.6.2 of the DRS is not supported"),
    ],
)
def test_a_drs_that_cannot_be_used(
    tmp_path: Path, versions: list[str], wanted: str | None, told: str
) -> None:
    with pytest.raises(UsageError) as error:
        find_drs(pipeline(tmp_path, *versions), wanted, {})
    assert told in str(error.value)
    assert error.value.remedy


def test_messages_of_a_log() -> None:
    log = [
        "10:35:25 [ INFO  ] muse_bias: fine",
        "10:35:26 [WARNING] muse_quality: [tid=001] 3 bad columns",
        "         of this kind",
        "[ ERROR ] muse_bias: it broke",
    ]
    assert messages(log, "WARNING") == ["muse_quality: 3 bad columns"]
    assert messages(log, "ERROR") == ["muse_bias: it broke"]


def test_the_esorex_command() -> None:
    command = arguments("muse_flat", {"samples": True, "nifu": 3}, "f.sof", recipe_path="/p")
    assert command == [
        "esorex",
        "--recipe-dir=/p",
        "--output-dir=.",
        "--suppress-prefix=TRUE",
        "muse_flat",
        "--samples=true",
        "--nifu=3",
        "f.sof",
    ]
    assert set_of_frames((("BIAS", "/a.fits"),)) == "/a.fits BIAS\n"


@pytest.mark.parametrize(
    ("value", "default", "converted"),
    [
        (True, False, True),
        ("yes", False, True),
        ("false", True, False),
        (3.0, 1, 3),
        ("3", 1, 3),
        (2, 1.5, 2.0),
        (True, "none", "true"),
        (5, "text", "5"),
    ],
)
def test_parameters_become_what_the_recipe_takes(
    value: object, default: object, converted: object
) -> None:
    found = fit(value, like("a", default))
    assert found == converted
    assert type(found) is type(converted)


@pytest.mark.parametrize(("value", "default"), [("maybe", True), (1.5, 1), ("x", 2.0)])
def test_parameters_that_cannot_be(value: object, default: object) -> None:
    with pytest.raises(ValueError, match=r"."):
        fit(value, like("a", default))


def test_an_unknown_runner_is_told() -> None:
    with pytest.raises(RecipeError, match="no runner magic"):
        runner("magic")


def test_a_path_that_the_pipeline_cannot_take_gets_another_name(tmp_path: Path) -> None:
    plain = tmp_path / "plain"
    odd = tmp_path / "Größe mit Lücke"
    for folder in (plain, odd):
        folder.mkdir()
    with safe_name(plain) as name:
        assert name == plain
    with safe_name(odd) as name:
        assert str(name).isascii()
        assert " " not in str(name)
        (name / "file").write_text("x", encoding="utf-8")
    assert (odd / "file").read_text(encoding="utf-8") == "x"
    assert not name.exists()


def mock_call(folder: Path, **params: object) -> RecipeCall:
    (folder / "out").mkdir(parents=True, exist_ok=True)
    return RecipeCall(
        "muse_flat", "muse_flat", params, (), folder / "out", folder / "log",
        expected=(ProductRule("TRACE_TABLE"), ProductRule("MASTER_FLAT")),
    )  # fmt: skip


def test_the_mock_makes_the_same_of_the_same(tmp_path: Path) -> None:
    from musebuild.fits.digest import digest_frame

    def content(place: str, **params: object) -> list[str]:
        made = runner("mock").run(mock_call(tmp_path / place, **params)).products
        return [digest_frame(Path(path)).content for _, path in made]

    assert content("a", nifu=1) == content("b", nifu=1)
    assert content("c", nifu=2) != content("d", nifu=1)
    assert content("e", nifu=1, x=1) != content("f", nifu=1)
