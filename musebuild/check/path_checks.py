"""Files, folders and ranges of nights that the settings name."""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Iterable, Iterator, Sequence
from pathlib import Path

from musebuild.cache.trees import is_our_tree, own_name
from musebuild.index.database import own_path
from musebuild.index.files import named_paths
from musebuild.settings.model import DateRange, Settings
from musebuild.settings.of_musered import keys_of_frame
from musebuild.settings.path_names import is_path
from musebuild.settings.problems import Problem, problem_at, unknown_at

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
    return [
        *_folders(settings),
        *_foreign(settings),
        *(
            _missing(settings, ("GTO_logs", "db"), path)
            for path in settings.observers_logs
            if not path.is_file()
        ),
        *_statics(settings),
        *(
            _missing(settings, keys_of_frame(settings, block.name, category), text)
            for block in settings.blocks.values()
            for category, sources in block.frames.sources.items()
            for text, _ in sources
            if is_path(text)
            and text not in made
            and not named_paths(text, category, settings.folder)
        ),
    ]


def _missing(settings: Settings, keys: Keys, path: Path | str) -> Problem:
    return problem_at(settings, keys, f"{path} does not exist", severity="warning")


def _folders(settings: Settings) -> Iterator[Problem]:
    """Folders that are files, or, of those that a build only reads, not there."""
    read = {"raw_path": settings.raw_path, "muse_calib_path": settings.muse_calib_path}
    made = {"workdir": settings.workdir, "reduced_path": settings.reduced_path}
    stores = [("cache", place) for place in settings.cache]
    for name, path in (*read.items(), *made.items(), *stores):
        if path is None or path.is_dir():
            continue
        if path.exists():
            yield problem_at(settings, (name,), f"{path} is a file, and must be a folder")
        elif name in read:
            yield _missing(settings, (name,), path)
    if settings.db.is_dir():
        yield problem_at(settings, ("db",), f"{settings.db} is a folder, and must be a file")


def _foreign(settings: Settings) -> Iterator[Problem]:
    """What another tool made, and is left alone."""
    used = own_path(settings.db)
    if used != settings.db and settings.db.exists():
        yield problem_at(
            settings,
            ("db",),
            f"{settings.db} is another tool's: it is left alone, and {used.name} beside it is used",
            severity="warning",
            remedy=f"`musebuild adopt` takes over the flags in it; "
            f"to be rid of this line: db: {used.name}",
        )
    tree = settings.reduced_path
    if tree.is_dir() and not is_our_tree(tree):
        yield problem_at(
            settings,
            ("reduced_path",),
            f"{tree} holds what another tool made: it is left alone, and "
            f"{own_name(tree).name} beside it is used",
            severity="warning",
            remedy="`musebuild adopt` takes its place, and moves aside what is in the way",
        )


def _statics(settings: Settings) -> Iterator[Problem]:
    """Files of `static_calib` that the folder of static calibrations does not have."""
    folder = settings.muse_calib_path
    if folder is None or not folder.is_dir():
        return
    present = [path.name for path in folder.iterdir()]
    for category, files in settings.static_calib.items():
        for name, _ in files:
            if not (folder / name).is_file():
                yield unknown_at(
                    settings,
                    ("static_calib", category, name),
                    f"{name} is not in {folder}",
                    name,
                    present,
                    of_key=True,
                    severity="warning",
                    allowed="",
                )


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
