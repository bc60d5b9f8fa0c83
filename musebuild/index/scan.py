"""Brings the table of raw frames up to date with the raw folder."""

from __future__ import annotations

import contextlib
import datetime as dt
import json
import os
import sqlite3
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sqlite_utils import Database

from musebuild.errors import FrameError
from musebuild.fits.headers import read_headers
from musebuild.index.columns import COLUMNS, column_of, dataset_of, row_of, run_of
from musebuild.index.database import transaction
from musebuild.index.meta import GROW, meta
from musebuild.settings.model import Settings
from musebuild.settings.sources import ENDINGS

BATCH = 200
"""Rows written at once: an interrupted scan loses no more than these."""


@dataclass(frozen=True, slots=True)
class BadFile:
    """A file below `raw_path` that cannot be used."""

    path: str
    message: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.path}: {self.message}\n  to mend it: {self.remedy}"


@dataclass(slots=True)
class ScanReport:
    """What a scan found."""

    new: int = 0
    changed: int = 0
    vanished: int = 0
    unchanged: int = 0
    problems: list[BadFile] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Found:
    path: str
    size: int
    mtime_ns: int
    inode: int
    ctime_ns: int


def _walk(folder: Path) -> Iterator[_Found]:
    """FITS files below a folder; links to folders are followed, circles are not."""
    seen: set[tuple[int, int]] = set()
    waiting = [str(folder)]
    while waiting:
        current = waiting.pop()
        try:
            status = os.stat(current)
            if (status.st_dev, status.st_ino) in seen:
                continue
            seen.add((status.st_dev, status.st_ino))
            entries = list(os.scandir(current))
        except OSError:
            continue
        for entry in entries:
            if entry.name.startswith("."):
                continue
            try:
                if entry.is_dir():
                    waiting.append(entry.path)
                elif entry.name.lower().endswith(ENDINGS):
                    # Through a link: the file itself counts.
                    status = entry.stat()
                    yield _Found(
                        entry.path,
                        status.st_size,
                        status.st_mtime_ns,
                        status.st_ino,
                        status.st_ctime_ns,
                    )
            except OSError:
                yield _Found(entry.path, -1, 0, 0, 0)


def _read(found: _Found, settings: Settings) -> dict[str, Any] | BadFile:
    path = Path(found.path)
    try:
        headers = read_headers(path)
    except FrameError as error:
        message = f"{error.what}: {error.why}" if error.why else error.what
        return BadFile(found.path, message, error.remedy or "fetch it again, or move it away")
    row = row_of(found.path, headers, settings.additional_keywords)
    if isinstance(row, str):
        return BadFile(
            found.path, row, "move it out of raw_path, or fetch the original from the archive"
        )
    return row | {
        "run": run_of(row["night"], settings),
        "OBJECT": dataset_of(row["OBJECT_ORIG"] or "", settings) or None,
        "date_import": dt.datetime.now(dt.UTC).isoformat(timespec="seconds"),
        "size": found.size,
        "mtime_ns": found.mtime_ns,
        "inode": found.inode,
        "ctime_ns": found.ctime_ns,
    }


def _computed(settings: Settings) -> str:
    """What columns that are computed from the settings depend on."""
    return json.dumps(
        {
            "datasets": {d.name: d.objects for d in settings.datasets.values()},
            "runs": {n: [str(r.start), str(r.end)] for n, r in settings.runs.items()},
        },
        sort_keys=True,
    )


def _follow_settings(db: Database, settings: Settings) -> None:
    """Compute columns anew after the settings of datasets or runs changed."""
    wanted = _computed(settings)
    if meta(db, "computed") == wanted:
        return
    rows = db.execute("SELECT path, night, OBJECT_ORIG FROM raw").fetchall()
    with transaction(db) as connection:
        connection.execute(GROW)
        for path, night, name in rows:
            connection.execute(
                "UPDATE raw SET OBJECT = ?, run = ? WHERE path = ?",
                [dataset_of(name or "", settings) or None, run_of(night or "", settings), path],
            )
        connection.execute("INSERT OR REPLACE INTO meta VALUES ('computed', ?)", [wanted])


