"""`musebuild check`: all mistakes before the first recipe runs."""

from __future__ import annotations

import json

import pytest

from musebuild.check.parameters import Parameter, check_parameter
from tests.support.projects import MockProject


def test_a_sound_project(project: MockProject) -> None:
    ran = project.run("check")
    assert ran.status == 0, ran.text
    assert "Nothing to say against it" in ran.out
    assert not project.journal


def test_mistakes_are_told_with_their_place(project: MockProject) -> None:
    project.settings["recipes"]["muse_flat"] = {"frames": {"exclude": "MASTER_BIASS"}}
    project.write()
    (project.folder / "calib" / "line_catalog.fits").unlink()
    ran = project.run("check")
    assert ran.status == 2
    assert "muse_flat takes no MASTER_BIASS" in ran.out
    assert "did you mean MASTER_BIAS" in ran.out
    assert "no LINE_CATALOG" in ran.out
    assert "settings.yml:" in ran.out


def test_parameters_are_asked_of_the_pipeline(project: MockProject) -> None:
    project.settings["cpl"] = {}
    project.params("muse_scipost", skymethodd="none", rvcorr="barry", dlambda="wide")
    ran = project.run("check")
    assert ran.status == 2, ran.text
    assert "muse_scipost has no parameter skymethodd" in ran.out
    assert "did you mean skymethod" in ran.out
    assert "rvcorr: barry is not one of the choices" in ran.out
    assert "allowed: bary, helio, geo, none" in ran.out
    assert "dlambda: wide cannot be used here" in ran.out


def test_warnings_fail_only_if_strict(project: MockProject) -> None:
    (project.folder / "raw" / "MUSE.2017-06-16T03:00:00.000.fits").write_bytes(b"")
    assert project.run("check").status == 0
    ran = project.run("check", "--strict")
    assert ran.status == 2
    assert "0 errors, 1 warning" in ran.out


def test_for_machines(project: MockProject) -> None:
    project.settings["ifuss"] = 3
    project.write()
    (problem,) = json.loads(project.run("check", "--format", "json").out)
    assert problem["key"] == "ifuss"
    assert problem["severity"] == "error"
    assert problem["nearest"] == ["ifus"]


def test_paths_that_do_not_exist_are_warnings(project: MockProject) -> None:
    project.settings["raw_path"] = "later"
    project.write()
    ran = project.run("check")
    assert ran.status == 0
    assert "warning: raw_path" in ran.out


@pytest.mark.parametrize(
    ("value", "parameter", "wrong"),
    [
        ("x", Parameter("a", "y", choices=("x", "y")), ""),
        ("z", Parameter("a", "y", choices=("x", "y")), "is not one of the choices"),
        (5, Parameter("a", 1, low=0, high=3), "is out of range"),
        (2, Parameter("a", 1, low=0, high=3), ""),
        ("yes", Parameter("a", True), ""),
        (1.5, Parameter("a", 1), "cannot be used here"),
    ],
)
def test_one_value(value: object, parameter: Parameter, wrong: str) -> None:
    assert check_parameter(value, parameter)[0] == wrong


def test_the_settings_as_they_are_understood(project: MockProject) -> None:
    project.settings["version"] = "0.7"
    project.settings["reduced_path"] = "{workdir}/out/{version}"
    project.write()
    out = project.run("settings").out
    assert f"= {project.folder}/out/0.7" in out
    assert "(default)" in out
    line = next(x for x in out.splitlines() if x.startswith("recipes.muse_scipost.params.save"))
    assert "= cube,skymodel,individual   (settings.yml:" in line


def test_what_differs_in_meaning(project: MockProject) -> None:
    path = project.folder / "settings.yml"
    text = path.read_text(encoding="utf-8")
    other = project.folder / "other.yml"
    other.write_text(f"# a comment\nversion: '0.1'\n{text}", encoding="utf-8")
    assert "They mean the same" in project.run("settings", "--diff", "other.yml").out
    other.write_text(text.replace("skymethod: model", "skymethod: simple"), encoding="utf-8")
    out = project.run("settings", "--diff", "other.yml").out
    assert "recipes.muse_scipost.params.skymethod: model here, simple there" in out
    assert "This touches muse_scipost." in out
    other.write_text(f"{text}\nrevision: 2\n", encoding="utf-8")
    assert "This changes no product" in project.run("settings", "--diff", "other.yml").out
