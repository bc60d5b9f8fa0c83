"""An ASCII name without blanks for a folder, since the pipeline's log and lists need one."""

from __future__ import annotations

import contextlib
import re
import tempfile
from collections.abc import Iterator
from pathlib import Path

_SAFE = re.compile(r"[A-Za-z0-9._/+:=@,~-]+")
LONGEST = 200
"""The DRS keeps some paths in fields of 256 characters."""


@contextlib.contextmanager
def safe_name(folder: Path) -> Iterator[Path]:
    """A path of `folder` that the pipeline can use: itself, or a link elsewhere.

    python-cpl reads the recipe's log as ASCII and stops at the first other byte; esorex splits
    its set of frames at blanks.
    """
    if _SAFE.fullmatch(str(folder)) and len(str(folder)) < LONGEST:
        yield folder
        return
    with tempfile.TemporaryDirectory(prefix="musebuild-", dir="/tmp") as place:
        link = Path(place) / "work"
        link.symlink_to(folder, target_is_directory=True)
        yield link


def moved(path: Path, old: Path, new: Path) -> Path:
    """The same file through another name of a folder that it lies in."""
    return new / path.relative_to(old) if path.is_relative_to(old) else path
