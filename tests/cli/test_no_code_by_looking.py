"""A look runs no code that settings name: signatures are read from the source, a build executes."""

from __future__ import annotations

import contextlib
import subprocess
import sys
from pathlib import Path

import pytest

from musebuild import Project
from musebuild.cli.commands import root
from musebuild.cli.completion import answer
from tests.support.projects import MockProject

TASK = "2017-06-16T01:34:56.867"
LOOKS = [
    ("check",),
    ("list",),
    ("list", "--status"),
    ("list", "--why"),
    ("list", "--all"),
    ("status",),
    ("info",),
    ("info", f"step:{TASK}"),
    ("info", "--problems"),
    ("info-exp", TASK),
    ("info-warnings",),
    ("plan", "--format", "json"),
    ("associations", f"step:{TASK}"),
    ("why", f"step:{TASK}"),
    ("provenance", f"step:{TASK}"),
    ("settings",),
    ("lock",),
    ("diff", "settings.yml"),
    ("qc",),
    ("log", f"step:{TASK}"),
    ("cache", "stats"),
    ("cache", "gc", "--dry-run"),
    ("run", "--dry-run"),
    ("ingest",),
]
MARKS = "open({!r}, 'a').write(__name__)\n"
STEP = """
from pathlib import Path
from musebuild.recipes import recipe

@recipe(products=["STEP"], from_recipe="muse_scipost")
def step(datacube_final: Path, *, factor: float = 2.0): ...
"""


def code(project: MockProject, where: str) -> None:
    """A recipe of the project's own, in modules that leave a mark when they are executed."""
    mark = MARKS.format(str(project.folder / "executed"))
    (project.folder / "pack" / "inner").mkdir(parents=True)
    for name in ("pack/__init__.py", "pack/inner/__init__.py"):
        (project.folder / name).write_text(mark)
    for name in ("pack/inner/steps.py", "own.py"):
        (project.folder / name).write_text(mark + STEP)
    project.settings["recipes"]["step"] = {"recipe": where}
    project.write()


def executed(project: MockProject) -> bool:
    """Whether one of them was."""
    return (project.folder / "executed").exists()


@pytest.mark.parametrize(
    "where", ["own.py:step", "pack.inner.steps:step", "pack/inner/steps.py:step"]
)
def test_no_look_executes_what_the_settings_name(
    project: MockProject, where: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    code(project, where)
    # Where it can be imported, its packages would be executed to find it.
    monkeypatch.syspath_prepend(project.folder)
    for look in LOOKS:
        told = project.ask(*look).text
        assert not executed(project), f"musebuild {' '.join(look)}"
        assert "Traceback" not in told
    assert f"step:{TASK}" in project.ask("list", "--all").out
    with contextlib.chdir(project.folder):
        monkeypatch.setenv("COMP_WORDS", "musebuild list st")
        answer(root, "bash_complete")
        assert "step" in set(Project().plan["block"])
    assert not executed(project)


def test_a_build_executes_it_and_tells_before_the_first_recipe_where_that_fails(
    project: MockProject,
) -> None:
    code(project, "own.py:step")
    (project.folder / "own.py").write_text(f"import nothing_of_this_name\n{STEP}")
    assert project.ask("check").status == 0
    ran = project.ask("run", "step")
    assert ran.status == 2
    assert "own.py:1" in ran.text
    assert "nothing_of_this_name" in ran.text
    assert "settings.yml:" in ran.text
    assert not project.journal


@pytest.mark.parametrize("program", ["doit", "musebuild"])
def test_a_file_in_the_folder_is_not_imported_for_a_module_of_its_name(
    project: MockProject, program: str
) -> None:
    for name in ("numpy", "click", "yaml", "rich", "astropy", "sqlite3"):
        (project.folder / f"{name}.py").write_text("open('executed', 'a').write(__name__)\n")
    program = Path(sys.executable).with_name(program)
    done = subprocess.run(
        [program, "list"], cwd=project.folder, capture_output=True, text=True, check=False
    )
    assert "muse_bias" in done.stdout, done.stderr
    assert not executed(project)


def test_a_look_loads_no_pipeline_that_only_the_settings_name(
    project: MockProject, monkeypatch: pytest.MonkeyPatch
) -> None:
    plugins = project.folder / "muse-2.8.7"
    plugins.mkdir()
    (plugins / "muse_bias.so").write_bytes(b"")
    asked: list[str] = []

    def read(path: str, _: object) -> dict[str, object]:
        asked.append(path)
        return {}

    monkeypatch.setattr("musebuild.check.everything.read_parameters", read)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(project.folder / "config"))
    project.settings["cpl"]["recipe_path"] = "."
    project.write()
    told = project.ask("check").text
    assert "a look loads no pipeline that only the settings name" in told
    assert not asked
    own = project.folder / "config" / "musebuild" / "config.yml"
    own.parent.mkdir(parents=True)
    own.write_text(f"trusted: {project.folder}\n")
    project.ask("check")
    assert asked == [str(plugins)]
