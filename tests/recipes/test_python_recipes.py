"""Python recipes of one's own, through the real engine: inputs, parameters, keys, mistakes."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import numpy as np
import pytest
import yaml
from astropy.io import fits

from musebuild.check.parameter_checks import check_python
from musebuild.errors import RecipeError
from musebuild.plan.blocks import plan_blocks
from musebuild.recipes.catalogue import load_catalogue
from musebuild.recipes.declare import complete
from musebuild.recipes.functions import read_signature
from musebuild.recipes.model import Parameter, ProductRule, Recipe, RecipeCall, RecipeOutcome
from musebuild.recipes.parameters import fit
from musebuild.recipes.pyrun import PythonRunner
from musebuild.recipes.source import code_hash
from musebuild.settings.load import load_settings
from musebuild.settings.model import Settings
from tests.support.projects import MockProject

SCALE = '''
"""Scale a cube."""
from pathlib import Path
from astropy.io import fits
from musebuild.recipes import recipe
from helper import times


@recipe(products=["DATACUBE_SCALED"], from_recipe="muse_scipost", packages=["astropy"])
def scale(datacube_final: Path, *, factor: float = 2.0) -> dict[str, Path]:
    """Multiply a cube by a factor."""
    with fits.open(datacube_final) as hdus:
        hdus[1].data = times(hdus[1].data, factor)
        hdus.writeto("scaled.fits")
    print("scaled by", factor)
    return {"DATACUBE_SCALED": Path("scaled.fits")}
'''
HELPER = "def times(data, factor):\n    return data * factor\n"


@pytest.fixture
def own(project: MockProject) -> MockProject:
    """A project with a recipe of its own."""
    (project.folder / "recipes").mkdir()
    write(project, SCALE)
    (project.folder / "recipes" / "helper.py").write_text(HELPER)
    project.settings["recipes"]["scaled"] = {"recipe": "recipes/own.py:scale"}
    project.write()
    return project


def write(project: MockProject, text: str) -> None:
    """Write the recipe's file."""
    (project.folder / "recipes" / "own.py").write_text(text, encoding="utf-8")


def scaled(project: MockProject) -> Path:
    """What the recipe made of the first exposure."""
    return project.reduced / "scaled/2017-06-16T01:34:56.867/scaled.fits"


def test_a_function_of_a_file_is_a_recipe_known_by_its_source(own: MockProject) -> None:
    own.build("scaled")
    with fits.open(scaled(own)) as hdus:
        header, data = hdus[0].header, hdus[1].data
    cube = own.reduced / "scipost" if (own.reduced / "scipost").exists() else own.reduced
    source = next(cube.rglob("2017-06-16T01:34:56.867/DATACUBE_FINAL.fits"))
    assert (data == fits.getdata(source, 1) * 2).all()
    assert header["ESO PRO CATG"] == "DATACUBE_SCALED"
    assert header["ESO PRO REC1 RAW1 CATG"] == "DATACUBE_FINAL"
    assert "scaled by 2.0" in own.ask("log", "scaled:2017-06-16T01:34:56.867").out
    # Its source and parameters belong to its key, comments and docstrings do not.
    write(own, SCALE.replace("Multiply a cube by a factor.", "Other words.") + "\n# a comment\n")
    assert "up to date" in own.build("scaled").text
    (own.folder / "recipes" / "helper.py").write_text(HELPER.replace("factor\n", "factor * 1\n"))
    assert "2 ran" in own.build("scaled").text
    own.params("scaled", factor=5)
    assert "2 ran" in own.build("scaled").text
    own.params("scaled", factor=5.0)
    assert "up to date" in own.build("scaled").text
    write(own, SCALE)
    (own.folder / "recipes" / "helper.py").write_text(HELPER)
    own.params("scaled", factor=2)
    assert "0 ran, 2 restored" in own.build("scaled").text


@pytest.fixture
def frames(tmp_path: Path) -> Path:
    """A folder with a cube, and the recipe's file."""
    cube = fits.ImageHDU(np.ones((2, 3, 4), np.float32))
    fits.HDUList([fits.PrimaryHDU(), cube]).writeto(tmp_path / "cube.fits")
    (tmp_path / "own.py").write_text(SCALE)
    (tmp_path / "helper.py").write_text(HELPER)
    return tmp_path


