"""The layout of a store: which folders it has, what is foreseen, and how a newer one is known.

`docs/cache.md` tells what lies in each folder, who writes it and who sweeps it.
"""

from __future__ import annotations

import contextlib
import json
from pathlib import Path

from musebuild.cache.place import write_atomically
from musebuild.errors import StoreError
from musebuild.settings.own_files import read_own

LAYOUT = 1
"""Raised when a folder is used in a way that would harm it in the hands of an older musebuild."""
MARKER = "layout.json"
FOLDERS = ("objects", "manifests", "scratch", "locks")
"""What a store consists of."""
FORESEEN = ("pictures", "jobs", "results")
"""Folders that a later musebuild makes: neither swept, verified nor carried by this one."""


def check_layout(root: Path) -> None:
    """Make sure that a store is laid out as this musebuild knows it.

    One without a marker is of before there was any, and of layout 1.

    Raises
    ------
    StoreError
        A newer musebuild laid it out in another way.
    """
    try:
        found = json.loads(read_own(root / MARKER))["layout"]
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return
    if isinstance(found, int) and found > LAYOUT:
        raise StoreError(
            "The store was laid out by a newer musebuild",
            where=str(root),
            why=f"its layout is {found}, and this musebuild knows those up to {LAYOUT}",
            remedy="use that musebuild, or name another folder with `cache:` in the settings",
        )


def mark_layout(root: Path) -> None:
    """Tell other versions how a store is laid out; where that cannot be written, nothing is."""
    path = root / MARKER
    if not path.is_file():
        with contextlib.suppress(OSError):
            write_atomically(path, json.dumps({"layout": LAYOUT}) + "\n")
