"""Weather, from the night logs that the archive delivers beside the frames (`*.NL.txt`)."""

from __future__ import annotations

import datetime as dt
import os
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from musebuild.index.columns import exposure_name, night_of
from musebuild.index.database import Connection, transaction
from musebuild.index.meta import GROW

ENDING = ".nl.txt"

_TIME = re.compile(r"(\d{1,2}):(\d\d)")
_RANGE = re.compile(r"(-?\d+(?:\.\d+)?)\s*-\s*(-?\d+(?:\.\d+)?)")
_RANGES = {"Seeing": "seeing", "Humidity": "humidity", "Wind": "wind", "Temperature": "temperature"}
_RULE = "-----"


@dataclass(frozen=True, slots=True)
class Observation:
    """The sky at one moment, as the observer saw it."""

    date: str
    """UT, ISO 8601."""
    conditions: str
    """`Clear`, `ThinCirrus`, …"""
    comment: str


@dataclass(slots=True)
class NightLog:
    """What a night log says."""

    exposure: str = ""
    night: str = ""
    ranges: dict[str, tuple[float, float]] = field(default_factory=dict)
    """seeing [arcsec], humidity [%], wind [m/s], temperature [°C]: least and most."""
    comment: str = ""
    grade: str = ""
    """Grade of the observation block: A, B, C, D, X."""
    obs_start: str = ""
    observations: list[Observation] = field(default_factory=list)
    malformed: list[str] = field(default_factory=list)
    """Lines of the table of observations that cannot be understood."""


def parse_log(text: str, filename: str) -> NightLog:
    """Read a night log; lines that cannot be understood are kept apart, and stop nothing.

    Parameters
    ----------
    text : str
        Its text.
    filename : str
        `MUSE.2017-06-16T01:34:56.867.NL.txt`: tells the exposure, and so the night.
    """
    log = NightLog(exposure=exposure_name(filename[: -len(ENDING)] + ".fits", ""))
    try:
        night = night_of(dt.datetime.fromisoformat(log.exposure))
    except ValueError:
        night = None
    log.night = night.isoformat() if night else ""
    in_table = False
    for line in text.splitlines():
        stripped = line.strip()
        if stripped.startswith("Weather observations"):
            in_table = True
        elif stripped.startswith(_RULE):
            in_table = False
        elif in_table:
            _observation(log, night, line)
        else:
            _fact(log, stripped)
    return log


def _observation(log: NightLog, night: dt.date | None, line: str) -> None:
    parts = [part.strip() for part in line.split("\t")]
    if not any(parts) or parts[0] == "Time":
        return
    match = _TIME.fullmatch(parts[0])
    if match is None or len(parts) < 2 or int(match[1]) > 23 or int(match[2]) > 59:
        log.malformed.append(line)
        return
    if night is None:
        return
    hour, minute = int(match[1]), int(match[2])
    # A night begins after noon.
    day = night if hour >= 12 else night + dt.timedelta(days=1)
    date = dt.datetime(day.year, day.month, day.day, hour, minute)
    log.observations.append(Observation(date.isoformat(), parts[1], " ".join(parts[2:]).strip()))


def _fact(log: NightLog, line: str) -> None:
    name, colon, value = line.partition(":")
    value = value.strip()
    if not colon:
        return
    if name in _RANGES and (match := _RANGE.search(value)):
        log.ranges.setdefault(_RANGES[name], (float(match[1]), float(match[2])))
    elif name == "Overall comment":
        log.comment = value
    elif name == "Grade":
        log.grade = value
    elif name == "OBS.START":
        log.obs_start = value


def update_weather(connection: Connection, logs: Mapping[str, tuple[int, int, int]]) -> int:
    """Bring the tables of weather up to date with the night logs.

    Parameters
    ----------
    connection : Connection
        Opened with `INDEX_MIGRATIONS`.
    logs : mapping
        Path → size, mtime and ctime [ns] of each night log that is there.

    Returns
    -------
    int
        Logs that were read.
    """
    absolute = connection.paths.absolute
    logs = {connection.paths.stored(path): found for path, found in logs.items()}
    known = {
        row[0]: row[1:]
        for row in connection.execute("SELECT path, size, mtime_ns, ctime_ns FROM weather_logs")
    }
    gone = sorted(known.keys() - logs.keys())
    fresh = sorted(path for path, identity in logs.items() if known.get(path) != identity)
    if not gone and not fresh:
        return 0
    logs_table, lines_table = (
        connection.db.table("weather_logs"),
        connection.db.table("weather_lines"),
    )
    with transaction(connection):
        connection.execute(GROW)
        for path in (*gone, *fresh):
            logs_table.delete_where("path = ?", [path])
            lines_table.delete_where("path = ?", [path])
        for path in fresh:
            try:
                # Comments are typed at the telescope, in whatever letters.
                with open(absolute(path), encoding="utf-8", errors="replace") as file:
                    log = parse_log(file.read(), os.path.basename(path))
            except OSError as error:
                log, problem = NightLog(), f"it cannot be read: {error.strerror}"
            else:
                problem = _problem(log)
            size, mtime_ns, ctime_ns = logs[path]
            row: dict[str, Any] = {
                "path": path,
                "size": size,
                "mtime_ns": mtime_ns,
                "ctime_ns": ctime_ns,
                "exposure": log.exposure or None,
                "night": log.night or None,
                "obs_start": log.obs_start or None,
                "comment": log.comment or None,
                "grade": log.grade or None,
                "problem": problem or None,
            }
            for name, (least, most) in log.ranges.items():
                row |= {f"{name}_min": least, f"{name}_max": most}
            logs_table.insert(row)
            lines_table.insert_all(
                {"path": path, "night": log.night, **asdict(seen)} for seen in log.observations
            )
    return len(fresh)


def _problem(log: NightLog) -> str:
    if not log.night:
        return "its name tells no exposure, so that its night is unknown"
    if log.malformed:
        return f"{len(log.malformed)} lines of its table of weather cannot be understood"
    return ""
