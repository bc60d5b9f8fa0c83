"""The project's database: one SQLite file, ours by its mark, brought up to date by migrations."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from musebuild.errors import UsageError

if TYPE_CHECKING:
    from sqlite_utils import Database

APPLICATION_ID = 0x4D555342
"""`MUSB` in the header of the file: the mark by which we know our own."""
FOREIGN_NAME = "musered.db"
"""MuseRed's usual name, which it may still be going to make."""
OWN_NAME = "musebuild.db"
NETWORK_FILE_SYSTEMS = frozenset({"nfs", "nfs4", "cifs", "smb3", "lustre", "gpfs", "beegfs", "9p"})


@dataclass(frozen=True, slots=True)
class Migration:
    """One step of the schema; run once, in the transaction that records it."""

    name: str
    apply: Callable[[Database], None]


class _Database:
    """A database of sqlite-utils that is made when more of it is used than plain questions.

    That loads numpy and the like, and takes longer than the rest of an empty build.

    Parameters
    ----------
    connection : sqlite3.Connection
    """

    def __init__(self, connection: sqlite3.Connection) -> None:
        self.conn = connection

    @cached_property
    def _whole(self) -> Database:
        from sqlite_utils import Database

        return Database(self.conn)

    def execute(self, sql: str, parameters: Any = None) -> sqlite3.Cursor:
        """As that of sqlite-utils, which commits what would open a transaction."""
        if sql.startswith(("SELECT ", "PRAGMA ")):
            return self.conn.execute(sql, () if parameters is None else parameters)
        return self._whole.execute(sql, parameters)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._whole, name)

    def __getitem__(self, name: str) -> Any:
        return self._whole[name]


def columns_of(database: Database, table: str) -> list[str]:
    """Names of a table's columns; none where there is no such table."""
    rows = database.execute("SELECT name FROM pragma_table_info(?) ORDER BY cid", [table])
    return [str(row[0]) for row in rows.fetchall()]


def is_ours(path: Path) -> bool:
    """Whether a file is a database of musebuild (an empty or missing file may become one)."""
    try:
        with path.open("rb") as file:
            header = file.read(100)
    except OSError:
        return True
    if not header:
        return True
    return (
        header.startswith(b"SQLite format 3\0")
        and int.from_bytes(header[68:72], "big") == APPLICATION_ID
    )


def own_path(path: Path) -> Path:
    """Where our database lies when the settings name `path`.

    A database that another tool made (MuseRed's, say) is left alone: ours stands beside it.
    """
    if path.name == FOREIGN_NAME or not is_ours(path):
        return path.with_name(OWN_NAME)
    return path


@contextlib.contextmanager
def transaction(database: Database) -> Iterator[sqlite3.Connection]:
    """All or nothing; nobody sees a part of it.

    Statements must go to the connection that this gives: `Database.execute` of sqlite-utils 4
    commits each by itself where no transaction is open yet.
    """
    connection = database.conn
    if connection.in_transaction:
        # Of somebody who writes more with it, and commits all of it.
        yield connection
        return
    with connection:
        connection.execute("BEGIN IMMEDIATE")
        yield connection


def open_database(path: Path, migrations: Sequence[Migration]) -> Database:
    """Open the project's database, making or migrating it as needed.

    Parameters
    ----------
    path : Path
    migrations : sequence of Migration
        In order; names that the file knows already are not run again.

    Returns
    -------
    sqlite_utils.Database

    Raises
    ------
    UsageError
        The file is another tool's, damaged, of a newer musebuild, or cannot be written.
    """
    if not is_ours(path):
        raise UsageError(
            f"{path.name} is not a database of musebuild",
            where=str(path),
            why="it was made by another tool, and musebuild does not write what is not its own",
            remedy="name another file with `db:` in the settings, such as db: musebuild.db; "
            "`musebuild adopt` takes over what people wrote into a database of MuseRed",
        )
    if path.is_dir():
        raise UsageError(
            f"the database {path} is a folder",
            remedy="name a file with `db:` in the settings, such as db: musebuild.db",
        )
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        connection = sqlite3.connect(path, timeout=60)
        database = cast("Database", _Database(connection))
        _prepare(database, path)
        migrate(database, path, migrations)
    except (sqlite3.DatabaseError, OSError) as error:
        raise UsageError(
            f"The database {path.name} cannot be used",
            where=str(path),
            why=str(error),
            remedy=f"move it away (mv {path} {path}.old) and run `doit` again: "
            "it is made anew from the raw frames and the store",
        ) from error
    return database


def _prepare(database: Database, path: Path) -> None:
    if database.execute("PRAGMA application_id").fetchone()[0] != APPLICATION_ID:
        # Before WAL: with it, the mark would stay in the log until a checkpoint, and a build
        # that is killed would leave a file that does not look like ours.
        database.execute(f"PRAGMA application_id={APPLICATION_ID}")
        database.conn.commit()
    if file_system(path) in NETWORK_FILE_SYSTEMS:
        # WAL needs memory that all readers share, which a network file system does not give.
        database.execute("PRAGMA journal_mode=DELETE")
    elif database.execute("PRAGMA journal_mode").fetchone()[0] != "wal":
        database.execute("PRAGMA journal_mode=WAL")
    database.execute("PRAGMA synchronous=NORMAL")


def migrate(database: Database, path: Path, migrations: Sequence[Migration]) -> None:
    """Run the steps that a database does not know yet; UsageError where it knows newer ones."""
    database.conn.execute("CREATE TABLE IF NOT EXISTS migrations (name TEXT PRIMARY KEY)")
    database.conn.commit()
    known = {row[0] for row in database.execute("SELECT name FROM migrations")}
    newer = known - {migration.name for migration in migrations}
    if newer:
        raise UsageError(
            f"The database {path.name} was made by a newer musebuild",
            where=str(path),
            why=f"it knows {', '.join(sorted(newer))}",
            remedy="update musebuild (pip install --upgrade musebuild), or name another `db:`",
        )
    for migration in migrations:
        if migration.name in known:
            continue
        with database.conn:
            database.conn.execute("BEGIN IMMEDIATE") if not database.conn.in_transaction else None
            done = database.execute(
                "SELECT 1 FROM migrations WHERE name = ?", [migration.name]
            ).fetchone()
            if done:
                continue
            migration.apply(database)
            database.execute("INSERT INTO migrations VALUES (?)", [migration.name])


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
