"""Taking over a project of another tool: its products are moved aside, never taken for ours.

A product of another tool names the frames that it was made of, not what was in them, and says
nothing of the tool's own changes to them; a key of ours does. So none can be put into the store
as if we had made it: the reduction makes it again, and what was there can be compared with it.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from musebuild.cache.ledger import Placed, now
from musebuild.cache.place import write_atomically
from musebuild.cache.reduced import ReducedTree, is_as_placed
from musebuild.cache.trees import FRAMES, MARK, is_our_tree, mark, named_by_notes, own_name
from musebuild.engine.project import Project
from musebuild.engine.work import sidecar_name
from musebuild.errors import StoreError, UsageError
from musebuild.index.database import is_our_database
from musebuild.index.flags import add_flag, all_flags, known_flags, remove_flags
from musebuild.index.musered import TheirFlags, read_flags
from musebuild.plan.model import Invocation
from musebuild.settings.own_files import make_below, read_own
from musebuild.settings.path_names import part

RECORD = "adopted.json"
AUTHOR = "MuseRed"


@dataclass(frozen=True, slots=True)
class Adoption:
    """What would be, or was, taken over."""

    tree: Path
    """The reduced tree of the settings."""
    ours: bool
    """Whether the tree was ours already."""
    aside: Path
    """The folder that what is in the way goes to."""
    moves: tuple[tuple[str, str], ...] = ()
    """Old and new place of each file."""
    database: Path | None = None
    """The database of another tool."""
    flags: TheirFlags = field(default_factory=TheirFlags)
    """Flags that are not set yet."""

    @property
    def empty(self) -> bool:
        """Whether there is nothing to take over."""
        return self.ours and not self.moves and not self.flags.flags

    def folders(self) -> dict[str, list[str]]:
        """Folder below the tree → names of the files that are moved."""
        found: dict[str, list[str]] = defaultdict(list)
        for old, _ in self.moves:
            path = Path(old)
            found[str(path.parent.relative_to(self.tree))].append(path.name)
        return dict(found)


@dataclass(frozen=True, slots=True)
class Undone:
    """What became of an adoption that was undone."""

    aside: Path
    back: tuple[str, ...]
    """Files that are at their old places again."""
    kept: tuple[tuple[str, str], ...]
    """Files that stay aside, and why."""
    flags: int
    """Flags that were taken away."""


def _of_others(folder: Path, known: Mapping[str, Placed]) -> Iterator[Path]:
    """Frames and notes in a folder that are not ours; links and folders of such names, too."""
    try:
        entries = sorted(folder.iterdir())
    except OSError:
        return
    # After a lost database, notes of ours still tell which files were ours.
    ours = named_by_notes(folder)
    for path in entries:
        if not path.name.lower().endswith((*FRAMES, ".json")):
            continue
        if str(path) not in known and path.name not in ours:
            yield path


def in_the_way(
    root: Path, folders: Iterable[str], known: Mapping[str, Placed], used: Iterable[str] = ()
) -> list[Path]:
    """Files of others in folders that the plan writes.

    Parameters
    ----------
    root : Path
        The reduced tree.
    folders : iterable of str
        Folders below it.
    known : mapping
        What was placed by us, by path.
    used : iterable of str
        Files that the plan takes as they are, and that must stay where they lie.
    """
    stay = {os.path.normpath(path) for path in used}
    found: dict[Path, None] = {}
    for folder in dict.fromkeys(folders):
        place = root / folder
        blocking = next((p for p in _down(root, place) if _is_file(p)), None)
        paths = [blocking] if blocking is not None else _of_others(place, known)
        found.update((path, None) for path in paths if str(path) not in stay)
    return list(found)


def _down(root: Path, place: Path) -> Iterator[Path]:
    """The folders between a root and a place below it, and the place."""
    current = root
    for name in place.relative_to(root).parts:
        current /= name
        yield current


def _is_file(path: Path) -> bool:
    """Whether something other than a folder stands there; a link, which is not followed, too."""
    return path.is_symlink() or (not path.is_dir() and path.exists())


def _free_folder(tree: Path) -> Path:
    """A new folder beside a tree; within it, where beside is another disk."""
    tree = tree.resolve()
    try:
        inside = tree.stat().st_dev != tree.parent.stat().st_dev
    except OSError:
        inside = False
    stem = tree / ".aside" if inside else tree.with_name(f"{tree.name}.aside")
    number = 1
    while (folder := stem.with_name(f"{stem.name}-{number}")).exists():
        number += 1
    return folder


def find_adoption(project: Project, version: str = "") -> Adoption:
    """What is to be taken over; nothing is changed.

    Parameters
    ----------
    project : Project
        The project.
    version : str
        Version whose flags are wanted; default: that of the settings, or the only one.
    """
    settings = project.settings
    tree = settings.reduced_path
    plan = project.plan
    folders = (invocation.folder for invocation in plan.invocations.values())
    used = (i.path for made in plan.invocations.values() for i in made.inputs if i.kind == "file")
    paths = in_the_way(tree, folders, project.ledger.all_placed(), used)
    if is_our_tree(tree):
        paths = [path for path in paths if not _is_held(project, path)]
    aside = _free_folder(tree)
    moves = tuple((str(path), str(aside / path.relative_to(tree))) for path in paths)
    database = settings.db if settings.db.is_file() and not is_our_database(settings.db) else None
    flags = TheirFlags()
    if database is not None:
        known = known_flags(settings.flags)
        flags = read_flags(database, version or settings.version, known, asked=bool(version))
        have = {(flag.exposure, flag.flag) for flag in all_flags(project.db)}
        new = tuple(one for one in flags.flags if one[:2] not in have)
        flags = TheirFlags(flags.table, new, flags.unknown)
    elif version:
        raise UsageError(
            f"there is no database of another tool to take the flags of version {version} from",
            where=str(settings.where("db")),
            why=f"{settings.db} is musebuild's, or is not there",
            remedy="name theirs for this call: musebuild adopt --set db=musered.db",
        )
    return Adoption(tree, is_our_tree(tree), aside, moves, database, flags)


def adopt(project: Project, adoption: Adoption) -> None:
    """Move aside what is in the way, take flags over, and make the tree ours.

    The record is written first: whatever stops this, `undo` finds what was moved.

    Raises
    ------
    StoreError
        A file cannot be moved.
    """
    settings = project.settings
    date = now()
    origin = f"{adoption.database.name}, {adoption.flags.table}" if adoption.database else ""
    record = {
        "musebuild": "adopted",
        "date": date,
        "tree": str(adoption.tree),
        "was_ours": adoption.ours,
        "database": str(adoption.database or ""),
        "moved": [list(move) for move in adoption.moves],
        "flags": [[exposure, flag] for exposure, flag, _ in adoption.flags.flags],
        "flags_from": origin,
    }
    try:
        adoption.aside.mkdir(parents=True)
        text = json.dumps(record, indent=1, ensure_ascii=False) + "\n"
        write_atomically(adoption.aside / RECORD, text, durable=True)
        for old, new in adoption.moves:
            Path(new).parent.mkdir(parents=True, exist_ok=True)
            Path(old).rename(new)
        adoption.tree.mkdir(parents=True, exist_ok=True)
        mark(adoption.tree)
    except OSError as error:
        raise StoreError(
            "What is in the way cannot be moved aside",
            where=str(error.filename or adoption.aside),
            why=error.strerror or str(error),
            remedy="mend permissions or space there and run `musebuild adopt` again; "
            "`musebuild adopt --undo` brings back what was moved",
        ) from error
    by_flag: dict[tuple[str, int], list[str]] = defaultdict(list)
    for exposure, flag, value in adoption.flags.flags:
        by_flag[flag, value].append(exposure)
    said = {"author": AUTHOR, "reason": f"adopted from {origin}", "date": date}
    for (flag, value), exposures in by_flag.items():
        add_flag(project.db, exposures, flag, value=value, **said)
    _empty(ReducedTree(own_name(settings.reduced_path), project.store, project.ledger))


def _empty(tree: ReducedTree) -> None:
    """Take all that is ours out of a tree, with its mark; the store keeps every product."""
    tree.remove_all()
    with contextlib.suppress(OSError):
        (tree.root / MARK).unlink()
    with contextlib.suppress(OSError):
        tree.root.rmdir()


def _records(tree: Path) -> list[Path]:
    """Records of adoptions of a tree, the oldest first."""
    tree = tree.resolve()
    found = [
        folder / RECORD
        for folder in (*tree.parent.glob(f"{_literal(tree.name)}.aside-*"), *tree.glob(".aside-*"))
        if (folder / RECORD).is_file() and folder.name.rpartition("-")[2].isdigit()
    ]
    return sorted(found, key=lambda path: int(path.parent.name.rpartition("-")[2]))


def _literal(name: str) -> str:
    return "".join(f"[{c}]" if c in "*?[" else c for c in name)


def _read_record(path: Path) -> dict[str, Any]:
    try:
        record = json.loads(read_own(path))
        tree = f"{record['tree']}/"
        # Where they lie follows from the names alone: a record that somebody else wrote moves
        # nothing from or to anywhere else, and that of a project which was moved is still good.
        names = [old.removeprefix(tree).split("/") for old, _ in record["moved"]]
        moved = ["/".join(map(part, name)) for name in names]
        flags = [(str(exposure), str(flag)) for exposure, flag in record["flags"]]
        return {**record, "moved": moved, "flags": flags}
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise UsageError(
            "the record of the adoption cannot be read",
            where=str(path),
            remedy="move the files beside it back by hand",
        ) from None


def undo(project: Project) -> Undone:
    """Take the last adoption back: files to their old places, flags away.

    Our products in the tree are links into the store, and make way.

    Raises
    ------
    UsageError
        Nothing was adopted.
    """
    settings = project.settings
    records = _records(settings.reduced_path)
    if not records:
        raise UsageError(
            f"nothing was adopted into {settings.reduced_path}",
            remedy="`musebuild adopt` takes a project of another tool over",
        )
    path = records[-1]
    record = _read_record(path)
    tree = ReducedTree(settings.reduced_path, project.store, project.ledger)
    if not record.get("was_ours"):
        _empty(tree)
    back, kept = [], []
    for name in record["moved"]:
        old, new = settings.reduced_path / name, path.parent / name
        if not os.path.lexists(new):
            continue  # it was never moved, or somebody took it
        reason = _move_back(old, new, tree)
        if reason:
            kept.append((str(new), reason))
        else:
            back.append(str(old))
    mine = {
        (flag.exposure, flag.flag)
        for flag in all_flags(project.db)
        if flag.author == AUTHOR and flag.date == record.get("date")
    }
    removed = 0
    for exposure, flag in record["flags"]:
        if (exposure, flag) in mine:
            removed += remove_flags(project.db, [exposure], [flag])
    if not kept:
        path.unlink()
        _remove_empty_below(path.parent)
    return Undone(path.parent, tuple(back), tuple(kept), removed)


def _move_back(old: Path, new: Path, tree: ReducedTree) -> str:
    """Bring one file back; why it stays, where it does."""
    known = tree.ledger.placed([str(old)])
    ours = known.get(str(old))
    if ours is not None and is_as_placed(str(old), ours):
        old.unlink()
        tree.ledger.set_placed([], [str(old)])
    if os.path.lexists(old):
        return f"{old} is there"
    try:
        tree.root.mkdir(parents=True, exist_ok=True)
        make_below(tree.root, "/".join(old.relative_to(tree.root).parts[:-1]))
        new.rename(old)
    except OSError as error:
        return error.strerror or str(error)
    return ""


def _remove_empty_below(folder: Path) -> None:
    for current, _, _ in os.walk(folder, topdown=False):
        with contextlib.suppress(OSError):
            Path(current).rmdir()


def refuse_foreign(project: Project, invocations: Iterable[Invocation]) -> None:
    """Refuse to run what could not be put into place in the end.

    Parameters
    ----------
    project : Project
        The project.
    invocations : iterable of Invocation
        Those that shall run, or be restored.

    Raises
    ------
    StoreError
        Names what is in the way.
    """
    wanted: dict[str, list[Invocation]] = defaultdict(list)
    for invocation in invocations:
        wanted[invocation.folder].append(invocation)
    root = project.tree.root
    present = [folder for folder in wanted if not _is_new(root, folder)]
    if not present:
        return
    known = project.ledger.placed_within(str(root / folder) for folder in present)
    bad = []
    for path in in_the_way(root, present, known):
        folder = str(path.parent.relative_to(root))
        blocks = folder not in wanted or any(_would_be(path.name, one) for one in wanted[folder])
        if blocks and not _is_held(project, path):
            bad.append(path)
    if bad:
        shown = "\n".join(str(path) for path in bad[:5])
        more = f"\nand {len(bad) - 5} more" if len(bad) > 5 else ""
        raise StoreError(
            "Products would be put where files lie that musebuild did not make",
            where=shown + more,
            remedy="`musebuild adopt` moves them aside (and --undo brings them back); "
            "or choose another `version` or `output_dir` in the settings",
        )


def _is_held(project: Project, path: Path) -> bool:
    """Whether a file is a product of ours that a build which died did not live to note."""
    return path.is_file() and project.tree.holds(path)


def _is_new(root: Path, folder: str) -> bool:
    place = root / folder
    return not any(map(_is_file, _down(root, place))) and not place.is_dir()


def _would_be(name: str, invocation: Invocation) -> bool:
    """Whether an invocation writes, as far as one can tell before it runs, a file of this name."""
    if name == sidecar_name(invocation):
        return True
    stem = next((name[: -len(e)] for e in sorted(FRAMES, key=len)[::-1] if name.endswith(e)), "")
    part = f"-{invocation.ifu:02d}" if invocation.ifu is not None else ""
    if not stem.endswith(part):
        return False
    stem = stem[: len(stem) - len(part)]
    head, _, number = stem.rpartition("_")
    return stem in invocation.products or (
        len(number) == 4 and number.isdigit() and head in invocation.products
    )
