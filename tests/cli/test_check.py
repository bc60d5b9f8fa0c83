"""`musebuild check`: all mistakes before the first recipe runs."""

from __future__ import annotations

import json

import pytest
from astropy.io import fits

from musebuild.check.parameter_checks import PipelineParameter, check_parameter
from tests.support.projects import MockProject


def test_a_sound_project(project: MockProject) -> None:
    ran = project.ask("check")
    assert ran.status == 0, ran.text
    assert "22 recipes planned\n16 files: 16 used\nNo problems found.\n" in ran.out
    assert not project.journal


def test_mistakes_are_told_with_their_place(project: MockProject) -> None:
    project.settings["recipes"]["muse_flat"] = {"frames": {"exclude": "MASTER_BIASS"}}
    project.write()
    (project.folder / "calib" / "line_catalog.fits").unlink()
    ran = project.ask("check")
    assert ran.status == 2
    assert "muse_flat takes no MASTER_BIASS" in ran.out
    assert "did you mean MASTER_BIAS" in ran.out
    assert "no LINE_CATALOG" in ran.out
    assert "settings.yml:" in ran.out


def test_what_the_plan_says_is_told_with_the_mistakes_of_other_blocks(
    project: MockProject,
) -> None:
    project.settings["recipes"] |= {
        "muse_scipost_a": {"from_recipe": "muse_scipost_b"},
        "muse_scipost_b": {"from_recipe": "muse_scipost_a"},
        "muse_exp_combine_a": {"from_recipe": "muse_scipost_a"},
        "muse_exp_align_x": {"recipe": "muse_exp_aligm"},
        "mine": {"recipe": "muse_nothing", "declare": {"takes": "A", "products": ["B"]}},
        "its": {"recipe": "nowhere.py:function"},
        "muse_scipost_c": {"params": 3},
    }
    project.settings["targets"] = ["muse_scipots", "calib", "2017-01-01"]
    project.settings["revison"] = {"a": 1}
    project.settings["resources"] = {"memory": 20}
    project.write()
    (project.folder / "calib" / "line_catalog.fits").unlink()
    (project.folder / "raw" / "MUSE.2017-06-16T03:00:00.000.fits").write_bytes(b"")
    out = project.ask("check").out
    for part in (
        "in a circle",
        "there is no recipe muse_exp_aligm",
        "The block mine does not say from which block it takes its frames",
        "nowhere.py",
        "recipes.muse_scipost_c.params: this cannot be used here",
        "resources.memory: 20 has no unit",
        "revison: unknown key",
    ):
        assert part in out, part
    # A key that is not known may have been meant for one that the plan follows from.
    assert "no LINE_CATALOG" not in out
    del project.settings["revison"]
    project.write()
    out = project.ask("check").out
    for part in (
        "in a circle",
        "no LINE_CATALOG",
        "03:00:00.000.fits",
        "targets.0: there is no task or group muse_scipots",
        "targets.2: there is no task or group 2017-01-01",
    ):
        assert part in out, part
    assert "muse_exp_combine_a" not in out, "it only follows from another mistake"
    assert "switched off" not in out


def test_a_mistake_in_a_selection_is_told_once(project: MockProject) -> None:
    project.settings["recipes"]["muse_exp_combine"]["names_with_selection"] = {
        "A": {"raw": "EXPTIM > 3"},
        "B": {"flags": {"flagg": "SATELLITE"}},
        "C": {"qa_raw": "SP_Se < 1"},
        "D": {"qa_reduced": "skyBB < 1"},
    }
    project.write()
    found = json.loads(project.ask("check", "--format", "json").out)
    assert [problem["nearest"][0] for problem in found] == ["EXPTIME", "flag", "SP_See", "skyB"]
    at = "recipes.muse_exp_combine.names_with_selection"
    assert [problem["key"].removeprefix(f"{at}.") for problem in found] == [
        "A.raw",
        "B.flags.flagg",
        "C.qa_raw",
        "D.qa_reduced",
    ]


