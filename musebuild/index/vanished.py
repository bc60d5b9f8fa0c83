"""Frames and files that builds used, and that cannot be read any more.

A build notes what it takes (`used_files`). The row of a frame that was used and is gone, or has
become unreadable, is kept (`vanished`) until a file holds that exposure again, or people say that
it shall be done without. So a disk that is not mounted never makes a poorer cube.

Several settings files may share a database, each with its own `raw_path`: each misses only what
lies below the folders that it built with.
"""

from __future__ import annotations

import datetime as dt
import json
import os
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache

from musebuild.index.database import Connection, columns_of, transaction
from musebuild.index.frames import raw_frames
from musebuild.index.meta import GROW, meta, set_meta
from musebuild.index.model import FileFrame, FileIndex, Loss, RawFrame
from musebuild.index.row_checks import CHECK
from musebuild.settings.model import Settings

RAW, FILE = "raw", "file"
"""Kinds of what was used."""
FOLDERS = "raw_paths"
"""Remembered: settings file → each `raw_path` that it built with, as JSON."""


@dataclass(frozen=True, slots=True)
class Gone:
    """What builds used and cannot be read any more."""

    frames: tuple[RawFrame, ...] = ()
    files: tuple[FileFrame, ...] = ()
    losses: tuple[Loss, ...] = ()

    def with_frames(self, present: list[RawFrame]) -> list[RawFrame]:
        """Frames that are there, and those that vanished, by date."""
        if not self.frames:
            return present
        return sorted([*present, *self.frames], key=lambda one: (one.mjd_obs, one.path))

    def with_files(self, present: FileIndex) -> FileIndex:
        """Static calibrations that are there, and those that vanished."""
        if not self.files:
            return present
        static = sorted([*present.static, *self.files], key=lambda one: one.path)
        return replace(present, static=tuple(static), folder_exists=True)


def find_gone(
    connection: Connection, settings: Settings, present: Sequence[RawFrame], files: FileIndex
) -> Gone:
    """What builds used and cannot be read any more.

    Parameters
    ----------
    connection : Connection
        After a scan.
    settings : Settings
        Folders, and what they exclude.
    present : sequence of RawFrame
        Frames that are there.
    files : FileIndex
        Calibration files that are there.
    """
    frames = vanished_frames(connection, settings, present)
    static = vanished_files(connection, settings, files)
    if not (frames or static):
        return Gone()
    folders = [str(settings.raw_path), *filter(None, [files.folder])]
    paths = [*(one.path for one in frames), *(one.path for one in static)]
    return Gone(tuple(frames), tuple(static), tuple(losses(connection, paths, folders)))


def note_used(
    connection: Connection, settings: Settings, used: Iterable[tuple[str, str, str]]
) -> None:
    """Remember that a build takes files: path, kind and category of each."""
    stored = connection.paths.stored
    user, folder = stored(str(settings.path)), stored(str(settings.raw_path))
    with transaction(connection):
        folders = _folders(connection)
        if folder not in folders.get(user, ()):
            folders[user] = [*folders.get(user, ()), folder]
            set_meta(connection, FOLDERS, json.dumps(folders))
        connection.executemany(
            "INSERT OR IGNORE INTO used_files (path, kind, category) VALUES (?,?,?)",
            [(stored(path), kind, category) for path, kind, category in used],
        )


def used_below(connection: Connection, folder: str) -> int:
    """How many files below a folder builds have used."""
    below = connection.paths.stored(folder).rstrip("/") + "/"
    question = "SELECT COUNT(*) FROM used_files WHERE substr(path, 1, ?) = ?"
    (number,) = connection.execute(question, [len(below), below]).fetchone()
    return int(number)


def _folders(connection: sqlite3.Connection) -> dict[str, list[str]]:
    return dict(json.loads(meta(connection, FOLDERS) or "{}"))


