"""`archive_filter` of datasets: names and values, as far as they are known without the archive."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping
from typing import Any

from musebuild.archive.filters import NAMES, TIMES, tap_query, window_of
from musebuild.archive.model import Window
from musebuild.errors import UsageError
from musebuild.settings.model import Settings
from musebuild.settings.problems import Problem, problem_at, unknown_at

SLIP = 0.8
"""A name that is so like a known one is a slip of the pen; another may be a column that ESO has
and we do not know."""
_HOURS = {"starttime": "stime", "endtime": "etime"}
_PLACES = ("coord1", "coord2", "box", "format")


def check_archive_filters(settings: Settings) -> list[Problem]:
    """Names in `archive_filter` that the archive cannot be asked for, and values that are none.

    Parameters
    ----------
    settings : Settings
        The datasets.
    """
    problems = []
    for dataset in settings.datasets.values():
        filters = dataset.archive_filter
        at = ("datasets", dataset.name, "archive_filter")
        problems += [_unknown(settings, (*at, name)) for name in filters if name not in NAMES]
        problems += [
            problem_at(
                settings,
                (*at, name),
                error.what.removeprefix("archive_filter: "),
                remedy=error.remedy or "",
            )
            for name, error in _wrong_values(filters).items()
        ]
    return problems


def _unknown(settings: Settings, keys: tuple[str, ...]) -> Problem:
    name = keys[-1]
    slip = bool(difflib.get_close_matches(name, NAMES, n=1, cutoff=SLIP))
    return unknown_at(
        settings,
        keys,
        f"the archive is not known to have {name} to ask for",
        name,
        NAMES,
        of_key=True,
        allowed="",
        remedy="`musebuild retrieve --help-query` lists what the archive can be asked for",
        severity="error" if slip else "warning",
    )


def _wrong_values(filters: Mapping[str, Any]) -> dict[str, UsageError]:
    """Name → what is wrong with its value."""
    wrong = {name: told for name in filters if (told := _wrong_value(name, filters))}
    if not wrong and (told := _told(lambda: window_of(filters))):
        # Each date is one, and together they leave no time.
        wrong[next(name for name in filters if name in TIMES)] = told
    return wrong


def _wrong_value(name: str, filters: Mapping[str, Any]) -> UsageError | None:
    """What is wrong with one value; None where nothing is."""
    given = {name: filters[name]}
    if name in _HOURS:
        # An hour means something with its day only.
        day = filters.get(_HOURS[name])
        return _told(lambda: window_of(given | {_HOURS[name]: day})) if day is not None else None
    if name in TIMES:
        return _told(lambda: window_of(given))
    if name in _PLACES:
        if name != "coord1" or str(filters.get("coord_sys", "eq")) != "eq":
            return None
        given = {one: filters[one] for one in _PLACES if one in filters}
    # Any column will do: only the value is looked at.
    columns = {column for known in NAMES.values() for column in known.columns} | {name}
    return _told(lambda: tap_query(given, Window(), columns))


def _told(ask: Callable[[], object]) -> UsageError | None:
    try:
        ask()
    except UsageError as error:
        return error
    return None
