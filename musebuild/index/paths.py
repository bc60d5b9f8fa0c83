"""Paths in the database: relative to the project's folder where they lie below it.

So a project that is moved or copied with its database finds all that it knew. Everywhere else
paths are absolute; whoever reads or writes a table converts them here.
"""

from __future__ import annotations

import os
from pathlib import Path

PATH_COLUMNS = (
    ("raw", "path"),
    ("bad_files", "path"),
    ("digests", "path"),
    ("integrity", "path"),
    ("qa_raw", "path"),
    ("weather_logs", "path"),
    ("weather_lines", "path"),
    ("observing_logs", "path"),
    ("observing_ranks", "path"),
    ("observing_comments", "path"),
    ("placed", "path"),
    ("associations", "source"),
    ("builds", "settings"),
    ("builds", "reduced"),
)
"""Columns that hold paths."""


class ProjectPaths:
    """Converts paths between a database and the rest of the program.

    Parameters
    ----------
    folder : Path or str
        The project's.
    """

    def __init__(self, folder: Path | str) -> None:
        self.folder = os.path.normpath(folder)
        self._prefix = self.folder.rstrip("/") + "/"

    def stored(self, path: str) -> str:
        """A path as tables hold it."""
        return path.removeprefix(self._prefix)

    def absolute(self, stored: str) -> str:
        """A path as the rest of the program knows it."""
        return self._prefix + stored if stored and stored[0] != "/" else stored

    def below(self, folder: str, column: str = "path") -> tuple[str, list[str]]:
        """The condition that a column's path lies below a folder, and the values of its marks."""
        # A range, not LIKE: names may hold what stands for any letter there. "0" follows "/".
        folder = folder.rstrip("/")
        place = self.stored(folder)
        condition, values = f"{column} > ? AND {column} < ?", [f"{place}/", f"{place}0"]
        if self._prefix.startswith(f"{folder}/"):
            # All that is relative lies there.
            condition = f"(({condition}) OR {column} < '/' OR {column} >= '0')"
        return condition, values