def call(folder: Path, params: dict[str, object] | None = None, cubes: int = 1) -> RecipeOutcome:
    """Run the recipe of a folder."""
    (folder / "out").mkdir(exist_ok=True)
    here = Path.cwd()
    try:
        return PythonRunner().run(
            RecipeCall(
                recipe="scale",
                plugin="own:scale",
                params=params or {},
                inputs=(("DATACUBE_FINAL", str(folder / "cube.fits")),) * cubes,
                folder=folder / "out",
                log=folder / "scale.log",
                expected=(ProductRule("DATACUBE_SCALED"),),
                options={"location": str(folder / "own.py")},
            )
        )
    finally:
        os.chdir(here)


def settings(folder: Path, recipe: str = "own.py:scale", **more: object) -> Settings:
    """Settings with a block of the recipe."""
    text = yaml.safe_dump({"recipes": {"scaled": {"recipe": recipe, **more}}})
    (folder / "settings.yml").write_text(text)
    return load_settings(folder / "settings.yml")


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("none.py:scale", "does not exist"),
        ("own.py:scal", "did you mean scale"),
        ("nowhere.at_all:scale", "cannot be found"),
        ("own.py:", "names no function"),
        ("broken.py:scale", "broken.py:2"),
    ],
)
def test_a_wrong_name_is_told_with_its_place(frames: Path, name: str, told: str) -> None:
    (frames / "broken.py").write_text("x = 1\ndef scale(:\n")
    with pytest.raises(RecipeError) as caught:
        complete(load_catalogue(), settings(frames, name))
    assert told in str(caught.value)
    assert "settings.yml:3" in str(caught.value)


@pytest.mark.parametrize(
    ("params", "told"),
    [
        ({"factr": 2}, "did you mean factor"),
        ({"factor": "much"}, "a number"),
        ({"factor": [1, 2]}, "a number"),
    ],
)
def test_wrong_parameters_are_told_with_their_place(
    frames: Path, params: dict[str, object], told: str
) -> None:
    found = settings(frames, params=params)
    blocks, _ = plan_blocks(found, complete(load_catalogue(), found))
    (problem,) = check_python(blocks, found)
    assert told in str(problem)
    assert "settings.yml:" in str(problem)


def test_wrong_parameters_are_refused_before_anything_runs(own: MockProject) -> None:
    own.params("scaled", factor="much")
    ran = own.ask("run", "scaled")
    assert ran.status == 2
    assert "a number" in ran.text
    assert not own.journal


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("raise ValueError('no star')", "ValueError: no star"),
        ("return {'OTHER': 'x.fits'}", "not among its products"),
        ("return {'DATACUBE_SCALED': 'x.fits'}", "there is no such file"),
        ("return 7", "not its products"),
    ],
)
def test_a_recipe_that_fails_says_why(frames: Path, line: str, told: str) -> None:
    (frames / "own.py").write_text(SCALE.replace("    with fits", f"    {line}\n    with fits"))
    outcome = call(frames)
    assert told in outcome.failure
    assert not outcome.products
    if "ValueError" in line:
        assert "own.py:12 in scale" in outcome.errors[-1]
        assert "Traceback" in (frames / "scale.log").read_text()


def test_a_recipe_of_an_installed_package(frames: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    site = frames / "site"
    (site / "lab").mkdir(parents=True)
    (site / "lab" / "__init__.py").write_text("")
    (site / "lab" / "steps.py").write_text(SCALE.replace("from helper", "from .helper"))
    (site / "lab" / "helper.py").write_text(HELPER)
    info = site / "lab-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: lab\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[musebuild.recipes]\nlab_scale = lab.steps:scale\n")
    monkeypatch.syspath_prepend(site)
    made = complete(load_catalogue(), settings(frames, "lab_scale"))["scaled"]
    assert (made.plugin, made.location) == ("lab.steps:scale", "")
    assert made.code
    assert made.parameters["factor"].default == 2.0


def test_too_many_or_too_few_frames_are_refused(frames: Path) -> None:
    assert "there are 2 DATACUBE_FINAL" in call(frames, cubes=2).failure
    assert "there is no DATACUBE_FINAL" in call(frames, cubes=0).failure
    assert call(frames).products[0][0] == "DATACUBE_SCALED"


