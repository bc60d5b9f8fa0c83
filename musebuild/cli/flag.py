"""`musebuild flag`: flags of exposures."""

from __future__ import annotations

import getpass
import os
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import astuple

import click

from musebuild.cli.command import Command, Group
from musebuild.cli.opening import on_project
from musebuild.cli.options import Argument, frames_of, show, table_option
from musebuild.engine.project import Project
from musebuild.index.flags import (
    FIELDS,
    Flag,
    add_flag,
    all_flags,
    check_flags,
    flag_values,
    flags_by_exposure,
    known_flags,
    remove_flags,
)
from musebuild.plan.blocks import plan_blocks
from musebuild.plan.selecting import heeds
from musebuild.report.spans import count
from musebuild.report.tables import Rows

flag_argument = click.argument("flag", cls=Argument, what="a flag and exposures", metavar="FLAG")
dates_argument = click.argument(
    "dates",
    nargs=-1,
    required=True,
    cls=Argument,
    what="exposures besides the flag",
    metavar="DATE...",
)


@click.group(cls=Group)
def flag() -> None:
    """Flag exposures.

    Each flag has an author, a date and a reason; blocks leave flagged exposures out with
    `exclude_flags`.
    """


@flag.command(
    cls=Command, example="musebuild flag add BAD_SLICE 2017-06-16T01:34:56.867 -m 'slice 6'"
)
@flag_argument
@dates_argument
@click.option("-m", "--reason", metavar="TEXT", default="", show_default=False, help="Why.")
@click.option("--author", metavar="NAME", show_default="the login name", help="Who says so.")
@click.option(
    "--value",
    type=click.IntRange(min=1),
    metavar="N",
    show_default="1, or what it was",
    help="How much of it, such as 2.",
)
@on_project
def add(
    project: Project,
    flag: str,
    dates: tuple[str, ...],
    reason: str,
    author: str | None,
    value: int | None,
) -> None:
    """Flag exposures: science exposures of the dates, or any raw frame named in full."""
    check_flags([flag], known_flags(project.settings.flags))
    exposures = _exposures(project, dates)
    said = {"author": author or author_name(), "reason": reason}
    number = add_flag(project.db, exposures, flag, value=value, **said)
    had = len(exposures) - number
    more = f" ({had} had it already)" if had else ""
    sys.stdout.write(f"{flag}: {count(number, 'exposure')} flagged{more}\n")
    sys.stdout.write(_effect(project, flag))


def _effect(project: Project, flag: str, *, added: bool = True) -> str:
    """What a flag changes from the next build on, or its removal."""
    combining = [
        planned
        for planned in plan_blocks(project.settings, project.catalogue)[0]
        if planned.recipe.group_by == "dataset"
    ]
    heeding = [planned.name for planned in combining if heeds(planned, flag)]
    if heeding:
        return (
            f"  heeded by {', '.join(heeding)} from the next build on "
            "(`doit list --pending` shows what that changes)\n"
        )
    if not added:
        return ""
    text = f"  so far without effect: no block leaves out exposures with {flag}\n"
    for planned in combining[-1:]:
        text += f"  hint: `exclude_flags: true` under recipes.{planned.name}\n"
    return text


@flag.command(cls=Command, example="musebuild flag remove BAD_SLICE 2017-06-16T01:34:56.867")
@flag_argument
@dates_argument
@on_project
def remove(project: Project, flag: str, dates: tuple[str, ...]) -> None:
    """Take a flag away."""
    flagged = flags_by_exposure(project.connection)
    set_ones = {name for flags in flagged.values() for name in flags}
    if flag not in set_ones:
        known = known_flags(project.settings.flags)
        check_flags([flag], known | dict.fromkeys(set_ones, ""))
    # A frame that is gone may still have flags.
    gone = [text for text in dates if text in flagged]
    others = [text for text in dates if text not in flagged]
    exposures = [*gone, *(_exposures(project, others) if others else ())]
    number = remove_flags(project.db, exposures, [flag])
    sys.stdout.write(f"{flag}: taken away from {count(number, 'exposure')}\n")
    sys.stdout.write(_effect(project, flag, added=False) if number else "")


@flag.command("list", cls=Command, example="musebuild flag list 2017-06", takes="dates")
@click.argument("dates", nargs=-1, metavar="[DATE]...")
@table_option
@on_project
def list_flags(project: Project, dates: tuple[str, ...], form: str) -> None:
    """The flags, what they mean, how many exposures have each; or the flags of exposures."""
    flags = all_flags(project.db)
    if dates:
        exposures = set(_exposures(project, dates))
        chosen = [flag for flag in flags if flag.exposure in exposures]
        show(_table(chosen), form, "No flag is set there.")
        return
    known = known_flags(project.settings.flags)
    counted = Counter(flag.flag for flag in flags)
    every = [*known, *sorted(counted.keys() - known.keys())]
    table = Rows(
        ("flag", "exposures", "meaning"),
        tuple(
            (name, counted[name], known.get(name, "no longer in the settings")) for name in every
        ),
    )
    show(table, form)


@flag.command(cls=Command, example="musebuild flag find BAD_SLICE --format csv", takes="flags")
@click.argument("flags", nargs=-1, metavar="[FLAG]...")
@click.option("--all", "every", is_flag=True, help="Exposures that have all of the flags, not any.")
@click.option(
    "--value",
    type=click.IntRange(min=1),
    default=1,
    metavar="N",
    help="Only flags with this value or more.",
)
@table_option
@on_project
def find(project: Project, flags: tuple[str, ...], every: bool, value: int, form: str) -> None:
    """Exposures that have any of the flags."""
    set_ones = all_flags(project.db)
    known = known_flags(project.settings.flags)
    check_flags(flags, known | {one.flag: "" for one in set_ones})
    by_exposure = {
        exposure: {name for name, number in values.items() if number >= value}
        for exposure, values in flag_values(project.connection).items()
    }
    test = all if every else any
    found = [
        one
        for one in set_ones
        if one.flag in by_exposure[one.exposure]
        and (not flags or one.flag in flags)
        and (not flags or test(name in by_exposure[one.exposure] for name in flags))
    ]
    show(_table(found), form, "No exposure has it.")


def _table(flags: Sequence[Flag]) -> Rows:
    return Rows(FIELDS, tuple(map(astuple, flags)))


def author_name() -> str:
    """Who works here: the login name."""
    try:
        return getpass.getuser()
    except (OSError, KeyError):
        return str(os.getuid())


def _exposures(project: Project, texts: Sequence[str]) -> list[str]:
    """Names: science exposures that dates stand for, or any raw frame named in full."""
    raw = [frame for frame in project.raw if frame.is_raw]
    named = {frame.name for frame in raw}
    science = [frame for frame in raw if frame.category == "OBJECT"]
    found: dict[str, None] = {}
    for text in texts:
        if text in named:
            found[text] = None
            continue
        for frame in frames_of(project, [text], science, "science exposure"):
            found[frame.name] = None
    return list(found)
