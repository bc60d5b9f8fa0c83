"""The commands, typed as people type them."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from musebuild.cli.doit_config import CONFIG
from musebuild.cli.takeover import hint
from tests.support.projects import ALL, MockProject
from tests.support.waiting import PATIENCE

DOIT = Path(sys.executable).with_name("doit")


def doit(project: MockProject, *arguments: str, **environment: str) -> subprocess.CompletedProcess:
    return subprocess.run(
        [str(DOIT), *arguments],
        cwd=project.folder,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
        env={**os.environ, **environment},
    )


def test_plain_doit_is_the_whole_engine(project: MockProject) -> None:
    assert f"{ALL} ran" in doit(project).stdout
    again = doit(project)
    assert again.returncode == 0
    assert "Everything is up to date" in again.stdout
    assert "up to date" in doit(project, "list", "--status").stdout
    assert "Nothing is pending" in doit(project, "list", "--pending").stdout


def test_plain_doit_works_with_dodo_and_settings_alone(project: MockProject) -> None:
    config = project.folder / "doit.cfg"
    assert doit(project, "list", "--pending").stderr == ""
    config.unlink()
    listed = doit(project, "list")
    assert "muse_flat:2017-06-16T10:48:07" in listed.stdout
    # doit's own parser refuses what only musebuild has, before anything of ours is loaded.
    assert doit(project, "list", "--pending").returncode != 0
    assert "there is no doit.cfg: `musebuild init` writes it" in listed.stderr
    ran = doit(project, "-n", "2", "muse_flat:*")
    assert ran.returncode == 0
    assert "4 ran" in ran.stdout
    assert "2 ran" not in ran.stdout
    assert "recipe: muse_flat" in doit(project, "info", "muse_flat:*").stdout
    assert "up to date" in doit(project, "list", "--status").stdout


def test_what_a_folder_lacks_for_doit_to_know_our_options(tmp_path: Path) -> None:
    config = tmp_path / "doit.cfg"
    assert "there is no doit.cfg" in hint(tmp_path)
    for text in ("[GLOBAL]\nverbosity = 2\n", "no configuration", "[LOADER]\nmusebuild = a%b\n"):
        config.write_text(text, encoding="utf-8")
        assert "doit.cfg does not name musebuild: add `loader = musebuild`" in hint(tmp_path)
    config.write_text(CONFIG, encoding="utf-8")
    assert hint(tmp_path) == ""


def test_plain_doit_finds_the_project_by_its_dodo(project: MockProject) -> None:
    ran = subprocess.run(
        [str(DOIT), "-f", str(project.folder / "dodo.py"), "muse_bias"],
        cwd=project.folder.parent,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert "2 ran" in ran.stdout, ran.stderr


def test_the_folder_may_be_named_before_the_command(project: MockProject) -> None:
    for arguments in (["-d", "project", "list"], ["list", "-d", "project"]):
        ran = subprocess.run(
            [str(DOIT.with_name("musebuild")), *arguments],
            cwd=project.folder.parent,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )
        assert "muse_flat:2017-06-16T10:48:07" in ran.stdout, ran.stderr


def test_doit_elsewhere_is_untouched(tmp_path: Path) -> None:
    (tmp_path / "dodo.py").write_text(
        "def task_hello():\n    return {'actions': ['echo hello']}\n", encoding="utf-8"
    )
    ran = subprocess.run(
        [str(DOIT)], cwd=tmp_path, capture_output=True, text=True, timeout=PATIENCE, check=False
    )
    assert ran.returncode == 0
    assert "hello" in ran.stdout


def test_list_shows_pending_first(built: MockProject) -> None:
    built.params("muse_exp_combine", lambdamin=4800.0)
    lines = built.run("list").out.splitlines()
    assert lines[0].startswith("muse_exp_combine:FIELD_drs")
    assert lines.pop() == "16 files: 16 used"
    assert len(lines) == 15
    assert built.ask("list", "--pending").out.count("\n") == 1


def test_list_folds_ifus_unless_asked(project: MockProject) -> None:
    assert "muse_bias:2017-06-16T10:40:27 " in project.ask("list").out
    assert ".ifu01" not in project.ask("list", "-q").out
    assert len(project.ask("list", "--ifus", "-q").out.splitlines()) == ALL


def test_list_hashes_nothing(project: MockProject) -> None:
    out = project.ask("list", "--status").out
    assert "to run, not yet hashed" in out
    assert "to run, not yet hashed" in project.ask("list", "--status").out


def test_list_names_groups(project: MockProject) -> None:
    out = project.ask("list", "--groups").out
    for group in ("calib", "science", "muse_flat", "FIELD", "2017-06-15"):
        assert f"{group} " in out


@pytest.mark.parametrize(
    ("name", "recipes"),
    [
        ("muse_bias:2017-06-16T10:40:27", {"muse_bias": 2}),
        ("muse_bias:2017-06-16T10:40:27.ifu02", {"muse_bias": 1}),
        ("muse_b*", {"muse_bias": 2}),
        ("muse_wavecal", {"muse_bias": 2, "muse_flat": 2, "muse_wavecal": 2}),
        (
            "calib",
            {"muse_bias": 2, "muse_flat": 2, "muse_wavecal": 2, "muse_lsf": 2, "muse_twilight": 1},
        ),
    ],
)
def test_names_groups_and_patterns(
    project: MockProject, name: str, recipes: dict[str, int]
) -> None:
    project.build(name)
    assert project.ran_since(0) == recipes


@pytest.mark.parametrize("command", ["run", "list", "info", "clean", "forget"])
@pytest.mark.parametrize("name", ["muse_flatt", "muse_flatt:*"])
def test_a_name_that_matches_nothing_is_an_error(
    project: MockProject, command: str, name: str
) -> None:
    ran = project.ask(command, name)
    assert ran.status == 2
    assert "muse_flat" in ran.err
    assert "did you mean" in ran.err
    assert "Traceback" not in ran.text


def test_a_command_that_is_mistyped(project: MockProject) -> None:
    ran = project.ask("chek", "--settings", "settings.yml")
    assert ran.status == 2
    assert "there is no task or group chek" in ran.err
    assert ran.err.endswith("  or the command: musebuild check\n")
    assert "or the command" not in project.ask("muse_flta").err
    assert "or the command" not in project.ask("info", "muse_flta").err


def test_a_settings_file_of_another_ending(project: MockProject) -> None:
    (project.folder / "settings.yml").rename(project.folder / "settings.yaml")
    ran = project.ask("check")
    assert (ran.status, "there is settings.yaml" in ran.err) == (2, True)
    assert project.ask("check", "--settings", "settings.yaml").status == 0


def test_an_unknown_option_is_an_error_with_the_nearest(project: MockProject) -> None:
    ran = project.ask("list", "--pendng")
    assert ran.status == 2
    assert "--pending" in ran.err


def test_options_may_follow_names(project: MockProject) -> None:
    assert "2 ran" in project.build("muse_bias", "-n", "1").out


def test_always_reruns_in_spite_of_the_cache(built: MockProject) -> None:
    before = len(built.journal)
    built.build("-a", "muse_bias")
    assert built.ran_since(before) == {"muse_bias": 2}
    assert "Everything is up to date" in built.build().out


def test_forget_drops_what_is_remembered(built: MockProject) -> None:
    before = len(built.journal)
    assert "1 task forgotten" in built.ask("forget", "muse_standard").out
    assert "to run" in built.ask("list", "-s", "muse_standard").out
    built.build()
    assert built.ran_since(before) == {"muse_standard": 1}
    assert "Everything is up to date" in built.build().out


def test_clean_removes_links_never_objects(built: MockProject) -> None:
    objects = built.objects()
    before = len(built.journal)
    dry = built.ask("clean", "--dry-run")
    assert "would be removed" in dry.out
    assert list(built.reduced.rglob("*.fits"))
    built.ask("clean", "muse_flat")
    assert not (built.reduced / "MASTER_FLAT").exists()
    assert (built.reduced / "MASTER_BIAS").exists()
    built.ask("clean")
    assert not list(built.reduced.rglob("*.fits"))
    assert built.objects() == objects
    assert f"{ALL} restored" in built.build().out
    assert len(built.journal) == before


def test_clean_leaves_files_of_others(built: MockProject) -> None:
    note = built.reduced / "MASTER_BIAS" / "notes.txt"
    note.write_text("mine", encoding="utf-8")
    built.ask("clean")
    assert note.read_text(encoding="utf-8") == "mine"


def test_another_settings_file(project: MockProject) -> None:
    text = (project.folder / "settings.yml").read_text(encoding="utf-8")
    pinned = project.folder / "pinned.yml"
    pinned.write_text(text + "version: 'pinned'\n", encoding="utf-8")
    project.build("--settings", "pinned.yml", "muse_bias")
    assert (project.folder / "reduced/pinned/MASTER_BIAS").is_dir()
    ran = doit(project, "muse_flat", MUSEBUILD_SETTINGS="pinned.yml")
    assert ran.returncode == 0
    assert (project.folder / "reduced/pinned/MASTER_FLAT").is_dir()
    ran = doit(project, "list", "--settings", "pinned.yml", "--pending")
    assert "muse_bias:" not in ran.stdout


@pytest.mark.parametrize(
    ("before", "command"), [(("-d", "."), ("list",)), ((), ("list", "-q")), ((), ("status",))]
)
def test_options_of_a_project_may_stand_before_the_command(
    project: MockProject, before: tuple[str, ...], command: tuple[str, ...]
) -> None:
    given = ("--set", "targets=muse_bias", "--set", "recipes.muse_bias.params.overscan=none")
    ran = project.ask(*before, *given, *command)
    assert (ran.status, ran.err) == (0, "")
    assert ran.out == project.ask(command[0], *given, *command[1:]).out
    assert ran.out != project.ask(*command).out


def test_values_may_be_set_for_a_plain_build(project: MockProject) -> None:
    ran = project.ask("--set", "targets=muse_bias", "--set", "recipes.muse_bias.params.nlow=2")
    assert (ran.status, "2 ran" in ran.out) == (0, True), ran.text


def test_set_changes_one_value_for_a_call(built: MockProject) -> None:
    before = len(built.journal)
    built.build("--set", "recipes.muse_scipost.params.skymodel_fraction=0.3")
    assert built.ran_since(before) == {"muse_scipost": 2, "muse_exp_combine": 1}


def test_single_builds_without_what_it_depends_on(built: MockProject) -> None:
    before = len(built.journal)
    built.build("-a", "-s", "muse_wavecal")
    assert built.ran_since(before) == {"muse_wavecal": 2}


def test_doit_reporters_still_work(built: MockProject) -> None:
    import json

    ran = built.ask("run", "-a", "-r", "json", "muse_bias")
    assert {task["result"] for task in json.loads(ran.out)["tasks"]} == {"success"}


def test_init_makes_a_project_once(project: MockProject, tmp_path: Path) -> None:
    new = tmp_path / "new"
    ran = project.ask("init", str(new))
    assert ran.status == 0
    assert {p.name for p in new.iterdir()} == {"settings.yml", "dodo.py", "doit.cfg"}
    (new / "settings.yml").write_text("version: mine\n", encoding="utf-8")
    assert "nothing was changed" in project.ask("init", str(new)).out
    assert (new / "settings.yml").read_text(encoding="utf-8") == "version: mine\n"


def test_a_new_project_builds_as_it_is(night: Path, tmp_path: Path) -> None:
    folder = tmp_path / "new"
    shutil.copytree(night, folder)
    helper = MockProject(folder)
    assert helper.ask("init").status == 0
    assert helper.ask("run", "--set", "cpl.runner=mock").status == 0
    assert (folder / "reduced/0.1/exp_combine/FIELD_drs/DATACUBE_FINAL.fits").is_file()


def test_info_tells_inputs_parameters_and_products(built: MockProject) -> None:
    out = built.ask("info", "muse_scipost:2017-06-16T01:34:56.867").out
    for part in (
        "state: up to date",
        "skymethod = model",
        "OFFSET_LIST      muse_exp_align:FIELD_drs",
        "STD_RESPONSE     muse_standard:2017-06-16T09:32:26.112  "
        "[same night, +8.0 h, +0.00 °C, level 0]",
        "DATACUBE_FINAL",
        "log: ",
        "needed by: muse_exp_combine:FIELD_drs",
    ):
        assert part in out, out


def test_info_tells_the_times_of_a_combination(built: MockProject) -> None:
    # Exposures of 600 s.
    assert (
        "exposures: 2, 1200 s in all, from 2017-06-16T01:34:56.867 to 2017-06-16T01:46:56.867\n"
        in built.ask("info", "muse_exp_combine").out
    )
    assert "exposures:" not in built.ask("info", "muse_scipost:2017-06-16T01:34:56.867").out


def test_info_folds_ifus_unless_asked(project: MockProject) -> None:
    out = project.ask("info", "muse_bias").out
    assert "muse_bias:2017-06-16T10:40:27.ifu01" in out
    assert "1 other IFU of the same: --ifus" in out
    assert "muse_bias:2017-06-16T10:40:27.ifu02\n" in project.ask("info", "--ifus", "muse_bias").out


def test_help_names_every_command(project: MockProject) -> None:
    out = project.ask("help").out
    for command in [
        "run",
        "list",
        "info",
        "clean",
        "forget",
        "log",
        "check",
        "settings",
        "cache",
        "init",
        "simulate",
        "demo",
    ]:
        assert f"\n  {command} " in out
        assert command in project.ask("help", command).out
    for written in (["--help"], ["-h"]):
        assert project.ask(*written).out == out
        assert project.ask("list", *written).out == project.ask("help", "list").out


@pytest.mark.parametrize("command", ["info 'muse_*'", "help run"])
def test_output_into_a_closed_pipe_is_no_error(command: str, built: MockProject) -> None:
    ran = subprocess.run(
        f"'{sys.executable}' -c 'import sys; from musebuild.cli.main import main; "
        f"sys.exit(main(sys.argv[1:]))' {command} | head -1",
        shell=True,
        cwd=built.folder,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert "Traceback" not in ran.stderr
