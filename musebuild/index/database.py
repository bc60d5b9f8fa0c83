"""The project's database: one SQLite file, ours by its mark, brought up to date by migrations."""

from __future__ import annotations

import contextlib
import os
import re
import sqlite3
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from musebuild.errors import UsageError
from musebuild.index.meta import meta, set_meta
from musebuild.index.paths import PATH_COLUMNS, ProjectPaths
from musebuild.index.row_checks import CHECK, CHECKED, damaged, seal, seal_schema

if TYPE_CHECKING:
    from sqlite_utils import Database

APPLICATION_ID = 0x4D555342
"""`MUSB` in the header of the file: the mark by which we know our own."""
MAGIC = b"SQLite format 3\0"
OWN_TABLES = frozenset({"migrations", "digests", "manifests", "placed", "plan_cache"})
"""Of these any database of ours has most, also one whose mark is damaged."""
FOREIGN_NAME = "musered.db"
"""MuseRed's usual name, which it may still be going to make."""
OWN_NAME = "musebuild.db"
FOLDER = "folder"
"""Name in the table `meta` of the folder that paths are relative to."""
_STEP = re.compile(r"[a-z]+(-[a-z0-9]+)+")
"""The name of a migration."""
NETWORK_FILE_SYSTEMS = frozenset({"nfs", "nfs4", "cifs", "smb3", "lustre", "gpfs", "beegfs", "9p"})


@dataclass(frozen=True, slots=True)
class Migration:
    """One step of the schema; run once, in the transaction that records it."""

    name: str
    apply: Callable[[Database], None]


class Connection(sqlite3.Connection):
    """A connection to the project's database: all that an empty build needs."""

    paths: ProjectPaths
    """Converts the paths in its tables."""

    @cached_property
    def db(self) -> Database:
        """The same with all that sqlite-utils offers.

        Its import loads numpy, and takes longer than an empty build.
        """
        from sqlite_utils import Database

        return Database(self)


def columns_of(connection: sqlite3.Connection, table: str) -> list[str]:
    """Names of a table's columns, without that of checksums; none where there is no such table."""
    rows = connection.execute("SELECT name FROM pragma_table_info(?) ORDER BY cid", [table])
    return [str(name) for (name,) in rows if name != CHECK]


def is_our_database(path: Path) -> bool:
    """Whether a file is a database of musebuild, a damaged one included.

    An empty or missing file may become one. Of zeros, as a lost power leaves them, it is nobody's.
    Under our own name only a database with another's tables is another tool's.
    """
    try:
        # A pipe keeps nobody waiting.
        with open(os.open(path, os.O_RDONLY | os.O_NONBLOCK), "rb") as file:
            header = file.read(100)
    except OSError:
        return True
    if not header.strip(b"\0"):
        return True
    if int.from_bytes(header[68:72], "big") == APPLICATION_ID:
        # Ours with damage in its first letters, too.
        return True
    tables = _tables(path) if header.startswith(MAGIC) else None
    if tables is None:
        return path.name == OWN_NAME
    return len(OWN_TABLES & tables) > 1


def _tables(path: Path) -> set[str] | None:
    """Names of the tables of a database; None: it cannot be read."""
    connection = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)
    try:
        return {str(name) for (name,) in connection.execute("SELECT name FROM sqlite_master")}
    except (sqlite3.Error, UnicodeDecodeError):
        return None
    finally:
        connection.close()


def own_path(path: Path) -> Path:
    """Where our database lies when the settings name `path`.

    A database that another tool made (MuseRed's, say) is left alone: ours stands beside it.
    """
    if path.name == FOREIGN_NAME or not is_our_database(path):
        return path.with_name(OWN_NAME)
    return path


@contextlib.contextmanager
def transaction(connection: sqlite3.Connection) -> Iterator[sqlite3.Connection]:
    """All or nothing; nobody sees a part of it.

    What sqlite-utils writes inside is part of it: it commits by itself only where no transaction
    is open.
    """
    if connection.in_transaction:
        # Of somebody who writes more with it, and commits all of it.
        yield connection
        return
    with connection:
        connection.execute("BEGIN IMMEDIATE")
        yield connection
        seal(connection)


def open_database(path: Path, migrations: Sequence[Migration]) -> Connection:
    """Open the project's database, making or migrating it as needed.

    Parameters
    ----------
    path : Path
    migrations : sequence of Migration
        In order; names that the file knows already are not run again.

    Returns
    -------
    Connection

    Raises
    ------
    UsageError
        The file is another tool's, damaged, of a newer musebuild, or cannot be written.
    """
    if not is_our_database(path):
        raise UsageError(
            f"{path.name} is not a database of musebuild",
            where=str(path),
            why="it was made by another tool, and musebuild does not write what is not its own",
            remedy="name another file with `db:` in the settings, such as db: "
            f"{'reduction.db' if path.name == OWN_NAME else OWN_NAME}; "
            "`musebuild adopt` takes over what people wrote into a database of MuseRed",
        )
    if path.is_symlink() and not (path.is_file() and path.stat().st_size):
        # Nothing comes into being through a link, which may lead anywhere.
        raise UsageError(
            f"the database {path} is a link, and leads to no database",
            where=str(path),
            why=f"it leads to {path.readlink()} (disk not mounted?)",
            remedy=f"bring back what it leads to, or take the link away (rm {path})",
        )
    if path.exists() and not path.is_file():
        raise UsageError(
            f"the database {path} is {'a folder' if path.is_dir() else 'no file'}",
            remedy="name a file with `db:` in the settings, such as db: musebuild.db",
        )
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        connection = sqlite3.connect(path, timeout=60, factory=Connection)
        connection.paths = ProjectPaths(path.parent)
        _prepare(connection, path)
        migrate(connection, path, migrations)
    except (sqlite3.DatabaseError, OSError) as error:
        raise UsageError(
            f"The database {path.name} cannot be used",
            where=str(path),
            why=str(error),
            remedy=f"move it away (mv {path} {path}.old) and run `doit` again: "
            "it is made anew from the raw frames and the store",
        ) from error
    return connection


