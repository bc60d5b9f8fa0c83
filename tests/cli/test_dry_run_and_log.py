"""What would run, by hand if need be; and the logs of what ran."""

from __future__ import annotations

from tests.support.projects import MockProject
from tests.support.waiting import PATIENCE


def test_dry_run_tells_what_would_run_with_its_frames(project: MockProject) -> None:
    out = project.ask("run", "--dry-run", "muse_wavecal").out
    assert "1. run muse_bias:2017-06-16T10:40:27.ifu01  (4 inputs are not yet hashed)" in out
    assert "raw/MUSE.2017-06-16T10:41:37.154.fits" in out
    assert "TRACE_TABLE      from muse_flat:2017-06-16T10:48:07.ifu01" in out
    assert not project.journal
    assert project.build("muse_wavecal").out.count("done") == 6
    assert "Nothing would run" in project.ask("run", "--dry-run", "muse_wavecal").out


def test_dry_run_names_made_products_by_their_place(built: MockProject) -> None:
    built.params("muse_exp_combine", lambdamin=4800.0)
    out = built.ask("run", "--dry-run").out
    assert "1. run muse_exp_combine:FIELD_drs  (not made with these inputs" in out
    assert "--lambdamin=4800" in out
    assert str(built.reduced / "exp_align/FIELD_drs/OFFSET_LIST.fits") in out
    assert "2. " not in out


def test_sof_writes_what_the_pipeline_takes(built: MockProject) -> None:
    before = len(built.journal)
    ran = built.ask("run", "--sof", "sofs", "muse_flat")
    assert ran.status == 0, ran.text
    assert len(built.journal) == before
    sofs = sorted((built.folder / "sofs").glob("*.sof"))
    assert len(sofs) == 4
    for sof in sofs:
        for line in sof.read_text(encoding="utf-8").splitlines():
            path, tag = line.split()
            assert built.folder.joinpath(path).is_file()
            assert tag.isupper()
    script = next((built.folder / "sofs").glob("*muse_flat*ifu02.sh")).read_text(encoding="utf-8")
    assert "muse_flat --samples=true --nifu=2" in script


def test_log_shows_what_a_recipe_wrote(built: MockProject) -> None:
    out = built.ask("log", "muse_exp_combine").out
    assert "[ INFO  ] muse_exp_combine: mock of muse_exp_combine" in out
    assert "==> muse_bias:2017-06-16T10:40:27.ifu02" in built.ask("log", "muse_bias").out


def test_log_of_the_last_failure(project: MockProject) -> None:
    project.rule(recipe="muse_bias", ifu=2, fail="too noisy")
    assert project.ask("run", "muse_bias").status == 1
    project.unrule()
    project.build("muse_bias")
    assert "too noisy" not in project.ask("log", "muse_bias").out
    assert "too noisy" in project.ask("log", "--last-failure", "muse_bias").out
    assert "too noisy" in project.ask("log", "--last-failure").out


def test_log_of_builds(built: MockProject) -> None:
    first = built.ask("log", "--build").out
    assert "done      muse_exp_combine:FIELD_drs" in first
    assert "22 ran, 0 restored" in first
    built.rule(recipe="muse_standard", fail="no star")
    assert built.ask("run", "-a", "muse_standard").status == 1
    assert "no star" in built.ask("log", "--build").out
    assert built.ask("log", "--build", "1").out == first
    assert "there is no log of a build 77" in built.ask("log", "-b", "77").err


def test_log_of_what_never_ran_is_an_error(project: MockProject) -> None:
    ran = project.ask("log", "muse_bias")
    assert ran.status == 2
    assert "there is no log" in ran.err
    assert "wants a task" in project.ask("log").err
    assert "no task has failed" in project.ask("log", "--last-failure").err


def test_verbose_shows_the_recipes_own_messages(project: MockProject) -> None:
    out = project.build("--verbose", "muse_bias").out
    assert (
        "muse_bias:2017-06-16T10:40:27.ifu01: 12:00:00 [ INFO  ] muse_bias: mock of muse_bias"
        in out
    )
    assert "mock of" not in project.build("-a", "muse_bias").out


def test_the_severity_of_the_settings_is_heeded(project: MockProject) -> None:
    project.rule(recipe="muse_bias", warnings=["hot columns"])
    project.settings["cpl"]["msg"] = "warning"
    project.write()
    out = project.build("muse_bias").out
    assert "[WARNING] muse_bias: hot columns" in out
    assert "mock of" not in out


def test_the_live_display_on_a_terminal(project: MockProject) -> None:
    import os
    import pty
    import subprocess

    project.rule(seconds=0.5)
    project.rule(recipe="muse_standard", fail="no star", seconds=0)
    leader, follower = pty.openpty()
    process = subprocess.Popen(
        project.command("run", "muse_bias", "muse_standard"),
        cwd=project.folder,
        stdout=follower,
        stderr=follower,
        env={**os.environ, "TERM": "xterm", "COLUMNS": "160"},
    )
    os.close(follower)
    data = b""
    while True:
        try:
            more = os.read(leader, 4096)
        except OSError:
            break
        data += more
    assert process.wait(PATIENCE) == 1
    text = data.decode("utf-8", "replace")
    assert "running" in text
    assert "IFU 1" in text
    assert "muse_standard:2017-06-16T09:32:26.112  [10/10]" in text
    assert "9 ran, 0 restored" in text
    assert "\x1b[?25h" in text  # the cursor is back