def test_a_failed_recipe_leaves_nothing_and_can_be_repeated_by_hand(own: MockProject) -> None:
    write(own, SCALE.replace("    with fits", "    raise ValueError('no star')\n    with fits"))
    ran = own.ask("run", "--keep-failed", "scaled:2017-06-16T01:34:56.867")
    assert ran.status == 1
    assert "no star" in ran.text
    assert not (own.reduced / "scaled").exists()
    script = next((own.folder / ".musebuild").rglob("run-again.sh"))
    again = subprocess.run([script], capture_output=True, text=True, check=False)
    assert again.returncode == 1
    assert "no star" in again.stderr
    write(own, SCALE)
    again = subprocess.run([script], capture_output=True, text=True, check=False)
    assert again.returncode == 0, again.stderr
    assert "DATACUBE_SCALED" in again.stdout


def test_a_function_without_a_declaration_is_declared_in_the_settings(frames: Path) -> None:
    (frames / "own.py").write_text(
        "from pathlib import Path\n"
        "def pick(offset_list: Path, sky_mask: Path | None = None, *, note: str | None = None):\n"
        "    return 'picked.fits'\n"
    )

    def declared(**declare: object) -> Recipe:
        more = {"from_recipe": "muse_exp_align", "declare": declare}
        return complete(load_catalogue(), settings(frames, "own.py:pick", **more))["scaled"]

    made = declared(group_by="dataset", products="PICKED")
    assert made.takes == {"OFFSET_LIST": "OFFSET_LIST"}
    assert [(need.category, need.source) for need in made.needs] == [("SKY_MASK", "named")]
    assert made.products == (ProductRule("PICKED"),)
    with pytest.raises(RecipeError, match="does not say what it makes"):
        declared(group_by="dataset")
    with pytest.raises(RecipeError) as caught:
        declared(products="PICKED", colour="red")
    assert "'colour' was unexpected" in str(caught.value)


def test_any_recipe_of_the_pipeline_can_be_declared_in_the_settings(project: MockProject) -> None:
    project.settings["recipes"]["muse_create_sky"] = {
        "from_recipe": "muse_scibasic",
        "declare": {
            "takes": {"PIXTABLE_SKY": "PIXTABLE_OBJECT"},
            "needs": ["EXTINCT_TABLE", "SKY_LINES"],
            "products": ["SKY_MASK", "SKY_SPECTRUM"],
        },
    }
    project.write()
    project.build("muse_create_sky")
    run = next(r for r in project.journal if r["recipe"] == "muse_create_sky")
    tags = {text.partition(":")[0] for text in run["inputs"]}
    assert tags == {"PIXTABLE_SKY", "EXTINCT_TABLE", "SKY_LINES"}
    assert (project.reduced / "muse_create_sky/2017-06-16T01:34:56.867/SKY_MASK.fits").exists()


def test_the_hash_of_a_source_follows_what_it_imports_from_its_folder(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "deep.py").write_text("X = 1\n")
    (tmp_path / "near.py").write_text("from sub import deep\n")
    main = tmp_path / "main.py"
    main.write_text("import near\n")
    before = code_hash(main)
    (tmp_path / "unrelated.py").write_text("Y = 1\n")
    assert code_hash(main) == before
    main.write_text("# words\nimport near\n\n")
    assert code_hash(main) == before
    (tmp_path / "sub" / "deep.py").write_text("X = 2\n")
    assert code_hash(main) != before


@pytest.mark.parametrize(
    "source",
    ["cube, *, x: int = 1", "*cubes: Path", "cube: Path, *, x: complex = 1j"],
)
def test_a_signature_that_says_too_little_is_refused(tmp_path: Path, source: str) -> None:
    (tmp_path / "own.py").write_text(f"from pathlib import Path\ndef mine({source}): ...\n")
    with pytest.raises(RecipeError):
        read_signature(tmp_path / "own.py", "mine")


def test_values_of_the_settings_become_what_a_function_wants() -> None:
    either = Parameter("x", kinds=("float", "list", "none"), items=("float",))
    assert fit(5, either) == 5.0
    assert fit([1, "2"], either) == [1.0, 2.0]
    assert fit(None, either) is None
    choice = Parameter("x", kinds=("str",), choices=("median", "sigclip"))
    assert fit("median", choice) == "median"
    for parameter, value in (
        (choice, "mean"),
        (Parameter("x", kinds=("int",)), 1.5),
        (Parameter("x", kinds=("int",)), True),
        (Parameter("x", kinds=("dict",), items=("float",)), {"a": "b"}),
    ):
        with pytest.raises(ValueError, match=r"\w"):
            fit(value, parameter)
