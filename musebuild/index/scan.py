"""Brings the table of raw frames up to date with the raw folder."""

from __future__ import annotations

import datetime as dt
import json
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from musebuild.index.columns import COLUMNS, column_of, dataset_of, run_of
from musebuild.index.database import Connection, columns_of, transaction
from musebuild.index.meta import GROW, meta, set_meta
from musebuild.index.observing import update_observing
from musebuild.index.qa import write_raw
from musebuild.index.readers import QA, read_rows
from musebuild.index.row_checks import CHECK, require_checks, seal_schema
from musebuild.index.vanished import keep_rows
from musebuild.index.walk import BadFile, Found, walk
from musebuild.index.weather import ENDING, update_weather
from musebuild.settings.model import Settings


@dataclass(slots=True)
class ScanReport:
    """What a scan found."""

    new: int = 0
    changed: int = 0
    vanished: int = 0
    unchanged: int = 0
    weather_logs: int = 0
    """Night logs that were read."""
    observing_logs: int = 0
    """Observers' databases that were read."""
    problems: list[BadFile] = field(default_factory=list)
    others: dict[str, int] = field(default_factory=dict)
    """Ending of a name → number of files that are no frames by it."""


ROWS = "6"
"""Grows with what is kept of a frame, or said of it: frames that an older musebuild read are read
again."""

REFUSED = " cannot be read: "
"""In the message of a file that the system could not read."""
_IDENTITY = ("size", "mtime_ns", "inode", "ctime_ns")


def _computed(settings: Settings) -> str:
    """What columns that are computed from the settings depend on."""
    return json.dumps(
        {
            "datasets": {
                d.name: [d.objects, d.position.ra, d.position.dec, d.position.radius]
                if d.position
                else d.objects
                for d in settings.datasets.values()
            },
            # Of what cannot be a folder's name another name is made since.
            "names": 1,
            "runs": {n: [str(r.start), str(r.end)] for n, r in settings.runs.items()},
        },
        sort_keys=True,
    )


def _follow_settings(connection: Connection, settings: Settings) -> None:
    """Compute columns anew after the settings of datasets or runs changed."""
    wanted = _computed(settings)
    if meta(connection, "computed") == wanted:
        return
    # They get new checksums.
    require_checks(connection, "raw")
    rows = connection.execute(
        "SELECT path, night, OBJECT_ORIG, category, RA, DEC FROM raw"
    ).fetchall()
    with transaction(connection):
        connection.execute(GROW)
        connection.executemany(
            f"UPDATE raw SET OBJECT = ?, run = ?, {CHECK} = NULL WHERE path = ?",
            (
                (
                    dataset_of(name or "", settings, *place) or None,
                    run_of(night or "", settings),
                    path,
                )
                for path, night, name, *place in rows
            ),
        )
        set_meta(connection, "computed", wanted)


def _columns(connection: Connection, settings: Settings) -> bool:
    """Add columns for additional keywords; whether frames must be read anew for them."""
    wanted = {column_of(keyword) for keyword in settings.additional_keywords} - set(COLUMNS)
    have = set(columns_of(connection, "raw"))
    if wanted - have:
        with transaction(connection):
            # Another build may have added some a moment ago.
            for name in sorted(wanted.difference(columns_of(connection, "raw"))):
                connection.execute(f'ALTER TABLE raw ADD COLUMN "{name}" TEXT')
            seal_schema(connection)
    return bool(wanted - have)


def _unread(connection: Connection) -> set[str]:
    """Frames of which an older musebuild read less than is kept now, or judged otherwise."""
    if meta(connection, "rows") != ROWS:
        require_checks(connection, "raw")
        with transaction(connection):
            connection.execute(f"UPDATE raw SET cards = NULL, {CHECK} = NULL")
            set_meta(connection, "rows", ROWS)
    found = connection.execute("SELECT path FROM raw WHERE cards IS NULL").fetchall()
    return {connection.paths.absolute(path) for (path,) in found}