def test_parameters_are_asked_of_the_pipeline(project: MockProject) -> None:
    project.settings["cpl"] = {}
    project.params("muse_scipost", skymethodd="none", rvcorr="barry", dlambda="wide")
    ran = project.ask("check")
    assert ran.status == 2, ran.text
    assert "muse_scipost has no parameter skymethodd" in ran.out
    assert "did you mean skymethod" in ran.out
    assert "rvcorr: barry is not one of the choices" in ran.out
    assert "did you mean bary?" in ran.out
    assert "allowed: bary, helio, geo, none" in ran.out
    assert "dlambda: wide cannot be used here" in ran.out
    project.params("muse_scipost", sky_crsigma=[3, "x"], save=["cube", "individul"])
    ran = project.ask("check")
    assert "sky_crsigma: 3,x cannot be used here" in ran.out
    assert "numbers with commas between them, such as 15.,15." in ran.out
    assert "warning: recipes.muse_scipost.params.save: the description of save" in ran.out
    assert "did you mean individual?" in ran.out


def test_warnings_fail_only_if_strict(project: MockProject) -> None:
    (project.folder / "raw" / "MUSE.2017-06-16T03:00:00.000.fits").write_bytes(b"")
    assert project.ask("check").status == 0
    ran = project.ask("check", "--strict")
    assert ran.status == 2
    assert "No errors, 1 warning." in ran.out


def test_for_machines(project: MockProject) -> None:
    project.settings["ifuss"] = 3
    project.write()
    problem, note = json.loads(project.ask("check", "--format", "json").out)
    assert note["severity"] == "note" and note["message"].startswith("not checked: raw frames")
    assert problem["key"] == "ifuss"
    assert problem["severity"] == "error"
    assert problem["nearest"] == ["ifus"]


def test_what_is_not_used_is_a_note_for_machines(project: MockProject) -> None:
    assert json.loads(project.ask("check", "--format", "json").out) == []
    (project.folder / "raw" / "night.txt").touch()
    (note,) = json.loads(project.ask("check", "--format", "json").out)
    assert note["severity"] == "note"
    assert note["balance"]["counts"]["other"] == {".txt": 1}


def test_a_choice_of_words_is_told_as_words(project: MockProject) -> None:
    project.settings["association"] = {"prefer": "mastre"}
    project.write()
    ran = project.ask("check")
    assert ran.status == 2
    assert "  allowed: raw, master\n  did you mean master?\n" in ran.text


def test_paths_that_do_not_exist_are_warnings(project: MockProject) -> None:
    project.settings["raw_path"] = "later"
    project.write()
    ran = project.ask("check")
    assert ran.status == 0
    assert "warning: raw_path" in ran.out


@pytest.mark.parametrize(
    ("value", "parameter", "wrong"),
    [
        ("x", PipelineParameter("a", "y", choices=("x", "y")), ""),
        ("z", PipelineParameter("a", "y", choices=("x", "y")), "is not one of the choices"),
        (5, PipelineParameter("a", 1, low=0, high=3), "is out of range"),
        (2, PipelineParameter("a", 1, low=0, high=3), ""),
        ("yes", PipelineParameter("a", True), ""),
        (1.5, PipelineParameter("a", 1), "cannot be used here"),
        ("3,4.5", PipelineParameter("a", "15.,15."), ""),
        (3, PipelineParameter("a", "15.,15."), ""),
        ("3,wide", PipelineParameter("a", "15.,15."), "cannot be used here"),
        ("a,b", PipelineParameter("a", "cube,skymodel"), ""),
    ],
)
def test_one_value(value: object, parameter: PipelineParameter, wrong: str) -> None:
    assert check_parameter(value, parameter)[0] == wrong


def test_the_settings_as_they_are_understood(project: MockProject) -> None:
    project.settings["version"] = "0.7"
    project.settings["reduced_path"] = "{workdir}/out/{version}"
    project.write()
    out = project.ask("settings").out
    assert f"= {project.folder}/out/0.7" in out
    assert "(default)" in out
    line = next(x for x in out.splitlines() if x.startswith("recipes.muse_scipost.params.save"))
    assert "= cube,skymodel,individual   (settings.yml:" in line


