"""Options, arguments and output that several commands share."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from musebuild.cli.task_names import complete_names
from musebuild.errors import UsageError
from musebuild.settings.nearest import nearest

if TYPE_CHECKING:
    from musebuild.engine.project import Project
    from musebuild.index.model import RawFrame
    from musebuild.report.tables import Rows

F = TypeVar("F", bound=Callable[..., Any])
TABLE_FORMATS = ("text", "json", "csv", "ecsv")
"""As `musebuild.report.tables` writes them."""
TEXT_OR_JSON = ("text", "json")


class OneOf(click.Choice[str]):
    """One of some words; another is refused with the nearest."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """The word.

        Raises
        ------
        UsageError
            Names the nearest.
        """
        if value in self.choices:
            return str(value)
        option = param.opts[0] if param is not None else "the option"
        if isinstance(param, click.Argument) and ctx is not None:
            option = ctx.command_path
        near = nearest(str(value), self.choices)
        raise UsageError(
            f"{option} does not know {value}",
            why=f"did you mean {' or '.join(near)}?" if near else None,
            remedy=f"{option} {' | '.join(self.choices)}",
        )


class Number(click.ParamType[float]):
    """A number within bounds.

    Parameters
    ----------
    kind : type
        int or float.
    least : float
        The least that is allowed; with `above` the value must be greater.
    most : float
        What it must stay below.
    example : str
        A value that is right.
    """

    name = "number"

    def __init__(
        self,
        kind: type[int] | type[float] = int,
        *,
        least: float = 0,
        above: bool = False,
        most: float = float("inf"),
        example: str = "2",
    ) -> None:
        self.kind, self.least, self.above, self.most = kind, least, above, most
        self.example = example

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        """The number.

        Raises
        ------
        UsageError
            It is none, or out of bounds.
        """
        option = param.opts[0] if param is not None else "the option"
        try:
            number = self.kind(value)
        except ValueError:
            number = float("nan")
        if (number > self.least if self.above else number >= self.least) and number < self.most:
            return number
        whole = "a whole number" if self.kind is int else "a number"
        bound = f"{'above' if self.above else 'of at least'} {self.least:g}"
        raise UsageError(
            f"{option} wants {whole} {bound}, not {value}",
            remedy=f"write it like {option} {self.example}",
        )


class Argument(click.Argument):
    """An argument that says what it is, for who leaves it out.

    Parameters
    ----------
    what : str
        Such as `a folder`.
    """

    def __init__(self, *args: Any, what: str = "", **more: Any) -> None:
        super().__init__(*args, **more)
        self.what = what


def switch(*spellings: str, text: str) -> Callable[[F], F]:
    """An option that is on or off."""
    return click.option(*spellings, is_flag=True, help=text)


def names(metavar: str = "[TASK|GROUP|PATTERN]...") -> Callable[[F], F]:
    """Any number of names of tasks, groups or patterns."""
    return click.argument("names", nargs=-1, metavar=metavar, shell_complete=complete_names)


def format_option(
    text: str, choices: Sequence[str] = TABLE_FORMATS, default: str = "text"
) -> Callable[[F], F]:
    """The option `--format`."""
    return click.option("--format", "form", type=OneOf(choices), default=default, help=text)


def output_option(text: str) -> Callable[[F], F]:
    """The option `-o`, for what can be written into a file."""
    return click.option(
        "-o", "--output", type=click.Path(path_type=Path), metavar="FILE", help=text
    )


date_option = click.option(
    "--date",
    "dates",
    multiple=True,
    metavar="DATE",
    help="Only of an exposure, a night, a month, a run, a pattern, or a range "
    "(2017-06-13..2017-06-17); may be given several times.",
)
table_option = format_option("For people, or for other programs.")
ifus_option = switch("--ifus", text="One line for each IFU.")
workers_option = click.option(
    "-n",
    "--process",
    "num_process",
    type=Number(),
    metavar="N",
    default=0,
    show_default="one for each core",
    help="Recipes side by side.",
)


def write_file(path: str | Path, text: str | Iterable[str], what: str) -> None:
    """Write what a command was asked to write; a long text in parts.

    Raises
    ------
    UsageError
        It cannot be written there.
    """
    try:
        with Path(path).open("w", encoding="utf-8") as file:
            file.writelines([text] if isinstance(text, str) else text)
    except OSError as error:
        raise UsageError(
            f"{what} cannot be written to {path}",
            why=error.strerror,
            remedy="name a file in a folder that you can write",
        ) from None


def show(table: Rows, form: str, nothing: str = "") -> None:
    """Print a table; for people a sentence where it is empty."""
    from musebuild.report.tables import render

    if form == "text" and not table.rows:
        sys.stdout.write(f"{nothing}\n" if nothing else "")
        return
    sys.stdout.write(render(table, form))


def frames_of(
    project: Project, texts: Sequence[str], frames: Sequence[RawFrame], what: str = "frame"
) -> list[RawFrame]:
    """Frames that written dates stand for; none: all of them."""
    from musebuild.index.dates import When, choose

    def when(frame: RawFrame) -> When:
        return When(frame.name, frame.night, frame.run, frame.tpl_start)

    return choose(frames, texts, when, runs=project.settings.runs, what=what)
