"""Files, folders and ranges of nights that the settings name."""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Iterable, Iterator, Sequence
from pathlib import Path

from musebuild.cache.trees import is_ours, own_name
from musebuild.index.database import own_path
from musebuild.index.files import named_paths
from musebuild.settings.model import DateRange, Settings
from musebuild.settings.nearest import nearest
from musebuild.settings.path_names import is_path
from musebuild.settings.problems import Problem, problem_at

Keys = tuple[str | int, ...]


def check_paths(settings: Settings, made: Collection[str] = ()) -> list[Problem]:
    """Paths that do not exist; only warnings, since they may come before they are needed.

    Parameters
    ----------
    settings : Settings
        The settings.
    made : collection of str
        Paths in `frames` that the plan itself makes.
    """
    problems: list[Problem] = []

    def missing(keys: Keys, path: Path | str, **details: str) -> None:
        problems.append(
            problem_at(settings, keys, f"{path} does not exist", severity="warning", **details)
        )

    for keys, path in _folders(settings):
        if path.exists() and not path.is_dir():
            problems.append(problem_at(settings, keys, f"{path} is a file, and must be a folder"))
        elif not path.is_dir() and keys[0] in _READ:
            missing(keys, path)
    if settings.db.is_dir():
        problems.append(
            problem_at(settings, ("db",), f"{settings.db} is a folder, and must be a file")
        )
    used = own_path(settings.db)
    if used != settings.db and settings.db.exists():
        problems.append(
            problem_at(
                settings,
                ("db",),
                f"{settings.db} is another tool's: it is left alone, and {used.name} beside it is "
                "used",
                severity="warning",
                remedy=f"`musebuild adopt` takes over the flags in it; "
                f"to be rid of this line: db: {used.name}",
            )
        )
    tree = settings.reduced_path
    if tree.is_dir() and not is_ours(tree):
        problems.append(
            problem_at(
                settings,
                ("reduced_path",),
                f"{tree} holds what another tool made: it is left alone, and "
                f"{own_name(tree).name} beside it is used",
                severity="warning",
                remedy="`musebuild adopt` takes its place, and moves aside what is in the way",
            )
        )
    for path in settings.observers_logs:
        if not path.is_file():
            missing(("GTO_logs", "db"), path)
    calib = settings.muse_calib_path
    if calib is not None and calib.is_dir():
        present = [path.name for path in calib.iterdir()]
        for category, files in settings.static_calib.items():
            for name, _ in files:
                if not (calib / name).is_file():
                    near = tuple(nearest(name, present))
                    problems.append(
                        problem_at(
                            settings,
                            ("static_calib", category, name),
                            f"{name} is not in {calib}",
                            of_key=True,
                            severity="warning",
                            nearest=near,
                        )
                    )
    for block in settings.blocks.values():
        for category, sources in block.frames.sources.items():
            for text, _ in sources:
                if not is_path(text) or text in made:
                    continue
                if not named_paths(text, category, settings.folder):
                    missing(("recipes", block.name, "frames", category), text)
    return problems


_READ = ("raw_path", "muse_calib_path")
"""Folders that a build only reads; it makes the others."""


def _folders(settings: Settings) -> Iterator[tuple[Keys, Path]]:
    yield ("raw_path",), settings.raw_path
    if settings.muse_calib_path is not None:
        yield ("muse_calib_path",), settings.muse_calib_path
    yield ("workdir",), settings.workdir
    yield ("reduced_path",), settings.reduced_path
    for place in settings.cache:
        yield ("cache",), place


def check_dates(settings: Settings) -> list[Problem]:
    """Ranges of nights that overlap: of what stands first, the later one is not used there."""
    problems: list[Problem] = []
    pairs = list(settings.runs.items())
    for name, earlier, nights in _overlaps(pairs):
        problems.append(
            problem_at(
                settings,
                ("runs", name),
                f"its nights {nights} belong to the run {earlier}, too",
                severity="warning",
                remedy=f"an exposure has one run, and {earlier} stands first: mend the dates",
            )
        )
    for keys, files in _dated(settings):
        for name, earlier, nights in _overlaps(files):
            whole = nights == "all"
            problems.append(
                problem_at(
                    settings,
                    (*keys, name),
                    "it is never used" if whole else f"it is not used in the nights {nights}",
                    of_key=True,
                    severity="warning",
                    remedy=f"{earlier} stands before it and is valid then; the first that fits is "
                    "taken",
                )
            )
    return problems


def _dated(settings: Settings) -> Iterator[tuple[Keys, Sequence[tuple[str, DateRange]]]]:
    for category, files in settings.static_calib.items():
        yield ("static_calib", category), files
    for block in settings.blocks.values():
        for category, files in block.frames.sources.items():
            yield ("recipes", block.name, "frames", category), files


def _overlaps(ranges: Iterable[tuple[str, DateRange]]) -> Iterator[tuple[str, str, str]]:
    """Name, an earlier one, and the nights that both hold (`all` of the name's own)."""
    before: list[tuple[str, DateRange]] = []
    for name, span in ranges:
        for earlier, other in before:
            start = max(span.start or dt.date.min, other.start or dt.date.min)
            end = min(span.end or dt.date.max, other.end or dt.date.max)
            if start <= end:
                whole = start == (span.start or dt.date.min) and end == (span.end or dt.date.max)
                yield name, earlier, "all" if whole else _nights(start, end)
                break
        before.append((name, span))


def _nights(start: dt.date, end: dt.date) -> str:
    if start == end:
        return str(start)
    if start == dt.date.min:
        return f"up to {end}"
    return f"from {start} on" if end == dt.date.max else f"{start} to {end}"