def test_a_value_says_whether_it_comes_from_file_call_environment_or_default(
    project: MockProject, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MUSEBUILD__revision", "5")
    ran = project.ask("settings", "--format", "json", "--set", "version=9")
    values = {one["key"]: one for one in json.loads(ran.out)}
    assert values["version"] == {"key": "version", "value": "9", "source": "--set version"}
    assert values["revision"]["source"] == "MUSEBUILD__revision"
    assert values["loglevel"] == {"key": "loglevel", "value": "info", "source": "default"}
    assert values["recipes.muse_scipost.params.filter"]["source"] == "default of the recipe"
    assert values["recipes.muse_scipost.params.save"]["source"].startswith("settings.yml:")


def test_passwords_are_never_shown(project: MockProject) -> None:
    project.settings["my_token"] = "hunter2"
    project.settings["mine"] = "https://me:hunter2@example.org/x"
    project.write()
    for command in (["settings"], ["settings", "--format", "json"], ["check"]):
        ran = project.ask(*command)
        assert ran.status == 0
        assert "hunter2" not in ran.text
    project.settings["retrieve_data"] = {"parallel": 2, "password": "hunter2"}
    project.write()
    ran = project.ask("settings")
    assert ran.status == 2
    assert "retrieve_data.password" in ran.text
    assert "hunter2" not in ran.text
    del project.settings["retrieve_data"]
    project.write()
    assert "https://me:(not shown)@example.org/x" in project.ask("settings").out


def diff(project: MockProject, other: str) -> str:
    (project.folder / "other.yml").write_text(other, encoding="utf-8")
    return project.ask("settings", "--diff", "other.yml").out


def test_what_is_written_otherwise_means_the_same(project: MockProject) -> None:
    text = (project.folder / "settings.yml").read_text(encoding="utf-8")
    other = text.replace("save: cube,skymodel,individual", "save: [cube, skymodel, individual]")
    other = other.replace("  muse_scipost:", "  muse_scipost:\n    recipe: muse_scipost")
    assert other != text
    assert "No difference" in diff(project, f"# a comment\nversion: '0.1'\n{other}")


def test_what_differs_in_meaning(project: MockProject) -> None:
    text = (project.folder / "settings.yml").read_text(encoding="utf-8")
    out = diff(project, text.replace("skymethod: model", "skymethod: simple"))
    assert "recipes.muse_scipost.params.skymethod: model here, simple there" in out
    assert "This touches muse_scipost." in out
    assert "Below that, as far as products change: muse_exp_combine." in out
    assert "This changes no product" in diff(project, f"{text}\nrevision: 2\n")
    out = diff(project, f"{text}\nstatic_calib: {{LINE_CATALOG: other.fits}}\n")
    assert "This touches muse_wavecal, muse_lsf." in out
    assert "Below that" in out
    out = diff(project, text.replace("muse_exp_combine:", "muse_exp_combine_b:"))
    assert "recipes.muse_exp_combine: a block here, not set there" in out


def test_a_build_refuses_mistakes_of_its_blocks_before_anything_runs(project: MockProject) -> None:
    blocks = project.settings["recipes"]
    blocks["muse_flat"] = {"frames": {"exclude": "MASTER_BIASS"}}
    blocks["muse_exp_combine"]["exclude_flags"] = ["SATELITE"]
    project.write()
    ran = project.ask("run", "muse_flat")
    assert ran.status == 2
    assert "muse_flat takes no MASTER_BIASS" in ran.text
    assert "SATELITE" not in ran.text, "that block does not run"
    assert not project.journal
    assert project.ask("run", "muse_bias").status == 0


def test_a_band_that_the_filter_list_lacks_is_told_before_anything_runs(
    project: MockProject,
) -> None:
    filters = project.folder / "calib" / "filter_list.fits"
    with fits.conf.set_temp("extension_name_case_sensitive", True):
        with fits.open(filters) as hdus:
            names = ("Johnson_V", "Cousins_R", "Cousins_I")
            bands = [fits.BinTableHDU(name=name) for name in names]
            content = fits.HDUList([hdus[0].copy(), *bands])
        content.writeto(filters, overwrite=True)
    assert project.ask("check").status == 0
    project.params("muse_scipost", filter="white,Johnson_v")
    out = project.ask("check").out
    assert "recipes.muse_scipost.params.filter: filter_list.fits holds no band Johnson_v" in out
    assert "allowed: white, Johnson_V, Cousins_R, Cousins_I" in out
    assert "did you mean Johnson_V" in out
    assert project.ask("run", "muse_bias").status == 0
    ran = project.ask("run")
    assert ran.status == 2
    assert "holds no band Johnson_v" in ran.text
    assert set(project.ran_since(0)) == {"muse_bias"}
