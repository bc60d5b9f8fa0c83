"""What two sides of a comparison hold: a version, settings, a ledger, a lock file, as one model."""

from __future__ import annotations

import contextlib
import sqlite3
import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import yaml
from sqlite_utils import Database

from musebuild.archive.migrations import ARCHIVE_MIGRATIONS
from musebuild.cache.ledger import BuildNote, Ledger
from musebuild.cache.migrations import CACHE_MIGRATIONS
from musebuild.cache.model import Product, Record, UsedInput
from musebuild.cache.store import Store
from musebuild.engine.portable_settings import portable_settings, settings_from
from musebuild.engine.probe import ProjectWorld, selection
from musebuild.engine.project import SETTINGS_NAME, Project
from musebuild.engine.records import record_now
from musebuild.engine.resolve import Resolution
from musebuild.errors import FrameError, MusebuildError, UsageError
from musebuild.explain.lock import Lock, read_lock
from musebuild.index import qc
from musebuild.index.database import is_ours, migrate
from musebuild.index.migrations import INDEX_MIGRATIONS
from musebuild.plan.names import closure
from musebuild.settings.load import load_settings
from musebuild.settings.nearest import did_you_mean
from musebuild.settings.resolved import Keys

MIGRATIONS = (*INDEX_MIGRATIONS, *CACHE_MIGRATIONS, *ARCHIVE_MIGRATIONS)
PATHS = (".yml", ".yaml", ".db", ".sqlite", ".lock", ".json")
"""Endings of names that mean a file, whether it is there or not."""
DEFAULT_STORE = ".musebuild/store"
FIXED = frozenset(qc.FIXED)

Parameters = dict[tuple[int, str], dict[str, Any]]
"""(number of the HDU, its EXTNAME) → quality parameters."""


@dataclass(frozen=True, slots=True)
class SideTask:
    """A task on one side."""

    name: str
    key: str
    """Empty: not known, as its inputs are not made or not hashed."""
    record: Record | None
    """How it was made; None: not known any more."""
    products: tuple[Product, ...]
    state: str = ""
    """Why it has no products."""


@dataclass(frozen=True, slots=True)
class Side:
    """One side of a comparison."""

    label: str
    """As it was named."""
    what: str
    """What that is, for people."""
    tasks: Mapping[str, SideTask]
    settings: Mapping[Keys, Any] | None
    """None: not known."""
    software: Mapping[str, Any] = field(default_factory=dict)
    """Of a lock, which has it once for all tasks: `version`, `packages`, `environment`,
    `musebuild-key`."""
    named: bool = True
    """Whether inputs have the night and category of the product that they are."""
    stores: tuple[Store, ...] = ()
    db: Database | None = None

    def path(self, product: Product) -> Path | None:
        """Where a product's bytes lie, unharmed; None: they are not at hand."""
        for store in self.stores:
            if store.holds(product.object, product.size):
                return store.path(product.object)
        return None

    def quality(self, task: SideTask, product: Product) -> Parameters | None:
        """Quality parameters of a product, from the tables or from its header; None: unknown."""
        if self.db is not None:
            known = _from_tables(self.db, task.key, product)
            if known:
                return known
        path = self.path(product)
        if path is None:
            return None
        made = qc.Made(task.key, task.name, "", ())
        try:
            rows = qc.rows_of(made, product.name, path)
        except FrameError:
            return None
        return {(row["hdu"], row["extname"] or ""): _only_parameters(row) for row in rows}


def _only_parameters(row: Mapping[str, Any]) -> dict[str, Any]:
    return {n: v for n, v in row.items() if n not in FIXED and v is not None}


def _from_tables(db: Database, key: str, product: Product) -> Parameters:
    columns = qc.columns(db, product.category)
    if not columns:
        return {}
    rows = db.conn.execute(
        f'SELECT * FROM "{qc.table_name(product.category)}" WHERE key = ? AND product = ?',
        [key, product.name],
    )
    found: Parameters = {}
    for values in rows:
        row = dict(zip(columns, values, strict=True))
        found[row["hdu"], row["extname"] or ""] = _only_parameters(row)
    return found


def _plain_input(used: UsedInput) -> UsedInput:
    """An input by its name: where frames lie is not the same on two machines."""
    if used.kind == "product":
        return used
    return replace(used, source=Path(used.source).name)


def _plain_record(record: Record | None) -> Record | None:
    if record is None:
        return None
    return replace(record, inputs=tuple(map(_plain_input, record.inputs)))


def settings_side(label: str, project: Project) -> Side:
    """What settings ask for, and what of it is made; hashes nothing.

    Parameters
    ----------
    label : str
        How people named it.
    project : Project
        Of the settings file.
    """
    names = closure(project.plan, selection(project, ()))
    world = ProjectWorld(project)
    resolutions = world.resolve(names)
    manifests = {n: r.manifest for n, r in resolutions.items() if r.manifest is not None}
    software = world.software()
    tasks = {}
    for name, resolution in resolutions.items():
        record = record_now(
            project.plan.invocations[name],
            resolution,
            plan=project.plan,
            catalogue=project.catalogue,
            manifests=manifests,
            software=software,
            world=world.world,
        )
        manifest = resolution.manifest
        tasks[name] = SideTask(
            name,
            resolution.key,
            _plain_record(record),
            manifest.products if manifest else (),
            "" if manifest else _state(resolution),
        )
    return Side(
        label,
        f"settings {project.settings.path}",
        tasks,
        portable_settings(project.settings),
        stores=(project.store,),
        db=project.db,
    )


