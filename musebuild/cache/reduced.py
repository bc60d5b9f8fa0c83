"""The reduced tree: a readable view of the store, laid out as people of MuseRed know it."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from musebuild.cache.ledger import Ledger, Placed
from musebuild.cache.model import Manifest
from musebuild.cache.place import sweep_parts, write_atomically
from musebuild.cache.steps import step
from musebuild.cache.store import Seen, Store
from musebuild.cache.trees import is_note
from musebuild.errors import StoreError
from musebuild.fits.hashing import hash_file
from musebuild.settings.own_files import make_below, read_own
from musebuild.settings.path_names import BadNameError, part


@dataclass(slots=True)
class PlaceReport:
    """What was done to put products into place."""

    how: str = ""
    placed: int = 0
    edited: list[str] = field(default_factory=list)
    """Where products that someone had edited were moved to."""
    files: list[Placed] = field(default_factory=list)
    """What stands there now, as it was put there."""
    gone: list[str] = field(default_factory=list)
    """Files of the task that were there before, and are no longer its own."""


def is_as_placed(path: str, known: Placed | None, seen: Seen | None = None) -> bool:
    """Whether a file is the one that we put there, untouched; a stat, no more."""
    if known is None:
        return False
    try:
        status = os.stat(path)
    except OSError:
        return False
    if seen is not None:
        seen(path, status)
    return (
        status.st_ino == known.inode
        and status.st_dev == known.device
        and status.st_size == known.size
        and status.st_mtime_ns == known.mtime_ns
    )


class ReducedTree:
    """Files below `reduced_path`.

    Parameters
    ----------
    root : Path
    store : Store
    ledger : Ledger
        Remembers what was placed, so that nothing of others is ever touched.
    """

    def __init__(self, root: Path, store: Store, ledger: Ledger) -> None:
        self.root = root
        self.store = store
        self.ledger = ledger
        self._swept: set[str] = set()
        """Folders where half-written files of the dead were looked for."""

    def in_place(
        self,
        folder: str,
        manifest: Manifest,
        placed: Mapping[str, Placed] | None = None,
        seen: Seen | None = None,
    ) -> bool:
        """Whether all products of a manifest stand in a folder, as they were placed.

        Parameters
        ----------
        folder : str
            Below the root.
        manifest : Manifest
        placed : mapping, optional
            `Ledger.all_placed()`, for many questions at once.
        seen : callable, optional
            Told of each file that the answer rests on, as it was when it was looked at.
        """
        place = f"{self.root / folder}/"
        paths = {place + product.name: product for product in manifest.kept}
        known = placed if placed is not None else self.ledger.placed(paths)
        return all(
            self.as_placed(path, product.object, known, seen) for path, product in paths.items()
        )

    def as_placed(
        self, path: str, name: str, known: Mapping[str, Placed], seen: Seen | None = None
    ) -> bool:
        """Whether a file is an object that we put there, untouched; a stat, no more."""
        file = known.get(path)
        return file is not None and file.object == name and is_as_placed(path, file, seen)

    def place(
        self,
        folder: str,
        manifest: Manifest,
        *,
        task: str,
        sidecar_name: str,
        sidecar: Mapping[str, Any],
    ) -> PlaceReport:
        """Put the products of a manifest into a folder, and a note of how they came about.

        Parameters
        ----------
        folder : str
            Below the root.
        manifest : Manifest
        task : str
            The task whose files these are.
        sidecar_name : str
            File name of the note, such as `muse_bias.json`.
        sidecar : mapping
            Its content.

        Raises
        ------
        StoreError
            A file that musebuild did not make is in the way, or there is no space.
        """
        report = self.put(folder, manifest, task=task, sidecar_name=sidecar_name, sidecar=sidecar)
        self.note(report)
        return report

    def put(
        self,
        folder: str,
        manifest: Manifest,
        *,
        task: str,
        sidecar_name: str,
        sidecar: Mapping[str, Any],
    ) -> PlaceReport:
        """Do what `place` does, less what the ledger is told: that is for `note`."""
        # Plain text all along: this is done for each invocation, and `Path` would cost more
        # than the links.
        target = f"{self.root / folder}"
        report = PlaceReport()
        text = _note_text({"musebuild": task} | dict(sidecar))
        try:
            if target not in self._swept or not os.path.isdir(target):
                self._make_folder(folder)
                sweep_parts(Path(target))
                self._swept.add(target)
            before = {placed.path: placed for placed in self._placed_by(task)}
            wanted = {f"{target}/{part(one.name)}": one for one in manifest.kept}
            note = f"{target}/{part(sidecar_name)}"
            if note in wanted:
                raise BadNameError(f"{sidecar_name}: the note beside the products has this name")
            known = self.ledger.placed([*wanted, note])
            for place in wanted:
                self._make_way(place, known.get(place), report)
            if not _says(note, text):
                self._make_way(note, known.get(note), report)
            for path, product in wanted.items():
                report.how = self.store.restore(product, path)
                report.files.append(_placed(path, task, product.object))
                report.placed += 1
                step("product placed")
            write_atomically(note, text)
            report.files.append(_placed(note, task, ""))
            step("note placed")
            report.gone = [path for path in before if path not in wanted and path != note]
            for path in report.gone:
                if is_as_placed(path, before[path]):
                    os.unlink(path)
        except BadNameError as error:
            raise StoreError(
                f"The products of {task} cannot be put into place",
                where=target,
                why=str(error),
                remedy="`musebuild cache verify --repair` takes away what is damaged in the store",
            ) from error
        except OSError as error:
            raise StoreError(
                f"The products of {task} cannot be put into place",
                where=target,
                why=error.strerror or str(error),
                remedy="free space or permissions there, then run `doit` again: "
                "the products are safe in the store",
            ) from error
        return report

    def _make_folder(self, folder: str) -> None:
        try:
            self.root.mkdir(parents=True, exist_ok=True)
            make_below(self.root, folder)
        except (FileExistsError, NotADirectoryError) as error:
            raise _in_the_way(Path(error.filename)) from None

    def note(self, report: PlaceReport) -> None:
        """Tell the ledger what `put` put into place."""
        self.ledger.set_placed(report.files, report.gone)
        if report.gone:
            self._remove_empty(Path(path).parent for path in report.gone)

    def _make_way(self, place: str, known: Placed | None, report: PlaceReport) -> None:
        """Make sure that nothing is lost when `place` is replaced."""
        try:
            os.lstat(place)
        except (FileNotFoundError, NotADirectoryError):
            return
        if is_as_placed(place, known):
            return
        path = Path(place)
        if path.is_file() and (self.holds(path) or (known is None and is_note(path))):
            return
        if known is None:
            raise _in_the_way(path)
        number = 1
        while (aside := path.with_name(f"{path.name}.edited-{number}")).exists():
            number += 1
        # Where the edit went through a hard link, the store sees the changed time of its object
        # and makes the product again; what is moved aside keeps the edit.
        path.rename(aside)
        report.edited.append(str(aside))

    def holds(self, path: Path) -> bool:
        """Whether the store has the bytes of a file, under their own name and unharmed.

        Then it is ours, whatever the ledger says: placed before the database was lost, or by a
        build that died before it could tell.
        """
        return self.store.holds(hash_file(path), path.stat().st_size)

    def _placed_by(self, task: str) -> list[Placed]:
        """Files of a task in this tree: those of another version are none of our business."""
        below = f"{self.root}/"
        return [one for one in self.ledger.placed_by(task) if one.path.startswith(below)]

    def remove(self, task: str) -> list[str]:
        """Take a task's files out of the tree; never an object. What was removed.

        Files that were edited since stay, and are forgotten as ours.
        """
        return self._take_out(self._placed_by(task))

    def remove_all(self) -> list[str]:
        """Take everything of ours out of the tree, as `remove` does; what was removed."""
        placed = self.ledger.all_placed().values()
        return self._take_out([one for one in placed if Path(one.path).is_relative_to(self.root)])

    def _take_out(self, files: Iterable[Placed]) -> list[str]:
        files = list(files)
        removed = []
        for placed in files:
            if is_as_placed(placed.path, placed):
                with contextlib.suppress(OSError):
                    Path(placed.path).unlink()
                    removed.append(placed.path)
        self.ledger.set_placed([], [placed.path for placed in files])
        self._remove_empty(Path(placed.path).parent for placed in files)
        return removed

    def _remove_empty(self, folders: Iterable[Path]) -> None:
        for folder in set(folders):
            current = folder
            while current != self.root and current.is_relative_to(self.root):
                try:
                    current.rmdir()
                except OSError:
                    break
                current = current.parent


def _in_the_way(path: Path) -> StoreError:
    return StoreError(
        f"{path.name} is in the way, and musebuild did not make it",
        where=str(path),
        remedy="move it aside with `musebuild adopt` (which can be undone) or by hand "
        f"(mv {path} {path}.old), or choose another `version` or `output_dir` in the settings; "
        "then run `doit` again",
    )


def _note_text(told: Mapping[str, Any]) -> str:
    # A line for each entry: `json.dumps` with an indent is not compiled, and took a tenth of
    # what the engine does for an invocation.
    lines = (
        f" {json.dumps(name)}: {json.dumps(told[name], sort_keys=True)}" for name in sorted(told)
    )
    return "{\n" + ",\n".join(lines) + "\n}\n"


def _says(path: str, text: str) -> bool:
    try:
        return read_own(path) == text.encode()
    except OSError:
        return False


def _placed(path: str, task: str, name: str) -> Placed:
    status = os.stat(path)
    return Placed(
        path, task, name, status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns
    )
