"""`musebuild retrieve`: frames from the ESO archive."""

from __future__ import annotations

import datetime as dt
from typing import Any

import click

from musebuild.cli.command import Command
from musebuild.cli.opening import on_project
from musebuild.cli.options import switch
from musebuild.engine.project import Project
from musebuild.errors import UsageError


class Night(click.ParamType[dt.date]):
    """The date on which a night begins."""

    name = "night"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> dt.date:
        """The date.

        Raises
        ------
        UsageError
            It is none.
        """
        return night_of(value, param)


class Nights(click.ParamType[tuple[dt.date, ...]]):
    """Several nights, separated by commas."""

    name = "nights"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[dt.date, ...]:
        """The dates.

        Raises
        ------
        UsageError
            One is none.
        """
        return tuple(night_of(text, param) for text in value.split(",") if text)


def night_of(text: str, param: click.Parameter | None) -> dt.date:
    """The night that an option names."""
    option = param.opts[0] if param is not None else "the option"
    try:
        return dt.date.fromisoformat(text)
    except ValueError:
        raise UsageError(
            f"{option} {text} is no night", remedy=f"write it like {option} 2017-06-15"
        ) from None


@click.command(
    cls=Command, example="musebuild retrieve FIELD --dry-run", formerly={"-n": "--dry-run"}
)
@click.argument("names", nargs=-1, metavar="[DATASET]...")
@switch("--help-query", text="List what archive_filter can ask for.")
@switch("--dry-run", text="Fetch nothing: show what would come, with sizes.")
@click.option("--start", metavar="NIGHT", type=Night(), help="Only from this night on.")
@click.option("--end", metavar="NIGHT", type=Night(), help="Only up to this night.")
@click.option("--calib", metavar="NIGHT[,NIGHT]", type=Nights(), help="All calibrations of nights.")
@click.option("--ins-mode", metavar="MODE", help="With --calib: of this mode, such as WFM-NOAO-N.")
@switch("--missing", text="The calibrations that the plan misses.")
@switch("--locked", text="Exactly the frames of settings.lock, or of the file named.")
@switch("--force", text="Ask for the calibrations of all exposures again.")
@click.option("--username", metavar="NAME", help="User at the ESO portal, for proprietary frames.")
@on_project
def retrieve(
    project: Project,
    names: tuple[str, ...],
    help_query: bool,
    dry_run: bool,
    start: dt.date | None,
    end: dt.date | None,
    calib: tuple[dt.date, ...] | None,
    ins_mode: str | None,
    missing: bool,
    locked: bool,
    force: bool,
    username: str | None,
) -> int:
    """Fetch frames and calibrations from the ESO archive.

    Night logs come with them, and the index is brought up to date. What is there already is not
    fetched again; what was interrupted goes on where it stopped. Exit status 1 where a frame did
    not come.
    """
    # Late: astroquery and what it needs take a second that other commands need not spend.
    from musebuild.cli.retrieval import Retrieval, Wish, print_query_help

    if help_query:
        return print_query_help()
    wish = Wish(
        names=names,
        dry_run=dry_run,
        start=start,
        end=end,
        calib=calib or (),
        ins_mode=ins_mode or "",
        missing=missing,
        locked=locked,
        force=force,
        username=username or "",
    )
    return Retrieval(project, wish).run()