def _state(resolution: Resolution) -> str:
    return "to run" if resolution.reason in ("", "absent") else resolution.reason


def version_side(label: str, project: Project) -> Side:
    """What stands in the reduced tree of a version that a project built.

    Raises
    ------
    UsageError
        No such version, or nothing of it is there.
    """
    ledger = project.ledger
    builds = {note.version: note for note in ledger.last_builds() if note.version}
    note = builds.get(label)
    if note is None and label == project.settings.version:
        # Builds of an older musebuild did not note their version.
        note = BuildNote("", "", label, str(project.reduced), "")
        if not ledger.placed_below(note.reduced):
            note = None
    if note is None:
        raise _unknown(label, builds, project)
    shared = sorted(v for v, n in builds.items() if n.reduced == note.reduced and v != label)
    if shared:
        raise UsageError(
            f"version {label} cannot be told from version {shared[0]}",
            where=note.reduced,
            why="both were written to the same reduced tree, and the later took the place of the "
            "earlier",
            remedy="keep versions apart with reduced_path: reduced/{version}",
        )
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
    records = ledger.records_of(set(chosen.items()))
    tasks = {}
    for name, key in chosen.items():
        record = _plain_record(records.get((name, key))) or _from_store(project, name, key)
        tasks[name] = SideTask(name, key, record, products[key])
    if not tasks:
        raise UsageError(
            f"nothing of version {label} is there",
            where=note.reduced,
            why="its products were taken out of the reduced tree",
            remedy=f"build it again, from the cache: doit --set version={label}",
        )
    return Side(
        label,
        f"version {label}"
        + (f", last built {note.started[:16].replace('T', ' ')}" if note.started else ""),
        tasks,
        settings_from(note.document) if note.document else None,
        stores=(project.store,),
        db=project.db,
    )


def _ordered(oldest_first: Iterable[str]) -> list[str]:
    """Tasks by block, in the order in which blocks were first built, then by name."""
    names = list(oldest_first)
    blocks: dict[str, int] = {}
    for name in names:
        blocks.setdefault(name.partition(":")[0], len(blocks))
    return sorted(names, key=lambda name: (blocks[name.partition(":")[0]], name))


def _from_store(project: Project, task: str, key: str) -> Record | None:
    """How a task was made, where only the store still knows: without names."""
    found = project.store.lookup(key).manifest
    if found is None:
        return None
    call = {name: value for name, value in found.preimage.items() if name != "inputs"}
    inputs = tuple(UsedInput(tag, digest, "", "") for tag, digest in found.preimage["inputs"])
    return Record(task, key, found.made, call, inputs)


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


def open_foreign(path: Path) -> Database:
    """Open the ledger of any project to read; that of an older musebuild as a copy in memory.

    Raises
    ------
    UsageError
        It is not a ledger of musebuild, damaged, or of a newer musebuild.
    """
    if not is_ours(path) or path.stat().st_size == 0:
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
            copy = sqlite3.connect(":memory:")
            connection.backup(copy)
            connection.close()
            connection = copy
        database = Database(connection)
        migrate(database, path, MIGRATIONS)
    except sqlite3.DatabaseError as error:
        raise UsageError(
            f"the ledger {path.name} cannot be read",
            where=str(path),
            why=str(error),
            remedy="run `musebuild list` in its project, which mends or makes it anew",
        ) from error
    return database


def _read_only(path: Path) -> sqlite3.Connection:
    address = path.absolute().as_uri()
    connection = sqlite3.connect(f"{address}?mode=ro", uri=True)
    try:
        connection.execute("SELECT 1 FROM sqlite_master").fetchone()
    except sqlite3.OperationalError:
        # In a folder that cannot be written the log of the file cannot be opened either.
        connection.close()
        connection = sqlite3.connect(f"{address}?mode=ro&immutable=1", uri=True)
    return connection


def ledger_side(label: str, path: Path) -> Side:
    """What last became of each task of a ledger.

    Raises
    ------
    UsageError
        It cannot be read, or holds nothing.
    """
    db = open_foreign(path)
    try:
        return _of_ledger(label, path, db)
    except (ValueError, TypeError, KeyError) as error:
        raise UsageError(
            f"the ledger {path.name} is damaged",
            where=str(path),
            why=f"a row of it holds what musebuild does not write ({error})",
            remedy="run `musebuild cache rebuild` in its project, and `doit`",
        ) from error


