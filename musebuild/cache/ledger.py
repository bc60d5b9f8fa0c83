"""The ledger: SQLite tables that index the manifests, and the history of builds.

It is a convenience, never the truth: what it says of a key counts only while the store has
the manifest and its objects.

It is written and read through sqlite-utils, but for the hot paths, which say so: what is written
for each invocation (0.2 ms; by sqlite-utils, which looks at each table first, 1.4 ms), what is read
before the first recipe starts or nothing is to do (importing sqlite-utils takes 0.3 s), and what is
read of tens of thousands of tasks at once.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import json
import socket
import sqlite3
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from blake3 import blake3

from musebuild.cache.model import PRODUCT, Input, Manifest, Product, Quality, Record, UsedInput
from musebuild.cache.store import Store
from musebuild.errors import StoreError
from musebuild.index.database import Connection

NOT_RUN = "not run"
RECORDS = 8
"""Ways in which a task was made that are remembered: the newest."""
QUALITY = ("grade", "nights", "hours", "kelvin", "note", "level")
"""Columns of `associations`, as the fields of `Quality`."""
SAMPLES = 50
"""Runs of a recipe that its memory is learned from: the newest."""


def now() -> str:
    """The time in UTC, ISO 8601."""
    return dt.datetime.now(dt.UTC).isoformat(timespec="seconds")


@dataclass(frozen=True, slots=True)
class Sample:
    """What a run of a recipe took."""

    input_bytes: int
    seconds: float
    peak_memory: int


@dataclass(frozen=True, slots=True)
class Placed:
    """A file that we put into the reduced tree, as it was then."""

    path: str
    task: str
    object: str
    device: int
    inode: int
    size: int
    mtime_ns: int


@dataclass(frozen=True, slots=True)
class BuildNote:
    """What is known of a build from its start."""

    started: str
    """UTC, ISO 8601."""
    settings: str
    """Path of the settings file."""
    version: str
    """Of the settings; empty where an older musebuild built."""
    reduced: str
    """The reduced tree."""
    document: str
    """What the settings meant; empty where that is not known."""


class Ledger:
    """The ledger's tables in the project's database.

    Parameters
    ----------
    connection : Connection
        Opened with `CACHE_MIGRATIONS`. Only the driver of a build writes it.
    """

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self._joined = False

    @contextlib.contextmanager
    def _using(self) -> Iterator[None]:
        """Turn an error of SQLite into one for people."""
        try:
            yield
        except sqlite3.Error as error:
            raise StoreError(
                "The ledger cannot be used",
                where=self._where(),
                why=str(error),
                remedy="free space or permissions there, then run `doit` again; a damaged ledger "
                "can be moved away: it is made anew from the store",
            ) from error

    @contextlib.contextmanager
    def _writing(self) -> Iterator[Connection]:
        """Commit at the end, all or nothing."""
        if self._joined:
            yield self.connection
            return
        with self._using(), self.connection as connection:
            if not connection.in_transaction:
                connection.execute("BEGIN IMMEDIATE")
            yield connection

    @contextlib.contextmanager
    def one_commit(self) -> Iterator[None]:
        """Commit all that is written inside together, at the end: all of it, or nothing."""
        with self._writing():
            self._joined = True
            try:
                yield
            finally:
                self._joined = False

    def _where(self) -> str | None:
        with contextlib.suppress(sqlite3.Error):
            return str(self.connection.execute("PRAGMA database_list").fetchone()[2])
        return None

    # manifests

    def record(self, manifest: Manifest) -> None:
        """Index a manifest; committed at once."""
        # A hot path, as `set_placed` and `event`: for each invocation.
        with self._writing() as connection:
            self._record(connection, manifest)
            connection.execute("DELETE FROM forgotten WHERE key = ?", [manifest.key])

    def _record(self, connection: Connection, manifest: Manifest) -> None:
        connection.execute(
            "INSERT OR REPLACE INTO manifests VALUES (?,?,?,?,?,?,?,?,?,?)",
            [
                manifest.key,
                manifest.task,
                manifest.preimage.get("recipe", ""),
                manifest.made,
                manifest.seconds,
                manifest.cpu_seconds,
                manifest.peak_memory,
                manifest.input_bytes,
                len(manifest.warnings),
                manifest.host,
            ],
        )
        connection.execute("DELETE FROM products WHERE key = ?", [manifest.key])
        connection.executemany(
            "INSERT INTO products VALUES (?,?,?,?,?,?,?,?)",
            [
                (manifest.key, n, p.category, p.name, p.object, p.digest, p.size, p.filter)
                for n, p in enumerate(manifest.products)
            ],
        )

    def rebuild(self, store: Store) -> int:
        """Make the index of manifests anew from the store alone; how many there are."""
        manifests = store.manifests()
        with self._writing() as connection:
            connection.db.table("manifests").delete_where()
            connection.db.table("products").delete_where()
            for manifest in manifests:
                self._record(connection, manifest)
        return len(manifests)

    def keys_of_object(self, name: str) -> frozenset[str]:
        """Keys whose products have the bytes of an object."""
        return self._keys("products", "object = ?", [name])

    # what is forgotten

    def forget(self, keys: Iterable[str]) -> None:
        """Treat keys as never made, until they are made again."""
        date = now()
        with self._writing() as connection:
            connection.db.table("forgotten").upsert_all({"key": key, "date": date} for key in keys)

    def forgotten(self) -> frozenset[str]:
        """Keys that were forgotten."""
        # A hot path: an empty build asks.
        return frozenset(row[0] for row in self._rows("SELECT key FROM forgotten"))

    # files in the reduced tree

    def placed(self, paths: Iterable[str]) -> dict[str, Placed]:
        """What we know of files that we put into the reduced tree."""
        return self._placed_where("path", map(self.connection.paths.stored, paths))

    def _placed_where(self, column: str, values: Iterable[str]) -> dict[str, Placed]:
        """Files of which a column has one of some values, in pieces that SQLite takes."""
        # A hot path: all products of a project are asked for. 100,000 of them take
        # 0.8 s, and by way of the dictionaries of sqlite-utils 1.1 s.
        wanted = list(values)
        found: dict[str, Placed] = {}
        for start in range(0, len(wanted), 500):
            some = wanted[start : start + 500]
            marks = ",".join("?" * len(some))
            found |= self._placed(f"{column} IN ({marks})", some)
        return found

    def _placed(self, condition: str, values: Sequence[str]) -> dict[str, Placed]:
        """Path → file, of those for which a condition holds."""
        absolute = self.connection.paths.absolute
        rows = self._rows(f"SELECT * FROM placed WHERE {condition}", values)
        return {path: Placed(path, *rest) for path, *rest in ((absolute(p), *r) for p, *r in rows)}

    def placed_by(self, task: str) -> list[Placed]:
        """Files that a task put into the reduced tree."""
        return list(self._placed("task = ?", [task]).values())

    def placed_below(self, root: str) -> dict[str, frozenset[str]]:
        """Task → objects of its files in the reduced tree `root`, notes left out."""
        found: dict[str, set[str]] = {}
        condition, values = self.connection.paths.below(root)
        for task, name in self._rows(
            f"SELECT task, object FROM placed WHERE {condition} AND object <> ''", values
        ):
            found.setdefault(str(task), set()).add(str(name))
        return {task: frozenset(names) for task, names in found.items()}

    def keys_of_tasks(self) -> dict[str, list[tuple[str, str]]]:
        """Task → (key, reduced tree) of what was made or restored for it, the newest first."""
        found: dict[str, list[tuple[str, str]]] = {}
        for task, key, reduced in self._rows(
            "SELECT task, key, COALESCE(reduced, '') FROM events LEFT JOIN builds "
            "ON builds.id = events.build WHERE outcome IN ('ran', 'restored') ORDER BY events.id "
            "DESC"
        ):
            place = self.connection.paths.absolute(str(reduced))
            found.setdefault(str(task), []).append((str(key), place))
        return found

    def products(self) -> dict[str, tuple[Product, ...]]:
        """Key → its products, of all keys."""
        found: dict[str, list[Product]] = {}
        for key, *values in self._rows(
            "SELECT key, category, name, object, digest, size, COALESCE(filter, '') FROM products "
            "ORDER BY key, position"
        ):
            found.setdefault(str(key), []).append(Product(*values))
        return {key: tuple(products) for key, products in found.items()}

    def records_of(self, wanted: Collection[tuple[str, str]]) -> dict[tuple[str, str], Record]:
        """(task, key) → how it was made, as far as that is remembered."""
        with self._using():
            rows = self.connection.execute("SELECT task, key, date, call, inputs FROM records")
            return {(row[0], row[1]): self._record_from(*row) for row in rows if row[:2] in wanted}

    def placed_by_any(self, tasks: Collection[str]) -> dict[str, Placed]:
        """Files that some tasks put into the reduced tree."""
        return self._placed_where("task", tasks)

    def placed_within(self, folders: Iterable[str]) -> dict[str, Placed]:
        """Files that we put into some folders, and into folders below them."""
        found: dict[str, Placed] = {}
        for folder in folders:
            found |= self._placed(*self.connection.paths.below(folder))
        return found

    def all_placed(self) -> dict[str, Placed]:
        """All files in the reduced trees of this project."""
        return self._placed("1", [])

    def set_placed(self, files: Iterable[Placed], gone: Iterable[str] = ()) -> None:
        """Remember files that were placed, and forget those that were taken away."""
        stored = self.connection.paths.stored
        with self._writing() as connection:
            connection.executemany(
                "INSERT OR REPLACE INTO placed VALUES (?,?,?,?,?,?,?)",
                [
                    (stored(f.path), f.task, f.object, f.device, f.inode, f.size, f.mtime_ns)
                    for f in files
                ],
            )
            connection.executemany(
                "DELETE FROM placed WHERE path = ?", [(stored(path),) for path in gone]
            )

    # history

    def begin_build(
        self,
        settings: str,
        command: str,
        *,
        version: str = "",
        reduced: str = "",
        document: str = "",
    ) -> int:
        """Note the start of a build; its number.

        Parameters
        ----------
        settings : str
            Path of the settings file.
        command : str
            The command line.
        version, reduced : str
            `version` of the settings, and the reduced tree that it writes.
        document : str
            What the settings mean, as text; kept once for all builds that have the same.
        """
        used = blake3(document.encode()).hexdigest() if document else ""
        settings, reduced = map(self.connection.paths.stored, (settings, reduced))
        with self._writing() as connection:
            if used:
                connection.execute(
                    "INSERT OR IGNORE INTO settings_used VALUES (?, ?)", [used, document]
                )
            cursor = connection.execute(
                "INSERT INTO builds (started, settings, command, host, status, version, reduced, "
                "used) VALUES (?, ?, ?, ?, 'running', ?, ?, ?)",
                [now(), settings, command, socket.gethostname(), version, reduced, used],
            )
        return int(cursor.lastrowid or 0)

    def last_builds(self) -> list[BuildNote]:
        """The last build of each version and reduced tree, oldest first."""
        rows = self._query(
            "SELECT started, settings, COALESCE(version, '') AS version, "
            "COALESCE(reduced, '') AS reduced, COALESCE(document, '') AS document "
            "FROM builds LEFT JOIN settings_used ON settings_used.digest = builds.used "
            "WHERE builds.id IN (SELECT MAX(id) FROM builds GROUP BY version, reduced) "
            "ORDER BY builds.id"
        )
        absolute = self.connection.paths.absolute
        return [
            BuildNote(
                str(row["started"]),
                absolute(str(row["settings"])),
                str(row["version"]),
                absolute(str(row["reduced"])),
                str(row["document"]),
            )
            for row in rows
        ]

    def end_build(self, build: int, status: str, *, up_to_date: int = 0) -> None:
        """Note how a build ended, and how many invocations it found in place."""
        # By itself: a build that finds nothing to do ends, too.
        with self._writing() as connection:
            connection.execute(
                "UPDATE builds SET ended = ?, status = ?, up_to_date = ? WHERE id = ?",
                [now(), status, up_to_date, build],
            )

    def event(
        self,
        build: int,
        task: str,
        recipe: str,
        key: str,
        outcome: str,
        *,
        reason: str = "",
        seconds: float = 0.0,
        log: str = "",
        record: Record | None = None,
    ) -> None:
        """Note what became of an invocation; committed at once.

        Parameters
        ----------
        build : int
            Number of the build.
        task, recipe, key : str
            The invocation.
        outcome : str
            `ran`, `restored`, `failed`; `not run` leaves what the task did last as it is.
        reason, seconds, log : str, float, str
            Why it was so, how long it took, object of its log.
        record : Record, optional
            How it was made, where it ended well.
        """
        date = now()
        with self._writing() as connection:
            connection.execute(
                "INSERT INTO events (build, task, key, outcome, reason, seconds, date, log) "
                "VALUES (?,?,?,?,?,?,?,?)",
                [build, task, key, outcome, reason, seconds, date, log],
            )
            if outcome == NOT_RUN:
                return
            connection.execute(
                "INSERT OR REPLACE INTO tasks VALUES (?,?,?,?,?,?,?)",
                [task, key, recipe, outcome, date, log, reason],
            )
            if record is not None:
                _remember(connection, record, date)
                _choose(connection, record)

    def records(self, task: str) -> list[Record]:
        """How a task was made, the newest first."""
        rows = self._found("records", "task = ?", [task], order_by="rowid desc")
        return [self._record_from(**row) for row in rows]

    def associations(self, task: str) -> list[Input]:
        """The frames that were chosen for a task when it was last made, in its order."""
        rows = self._found("associations", "task = ?", [task], order_by="position")
        return [
            replace(
                UsedInput.named(
                    row["tag"],
                    "",
                    row["kind"],
                    self._named(row["kind"], row["source"]),
                    row["category"],
                ),
                quality=Quality(*(row[name] for name in QUALITY)),
            )
            for row in rows
        ]

    def _record_from(self, task: str, key: str, date: str, call: str, inputs: str) -> Record:
        used = tuple(
            UsedInput.named(tag, digest, kind, self._named(kind, source), *rest)
            for tag, digest, kind, source, *rest in json.loads(inputs)
        )
        return Record(task, key, date, json.loads(call), used)

    def _named(self, kind: str, source: str) -> str:
        """Where an input came from: a path, or the invocation that made it."""
        return source if kind == PRODUCT else self.connection.paths.absolute(source)

    def keys_that_made(self, digest: str) -> frozenset[str]:
        """Keys whose products have a content digest."""
        return self._keys("products", "digest = ?", [digest])

    def failures(self, tasks: Sequence[str] = ()) -> list[tuple[str, str]]:
        """Task and log of each failure, the newest first; of some tasks, or of all."""
        marks = ",".join("?" * len(tasks))
        chosen = f" AND task IN ({marks})" if tasks else ""
        rows = self._found("events", f"outcome = 'failed'{chosen}", list(tasks), order_by="id desc")
        return [(str(row["task"]), str(row["log"] or "")) for row in rows]

    def tasks(self) -> dict[str, Mapping[str, Any]]:
        """What last became of each task."""
        # A hot path: lists and states of a whole project ask.
        columns = ("task", "key", "recipe", "outcome", "date", "log", "reason")
        rows = self._rows(f"SELECT {', '.join(columns)} FROM tasks")
        return {row[0]: dict(zip(columns, row, strict=True)) for row in rows}

    def outcomes(self, build: int | None = None) -> list[tuple[str, str, int, float]]:
        """(outcome, reason, how often, seconds in all) of all builds, or of one."""
        where, values = ("", []) if build is None else (" WHERE build = ?", [build])
        rows = self._query(
            "SELECT outcome, reason, COUNT(*) AS number, SUM(seconds) AS seconds "
            f"FROM events{where} GROUP BY outcome, reason ORDER BY outcome, reason",
            values,
        )
        return [
            (
                str(row["outcome"]),
                str(row["reason"]),
                int(row["number"]),
                float(row["seconds"] or 0),
            )
            for row in rows
        ]

    def up_to_date(self) -> int:
        """How often builds found an invocation in place."""
        (row,) = self._query("SELECT SUM(up_to_date) AS number FROM builds")
        return int(row["number"] or 0)

    def saved_seconds(self) -> float:
        """Time that recipes would have taken to make what was restored."""
        (row,) = self._query(
            "SELECT SUM(manifests.seconds) AS saved FROM events JOIN manifests USING (key) "
            "WHERE outcome = 'restored'"
        )
        return float(row["saved"] or 0)

    def _newest(self, columns: str) -> dict[str, list[tuple[Any, ...]]]:
        """Recipe → columns of its newest runs, the newest first."""
        # A hot path: a build asks before its first recipe, to learn of time and memory.
        # One question for each: a single one for all would rank every manifest of ten years.
        recipes = [recipe for (recipe,) in self._rows("SELECT DISTINCT recipe FROM manifests")]
        question = (
            f"SELECT {columns} FROM manifests WHERE recipe IS ? ORDER BY made DESC LIMIT {SAMPLES}"
        )
        return {recipe: self._rows(question, [recipe]) for recipe in sorted(recipes)}

    def seconds(self) -> dict[str, float]:
        """Mean time of each recipe over its newest runs."""
        newest = self._newest("seconds")
        return {recipe: sum(s for (s,) in rows) / len(rows) for recipe, rows in newest.items()}

    def samples(self) -> dict[str, list[Sample]]:
        """Recipe → what its newest runs took."""
        newest = self._newest("input_bytes, seconds, peak_memory")
        return {
            recipe: [Sample(*(value or 0 for value in row)) for row in rows]
            for recipe, rows in newest.items()
        }

    def product_bytes(self) -> dict[tuple[str, str], float]:
        """(recipe, category) → bytes that one run makes of it, on the average of the newest."""
        found: dict[tuple[str, str], float] = {}
        for recipe, rows in self._newest("key").items():
            keys = [key for (key,) in rows]
            marks = ", ".join("?" * len(keys))
            for category, size in self._rows(
                "SELECT category, SUM(size) * 1.0 / COUNT(DISTINCT key) FROM products "
                f"WHERE key IN ({marks}) GROUP BY category",
                keys,
            ):
                found[recipe, category] = float(size)
        return found

    def _found(
        self, table: str, condition: str, values: Sequence[Any], *, order_by: str | None = None
    ) -> list[dict[str, Any]]:
        with self._using():
            rows = self.connection.db.table(table).rows_where(condition, values, order_by=order_by)
            return list(rows)

    def _keys(self, table: str, condition: str, values: Sequence[Any]) -> frozenset[str]:
        return frozenset(row["key"] for row in self._found(table, condition, values))

    def _query(self, question: str, values: Sequence[Any] = ()) -> list[dict[str, Any]]:
        with self._using():
            return list(self.connection.db.query(question, values))

    def _rows(self, question: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        with self._using():
            rows: list[tuple[Any, ...]] = self.connection.execute(question, values).fetchall()
        return rows


def _stored(connection: Connection, kind: str, source: str) -> str:
    return source if kind == PRODUCT else connection.paths.stored(source)


def _remember(connection: Connection, record: Record, date: str) -> None:
    connection.execute(
        "INSERT OR REPLACE INTO records VALUES (?,?,?,?,?)",
        [
            record.task,
            record.key,
            date,
            json.dumps(dict(record.call)),
            json.dumps(
                [
                    [
                        u.tag,
                        u.digest,
                        u.kind,
                        _stored(connection, u.kind, u.source),
                        u.category,
                        u.night,
                    ]
                    for u in record.inputs
                ]
            ),
        ],
    )
    connection.execute(
        "DELETE FROM records WHERE task = ? AND rowid NOT IN "
        f"(SELECT rowid FROM records WHERE task = ? ORDER BY rowid DESC LIMIT {RECORDS})",
        [record.task, record.task],
    )


def _choose(connection: Connection, record: Record) -> None:
    """Put the associations of a task in place of those that it was made with before."""
    connection.execute("DELETE FROM associations WHERE task = ?", [record.task])
    connection.executemany(
        "INSERT INTO associations VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?)",
        [
            (
                record.task,
                number,
                record.key,
                one.tag,
                one.kind,
                _stored(connection, one.kind, one.source),
                one.category,
                fit.grade,
                fit.nights,
                fit.hours,
                fit.kelvin,
                fit.note,
                fit.level,
            )
            for number, one in enumerate(record.chosen)
            if (fit := one.quality) is not None
        ],
    )
