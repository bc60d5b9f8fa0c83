"""Mistakes of form and of meaning are told together; reading stops at the first of syntax."""

from __future__ import annotations

from pathlib import Path

import pytest

from musebuild.check.everything import check_project
from musebuild.engine.project import Project
from musebuild.settings.load import load_settings
from musebuild.settings.problems import SettingsProblems


def told(folder: Path, text: str) -> list[tuple[int, int, str]]:
    """Line, column and message of each problem."""
    path = folder / "settings.yml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(SettingsProblems) as error:
        load_settings(path, environment={})
    return [
        (p.position.line, p.position.column, p.message.partition(" (")[0])
        for p in error.value.problems
    ]


def test_form_and_meaning_together(tmp_path: Path) -> None:
    found = told(
        tmp_path,
        "version: 1\n"
        "version: 2\n"
        "runs: {R: {start_date: 2017-02-30, end_date: 2017-06-01}, S: {start_date: soon}}\n"
        "raw_path: !!python/name:os.system x\n"
        "ifus: 99\n"
        "workdir: '{nothing}'\n"
        "recipes: {zap: {initt: 1, params: *nowhere}}\n"
        "resources: {memory: 20}\n",
    )
    assert found == [
        (2, 1, "the key version is given twice"),
        (3, 24, "there is no date 2017-02-30"),
        (3, 75, "runs.S.start_date: soon is no date"),
        (4, 11, "the tag !!python/name:os.system is not allowed in settings"),
        (5, 7, "ifus: 99 is out of range"),
        (6, 11, "{nothing} names no top-level key"),
        (7, 17, "recipes.zap.initt: unknown key"),
        (7, 35, "*nowhere names no anchor above it"),
        (8, 21, "resources.memory: 20 has no unit; write it like 20 GB"),
    ]


@pytest.mark.parametrize(
    ("broken", "line", "column", "message"),
    [
        ("runs:\n\tR: {}\n", 3, 1, "a tab is used"),
        ("runs:\n  R: &R {start_date: 2017-06-01\n", 4, 5, "this is no YAML"),
        ("runs:\n  R: 'unclosed\n", 3, 6, "this is no YAML"),
        ("runs:\n    R: {}\n  S: {}\n", 4, 3, "this is no YAML"),
        ("runs: {workdir}/raw\n", 2, 16, "this is no YAML"),
        ("runs: a: b\n", 2, 8, "this is no YAML"),
        ("runs: @x\n", 2, 7, "this is no YAML"),
    ],
)
def test_the_first_mistake_of_syntax_is_told_with_those_of_form_above_it(
    tmp_path: Path, broken: str, line: int, column: int, message: str
) -> None:
    found = told(tmp_path, f"a: 2017-02-30\n{broken}ifus: 99\nversion: [\n")
    assert found[0] == (1, 4, "there is no date 2017-02-30")
    ((at, where, text),) = found[1:]
    assert text.startswith(message)
    assert (at, where) == (line, column)


def test_nothing_follows_from_a_file_that_is_no_yaml(tmp_path: Path) -> None:
    path = tmp_path / "settings.yml"
    path.write_text(
        "flags:\n\tMINE: x\ntargets: [muse_scipostt]\n"
        "recipes: {muse_exp_combine: {exclude_flags: [MINE]}}\n"
    )
    (problem,) = check_project(Project(path))
    assert "a tab is used" in problem.message


def test_included_files_and_overrides_are_told_with_the_rest(tmp_path: Path) -> None:
    (tmp_path / "a.yml").write_text("ifus: 99\nversion: 1\nversion: 2\n")
    (tmp_path / "b.yml").write_text("mine: /data\nrevision: [\n")
    path = tmp_path / "settings.yml"
    path.write_text("include: [a.yml, b.yml, c.yml, settings.yml]\nraw_path: '{mine}'\nx_y: {}\n")
    with pytest.raises(SettingsProblems) as error:
        load_settings(path, overrides={"version": "[", "ifus.x": "1"}, environment={})
    text = str(error.value)
    for part in (
        "a.yml:3:1: the key version is given twice",
        "a.yml:1:7: ifus: 99 is out of range",
        "b.yml:2:11: this is no YAML",
        "there is no settings file",
        "settings.yml includes itself",
        "x_y: unknown key",
        "--set version: this is no YAML",
        "ifus holds a value",
    ):
        assert part in text
    assert len(error.value.problems) == 8
    assert "{mine}" not in text
