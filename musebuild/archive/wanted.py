"""What is wanted from the archive, kept in the project's database.

Everything is written before it is fetched: a download that is interrupted is completed by the
next call, its calibrations included.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Literal

from musebuild.archive.model import NIGHT_LOG, ArchiveFrame
from musebuild.index.database import transaction

if TYPE_CHECKING:
    from sqlite_utils import Database

State = Literal["wanted", "here", "refused", "gone", "failed"]
LOG = "NIGHT_LOG"
"""Kind of a night log."""


def _now() -> str:
    return dt.datetime.now(dt.UTC).isoformat(timespec="seconds")


class WantedFrames:
    """The tables `archive_*`.

    Parameters
    ----------
    db : Database
        Opened with `ARCHIVE_MIGRATIONS`.
    """

    def __init__(self, db: Database) -> None:
        self.db = db

    def want(
        self,
        purpose: str,
        frames: Iterable[ArchiveFrame],
        *,
        associated: Sequence[str] = (),
        incomplete: Sequence[str] = (),
    ) -> None:
        """Record frames, all of them or none.

        Parameters
        ----------
        purpose : str
            What they are for: a dataset, `calib NIGHT`, `missing`, `locked`.
        frames : iterable of ArchiveFrame
        associated : sequence of str
            Exposures whose calibrations are among them, so that they need not be asked again.
        incomplete : sequence of str
            Those of them for which the archive does not have all calibrations.
        """
        with transaction(self.db.conn) as connection:
            for frame in frames:
                connection.execute(
                    """INSERT INTO archive_frames
                    (dp_id, kind, category, object, ins_mode, night, tpl_start, size,
                     release_date, state, asked) VALUES (?,?,?,?,?,?,?,?,?,'wanted',?)
                    ON CONFLICT (dp_id) DO UPDATE SET
                      kind = coalesce(nullif(excluded.kind, ''), kind),
                      category = coalesce(nullif(excluded.category, ''), category),
                      object = coalesce(nullif(excluded.object, ''), object),
                      ins_mode = coalesce(nullif(excluded.ins_mode, ''), ins_mode),
                      tpl_start = coalesce(nullif(excluded.tpl_start, ''), tpl_start),
                      size = coalesce(excluded.size, size),
                      release_date = coalesce(nullif(excluded.release_date, ''), release_date)""",
                    [
                        frame.dp_id,
                        frame.kind,
                        frame.category,
                        frame.object,
                        frame.ins_mode,
                        frame.night,
                        frame.tpl_start,
                        frame.size,
                        frame.release,
                        _now(),
                    ],
                )
                connection.execute(
                    "INSERT OR IGNORE INTO archive_wanted VALUES (?, ?)", [purpose, frame.dp_id]
                )
            for dp_id in associated:
                connection.execute(
                    "INSERT OR REPLACE INTO archive_associated VALUES (?, ?, ?, ?)",
                    [purpose, dp_id, _now(), int(dp_id not in incomplete)],
                )

    def associated(self, purpose: str) -> set[str]:
        """Exposures of a purpose whose calibrations are recorded."""
        query = "SELECT dp_id FROM archive_associated WHERE purpose = ?"
        return {row[0] for row in self.db.execute(query, [purpose])}

    def incomplete(self, purpose: str) -> list[str]:
        """Exposures of a purpose for which the archive does not have all calibrations."""
        return [
            row[0]
            for row in self.db.execute(
                "SELECT dp_id FROM archive_associated WHERE purpose = ? AND complete = 0 "
                "ORDER BY dp_id",
                [purpose],
            )
        ]

    def wanted(self, purposes: Sequence[str]) -> list[ArchiveFrame]:
        """Frames of some purposes: exposures first, then calibrations, then night logs."""
        marks = ", ".join("?" * len(purposes))
        rows = self.db.execute(
            f"""SELECT DISTINCT dp_id, kind, category, object, ins_mode, tpl_start, size,
            release_date FROM archive_frames JOIN archive_wanted USING (dp_id)
            WHERE purpose IN ({marks})
            ORDER BY CASE kind WHEN 'SCIENCE' THEN 0 WHEN '{LOG}' THEN 2 ELSE 1 END, dp_id""",
            list(purposes),
        )
        found = []
        for dp_id, *texts, size, release in rows:
            kind, category, name, mode, start = (text or "" for text in texts)
            found.append(
                ArchiveFrame(dp_id, kind, category, name, mode, start, size, release or "")
            )
        return found

    def forget(self, purpose: str) -> None:
        """Nothing is wanted for a purpose any more."""
        with transaction(self.db.conn) as connection:
            connection.execute("DELETE FROM archive_wanted WHERE purpose = ?", [purpose])

    def found(self, here: Mapping[str, str]) -> None:
        """Record which of the frames are here already."""
        with transaction(self.db.conn) as connection:
            connection.executemany(
                "UPDATE archive_frames SET state = 'here', file = ?, problem = '' "
                "WHERE dp_id = ? AND state != 'here'",
                [(path, dp_id) for dp_id, path in here.items()],
            )

    def ended(self, dp_id: str, state: State, *, file: str = "", problem: str = "") -> None:
        """Record how a download ended; committed at once."""
        with transaction(self.db.conn) as connection:
            connection.execute(
                "UPDATE archive_frames SET state = ?, file = ?, problem = ?, ended = ? "
                "WHERE dp_id = ?",
                [state, file, problem, _now(), dp_id],
            )


def log_of(frame: ArchiveFrame) -> ArchiveFrame:
    """The night log of an exposure, as a file of its own."""
    return ArchiveFrame(
        frame.dp_id + NIGHT_LOG, LOG, LOG, frame.object, frame.ins_mode, frame.tpl_start
    )
