"""What the commands that answer questions share: dates and formats."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from musebuild.engine.project import Project
from musebuild.errors import UsageError
from musebuild.index.dates import When, choose
from musebuild.index.model import RawFrame
from musebuild.report.tables import FORMATS, Rows, render
from musebuild.settings.nearest import nearest


def format_option(
    text: str, *, default: str = "text", choices: Sequence[str] = ()
) -> dict[str, Any]:
    """The option `--format` of a command."""
    return {
        "name": "format",
        "long": "format",
        "type": str,
        "default": default,
        "metavar": "|".join(choices) or "FORMAT",
        "help": text,
    }


def output_option(text: str) -> dict[str, Any]:
    """The option `-o` of a command that can write into a file."""
    return {
        "name": "output",
        "short": "o",
        "long": "output",
        "type": str,
        "default": "",
        "metavar": "FILE",
        "help": text,
    }


def write_file(path: str | Path, text: str, what: str) -> None:
    """Write what a command was asked to write.

    Raises
    ------
    UsageError
        It cannot be written there.
    """
    try:
        Path(path).write_text(text, encoding="utf-8")
    except OSError as error:
        raise UsageError(
            f"{what} cannot be written to {path}",
            why=error.strerror,
            remedy="name a file in a folder that you can write",
        ) from None


FORMAT = format_option("text, json, csv or ecsv")
DATE: dict[str, Any] = {
    "name": "date",
    "long": "date",
    "type": list,
    "default": [],
    "metavar": "DATE",
    "help": "only of an exposure, a night, a month, a run, a pattern, or a range "
    "(2017-06-13..2017-06-17); may be given several times",
}


def one_of(value: str, choices: Sequence[str], option: str) -> str:
    """A value of an option, if it is one of the choices.

    Raises
    ------
    UsageError
        Names the nearest.
    """
    if value in choices:
        return value
    near = nearest(value, choices)
    raise UsageError(
        f"{option} does not know {value}",
        why=f"did you mean {' or '.join(near)}?" if near else None,
        remedy=f"{option} {' | '.join(choices)}",
    )


def format_of(params: Any) -> str:
    """The format that was asked for."""
    return one_of(params["format"], FORMATS, "--format")


def show(table: Rows, form: str, nothing: str = "") -> None:
    """Print a table; for people a sentence where it is empty."""
    if form == "text" and not table.rows:
        sys.stdout.write(f"{nothing}\n" if nothing else "")
        return
    sys.stdout.write(render(table, form))


def when_of(frame: RawFrame) -> When:
    """What dates can be asked of a frame."""
    return When(frame.name, frame.night, frame.run, frame.tpl_start)


def frames_of(
    project: Project, texts: Sequence[str], frames: Sequence[RawFrame], what: str = "frame"
) -> list[RawFrame]:
    """Frames that written dates stand for; none: all of them."""
    return choose(frames, texts, when_of, runs=project.settings.runs, what=what)
