"""The reduced tree: a readable view of the store, laid out as people of MuseRed know it."""

from __future__ import annotations

import contextlib
import json
import os
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from musebuild.cache.ledger import Ledger, Placed
from musebuild.cache.model import Manifest
from musebuild.cache.place import sweep_parts, write_atomically
from musebuild.cache.steps import step
from musebuild.cache.store import Seen, Store
from musebuild.cache.trees import is_note, named_by_notes
from musebuild.errors import StoreError
from musebuild.fits.hashing import hash_file
from musebuild.index.digests import identity
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
    """Whether a file looks like the one that we put there; a stat, no more."""
    if known is None:
        return False
    try:
        status = os.stat(path)
    except OSError:
        return False
    if seen is not None:
        seen(path, status)
    return identity(status)[:4] == (known.device, known.inode, known.size, known.mtime_ns)


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
        """Whether a file is an object that we put there, untouched.

        A hard link is one file with its object, which the store vouches for. A copy is read where
        its status changed since.
        """
        file = known.get(path)
        if file is None or file.object != name or not is_as_placed(path, file, seen):
            return False
        try:
            return not name or self._holds_object(path, name)
        except OSError:
            return False

    def _holds_object(self, path: str, name: str) -> bool:
        """Whether a file is a link of an object, or a copy of its bytes."""
        status = os.stat(path)
        verified = self.store.verified
        if self.store.is_object(status, name) or verified.holds(path, name, status):
            return True
        began = time.time_ns()
        if hash_file(Path(path)) != name:
            return False
        verified.was_read(path, name, status, began)
        return True

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
            for place, product in wanted.items():
                self._make_way(place, known, report, product.object)
            if not _says(note, text):
                self._make_way(note, known, report)
            for path, product in wanted.items():
                with self._replacing(known.get(path), product.object):
                    report.how = self.store.restore(product, path)
                report.files.append(_placed(path, task, product.object))
                report.placed += 1
                step("product placed")
            write_atomically(note, text)
            report.files.append(_placed(note, task, ""))
            step("note placed")
            report.gone = [path for path in before if path not in wanted and path != note]
            for path in report.gone:
                self._unlink(path, before)
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
        for path in report.gone:
            self.store.verified.forget(path)
        self.ledger.set_placed(report.files, report.gone)
        self.store.verified.write()
        if report.gone:
            self._remove_empty(Path(path).parent for path in report.gone)

    def _replacing(
        self, known: Placed | None, name: str
    ) -> contextlib.AbstractContextManager[None]:
        """Replace a file that we put there by an object, inside."""
        if known is None or known.object in ("", name):
            return contextlib.nullcontext()
        return self.store.losing_link(known.object)

    def _unlink(self, path: str, known: Mapping[str, Placed]) -> bool:
        """Take a file of ours away, unless it was edited; whether it was there, and went."""
        name = known[path].object
        if not self.as_placed(path, name, known):
            return False
        with self.store.losing_link(name) if name else contextlib.nullcontext():
            os.unlink(path)
        return True

    def _make_way(
        self, place: str, placed: Mapping[str, Placed], report: PlaceReport, name: str = ""
    ) -> None:
        """Make sure that nothing is lost when an object (or a note) gets `place`."""
        try:
            status = os.lstat(place)
        except (FileNotFoundError, NotADirectoryError):
            return
        known = placed.get(place)
        if name and self.store.is_object(status, name):
            return
        if known is not None and self.as_placed(place, known.object, placed):
            return
        path = Path(place)
        if path.is_file() and (self.holds(path) or (known is None and is_note(path))):
            return
        # Of a product that was edited before the database was lost, the note still tells.
        if known is None and not (path.is_file() and path.name in named_by_notes(path.parent)):
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
        began, status = time.time_ns(), path.stat()
        name = hash_file(path)
        return self.store.is_same(name, status, began) or self.store.holds(name, status.st_size)

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
            with contextlib.suppress(OSError):
                if self._unlink(placed.path, {placed.path: placed}):
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
    return Placed(path, task, name, *identity(os.stat(path))[:4])