def _missed_by(connection: Connection, settings: Settings) -> Callable[[str], bool]:
    """Tells whether these settings miss a frame; those of others do not concern them."""
    folders = _folders(connection)
    if not folders:
        # Who used it was not noted then.
        return lambda _: True
    own = folders.get(connection.paths.stored(str(settings.path)), ())
    places = {str(settings.raw_path), *map(connection.paths.absolute, own)}
    below = tuple(f"{place.rstrip('/')}/" for place in places)
    return lambda path: path.startswith(below)


def keep_rows(connection: sqlite3.Connection, paths: Sequence[str]) -> None:
    """Keep the rows of those frames that were used, as a part of the transaction that drops them.

    Parameters
    ----------
    connection : Connection
        With an open transaction.
    paths : sequence of str
        As the tables hold them.
    """
    now = dt.datetime.now(dt.UTC).isoformat(timespec="seconds")
    names = columns_of(connection, "raw")
    listed = ", ".join(f'raw."{name}"' for name in names)
    question = f"SELECT {listed} FROM raw JOIN used_files USING (path) WHERE raw.path = ?"
    for path in paths:
        row = connection.execute(question, [path]).fetchone()
        if row is not None:
            data = json.dumps(dict(zip(names, row, strict=True)))
            connection.execute(
                "INSERT OR REPLACE INTO vanished (path, date, row) VALUES (?,?,?)",
                [path, now, data],
            )


def vanished_frames(
    connection: Connection, settings: Settings, present: Iterable[RawFrame]
) -> list[RawFrame]:
    """Frames that builds used and that no file holds any more, by date.

    Frames that the settings exclude, and those whose exposure another file holds, are none.

    Parameters
    ----------
    connection : Connection
        After a scan.
    settings : Settings
        Datasets, runs and exclusions.
    present : iterable of RawFrame
        Frames that are there.
    """
    if connection.execute("SELECT 1 FROM vanished LIMIT 1").fetchone() is None:
        return []
    columns = ", ".join(
        f'json_extract(row, \'$."{name}"\') AS "{name}"'
        for name in columns_of(connection, "raw")
        if name != "path"
    )
    kept = raw_frames(connection, settings, source=f"(SELECT path, {columns} FROM vanished)")
    missed = _missed_by(connection, settings)
    found = [one for one in kept if missed(one.path)]
    there = {key: frame.path for frame in present for key in _exposure(frame)}
    instead = {
        one.path: path
        for one in found
        if (path := next(filter(None, map(there.get, _exposure(one))), "")) != ""
    }
    _move(connection, instead)
    return [one for one in found if not one.excluded and one.path not in instead]


def _move(connection: Connection, instead: Mapping[str, str]) -> None:
    """What was used lies elsewhere now: it is missed when it vanishes from there."""
    if not instead:
        return
    stored = connection.paths.stored
    with transaction(connection):
        for old, new in instead.items():
            connection.execute(
                f"UPDATE OR REPLACE used_files SET path = ?, {CHECK} = NULL WHERE path = ?",
                [stored(new), stored(old)],
            )
            connection.execute("DELETE FROM vanished WHERE path = ?", [stored(old)])


def _exposure(frame: RawFrame) -> Iterator[tuple[object, ...]]:
    """By each of these the exposure of a frame is known, whatever its file is called."""
    if frame.is_raw:
        yield frame.category, frame.name
        if frame.arcfile:
            yield "", frame.arcfile
        if frame.mjd_obs:
            yield frame.category, frame.mjd_obs
    else:
        yield frame.category, frame.filename


