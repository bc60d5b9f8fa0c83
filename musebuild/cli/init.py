"""`musebuild init`: a new project folder."""

from __future__ import annotations

import sys
from importlib import resources
from pathlib import Path

import click

from musebuild.cli.command import Command
from musebuild.cli.doit_config import CONFIG
from musebuild.errors import UsageError
from musebuild.settings.own_files import write_new

DODO = '''"""This folder is a musebuild project: `doit` builds what settings.yml asks for."""

import musebuild.cli.takeover  # noqa: F401
from musebuild.settings.own_files import write_new
'''


def template() -> str:
    """The settings file of a new project; by its first line editors find the schema."""
    package = resources.files("musebuild")
    text = package.joinpath("settings", "template.yml").read_text("utf-8")
    schema = Path(str(package.joinpath("schemas", "settings.schema.json"))).resolve()
    return f"# yaml-language-server: $schema={schema.as_uri()}\n{text}"


def make_project(folder: Path, settings: str) -> list[Path]:
    """Write a project's files; those that are there stay as they are.

    Parameters
    ----------
    folder : Path
        Made if missing.
    settings : str
        Text of `settings.yml`.

    Returns
    -------
    list of Path
        What was written.

    Raises
    ------
    UsageError
        The folder cannot be made or written.
    """
    written = []
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in (("settings.yml", settings), ("dodo.py", DODO), ("doit.cfg", CONFIG)):
            path = folder / name
            if not (path.exists() or path.is_symlink()):
                write_new(path, text.encode())
                written.append(path)
    except OSError as error:
        raise UsageError(
            f"a project cannot be made in {folder}",
            why=error.strerror,
            remedy="name a folder that you can write: musebuild init DIR",
        ) from None
    return written


@click.command("init", cls=Command, example="musebuild init my-project", takes="one folder")
@click.argument("folder", default=".", metavar="[DIR]", type=click.Path(path_type=Path))
def init(folder: Path) -> None:
    """Make a project folder with settings.yml to edit.

    Files that are there stay as they are.
    """
    folder = folder.expanduser()
    written = make_project(folder, template())
    for path in written:
        sys.stdout.write(f"wrote {path}\n")
    if not written:
        sys.stdout.write(f"{folder.absolute()} is a project already; nothing was changed\n")
        return
    sys.stdout.write(
        "Next: put raw frames and static calibrations where settings.yml says "
        "(or edit it), name your\ndataset there, then `doit list` and `doit`. "
        "Without data of your own: `musebuild simulate .`\n"
    )