def known_folder(connection: sqlite3.Connection, file: Path) -> str:
    """The folder that the paths of a database are relative to; empty where it does not know.

    Parameters
    ----------
    connection : sqlite3.Connection
        Opened with `INDEX_MIGRATIONS`.
    file : Path
        The database.
    """
    known = meta(connection, FOLDER)
    return os.path.normpath(file.parent / known) if known else ""


def settle_folder(connection: Connection, file: Path, folder: Path) -> None:
    """Decide which folder the paths of a database are relative to, and rewrite those of before.

    The database knows it, since settings files of several folders may share one. A database that
    was moved or copied with its project finds itself in the new folder.

    Parameters
    ----------
    connection : Connection
        Opened with `INDEX_MIGRATIONS` and `CACHE_MIGRATIONS`.
    file : Path
        The database.
    folder : Path
        The project's.
    """
    known, wanted = known_folder(connection, file), os.path.normpath(folder)
    if known and (known == wanted or os.path.isdir(known)):
        connection.paths = ProjectPaths(known)
        return
    connection.paths = ProjectPaths(wanted)
    home = os.path.normpath(file.parent)
    # One that lies in the project moves with it.
    inside = home == wanted or home.startswith(f"{wanted}/")
    with transaction(connection):
        for table, column in PATH_COLUMNS:
            anew = f", {CHECK} = NULL" if table in CHECKED else ""
            connection.execute(
                f"UPDATE OR REPLACE {table} SET {column} = substr({column}, ?){anew} "
                f"WHERE {column} > ? AND {column} < ?",
                [len(wanted) + 2, f"{wanted}/", f"{wanted}0"],
            )
        set_meta(connection, FOLDER, os.path.relpath(wanted, home) if inside else wanted)


def _prepare(connection: sqlite3.Connection, path: Path) -> None:
    if connection.execute("PRAGMA application_id").fetchone()[0] != APPLICATION_ID:
        # Before WAL: with it, the mark would stay in the log until a checkpoint, and a build
        # that is killed would leave a file that does not look like ours.
        connection.execute(f"PRAGMA application_id={APPLICATION_ID}")
        connection.commit()
    if file_system(path) in NETWORK_FILE_SYSTEMS:
        # WAL needs memory that all readers share, which a network file system does not give.
        connection.execute("PRAGMA journal_mode=DELETE")
    elif connection.execute("PRAGMA journal_mode").fetchone()[0] != "wal":
        connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=NORMAL")


def migrate(connection: Connection, path: Path, migrations: Sequence[Migration]) -> None:
    """Run the steps that a database does not know yet; UsageError where it knows newer ones."""
    connection.execute("CREATE TABLE IF NOT EXISTS migrations (name TEXT PRIMARY KEY)")
    connection.commit()
    known = known_migrations(connection)
    if is_newer(known, migrations):
        newer = known - {migration.name for migration in migrations}
        raise UsageError(
            f"The database {path.name} was made by a newer musebuild",
            where=str(path),
            why=f"it knows {', '.join(sorted(newer))}",
            remedy="update musebuild (pip install --upgrade musebuild), or name another `db:`",
        )
    for migration in migrations:
        if migration.name in known:
            continue
        with transaction(connection):
            done = connection.execute(
                "SELECT 1 FROM migrations WHERE name = ?", [migration.name]
            ).fetchone()
            if done:
                continue
            migration.apply(connection.db)
            seal_schema(connection)
            connection.execute("INSERT INTO migrations VALUES (?)", [migration.name])


def known_migrations(connection: sqlite3.Connection) -> set[str]:
    """Names of the steps that a database went through."""
    return {str(row[0]) for row in connection.execute("SELECT name FROM migrations")}


def is_newer(known: Collection[str], migrations: Sequence[Migration]) -> bool:
    """Whether a newer musebuild made a database that knows some steps.

    Raises
    ------
    sqlite3.DatabaseError
        Names of steps are damaged: a newer one knows all of ours, too.
    """
    ours = {migration.name for migration in migrations}
    newer = set(known) - ours
    lengths = {len(name) for name in ours.difference(known)}
    if newer and all(len(name) in lengths or not _STEP.fullmatch(name) for name in newer):
        raise damaged("names of its migrations")
    return bool(newer)


def file_system(path: Path) -> str:
    """Type of the file system that a path lies on (Linux); empty where unknown."""
    try:
        mounts = Path("/proc/mounts").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return ""
    best, kind = "", ""
    absolute = str(path.absolute())
    for line in mounts:
        _, place, name, *_ = line.split(" ")
        inside = absolute == place or absolute.startswith(place.rstrip("/") + "/")
        if inside and len(place) > len(best):
            best, kind = place, name
    return kind