def vanished_files(connection: Connection, settings: Settings, files: FileIndex) -> list[FileFrame]:
    """Static calibrations that builds used, of categories of which there is none any more.

    A file that another of its category replaced is none: people bring theirs up to date.
    """
    folder = settings.muse_calib_path
    if folder is None:
        return []
    there = {one.category for one in files.static}
    there.update(category for category, text in files.named if files.named[category, text])
    absolute = connection.paths.absolute
    rows = connection.execute(
        "SELECT path, category FROM used_files WHERE kind = ? ORDER BY path", [FILE]
    ).fetchall()
    read = {one.path for one in files.static}
    replaced = [
        row
        for row in rows
        if row[1] in there
        and absolute(row[0]) not in read
        and os.path.dirname(absolute(row[0])) == str(folder)
    ]
    if replaced:
        with transaction(connection):
            connection.executemany(
                "DELETE FROM used_files WHERE path = ? AND category = ?", replaced
            )
    return [
        FileFrame(absolute(path), category)
        for path, category in rows
        if category not in there and os.path.dirname(absolute(path)) == str(folder)
    ]


def forget_vanished(connection: Connection, settings: Settings, files: Iterable[FileFrame]) -> None:
    """Do without what vanished, from now on.

    Parameters
    ----------
    connection : Connection
        After a scan.
    settings : Settings
        Whose builds shall do without; what those of others miss stays.
    files : iterable of FileFrame
        Of `vanished_files`.
    """
    stored, absolute = connection.paths.stored, connection.paths.absolute
    missed = _missed_by(connection, settings)
    rows = connection.execute("SELECT path FROM vanished").fetchall()
    frames = [row for row in rows if missed(absolute(row[0]))]
    with transaction(connection):
        connection.execute(GROW)
        connection.executemany(
            "DELETE FROM used_files WHERE path = ?",
            [*frames, *((stored(one.path),) for one in files)],
        )
        connection.executemany("DELETE FROM vanished WHERE path = ?", frames)


def losses(connection: Connection, paths: Iterable[str], folders: Sequence[str]) -> list[Loss]:
    """Where each path is missing, and why, as far as the file system tells.

    Parameters
    ----------
    connection : Connection
        Knows files that are damaged.
    paths : iterable of str
        What vanished.
    folders : sequence of str
        Folders of the settings, below which files should lie.
    """
    absolute = connection.paths.absolute
    bad = {absolute(path) for (path,) in connection.execute("SELECT path FROM bad_files")}
    trouble = cache(_trouble_of)

    def loss(path: str) -> Loss:
        where, why = trouble(os.path.dirname(path))
        if not where:
            broken = path, "cannot be read any more"
            where, why = broken if path in bad else _of_file(path)
        if not where:
            below = any(path.startswith(f"{folder}/") for folder in folders)
            where, why = (
                (path, "cannot be read any more")
                if below
                else (os.path.dirname(path), "is not below raw_path any more")
            )
        return Loss(path, where, why)

    return [loss(path) for path in paths]


def _of_file(path: str) -> tuple[str, str]:
    """What is wrong with a file in a folder that can be read; empty: nothing."""
    if os.path.exists(path):
        return "", ""
    if os.path.islink(path):
        return path, f"is a link to {os.readlink(path)}, which is not there"
    return path, "is not there any more"


def _trouble_of(folder: str) -> tuple[str, str]:
    """The outermost folder that is in the way, and how; empty: the folder can be read."""
    found = "", ""
    while why := _closed(folder):
        found = folder, why
        above = os.path.dirname(folder)
        if above == folder:
            break
        folder = above
    return found


def _closed(folder: str) -> str:
    """Why nothing can be read in a folder; empty: something can."""
    try:
        with os.scandir(folder) as entries:
            if next(entries, None) is None:
                return f"is empty{_DISK}"
    except PermissionError:
        return _DENIED
    except OSError:
        if os.path.islink(folder):
            return f"is a link to {os.readlink(folder)}, which is not there{_DISK}"
        return f"is not there any more{_DISK}"
    # Where nobody may enter, names can be read, and no file.
    return "" if os.access(folder, os.X_OK) else _DENIED


_DISK = " (disk not mounted?)"
_DENIED = "cannot be read (permission denied)"
