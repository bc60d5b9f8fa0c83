"""What becomes of every file below `raw_path`, of a project."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath

from musebuild.engine.project import Project
from musebuild.index.model import RawFrame
from musebuild.index.walk import AGAIN, HIDDEN_FOLDER, BadFile
from musebuild.plan.balance import (
    APART,
    Balance,
    Fate,
    Judge,
    Told,
    counts_of,
    judged,
    line_of,
)
from musebuild.plan.blocks import PlannedBlock, plan_blocks
from musebuild.plan.model import Plan
from musebuild.settings.model import Settings

_FATES = {
    "packed": (Fate.OTHER_FORM, ""),
    "ending": (Fate.OTHER_FORM, ""),
    "unfinished": (Fate.OTHER_FORM, "unfinished transfer"),
    "name": (Fate.UNREADABLE, "name not UTF-8"),
    "link": (Fate.UNREADABLE, "link"),
    "special": (Fate.OTHER, "special file"),
}
"""Kind of a file that cannot be used → its fate, and what it is (empty: its ending tells)."""
_FOLDER = "folder"
MOST_NAMED = 2


@dataclass(frozen=True, slots=True)
class _Others:
    """What the last scan found besides frames."""

    told: tuple[Told, ...]
    closed: tuple[Told, ...]
    numbers: Mapping[str, int]
    folders: Mapping[str, int]


def _others(project: Project) -> _Others:
    connection, below = project.connection, f"{project.settings.raw_path}/"
    absolute = connection.paths.absolute
    told: list[Told] = []
    closed: list[Told] = []
    for stored, message, remedy, kind in connection.execute(
        "SELECT path, message, remedy, COALESCE(kind, '') FROM bad_files"
    ):
        path = absolute(stored)
        fate, about = _FATES.get(kind, (Fate.UNREADABLE, "damaged"))
        about = about or "".join(PurePath(path).suffixes[-2:]) or "no ending"
        one = Told(path, fate, about, _sentence(path, message), remedy=remedy)
        (closed if kind == _FOLDER else told).append(one)
    logs = (absolute(path) for (path,) in connection.execute("SELECT path FROM weather_logs"))
    told += [
        Told(path, Fate.LOG, "night log", "its weather is in the table weather_conditions")
        for path in logs
        if path.startswith(below)
    ]
    numbers = dict(connection.execute("SELECT ending, number FROM other_files").fetchall())
    folders = {key: numbers.pop(key) for key in (HIDDEN_FOLDER, AGAIN) if key in numbers}
    return _Others(tuple(told), tuple(closed), numbers, folders)


def balance_of(
    project: Project, settings: Settings, plan: Plan, blocks: Iterable[PlannedBlock]
) -> Balance:
    """What becomes of each file below `raw_path`.

    Parameters
    ----------
    project : Project
        Its raw folder was scanned.
    settings : Settings
        Those that the plan follows from.
    plan : Plan
        All that is planned.
    blocks : iterable of PlannedBlock
        Blocks that are planned.
    """
    others = _others(project)
    judge = Judge(plan, blocks, settings.datasets)
    told = sorted(judged(project.raw, others.told, judge), key=lambda one: one.path)
    gone = len(project.gone.losses)
    return Balance(tuple(told), others.numbers, others.closed, gone, others.folders)


def project_balance(project: Project) -> Balance:
    """The balance of a project as its settings are."""
    settings = project.settings
    blocks, _ = plan_blocks(settings, project.catalogue)
    return balance_of(project, settings, project.plan, blocks)


def balance_line(project: Project) -> str:
    """The same in one line, without holding what is told of each file."""
    settings = project.settings
    blocks, _ = plan_blocks(settings, project.catalogue)
    others = _others(project)
    told = judged(project.raw, others.told, Judge(project.plan, blocks, settings.datasets))
    counts = counts_of(told, others.numbers)
    return line_of(counts, len(project.gone.losses), len(others.closed))


def differing(frames: Iterable[RawFrame], folder: Path) -> list[tuple[str, str]]:
    """Files of one exposure that differ, and what mends it: alike ones together.

    Parameters
    ----------
    frames : iterable of RawFrame
        All that there are.
    folder : Path
        Names are told from there.
    """
    below = f"{folder}/"
    alike: dict[str, list[str]] = defaultdict(list)
    for frame in frames:
        if frame.differs:
            name = frame.path.removeprefix(below)
            alike[frame.differs].append(f"{name} ({frame.excluded.replace(below, '')})")
    return [
        (f"{_some(names)} not used: {differs}", APART) for differs, names in sorted(alike.items())
    ]


def folded(bad: Iterable[BadFile], folder: Path) -> list[tuple[str, str]]:
    """What is wrong with files that cannot be used, and what mends it: alike files together.

    Parameters
    ----------
    bad : iterable of BadFile
        Of a scan.
    folder : Path
        Names are told from there.
    """
    below = f"{folder}/"
    alike: dict[str, list[BadFile]] = defaultdict(list)
    for one in bad:
        alike[_sentence(one.path, one.message)].append(one)
    told = []
    for text, files in alike.items():
        names = [one.path.removeprefix(below) for one in files]
        several = f"{len(names)} files, " if len(names) > 1 else ""
        # The others of the same kind are mended in the same way.
        told.append((f"{several}{_some(names)}: {text}", files[0].remedy))
    return told


def _some(names: Sequence[str]) -> str:
    more = len(names) - MOST_NAMED
    return ", ".join(names[:MOST_NAMED]) + (f" and {more} more" if more > 0 else "")


def _sentence(path: str, message: str) -> str:
    """What is wrong with a file, in words that hold of all alike."""
    name = f"{PurePath(path).name} "
    return f"it {message.removeprefix(name)}" if message.startswith(name) else message
