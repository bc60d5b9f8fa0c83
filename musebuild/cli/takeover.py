"""Imported by a project's `dodo.py` (and named by its `doit.cfg`): `doit` becomes ours.

People type `doit` and get the whole engine: when doit loads the project, the command line goes
to `musebuild.cli.main`, and doit itself ends with its exit status. doit elsewhere is untouched.
"""

from __future__ import annotations

import configparser
import inspect
import sys
from pathlib import Path
from typing import NoReturn

from doit.cmd_base import TaskLoader2

from musebuild.cli.search_path import leave_out_folder

CONFIG = "doit.cfg"
QUIET = {"-q", "--quiet"}
PROGRAMS = ("doit", "doit.exe", "doit-script.py")


def called_as_doit(program: str) -> bool:
    """Whether a program's path is that of the `doit` command (or of `python -m doit`)."""
    path = Path(program)
    return path.name in PROGRAMS or (path.name == "__main__.py" and path.parent.name == "doit")


def take_over(*, moved: bool) -> NoReturn:
    """Run our command line in place of doit's, and end.

    Parameters
    ----------
    moved : bool
        Whether doit has changed to the project's folder already: it does before it loads
        `dodo.py`, not before it reads `doit.cfg`.
    """
    leave_out_folder()
    from musebuild.cli.main import main

    if moved and not QUIET.intersection(sys.argv):
        sys.stderr.write(hint(Path.cwd()))
    sys.stdout.flush()
    raise SystemExit(main(sys.argv[1:], moved=moved))


def hint(folder: Path) -> str:
    """What a project folder lacks for doit to know musebuild's options; empty where nothing.

    doit refuses an option that it does not know before it loads `dodo.py`, so that nothing of
    ours can tell why. It is told whenever doit gets as far as that.
    """
    path = folder / CONFIG
    config = configparser.ConfigParser()
    try:
        config.read(path, encoding="utf-8")
        if config.get("LOADER", "musebuild", fallback="").startswith("musebuild."):
            return ""
    except (configparser.Error, OSError, UnicodeDecodeError):
        pass
    what = (
        f"{CONFIG} does not name musebuild: add `loader = musebuild` below [GLOBAL], and "
        "`musebuild = musebuild.cli.takeover:Loader` below [LOADER]"
        if path.exists()
        else f"there is no {CONFIG}: `musebuild init` writes it"
    )
    return (
        f"Note: in this folder doit refuses options that only musebuild has (--pending, "
        f"--settings), as {what}. Or type `musebuild` for `doit`.\n"
    )


class Loader(TaskLoader2):  # type: ignore[misc]
    """Named as loader in `doit.cfg`; doit never gets to use it."""

    cmd_options = ()


def _loaded_by_dodo() -> bool:
    """Whether the import comes from a dodo.py that doit is loading."""
    return any(Path(frame.filename).name == "dodo.py" for frame in inspect.stack(0))


if called_as_doit(sys.argv[0]):
    take_over(moved=_loaded_by_dodo())
