"""Whose a reduced tree is: ours by its mark; another tool's is left alone, and ours lies beside."""

from __future__ import annotations

import itertools
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from musebuild.cache.place import write_atomically
from musebuild.errors import MusebuildError
from musebuild.fits.quick_headers import read_wanted
from musebuild.settings.own_files import read_own

MARK = ".musebuild"
"""The file at the top of a reduced tree by which we know our own."""
OWN_ENDING = ".musebuild"
"""Of the name of our tree beside another tool's: `reduced/0.1.musebuild`."""
FRAMES = (".fits", ".fits.fz", ".fits.gz")
MADE_BY = "ESO PRO REC1 ID"
"""The recipe that made a product; no raw frame has it, nor a table that somebody wrote by hand."""
MOST_FOLDERS = 2000
"""Folders that are looked at for a sign of who made a tree. A tree of ours has its mark, so that
only another tool's, or one of before there were marks, is looked through."""


def _note(path: Path) -> dict[str, Any] | None:
    if path.suffix != ".json":
        return None
    try:
        note = json.loads(read_own(path))
    except (OSError, ValueError, RecursionError):
        return None
    return note if isinstance(note, dict) and "musebuild" in note else None


def is_note(path: Path) -> bool:
    """Whether a file is a note of ours on the products beside it."""
    return _note(path) is not None


def named_by_notes(folder: Path) -> set[str]:
    """Names of the notes of ours in a folder, and of the products that they tell of."""
    found: set[str] = set()
    for path in folder.glob("*.json"):
        note = _note(path)
        if note is not None:
            products = note.get("products")
            found.update((path.name, *(products if isinstance(products, dict) else ())))
    return found


def is_product(path: Path) -> bool:
    """Whether a file is what some recipe made."""
    if not path.name.lower().endswith(FRAMES):
        return False
    try:
        return bool(read_wanted(str(path), {MADE_BY, "INSTRUME"}).primary.get(MADE_BY))
    except (MusebuildError, OSError):
        return False


def _folders(root: Path) -> Iterator[list[Path]]:
    """Files of each folder of a tree."""
    for folder, below, names in itertools.islice(os.walk(root), MOST_FOLDERS):
        below.sort()
        yield [Path(folder) / name for name in sorted(names)]


def is_our_tree(root: Path) -> bool:
    """Whether a reduced tree is ours, or may become so: nobody made a product there yet."""
    if (root / MARK).is_file() or not root.is_dir():
        return True
    if (own_name(root) / MARK).is_file():
        # Ours lies beside it already, so that it was found to be another's before.
        return False
    others = False
    for files in _folders(root):
        notes = [path for path in files if path.suffix == ".json"]
        if any(map(is_note, notes)):
            return True
        if not others:
            frames = [path for path in files if path.name.lower().endswith(FRAMES)]
            others = bool(frames and notes) or any(map(is_product, frames[:1]))
    return not others


def own_name(root: Path) -> Path:
    """Our tree's name beside another tool's."""
    return root.with_name(root.name + OWN_ENDING)


def own_tree(root: Path) -> Path:
    """Where our products go when the settings name `root`."""
    return root if is_our_tree(root) else own_name(root)


def mark(root: Path) -> None:
    """Make a tree ours.

    Raises
    ------
    OSError
        It cannot be written.
    """
    path = root / MARK
    if not path.is_file():
        write_atomically(path, "The products below are musebuild's: links into its store.\n")
