"""The Python API: every example of docs/python.md, and what it promises."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
from astropy.table import Table

from musebuild import Project
from musebuild.errors import UsageError
from tests.support.projects import ALL, MockProject, make_mock_project

PAGE = Path(__file__).parent.parent / "docs" / "python.md"
FIRST = "2017-06-16T01:34:56.867"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory, night: Path) -> MockProject:
    """A project with bias frames reduced; only asked."""
    project = make_mock_project(tmp_path_factory.mktemp("python") / "project", night)
    project.rule(recipe="muse_bias", cards={"ESO QC BIAS MASTER MEDIAN": 500.5})
    project.build("muse_bias")
    return project


def test_the_examples_of_the_page_run(
    made: MockProject, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(made.folder)
    examples = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    assert len(examples) > 5
    names: dict[str, object] = {}
    for example in examples:
        exec(compile(example, str(PAGE), "exec"), names)
    out = capsys.readouterr().out
    assert "22 invocations, 20 not up to date" in out
    assert "did you mean MASTER_BIAS" in out
    assert "0.33 h on the sky" in out


def test_tables_are_astropy_tables(made: MockProject) -> None:
    project = Project(made.folder / "settings.yml")
    tables = (project.raw, project.plan, project.products, project.qc("MASTER_BIAS"))
    assert all(isinstance(table, Table) for table in tables)
    raw, plan, products, qc = tables
    assert len(raw) == 16
    assert list(raw["night"]) == ["2017-06-15"] * 16
    assert raw["TEL_AIRM_START"].mask.all()
    assert len(plan) == ALL
    assert [Path(path).name for path in products["path"]] == [
        "MASTER_BIAS-01.fits",
        "MASTER_BIAS-02.fits",
    ]
    assert all(Path(path).is_file() for path in products["path"])
    assert list(qc["QC_BIAS_MASTER_MEDIAN"]) == [500.5, 500.5]
    assert len(project.qc("MASTER_BIAS", dates="2017-06", parameters="*MEDIAN")) == 2


def test_a_table_is_as_new_as_the_files(made: MockProject) -> None:
    project = Project(made.folder / "settings.yml")
    assert len(project.flags) == 0
    made.ask("flag", "add", "BAD_SLICE", FIRST)
    assert list(project.flags["flag"]) == ["BAD_SLICE"]
    assert "BAD_SLICE" in list(project.raw["flags"])
    made.ask("flag", "remove", "BAD_SLICE", FIRST)


def test_a_notebook_shows_the_project(made: MockProject) -> None:
    project = Project(made.folder / "settings.yml")
    text = project._repr_html_()
    assert FIRST in text
    assert text.count("<table>") == text.count("</table>") == 3
    assert repr(project) == f"Project({str(made.folder / 'settings.yml')!r})"


def test_values_for_this_project_only(made: MockProject) -> None:
    other = Project(made.folder / "settings.yml", {"raw_path": "elsewhere"})
    with pytest.raises(UsageError, match="elsewhere"):
        _ = other.raw


def test_a_missing_file_is_told(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"no\.yml"):
        Project(tmp_path / "no.yml")


def test_the_package_loads_nothing_heavy() -> None:
    check = "import sys, musebuild; print(*(m for m in sys.modules if m in ('astropy', 'numpy')))"
    ran = subprocess.run([sys.executable, "-c", check], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == ""
