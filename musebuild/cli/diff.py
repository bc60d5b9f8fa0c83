"""`musebuild diff`."""

from __future__ import annotations

import sqlite3
import sys
from collections.abc import Sequence
from pathlib import Path

import click

from musebuild.cli.command import Command
from musebuild.cli.opening import Place, at_place, database_error
from musebuild.cli.options import TEXT_OR_JSON, format_option, switch
from musebuild.engine.project import Project
from musebuild.errors import EXIT_USAGE, MusebuildError, UsageError
from musebuild.explain.diff import find_differences, side_of
from musebuild.explain.sides import settings_side
from musebuild.report.difference import difference_json, difference_text


@click.command(cls=Command, example="musebuild diff 0.1 0.2")
@click.argument("sides", nargs=-1, metavar="ONE [TWO]")
@click.option(
    "--only",
    multiple=True,
    metavar="TASK|BLOCK|PATTERN",
    help="Only these tasks; may be given several times.",
)
@switch("--pixels", text="Also read the products that differ: statistics of their pixels.")
@click.option(
    "--all", "everything", is_flag=True, help="Everything, not only the first of each kind."
)
@format_option("For people, or for machines.", TEXT_OR_JSON)
@at_place
def diff(
    place: Place,
    sides: tuple[str, ...],
    only: tuple[str, ...],
    pixels: bool,
    everything: bool,
    form: str,
) -> int:
    """Compare two versions, settings, ledgers or lock files.

    A side is a version that was built here, a settings file, a project's folder, a musebuild.db or
    a settings.lock; one alone is compared with what the settings ask for now. Exit status 0: they
    do not differ, 1: they do, 2: they cannot be compared.
    """
    try:
        return _compare(place, sides, only, pixels=pixels, everything=everything, form=form)
    except MusebuildError as error:
        # As of diff: 1 means that they differ, and nothing else.
        error.exit_status = EXIT_USAGE
        raise
    except sqlite3.DatabaseError as error:
        told = database_error(error)
        told.exit_status = EXIT_USAGE
        raise told from error


def _compare(
    place: Place,
    texts: Sequence[str],
    only: Sequence[str],
    *,
    pixels: bool,
    everything: bool,
    form: str,
) -> int:
    if not 1 <= len(texts) <= 2:
        raise UsageError(
            f"musebuild diff compares two sides, and got {len(texts)}",
            why="a side is a version, a settings file, a musebuild.db or a settings.lock; "
            "one alone is compared with what the settings ask for now",
            remedy="musebuild diff 0.1 0.2",
        )
    opened: dict[str, Project] = {}

    def here() -> Project:
        return opened.get("") or opened.setdefault("", place.open())

    def other(path: Path) -> Project:
        return opened.get(str(path)) or opened.setdefault(str(path), place.open(str(path)))

    sides = [side_of(text, here, other) for text in texts]
    if len(sides) == 1:
        sides.append(settings_side("now", here()))
    found = find_differences(sides[0], sides[1], only, pixels=pixels)
    text = difference_json(found) if form == "json" else None
    sys.stdout.write(text or difference_text(found, everything=everything))
    return 0 if found.comparison.equal else 1
