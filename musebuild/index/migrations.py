"""Tables of the index, step by step."""

from __future__ import annotations

from typing import TYPE_CHECKING

from musebuild.index.columns import COLUMNS
from musebuild.index.database import Migration
from musebuild.index.qa import RAW_COLUMNS, REDUCED_COLUMNS
from musebuild.index.row_checks import CHECK, CHECKED
from musebuild.index.selectable import GTO_LOGS_VIEW, WEATHER_VIEW

if TYPE_CHECKING:
    from sqlite_utils import Database


def _create(database: Database) -> None:
    columns = ", ".join(f'"{name}" {kind}' for name, kind in COLUMNS.items())
    for statement in (
        f"CREATE TABLE raw ({columns}, PRIMARY KEY (path))",
        "CREATE INDEX raw_night ON raw (night)",
        """CREATE TABLE bad_files (
            path TEXT PRIMARY KEY, size INTEGER, mtime_ns INTEGER, message TEXT, remedy TEXT)""",
        """CREATE TABLE digests (
            path TEXT PRIMARY KEY, device INTEGER, inode INTEGER, size INTEGER,
            mtime_ns INTEGER, ctime_ns INTEGER, hashed_ns INTEGER, digest TEXT)""",
        "CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT)",
    ):
        database.execute(statement)


def _people(database: Database) -> None:
    for statement in (
        """CREATE TABLE flags (
            exposure TEXT, flag TEXT, author TEXT, date TEXT, reason TEXT,
            PRIMARY KEY (exposure, flag))""",
        "CREATE INDEX flags_flag ON flags (flag)",
    ):
        database.execute(statement)


def _logs(database: Database) -> None:
    for statement in (
        """CREATE TABLE weather_logs (
            path TEXT PRIMARY KEY, size INTEGER, mtime_ns INTEGER, exposure TEXT, night TEXT,
            obs_start TEXT, seeing_min REAL, seeing_max REAL, humidity_min REAL,
            humidity_max REAL, wind_min REAL, wind_max REAL, temperature_min REAL,
            temperature_max REAL, comment TEXT, grade TEXT, problem TEXT)""",
        """CREATE TABLE weather_lines (
            path TEXT, night TEXT, date TEXT, conditions TEXT, comment TEXT)""",
        "CREATE INDEX weather_lines_path ON weather_lines (path)",
        """CREATE VIEW weather_conditions AS
            SELECT DISTINCT night, date, conditions, comment FROM weather_lines""",
        """CREATE TABLE observing_logs (
            path TEXT PRIMARY KEY, size INTEGER, mtime_ns INTEGER, problem TEXT)""",
        "CREATE TABLE observing_ranks (path TEXT, obs_start TEXT, rank TEXT)",
        """CREATE TABLE observing_comments (
            path TEXT, obs_start TEXT, exposure TEXT, comment TEXT, date TEXT, author TEXT)""",
        "CREATE INDEX raw_name ON raw (name)",
        """CREATE VIEW observing_log AS
            SELECT raw.name AS exposure, raw.night, raw.run, raw.OBJECT, said.rank, said.comment,
                said.date, said.author, said.path
            FROM raw JOIN (
                SELECT path, obs_start, NULL AS exposure, rank, NULL AS comment, NULL AS date,
                    NULL AS author FROM observing_ranks
                UNION ALL
                SELECT path, obs_start, exposure, NULL, comment, date, author
                FROM observing_comments) AS said
            ON raw.name = said.exposure OR substr(raw.OBS_START, 1, 19) = said.obs_start
            WHERE raw.is_raw = 1""",
        """CREATE TABLE integrity (
            path TEXT PRIMARY KEY, size INTEGER, mtime_ns INTEGER, inode INTEGER,
            ctime_ns INTEGER, date TEXT, status TEXT, hdus INTEGER, checked INTEGER,
            message TEXT)""",
    ):
        database.execute(statement)


def _quality(database: Database) -> None:
    database.execute("CREATE TABLE qc_keys (key TEXT PRIMARY KEY, date TEXT, rows INTEGER)")


def _exposures(database: Database) -> None:
    raw = ", ".join(f'"{name}" {kind}' for name, kind in RAW_COLUMNS.items())
    reduced = ", ".join(f'"{name}" {kind}' for name, kind in REDUCED_COLUMNS.items())
    for statement in (
        f"CREATE TABLE qa_raw ({raw}, PRIMARY KEY (path))",
        f"CREATE TABLE qa_reduced ({reduced}, PRIMARY KEY (name, block))",
    ):
        database.execute(statement)


def _digests(database: Database) -> None:
    """Digests by what a file is, not by where it lay."""
    database.rename_table("digests", "digests_by_path")
    database.table("digests").create(
        {
            "path": str,
            "device": int,
            "inode": int,
            "size": int,
            "mtime_ns": int,
            "ctime_ns": int,
            "hashed_ns": int,
            "digest": str,
        },
        pk=("inode", "device"),
    )
    # The database does it alone: the digests of a large archive would fill the memory.
    database.execute(
        "INSERT OR REPLACE INTO digests SELECT * FROM digests_by_path ORDER BY hashed_ns"
    )
    database.table("digests_by_path").drop()
    database.table("digests").create_index(["path"], "digests_path")


