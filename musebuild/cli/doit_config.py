"""doit's configuration files: what a new project's says, and defaults of options in them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from musebuild.errors import UsageError

CONFIG = """# Lets `doit` know musebuild's options (`doit list --pending`) in this folder.
[GLOBAL]
loader = musebuild

[LOADER]
musebuild = musebuild.cli.takeover:Loader
"""
"""`doit.cfg` of a new project."""


def read_defaults(folder: Path) -> dict[str, dict[str, Any]]:
    """Defaults of options by command: `[run]` of doit.cfg, `[tool.doit.commands.run]`.

    Parameters
    ----------
    folder : Path
        Where `doit.cfg` and `pyproject.toml` are looked for.

    Raises
    ------
    UsageError
        `doit.cfg` is not as doit reads it.
    """
    found: dict[str, dict[str, Any]] = {}
    project = _text(folder / "pyproject.toml")
    if "[tool.doit" in project:
        import tomllib

        try:
            given: dict[str, Any] = dict(tomllib.loads(project)["tool"]["doit"])
        except (tomllib.TOMLDecodeError, KeyError):
            given = {}
        commands = given.pop("commands", {})
        found |= {name: dict(values) for name, values in commands.items()}
        found["GLOBAL"] = given
    config = _text(folder / "doit.cfg")
    # Of most projects there is nothing in it that is not known.
    if set(config.splitlines()) - set(CONFIG.splitlines()) - {""}:
        import configparser

        parser = configparser.ConfigParser(
            allow_no_value=True, delimiters=("=",), interpolation=None
        )
        try:
            parser.read_string(config)
        except configparser.Error as error:
            raise UsageError(
                f"{folder / 'doit.cfg'} cannot be read", why=str(error), remedy="correct it"
            ) from None
        for section in parser.sections():
            found.setdefault(section, {}).update(parser.items(section))
    return found


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return ""
