"""What all commands share: options, errors for people, the project."""

from __future__ import annotations

import getopt
import os
import sqlite3
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from doit.cmd_base import Command

from musebuild.engine.project import Project, find_settings
from musebuild.engine.repair_database import is_damage, mend_database
from musebuild.errors import EXIT_FAILED, MusebuildError, StoreError, UsageError
from musebuild.index.database import own_path
from musebuild.report.bar import Bar
from musebuild.settings.nearest import nearest

if TYPE_CHECKING:
    from musebuild.workers.executor import Executor

SETTINGS: dict[str, Any] = {
    "name": "settings",
    "long": "settings",
    "type": str,
    "default": "",
    "metavar": "FILE",
    "help": "settings file (default: settings.yml, or $MUSEBUILD_SETTINGS)",
}
SET: dict[str, Any] = {
    "name": "set",
    "long": "set",
    "type": list,
    "default": [],
    "metavar": "KEY=VALUE",
    "help": "a value of the settings for this call, such as "
    "recipes.muse_scipost.params.skymethod=none; may be given several times",
}
FOLDER: dict[str, Any] = {
    "name": "dir",
    "short": "d",
    "long": "dir",
    "type": str,
    "default": "",
    "metavar": "DIR",
    "help": "the project's folder (default: the current one)",
}
DODO: dict[str, Any] = {
    "name": "file",
    "short": "f",
    "long": "file",
    "type": str,
    "default": "",
    "metavar": "FILE",
    "help": "dodo.py of the project; its folder is the project's",
}
PROJECT = (SETTINGS, SET, FOLDER, DODO)


def reader_has_left() -> int:
    """End quietly where the reader has seen enough (`musebuild list | head`); the exit status."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 0


class BaseCommand(Command):  # type: ignore[misc]
    """A command whose errors are for people.

    Options may stand before and after names. Subclasses define `run(params, args)`.
    """

    base_options: tuple[dict[str, Any], ...] = ()
    meant = ""
    """The command that may have been meant by a word which is none."""
    moved = False
    """Whether doit changed to the project's folder already (it was called as `doit`)."""
    executor: ClassVar[Callable[[], Executor] | None] = None
    """Makes the executor that carries out recipes; None: worker processes on this machine."""

    def get_options(self) -> list[Any]:
        """All options of the command."""
        from doit.cmdparse import CmdOption

        return [CmdOption(option) for option in (*self.base_options, *self.cmd_options)]

    def parse_execute(self, in_args: Sequence[str]) -> int:
        """Parse arguments and run; errors are printed, and give the exit status."""
        try:
            options, names = self._split(in_args)
            params, _ = self.cmdparser.parse(options)
            for name, value in self.opt_vals.items():
                if value and not params.get(name):
                    params[name] = value
            try:
                status = self.run(params, names) or 0
            except (MusebuildError, sqlite3.DatabaseError) as error:
                if not self.mended(error):
                    raise
                status = self.run(params, names) or 0
            sys.stdout.flush()
            return status
        except BrokenPipeError:
            return reader_has_left()
        except MusebuildError as error:
            sys.stdout.flush()
            slip = f"  or the command: musebuild {self.meant}\n" if self.meant else ""
            sys.stderr.write(f"ERROR: {error}\n{slip}")
            return error.exit_status
        except sqlite3.DatabaseError as error:
            sys.stdout.flush()
            sys.stderr.write(f"ERROR: {database_error(error)}\n")
            return EXIT_FAILED

    def mended(self, error: BaseException) -> bool:
        """Whether what an error tells of was mended, so that the command may run again."""
        return False

    def _split(self, arguments: Sequence[str]) -> tuple[list[str], list[str]]:
        parser = self.cmdparser
        try:
            options, names = getopt.gnu_getopt(
                list(arguments), parser.get_short(), parser.get_long()
            )
        except getopt.GetoptError as error:
            known = ["--" + name.rstrip("=") for name in parser.get_long()]
            near = nearest(f"--{error.opt}", known) if len(error.opt) > 1 else []
            raise UsageError(
                f"musebuild {self.get_name()}: {error.msg}",
                why=f"did you mean {' or '.join(near)}?" if near else None,
                remedy=f"`musebuild help {self.get_name()}` lists the options",
            ) from None
        flat = []
        for name, value in options:
            option, _ = parser.get_option(name)
            if option is not None and option.type is int and not value.lstrip("-").isdigit():
                raise UsageError(
                    f"musebuild {self.get_name()}: {name} wants a number, not {value}",
                    remedy=f"write it like {name} 2",
                )
            flat += [name] if option is not None and option.type is bool else [name, value]
        return flat, names

    def run(self, params: Any, args: list[str]) -> int | None:
        """What the command does; its exit status."""
        raise NotImplementedError

    def no_arguments(self, args: Sequence[str]) -> None:
        """Refuse names where the command takes none."""
        if args:
            raise UsageError(
                f"musebuild {self.get_name()} takes no names, and got {args[0]}",
                remedy="leave it out",
            )


class ProjectCommand(BaseCommand):
    """A command on a project."""

    base_options = PROJECT
    _project: Project | None = None

    def project(self, params: Any) -> Project:
        """The project that the options name."""
        folder = Path.cwd()
        if not self.moved:
            if params["file"]:
                folder = (folder / params["file"]).parent
            if params["dir"]:
                folder = folder / Path(params["dir"]).expanduser()
            if not folder.is_dir():
                raise UsageError(f"there is no folder {folder}", remedy="correct --dir")
        overrides: dict[str, str] = {}
        for text in params["set"]:
            key, equals, value = text.partition("=")
            if not equals or not key:
                raise UsageError(
                    f"--set {text} is not KEY=VALUE",
                    remedy="write it like --set recipes.muse_scipost.params.skymethod=none",
                )
            overrides[key] = value
        path = find_settings(params["settings"] or None, folder, os.environ)
        self._project = Project(path, overrides, progress=scan_progress())
        return self._project

    def mended(self, error: BaseException) -> bool:
        """A damaged database is set aside, and made anew as the command runs again."""
        project = self._project
        if project is None or not is_damage(error):
            return False
        project = Project(project.settings_path, project.overrides)
        try:
            done = mend_database(own_path(project.settings.db))
        except (OSError, MusebuildError):
            return False
        if done is not None:
            project.ledger.rebuild(project.store)
            sys.stdout.flush()
            sys.stderr.write(f"{done}\n")
        project.close()
        return True


def database_error(error: sqlite3.DatabaseError) -> StoreError:
    """An error of SQLite, for people."""
    return StoreError(
        "The project's database cannot be used",
        why=str(error),
        remedy="free space or permissions there, then run the command again; all that it holds "
        "is made anew from the raw frames and the store where it is missing",
    )


def scan_progress() -> Any:
    """Progress of a long scan, on a terminal."""
    if not sys.stderr.isatty():
        return None
    return Bar("reading headers")
