"""What settings may include, and that a file which is no settings file is never quoted."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from musebuild.settings.load import load_settings
from musebuild.settings.problems import SettingsProblems

SECRET = "correct-horse"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A project's folder, with others beside it."""
    (tmp_path / "common").mkdir()
    (tmp_path / "common" / "base.yml").write_text("version: common\n")
    project = tmp_path / "project"
    project.mkdir()
    return project


def told(folder: Path, include: object, **environment: str) -> str:
    """What is told of settings that include a file; empty where nothing is."""
    (folder / "settings.yml").write_text(f"include: {include}\nraw_path: raw\n")
    environment = {"XDG_CONFIG_HOME": str(folder.parent / "config"), **environment}
    try:
        load_settings(folder / "settings.yml", environment=environment)
    except SettingsProblems as error:
        return str(error)
    return ""


@pytest.mark.parametrize(
    "name",
    [
        "../common/base.yml",
        "{top}/common/base.yml",
        "link.yml",
        "far/base.yml",
        "/etc/passwd",
        "'~'",
    ],
)
def test_what_lies_outside_of_the_project_is_not_read(folder: Path, name: str) -> None:
    (folder / "link.yml").symlink_to("../common/base.yml")
    (folder / "far").symlink_to("../common")
    text = told(folder, name.format(top=folder.parent))
    assert "lies outside of the project's folder" in text
    assert "settings.yml:1:10" in text
    assert "trusted: [" in text


def test_a_folder_that_the_person_trusts_may_be_named(folder: Path) -> None:
    config = folder.parent / "config" / "musebuild" / "config.yml"
    config.parent.mkdir(parents=True)
    config.write_text(f"trusted: {folder.parent / 'common'}\n")
    assert told(folder, "../common/base.yml") == ""
    # What a trusted file includes lies in the project or there, too.
    (folder.parent / "common" / "base.yml").write_text("include: ../far.yml\n")
    assert "far.yml lies outside" in told(folder, "../common/base.yml")
    for wrong, what in (
        ("trust: [/]\n", "trust: unknown key"),
        ("trusted: [common]\n", "is named from / or ~"),
        ("trusted: [\n", "config.yml"),
    ):
        config.write_text(wrong)
        assert what in told(folder, "../common/base.yml")
        assert told(folder, "[]") == ""


@pytest.mark.parametrize(
    "text",
    [
        f"root:{SECRET}:0:0:root:/root:/bin/bash\n",
        f"version: 3\nservices:\n  web: {SECRET}\n  web: {SECRET}\n",
        f"services: {{db: {SECRET}}}\n",
        f"[login]\npassword = {SECRET}\n",
        f"password: '{SECRET}\n",
        f"password: &{SECRET} x\nother: *{SECRET}y\n",
        f"a: !{SECRET} x\n",
        f'a: "\\q{SECRET}"\n',
        f"{SECRET}: 1\n{SECRET}: 2\n",
        f"{SECRET}\n",
        f"- {SECRET}\n",
        f"%{SECRET} 1\n---\n",
        f"a: {SECRET}: b\n",
        f"version: [{SECRET}\n",
        f"\0{SECRET}",
        f"{SECRET}\xff",
        f"\x07{SECRET}",
    ],
)
def test_a_file_that_is_no_settings_file_is_not_quoted(folder: Path, text: str) -> None:
    (folder / "other.yml").write_bytes(text.encode("latin-1"))
    assert SECRET not in told(folder, "other.yml")
    assert "other.yml" in told(folder, "other.yml")
    # Nor where the person names it, by a slip.
    (folder / "other").write_bytes(text.encode("latin-1"))
    (folder / "linked.yml").symlink_to("other")
    for name in ("other", "linked.yml"):
        with pytest.raises(SettingsProblems) as caught:
            load_settings(folder / name, environment={})
        assert SECRET not in str(caught.value)
        assert SECRET not in str([problem.to_dict() for problem in caught.value.problems])


def test_mistakes_of_a_settings_file_are_quoted_where_it_is_included(folder: Path) -> None:
    (folder / "base.yml").write_text("datasets: {}\nraw_path: {workdir}/raw\n")
    assert "raw_path: {workdir}/raw" in told(folder, "base.yml")


def test_what_is_no_file_is_not_waited_for(folder: Path) -> None:
    os.mkfifo(folder / "pipe.yml")
    (folder / "folder.yml").mkdir()
    for name in ("pipe.yml", "folder.yml", "none.yml", "a\\0b"):
        assert "there is no settings file" in told(folder, f'"{name}"')
    (folder / "large.yml").write_bytes(b"x" * 5_000_000)
    assert "too large for settings" in told(folder, "large.yml")


def test_a_circle_of_files_is_told(folder: Path) -> None:
    (folder / "a.yml").write_text("include: b.yml\n")
    (folder / "b.yml").write_text("include: ./a.yml\n")
    assert "a.yml includes itself" in told(folder, "a.yml")