def _of_ledger(label: str, path: Path, db: Database) -> Side:
    ledger = Ledger(db)
    products = ledger.products()
    tasks = {}
    last_of = ledger.tasks()
    records = ledger.records_of({(name, str(row["key"])) for name, row in last_of.items()})
    for name in _ordered(last_of):
        row = last_of[name]
        key = str(row["key"] or "")
        failed = row["outcome"] not in ("ran", "restored")
        tasks[name] = SideTask(
            name,
            key,
            _plain_record(records.get((name, key))),
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
    last = notes[-1] if notes else None
    document = last.document if last else ""
    settings = settings_from(document) if document else None
    return Side(
        label,
        f"ledger {path}",
        tasks,
        settings,
        stores=_stores_of_ledger(path, last, settings),
        db=db,
    )


def _stores_of_ledger(
    path: Path, last: BuildNote | None, settings: Mapping[Keys, Any] | None
) -> tuple[Store, ...]:
    named = (settings or {}).get(("cache",)) or [DEFAULT_STORE]
    folders = [path.absolute().parent]
    if last is not None:
        folders.append(Path(last.settings).parent)
    return stores_at(folder / str(text) for folder in folders for text in named)


def stores_at(places: Iterable[Path]) -> tuple[Store, ...]:
    """Stores that are there and can be read."""
    found = []
    for place in dict.fromkeys(places):
        if (place / "objects").is_dir():
            with contextlib.suppress(MusebuildError):
                found.append(Store([place]))
    return tuple(found)


def lock_side(label: str, path: Path) -> Side:
    """What a lock file holds."""
    lock = read_lock(path)
    settings = _settings_of_lock(lock)
    software = lock.software
    return Side(
        label,
        f"lock file {path}, made {lock.made[:16].replace('T', ' ')}",
        {
            task.name: SideTask(
                task.name,
                task.key,
                Record(
                    task.name,
                    task.key,
                    lock.made,
                    {"recipe": task.recipe, "params": task.params},
                    tuple(_locked_input(*used) for used in task.inputs),
                ),
                tuple(
                    Product(p.category, p.name, p.object, p.digest, p.size, p.filter)
                    for p in task.products
                ),
            )
            for task in lock.tasks
        },
        settings,
        software={
            "version": software.drs,
            "packages": software.packages,
            "environment": software.environment,
            "musebuild-key": software.key_version,
        },
        named=False,
        stores=stores_of_lock(lock, path),
    )


def stores_of_lock(lock: Lock, path: Path) -> tuple[Store, ...]:
    """Stores of the project that was locked, as far as they are here."""
    named = (_settings_of_lock(lock) or {}).get(("cache",)) or [DEFAULT_STORE]
    return stores_at(path.absolute().parent / str(text) for text in named)


def _locked_input(tag: str, digest: str, source: str) -> UsedInput:
    place, slash, _ = source.partition("/")
    if slash and place in ("raw", "calib", "other"):
        return UsedInput(tag, digest, "raw" if place == "raw" else "file", Path(source).name)
    return UsedInput(tag, digest, "product", source)


def _settings_of_lock(lock: Lock) -> dict[Keys, Any] | None:
    """What the settings of a lock mean; None where this musebuild does not understand them."""
    with tempfile.TemporaryDirectory(prefix="musebuild-diff-") as folder:
        path = Path(folder) / SETTINGS_NAME
        tree = {name: value for name, value in lock.settings.items() if name != "include"}
        path.write_text(yaml.safe_dump(tree, sort_keys=False), encoding="utf-8")
        try:
            return portable_settings(load_settings(path, environment={}))
        except MusebuildError:
            return None


def side_of(text: str, here: Callable[[], Project], other: Callable[[Path], Project]) -> Side:
    """The side that people mean by a word of the command line.

    Parameters
    ----------
    text : str
        A version, or the path of a settings file, a project's folder, a ledger, a lock file.
    here : callable
        Opens the present project; only called for a version.
    other : callable
        Opens the project of a settings file.

    Raises
    ------
    UsageError
        It is none of them.
    """
    path = Path(text).expanduser()
    if "/" not in text and not text.endswith(PATHS):
        versions: Sequence[str] = ()
        with contextlib.suppress(UsageError):
            versions = [note.version for note in here().ledger.last_builds()]
        if text in versions or not path.exists():
            return version_side(text, here())
    if path.is_dir():
        path = path / SETTINGS_NAME
    if not path.is_file():
        raise UsageError(
            f"there is no file {path}",
            remedy="name a version that was built, a settings file, a musebuild.db or a "
            "settings.lock",
        )
    try:
        with path.open("rb") as file:
            head = file.read(64)
    except OSError as error:
        raise UsageError(
            f"{path} cannot be read", why=error.strerror, remedy="mend its permissions"
        ) from None
    if head.startswith(b"SQLite format 3\0") or text.endswith((".db", ".sqlite")):
        return ledger_side(text, path)
    if text.endswith(".lock") or (head.lstrip()[:1] == b"{" and b"musebuild-lock" in head):
        return lock_side(text, path)
    return settings_side(text, other(path.absolute()))
