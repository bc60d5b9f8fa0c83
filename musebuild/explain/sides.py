"""Sides of a comparison: what settings ask for, what a version or a ledger holds."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from musebuild.cache.ledger import BuildNote, Ledger
from musebuild.cache.model import Record, UsedInput
from musebuild.cache.store import Store
from musebuild.engine.hashing import Hasher
from musebuild.engine.migrations import MIGRATIONS
from musebuild.engine.portable_settings import portable_settings, settings_from
from musebuild.engine.probe import ProjectWorld, file_inputs, selection
from musebuild.engine.project import Project
from musebuild.engine.records import record_now, record_stored
from musebuild.engine.resolve import Resolution, State
from musebuild.engine.view import resolved
from musebuild.errors import MusebuildError, UsageError
from musebuild.explain.compare import Side, SideTask
from musebuild.index.database import Connection, is_our_database, known_folder, migrate
from musebuild.index.paths import ProjectPaths
from musebuild.plan.names import closure
from musebuild.settings.nearest import did_you_mean
from musebuild.settings.resolved import Keys

DEFAULT_STORE = ".musebuild/store"


def _plain_input(used: UsedInput) -> UsedInput:
    if used.kind == "product":
        return used
    return replace(used, path=Path(used.path).name)


def plain_record(record: Record) -> Record:
    """A record of files by their names: where frames lie is not the same on two machines."""
    return replace(record, inputs=tuple(map(_plain_input, record.inputs)))


def looked_at(
    project: Project, names: Sequence[str], *, hashed: bool = True
) -> tuple[ProjectWorld, Sequence[str]]:
    """The world of a project, and all that names stand for and need; `hashed`: with its digests."""
    needed = closure(project.plan, selection(project, names))
    world = ProjectWorld(project)
    if hashed:
        invocations = [project.plan.invocations[name] for name in needed]
        world.learn(invocations)
        with contextlib.closing(Hasher(project.digests, world.known)) as hasher:
            hasher.ensure(path for invocation in invocations for path in file_inputs(invocation))
    return world, needed


def resolve_hashed(project: Project, names: Sequence[str]) -> dict[str, Resolution]:
    """State of all that names stand for and need, after hashing what was not yet hashed."""
    world, needed = looked_at(project, names)
    return resolved(project, needed, world)


def side_tasks(project: Project, world: ProjectWorld, names: Iterable[str]) -> dict[str, SideTask]:
    """Invocations as the settings ask for them; their files by path."""
    resolutions = resolved(project, names, world)
    tasks = {}
    for name, resolution in resolutions.items():
        if resolution.state is State.LEFT_OUT:
            continue
        manifest = resolution.manifest
        tasks[name] = SideTask(
            name,
            resolution.key,
            record_now(name, resolutions, world),
            manifest.products if manifest else (),
            "" if manifest else _state(resolution),
            manifest.seconds if manifest else 0.0,
            resolution.state is State.IMPOSSIBLE,
        )
    return tasks


def _state(resolution: Resolution) -> str:
    return "to run" if resolution.reason in ("", "absent") else resolution.reason


def settings_side(
    label: str, project: Project, names: Sequence[str] = (), *, hashed: bool = False
) -> Side:
    """What settings ask for, and what of it is made.

    Parameters
    ----------
    label : str
        How people named it.
    project : Project
        Of the settings file.
    names : sequence of str
        Tasks, groups, patterns; none: the plan's default.
    hashed : bool
        Hash the files that were not hashed yet; else their tasks are not known.
    """
    world, needed = looked_at(project, names, hashed=hashed)
    tasks = side_tasks(project, world, needed)
    return Side(
        label,
        f"settings {project.settings.path}",
        {
            name: replace(task, record=task.record and plain_record(task.record))
            for name, task in tasks.items()
        },
        portable_settings(project.settings),
        stores=(project.store,),
        db=project.db,
    )


def version_side(label: str, project: Project) -> Side:
    """What stands in the reduced tree of a version that a project built.

    Raises
    ------
    UsageError
        No such version, or nothing of it is there.
    """
    note = _build_of(label, project)
    ledger = project.ledger
    known, products = ledger.keys_of_tasks(), ledger.products()
    there = ledger.placed_below(note.reduced)
    chosen: dict[str, str] = {}
    for name in _ordered(name for name in reversed(known) if name in there):
        objects = there[name]
        keys = sorted(known.get(name, []), key=lambda made: made[1] != note.reduced)
        key = next(
            (k for k, _ in keys if {p.object for p in products.get(k, ())} == objects),
            "",
        )
        if key:
            chosen[name] = key
    if not chosen:
        raise UsageError(
            f"nothing of version {label} is there",
            where=note.reduced,
            why="its products were taken out of the reduced tree",
            remedy=f"build it again, from the cache: doit --set version={label}",
        )
    records = ledger.records_of(set(chosen.items()))
    tasks = {}
    for name, key in chosen.items():
        record = records.get((name, key)) or record_stored(project.store.lookup(key).manifest, name)
        tasks[name] = SideTask(name, key, record and plain_record(record), products[key])
    return Side(
        label,
        f"version {label}"
        + (f", last built {note.started[:16].replace('T', ' ')}" if note.started else ""),
        tasks,
        settings_from(note.document) if note.document else None,
        stores=(project.store,),
        db=project.db,
    )


def _build_of(version: str, project: Project) -> BuildNote:
    """The last build of a version.

    Raises
    ------
    UsageError
        There is none, or its reduced tree is that of another as well.
    """
    ledger = project.ledger
    builds = {note.version: note for note in ledger.last_builds() if note.version}
    note = builds.get(version)
    if note is None and version == project.settings.version:
        # Builds of an older musebuild did not note their version.
        note = BuildNote("", "", version, str(project.reduced), "")
        if not ledger.placed_below(note.reduced):
            note = None
    if note is None:
        raise _unknown(version, builds, project)
    shared = sorted(v for v, n in builds.items() if n.reduced == note.reduced and v != version)
    if shared:
        raise UsageError(
            f"version {version} cannot be told from version {shared[0]}",
            where=note.reduced,
            why="both were written to the same reduced tree, and the later took the place of the "
            "earlier",
            remedy="keep versions apart with reduced_path: reduced/{version}",
        )
    return note


def _unknown(label: str, builds: Mapping[str, BuildNote], project: Project) -> UsageError:
    known = sorted(builds)
    if label == project.settings.version:
        why = "the settings name it, and nothing was built with them"
        remedy = "build it (doit), or compare with what the settings ask for: musebuild diff ONE"
        return UsageError(f"nothing of version {label} was built", why=why, remedy=remedy)
    near = did_you_mean(label, known)
    return UsageError(
        f"there is no version {label}, and no file of that name",
        why=near
        or (
            f"this project built {', '.join(known)}" if known else "this project built nothing yet"
        ),
        remedy="name a version that was built, a settings file, a musebuild.db or a settings.lock",
    )


def _ordered(oldest_first: Iterable[str]) -> list[str]:
    """Tasks by block, in the order in which blocks were first built, then by name."""
    names = list(oldest_first)
    blocks: dict[str, int] = {}
    for name in names:
        blocks.setdefault(name.partition(":")[0], len(blocks))
    return sorted(names, key=lambda name: (blocks[name.partition(":")[0]], name))


def open_foreign(path: Path) -> Connection:
    """Open the ledger of any project to read; that of an older musebuild as a copy in memory.

    Raises
    ------
    UsageError
        It is not a ledger of musebuild, damaged, or of a newer musebuild.
    """
    if not is_our_database(path) or path.stat().st_size == 0:
        raise UsageError(
            f"{path.name} is not a ledger of musebuild",
            where=str(path),
            why="the file is empty" if path.stat().st_size == 0 else "another tool made it",
            remedy="name the musebuild.db of a project",
        )
    try:
        connection = _read_only(path)
        known = {row[0] for row in connection.execute("SELECT name FROM migrations")}
        if {migration.name for migration in MIGRATIONS} - known:
            copy = sqlite3.connect(":memory:", factory=Connection)
            connection.backup(copy)
            connection.close()
            connection = copy
        migrate(connection, path, MIGRATIONS)
    except sqlite3.DatabaseError as error:
        raise UsageError(
            f"the ledger {path.name} cannot be read",
            where=str(path),
            why=str(error),
            remedy="run `musebuild list` in its project, which mends or makes it anew",
        ) from error
    connection.paths = ProjectPaths(known_folder(connection, path) or path.parent)
    return connection


def _read_only(path: Path) -> Connection:
    address = path.absolute().as_uri()
    connection = sqlite3.connect(f"{address}?mode=ro", uri=True, factory=Connection)
    try:
        connection.execute("SELECT 1 FROM sqlite_master").fetchone()
    except sqlite3.OperationalError:
        # In a folder that cannot be written the log of the file cannot be opened either.
        connection.close()
        connection = sqlite3.connect(f"{address}?mode=ro&immutable=1", uri=True, factory=Connection)
    return connection


def ledger_side(label: str, path: Path) -> Side:
    """What last became of each task of a ledger.

    Raises
    ------
    UsageError
        It cannot be read, or holds nothing.
    """
    connection = open_foreign(path)
    try:
        return _of_ledger(label, path, connection)
    except (ValueError, TypeError, KeyError) as error:
        raise UsageError(
            f"the ledger {path.name} is damaged",
            where=str(path),
            why=f"a row of it holds what musebuild does not write ({error})",
            remedy="run `musebuild cache rebuild` in its project, and `doit`",
        ) from error


def _of_ledger(label: str, path: Path, connection: Connection) -> Side:
    ledger = Ledger(connection)
    products = ledger.products()
    tasks = {}
    last_of = ledger.tasks()
    records = ledger.records_of({(name, str(row["key"])) for name, row in last_of.items()})
    for name in _ordered(last_of):
        row = last_of[name]
        key = str(row["key"] or "")
        failed = row["outcome"] not in ("ran", "restored")
        record = records.get((name, key))
        tasks[name] = SideTask(
            name,
            key,
            record and plain_record(record),
            () if failed else products.get(key, ()),
            f"{row['outcome']} on {row['date']}" if failed else "",
        )
    if not tasks:
        raise UsageError(
            f"the ledger {path.name} holds no task",
            where=str(path),
            why="nothing was built in its project, or it was made anew since",
            remedy="run `doit` there, which notes what is in the store",
        )
    notes = ledger.last_builds()
    folders = [path.absolute().parent, *(Path(note.settings).parent for note in notes[-1:])]
    document = notes[-1].document if notes else ""
    settings = settings_from(document) if document else None
    return Side(
        label,
        f"ledger {path}",
        tasks,
        settings,
        stores=stores_named(settings, folders),
        db=connection.db,
    )


def stores_named(
    settings: Mapping[Keys, object] | None, folders: Iterable[Path]
) -> tuple[Store, ...]:
    """Stores that settings name, below folders where they may have lain, as far as they are here.

    Parameters
    ----------
    settings : mapping or None
        Of a side; None: not known.
    folders : iterable of Path
        Where relative paths start.
    """
    named = (settings or {}).get(("cache",))
    places = named if isinstance(named, list) and named else [DEFAULT_STORE]
    found = []
    for place in dict.fromkeys(folder / str(text) for folder in folders for text in places):
        if (place / "objects").is_dir():
            with contextlib.suppress(MusebuildError):
                found.append(Store([place]))
    return tuple(found)
