"""The project that a command works on: named by options, opened, mended and closed."""

from __future__ import annotations

import functools
import os
import sqlite3
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from musebuild.cli.command import call
from musebuild.engine.project import SETTINGS_VARIABLE, Project, find_settings, project_folder
from musebuild.errors import UNFORESEEN, MusebuildError, StoreError, UsageError

if TYPE_CHECKING:
    from musebuild.report.bar import Bar

Callback = Callable[..., int | None]
"""What a command does, given its options by name; the exit status, None for 0."""

OPTIONS = (
    click.option(
        "--settings",
        "settings_file",
        metavar="FILE",
        type=click.Path(),
        show_default="settings.yml, or $MUSEBUILD_SETTINGS",
        help="Settings file.",
    ),
    click.option(
        "--set",
        "overrides",
        metavar="KEY=VALUE",
        multiple=True,
        help="A value of the settings for this call, such as "
        "recipes.muse_scipost.params.skymethod=none; may be given several times.",
    ),
    click.option(
        "-d",
        "--dir",
        "folder",
        metavar="DIR",
        type=click.Path(),
        show_default="the current one",
        help="The project's folder.",
    ),
    click.option(
        "-f",
        "--file",
        "dodo",
        metavar="FILE",
        type=click.Path(),
        help="dodo.py of the project; its folder is the project's.",
    ),
)


class Place:
    """Where a command's project lies, and the projects that it opened.

    Parameters
    ----------
    folder : Path
        The project's folder.
    settings_file : str or None
        Another settings file than `settings.yml` in it.
    overrides : dict
        Values of `--set`.
    """

    def __init__(self, folder: Path, settings_file: str | None, overrides: dict[str, str]) -> None:
        self.folder, self.settings_file, self.overrides = folder, settings_file, overrides
        self._opened: list[Project] = []

    def open(self, settings_file: str | None = None) -> Project:
        """Open the project, or that of another settings file; it is closed with the command."""
        path = find_settings(settings_file or self.settings_file, self.folder, os.environ)
        project = Project(path, self.overrides, progress=scan_progress())
        self._opened.append(project)
        return project

    def close(self) -> Project | None:
        """Close what was opened; the last of it."""
        last = self._opened[-1] if self._opened else None
        while self._opened:
            self._opened.pop().close()
        return last


def place_of(
    settings_file: str | None, overrides: tuple[str, ...], folder: str | None, dodo: str | None
) -> Place:
    """The place that the options of a project name.

    Raises
    ------
    UsageError
        There is no such folder, or `--set` is not KEY=VALUE.
    """
    where = Path.cwd()
    if not call().moved:
        if dodo:
            where = (where / dodo).parent
        if folder:
            where = where / Path(folder).expanduser()
        if not (dodo or folder or settings_file or os.environ.get(SETTINGS_VARIABLE)):
            where = project_folder(where)
        if not where.is_dir():
            raise UsageError(f"there is no folder {where}", remedy="correct --dir")
    values: dict[str, str] = {}
    for text in overrides:
        key, equals, value = text.partition("=")
        if not equals or not key:
            raise UsageError(
                f"--set {text} is not KEY=VALUE",
                remedy="write it like --set recipes.muse_scipost.params.skymethod=none",
            )
        values[key] = value
    return Place(where, settings_file, values)


def at_place(function: Callback) -> Callback:
    """Give a command the place of its project, and the options that name it.

    What the command opens there is closed at its end. A damaged database is set aside and made
    anew, and the command runs again.
    """

    @functools.wraps(function)
    def command(
        settings_file: str | None,
        overrides: tuple[str, ...],
        folder: str | None,
        dodo: str | None,
        **options: Any,
    ) -> int | None:
        place = place_of(settings_file, overrides, folder, dodo)
        try:
            return function(place, **options)
        except (MusebuildError, sqlite3.Error, *UNFORESEEN) as error:
            project = place.close()
            if project is None or not _mended(project, error):
                raise
            return function(place, **options)
        finally:
            place.close()

    decorated: Callback = command
    for option in reversed(OPTIONS):
        decorated = option(decorated)
    return decorated


def on_project(function: Callback) -> Callback:
    """Give a command its project, opened, and the options that name it."""

    @functools.wraps(function)
    def command(place: Place, **options: Any) -> int | None:
        return function(place.open(), **options)

    return at_place(command)


def _mended(project: Project, error: Exception) -> bool:
    """Whether the database was damaged, is set aside and made anew, so that to try again."""
    # Here, since other commands need none of it.
    from musebuild.engine.repair_database import mended

    done, told = mended(project, error)
    if told:
        sys.stdout.flush()
        sys.stderr.write(f"{told}\n")
    return done


def database_error(error: sqlite3.DatabaseError) -> StoreError:
    """An error of SQLite, for people."""
    return StoreError(
        "The project's database cannot be used",
        why=str(error),
        remedy="free space or permissions there, then run the command again; all that it holds "
        "is made anew from the raw frames and the store where it is missing",
    )


def file_error(error: OSError) -> StoreError:
    """An error of the disk, for people, where nothing nearer to it knew what to say."""
    place = error.filename2 or error.filename
    return StoreError(
        "A file or folder cannot be read or written",
        where=None if place is None else os.fsdecode(place),
        why=error.strerror or str(error),
        remedy="free space or permissions there, or mend the disk, then run the command again: "
        "nothing finished is lost",
    )


def scan_progress() -> Bar | None:
    """Progress of a long scan, on a terminal."""
    if not sys.stderr.isatty():
        return None
    from musebuild.report.bar import Bar

    return Bar("reading headers")