def scan(
    connection: Connection,
    settings: Settings,
    *,
    force: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> ScanReport:
    """Bring the table of raw frames up to date with the files below `raw_path`.

    Parameters
    ----------
    connection : Connection
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
    force = _columns(connection, settings) or force
    _follow_settings(connection, settings)
    report = ScanReport()
    unread = _unread(connection)
    absolute = connection.paths.absolute
    known = {
        absolute(row[0]): row[1:]
        for row in connection.execute("SELECT path, size, mtime_ns, inode, ctime_ns FROM raw")
    }
    bad = {
        absolute(row[0]): row[1:]
        for row in connection.execute(
            "SELECT path, size, mtime_ns, inode, ctime_ns, message, remedy, COALESCE(kind, '') "
            "FROM bad_files"
        )
    }
    found: dict[str, Found] = {}
    """Files whose headers must be read."""
    gone = known.keys() | bad.keys()
    logs: dict[str, tuple[int, int, int]] = {}
    unchanged = 0
    others: Counter[str] = Counter()
    refused: list[tuple[Found, BadFile]] = []
    for path, item, wrong in walk(str(settings.raw_path), others):
        if not force and known.get(path) == item and path not in unread:
            unchanged += 1
            gone.discard(path)
            continue
        if path.lower().endswith(ENDING):
            logs[path] = item[0], item[1], item[3]
            continue
        gone.discard(path)
        if wrong is not None:
            report.problems.append(wrong)
            if path in known or bad.get(path, ())[4:] != (wrong.message, wrong.remedy, wrong.kind):
                refused.append((item, wrong))
            continue
        # What the system refused may be granted now: neither size nor time tell.
        same = path in bad and bad[path][:4] == item and REFUSED not in bad[path][4]
        if not force and same:
            report.problems.append(BadFile(path, *bad[path][4:]))
        else:
            found[path] = item
    report.unchanged = unchanged
    report.vanished = len(gone & known.keys())
    report.others = dict(others)
    _write(connection, [], refused, sorted(gone), [])
    _count(connection, report.others)
    columns = {"date_import": dt.datetime.now(dt.UTC).isoformat(timespec="seconds")}
    done = 0
    for some in read_rows(sorted(found), settings.additional_keywords):
        rows: list[dict[str, Any]] = []
        qa: list[dict[str, Any]] = []
        broken: list[tuple[Found, BadFile]] = []
        for path, result in some:
            item = found[path]
            if not isinstance(result, BadFile) and QA in result:
                qa.append(result.pop(QA))
            if isinstance(result, BadFile):
                report.problems.append(result)
                broken.append((item, result))
                continue
            rows.append(
                result
                | columns
                | dict(zip(_IDENTITY, item, strict=True))
                | {
                    "run": run_of(result["night"], settings),
                    "OBJECT": dataset_of(
                        result["OBJECT_ORIG"] or "",
                        settings,
                        result["category"],
                        result["RA"],
                        result["DEC"],
                    )
                    or None,
                }
            )
            if path not in known:
                report.new += 1
            elif force or known[path] != item:
                report.changed += 1
            else:
                report.unchanged += 1
        # Committed at once: an interrupted scan loses what is being read, and no more.
        _write(connection, rows, broken, [], qa)
        done += len(some)
        if progress is not None:
            progress(done, len(found))
    report.weather_logs = update_weather(connection, logs)
    report.observing_logs = update_observing(connection, settings)
    report.problems.sort(key=lambda problem: problem.path)
    return report


def _write(
    connection: Connection,
    rows: list[dict[str, Any]],
    broken: list[tuple[Found, BadFile]],
    gone: list[str],
    qa: list[dict[str, Any]],
) -> None:
    if not (rows or broken or gone):
        return
    with transaction(connection):
        connection.execute(GROW)
        stored = connection.paths.stored
        for row in (*rows, *qa):
            row["path"] = stored(row["path"])
        bad = [(stored(problem.path), item, problem) for item, problem in broken]
        places = [*map(stored, gone), *(path for path, _, _ in bad), *(row["path"] for row in rows)]
        keep_rows(connection, [*map(stored, gone), *(path for path, _, _ in bad)])
        connection.executemany(
            "DELETE FROM vanished WHERE path = ?", [(row["path"],) for row in rows]
        )
        for table in ("raw", "bad_files", "qa_raw"):
            connection.executemany(
                f"DELETE FROM {table} WHERE path = ?", [(path,) for path in places]
            )
        if rows:
            names = ", ".join(f'"{name}"' for name in rows[0])
            marks = ", ".join("?" * len(rows[0]))
            connection.executemany(
                f"INSERT INTO raw ({names}) VALUES ({marks})", [tuple(row.values()) for row in rows]
            )
        write_raw(connection, qa)
        connection.executemany(
            "INSERT INTO bad_files (path, size, mtime_ns, inode, ctime_ns, message, remedy, kind) "
            "VALUES (?,?,?,?,?,?,?,?)",
            [
                (path, *item, problem.message, problem.remedy, problem.kind)
                for path, item, problem in bad
            ],
        )


def _count(connection: Connection, others: dict[str, int]) -> None:
    """Remember how many files are no frames by their names."""
    if dict(connection.execute("SELECT ending, number FROM other_files").fetchall()) == others:
        return
    with transaction(connection):
        connection.execute("DELETE FROM other_files")
        connection.executemany("INSERT INTO other_files VALUES (?,?)", others.items())


def problems(connection: Connection) -> list[BadFile]:
    """All that is wrong with files that were looked at, frames or not, by path."""
    absolute = connection.paths.absolute
    return [
        BadFile(absolute(row["path"]), row["message"], row["remedy"])
        for row in connection.db.view("problems").rows_where(order_by="path")
    ]