def _columns(db: Database, settings: Settings) -> bool:
    """Add columns for additional keywords; whether frames must be read anew for them."""
    wanted = {column_of(keyword) for keyword in settings.additional_keywords} - set(COLUMNS)
    have = {column.name for column in db["raw"].columns}
    for name in sorted(wanted - have):
        # Another build may have added it a moment ago.
        with contextlib.suppress(sqlite3.OperationalError):
            db.table("raw").add_column(name, str)
    return bool(wanted - have)


def scan(
    db: Database,
    settings: Settings,
    *,
    force: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> ScanReport:
    """Bring the table of raw frames up to date with the files below `raw_path`.

    Parameters
    ----------
    db : Database
        Opened with `INDEX_MIGRATIONS`.
    settings : Settings
        Where the frames lie.
    force : bool
        Read all headers again.
    progress : callable, optional
        Told how many headers are read, and how many there are to read.

    Returns
    -------
    ScanReport
        Counts, and the files that cannot be used.
    """
    force = _columns(db, settings) or force
    _follow_settings(db, settings)
    report = ScanReport()
    found = {item.path: item for item in _walk(settings.raw_path)}
    root = str(settings.raw_path) + "/"
    known = {
        row[0]: row[1:]
        for row in db.execute("SELECT path, size, mtime_ns, inode, ctime_ns FROM raw")
    }
    bad = {
        row[0]: row[1:]
        for row in db.execute("SELECT path, size, mtime_ns, message, remedy FROM bad_files")
    }
    to_read: list[_Found] = []
    for path, item in sorted(found.items()):
        if not force and known.get(path) == (item.size, item.mtime_ns, item.inode, item.ctime_ns):
            report.unchanged += 1
        elif not force and path in bad and bad[path][:2] == (item.size, item.mtime_ns):
            report.problems.append(BadFile(path, bad[path][2], bad[path][3]))
        else:
            to_read.append(item)
    gone = [path for path in (*known, *bad) if path not in found or not path.startswith(root)]
    report.vanished = sum(1 for path in gone if path in known)
    _write(db, [], [], gone)
    rows: list[dict[str, Any]] = []
    broken: list[tuple[_Found, BadFile]] = []
    for number, item in enumerate(to_read, 1):
        result = _read(item, settings)
        if isinstance(result, BadFile):
            report.problems.append(result)
            broken.append((item, result))
        else:
            rows.append(result)
            if item.path in known:
                report.changed += 1
            else:
                report.new += 1
        if len(rows) + len(broken) >= BATCH:
            _write(db, rows, broken, [])
            rows, broken = [], []
        if progress is not None:
            progress(number, len(to_read))
    _write(db, rows, broken, [])
    report.problems.sort(key=lambda problem: problem.path)
    return report


def _write(
    db: Database,
    rows: list[dict[str, Any]],
    broken: list[tuple[_Found, BadFile]],
    gone: list[str],
) -> None:
    if not (rows or broken or gone):
        return
    with transaction(db) as connection:
        connection.execute(GROW)
        for path in (*gone, *(item.path for item, _ in broken), *(row["path"] for row in rows)):
            connection.execute("DELETE FROM raw WHERE path = ?", [path])
            connection.execute("DELETE FROM bad_files WHERE path = ?", [path])
        for row in rows:
            names = ", ".join(f'"{name}"' for name in row)
            marks = ", ".join("?" * len(row))
            connection.execute(f"INSERT INTO raw ({names}) VALUES ({marks})", list(row.values()))
        for item, problem in broken:
            connection.execute(
                "INSERT INTO bad_files VALUES (?,?,?,?,?)",
                [item.path, item.size, item.mtime_ns, problem.message, problem.remedy],
            )