def _frames(database: Database) -> None:
    """Columns that came later, also for a database that was made with them."""
    have = database.table("raw").columns_dict
    for name, kind in COLUMNS.items():
        if name not in have:
            database.execute(f'ALTER TABLE raw ADD COLUMN "{name}" {kind}')
    database.execute("ALTER TABLE bad_files ADD COLUMN kind TEXT")
    database.execute("CREATE TABLE other_files (ending TEXT PRIMARY KEY, number INTEGER)")


PROBLEMS_VIEW = """CREATE VIEW problems AS
            SELECT path, message, remedy FROM bad_files
            UNION ALL SELECT path, reason,
                'if it is a frame of MUSE, correct its header; it is left out' FROM raw
                WHERE COALESCE(category, '') = ''
            UNION ALL SELECT path, problem, 'fetch it again; what could be read is in the tables'
                FROM weather_logs WHERE problem IS NOT NULL
            UNION ALL SELECT path, problem, 'correct GTO_logs in the settings, or the file'
                FROM observing_logs WHERE problem IS NOT NULL
            UNION ALL SELECT path, message, 'fetch it again from the archive' FROM integrity
                WHERE status = 'damaged'"""


def _problems(database: Database) -> None:
    """The view of problems, also for a database that had one without reasons of frames."""
    for statement in (
        "DROP VIEW IF EXISTS problems",
        PROBLEMS_VIEW,
    ):
        database.execute(statement)


def _degrees(database: Database) -> None:
    """Values of flags, as MuseRed has them."""
    database.execute("ALTER TABLE flags ADD COLUMN value INTEGER NOT NULL DEFAULT 1")


def _by_exposure(database: Database) -> None:
    """What selections ask: ranks, comments and weather of each exposure."""
    for statement in (
        "CREATE INDEX observing_ranks_start ON observing_ranks (obs_start)",
        "CREATE INDEX observing_comments_start ON observing_comments (obs_start)",
        "CREATE INDEX observing_comments_exposure ON observing_comments (exposure)",
        "CREATE INDEX weather_lines_night ON weather_lines (night, date)",
        "CREATE INDEX weather_logs_exposure ON weather_logs (exposure)",
        GTO_LOGS_VIEW,
        WEATHER_VIEW,
    ):
        database.execute(statement)


def _vanished(database: Database) -> None:
    for statement in (
        "CREATE TABLE used_files (path TEXT PRIMARY KEY, kind TEXT, category TEXT)",
        "CREATE TABLE vanished (path TEXT PRIMARY KEY, date TEXT, row TEXT)",
        # Whatever was digested was used.
        "INSERT OR IGNORE INTO used_files SELECT path, 'raw', category FROM raw "
        "WHERE path IN (SELECT path FROM digests)",
    ):
        database.execute(statement)


def _checks(database: Database) -> None:
    """Checksums of rows; those that are there get theirs at the end of the transaction."""
    for table in CHECKED:
        database.execute(f"ALTER TABLE {table} ADD COLUMN {CHECK} INTEGER")
        database.execute(
            f"CREATE INDEX {table}_unchecked ON {table} ({CHECK}) WHERE {CHECK} IS NULL"
        )


def _changes(database: Database) -> None:
    """A file that was mended with its old times shows it by the time of its change."""
    for statement in (
        "ALTER TABLE bad_files ADD COLUMN inode INTEGER",
        "ALTER TABLE bad_files ADD COLUMN ctime_ns INTEGER",
        "ALTER TABLE weather_logs ADD COLUMN ctime_ns INTEGER",
        "ALTER TABLE observing_logs ADD COLUMN ctime_ns INTEGER",
        "DROP VIEW problems",
        # Of a frame that was damaged, and is another file now, nothing is told.
        f"""{PROBLEMS_VIEW} AND NOT EXISTS (SELECT 1 FROM raw WHERE raw.path = integrity.path
            AND (raw.size, raw.mtime_ns, raw.inode, raw.ctime_ns) IS NOT
                (integrity.size, integrity.mtime_ns, integrity.inode, integrity.ctime_ns))""",
    ):
        database.execute(statement)


INDEX_MIGRATIONS = (
    Migration("index-1", _create),
    Migration("index-2", _people),
    Migration("index-3", _logs),
    Migration("index-4", _quality),
    Migration("index-5", _exposures),
    Migration("index-digests", _digests),
    Migration("index-frames", _frames),
    Migration("index-problems", _problems),
    Migration("index-flag-values", _degrees),
    Migration("index-by-exposure", _by_exposure),
    Migration("index-vanished", _vanished),
    Migration("index-checks", _checks),
    Migration("index-changes", _changes),
)
