"""The ledger: SQLite tables that index the manifests, and the history of builds.

It is a convenience, never the truth: what it says of a key counts only while the store has
the manifest and its objects.
"""

from __future__ import annotations

import datetime as dt
import socket
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from sqlite_utils import Database

from musebuild.cache.model import Manifest
from musebuild.cache.store import Store

SAMPLES = 50
"""Runs of a recipe that its memory is learned from: the newest."""


def now() -> str:
    """The time in UTC, ISO 8601."""
    return dt.datetime.now(dt.UTC).isoformat(timespec="seconds")


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


class Ledger:
    """The ledger's tables in the project's database.

    Parameters
    ----------
    database : sqlite_utils.Database
        Opened with `CACHE_MIGRATIONS`. Only the driver of a build writes it.
    """

    def __init__(self, database: Database) -> None:
        self.database = database

    # manifests

    def record(self, manifest: Manifest) -> None:
        """Index a manifest; committed at once."""
        with self.database.conn:
            self._record(manifest)
            self.database.execute("DELETE FROM forgotten WHERE key = ?", [manifest.key])

    def _record(self, manifest: Manifest) -> None:
        self.database.execute(
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
        self.database.execute("DELETE FROM products WHERE key = ?", [manifest.key])
        self.database.conn.executemany(
            "INSERT INTO products VALUES (?,?,?,?,?,?,?,?)",
            [
                (manifest.key, n, p.category, p.name, p.object, p.digest, p.size, p.filter)
                for n, p in enumerate(manifest.products)
            ],
        )

    def rebuild(self, store: Store) -> int:
        """Make the index of manifests anew from the store alone; how many there are."""
        manifests = store.manifests()
        with self.database.conn:
            self.database.execute("DELETE FROM manifests")
            self.database.execute("DELETE FROM products")
            for manifest in manifests:
                self._record(manifest)
        return len(manifests)

    # what is forgotten

    def forget(self, keys: Iterable[str]) -> None:
        """Treat keys as never made, until they are made again."""
        with self.database.conn:
            self.database.conn.executemany(
                "INSERT OR REPLACE INTO forgotten VALUES (?, ?)", [(key, now()) for key in keys]
            )

    def forgotten(self) -> frozenset[str]:
        """Keys that were forgotten."""
        return frozenset(row[0] for row in self.database.execute("SELECT key FROM forgotten"))

    # files in the reduced tree

    def placed(self, paths: Iterable[str]) -> dict[str, Placed]:
        """What we know of files that we put into the reduced tree."""
        wanted = list(paths)
        found: dict[str, Placed] = {}
        for start in range(0, len(wanted), 500):
            some = wanted[start : start + 500]
            marks = ",".join("?" * len(some))
            for row in self.database.execute(
                f"SELECT * FROM placed WHERE path IN ({marks})",
                some,
            ):
                found[row[0]] = Placed(*row)
        return found

    def placed_by(self, task: str) -> list[Placed]:
        """Files that a task put into the reduced tree."""
        rows = self.database.execute("SELECT * FROM placed WHERE task = ?", [task])
        return [Placed(*row) for row in rows]

    def all_placed(self) -> dict[str, Placed]:
        """All files in the reduced trees of this project."""
        return {row[0]: Placed(*row) for row in self.database.execute("SELECT * FROM placed")}

    def set_placed(self, files: Iterable[Placed], gone: Iterable[str] = ()) -> None:
        """Remember files that were placed, and forget those that were taken away."""
        with self.database.conn:
            self.database.conn.executemany(
                "INSERT OR REPLACE INTO placed VALUES (?,?,?,?,?,?,?)",
                [(f.path, f.task, f.object, f.device, f.inode, f.size, f.mtime_ns) for f in files],
            )
            self.database.conn.executemany(
                "DELETE FROM placed WHERE path = ?", [(path,) for path in gone]
            )

    # history

    def begin_build(self, settings: str, command: str) -> int:
        """Note the start of a build; its number."""
        with self.database.conn:
            cursor = self.database.execute(
                "INSERT INTO builds (started, settings, command, host, status) "
                "VALUES (?, ?, ?, ?, 'running')",
                [now(), settings, command, socket.gethostname()],
            )
        return int(cursor.lastrowid or 0)

    def end_build(self, build: int, status: str) -> None:
        """Note how a build ended."""
        with self.database.conn:
            self.database.execute(
                "UPDATE builds SET ended = ?, status = ? WHERE id = ?", [now(), status, build]
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
    ) -> None:
        """Note what became of an invocation: `ran`, `restored`, `failed`; committed at once."""
        date = now()
        with self.database.conn:
            self.database.execute(
                "INSERT INTO events (build, task, key, outcome, reason, seconds, date) "
                "VALUES (?,?,?,?,?,?,?)",
                [build, task, key, outcome, reason, seconds, date],
            )
            self.database.execute(
                "INSERT OR REPLACE INTO tasks VALUES (?,?,?,?,?,?,?)",
                [task, key, recipe, outcome, date, log, reason],
            )

    def tasks(self) -> dict[str, Mapping[str, Any]]:
        """What last became of each task."""
        return {row["task"]: row for row in self.database["tasks"].rows}

    def seconds(self) -> dict[str, float]:
        """Mean time of each recipe over its newest runs."""
        rows = self.database.execute(
            "SELECT recipe, AVG(seconds) FROM manifests GROUP BY recipe"
        ).fetchall()
        return {recipe: float(mean) for recipe, mean in rows}

    def memory_samples(self) -> dict[str, list[tuple[int, int]]]:
        """Recipe → (bytes of inputs, peak memory in bytes) of its newest runs."""
        samples: dict[str, list[tuple[int, int]]] = {}
        for recipe, size, peak in self.database.execute(
            "SELECT recipe, input_bytes, peak_memory FROM manifests ORDER BY made DESC"
        ):
            known = samples.setdefault(recipe, [])
            if len(known) < SAMPLES and peak:
                known.append((int(size), int(peak)))
        return samples
