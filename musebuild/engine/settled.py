"""A build that found nothing to do is remembered, so that the next one need not look so closely.

What is kept is what that finding rests on: a fingerprint of settings, catalogue, software and
index, and the identity of each file that it saw (products in place, manifests, objects). Any
difference, any doubt, means planning and resolving anew.
"""

from __future__ import annotations

import json
import marshal
import os
import stat
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from importlib import resources
from typing import Any

from blake3 import blake3

from musebuild import __version__
from musebuild.cache.keys import KEY_VERSION
from musebuild.cache.ledger import Ledger
from musebuild.engine.project import Project
from musebuild.engine.world import package_version
from musebuild.fits.volatile import DIGEST_VERSION
from musebuild.index.files import paths_of
from musebuild.index.meta import generation
from musebuild.index.observing import log_paths
from musebuild.plan.model import LeftOut

VERSION = 2
"""Raised whenever what is kept, or what it means, changes."""
PIECE = 4096
"""Rows that are hashed at once."""


@dataclass(frozen=True, slots=True)
class Settled:
    """A build that had nothing to do."""

    tasks: int
    saved_seconds: float
    left_out: tuple[LeftOut, ...]
    problems: tuple[str, ...] = ()
    """Messages on raw files that cannot be used."""
    file_problems: tuple[str, ...] = ()
    """Messages on calibration files that cannot be read."""
    lines: tuple[tuple[str, str, int], ...] = ()
    """Task, what it is, number of IFUs: for a list."""


def _watched(paths: Iterable[str]) -> str:
    """One hash over the identity of files; a missing one has none."""
    # Hundreds of thousands of files: plain tuples, and one conversion to bytes for many.
    hasher = blake3()
    rows: list[tuple[object, ...]] = []
    status_of = os.stat
    for path in paths:
        try:
            s = status_of(path)
            rows.append((path, s.st_dev, s.st_ino, s.st_size, s.st_mtime_ns, s.st_ctime_ns))
        except OSError:
            rows.append((path,))
        if len(rows) == PIECE:
            hasher.update(_bytes(rows))
            rows.clear()
    hasher.update(_bytes(rows))
    return str(hasher.hexdigest())


def _bytes(rows: list[tuple[object, ...]]) -> bytes:
    # Version 2 has no references, so that equal rows give equal bytes.
    return marshal.dumps(rows, 2)


def _watched_tree(folder: str) -> str:
    """One hash over the names and identities of all files below a folder, and of its folders.

    Links to folders are followed, circles are not; what is new there shows as well.
    """
    hasher = blake3()
    seen: set[tuple[int, int]] = set()
    waiting = [folder]
    while waiting:
        current = waiting.pop()
        rows: list[tuple[object, ...]] = [(current,)]
        try:
            here = os.stat(current)
            if (here.st_dev, here.st_ino) in seen:
                continue
            seen.add((here.st_dev, here.st_ino))
            with os.scandir(current) as entries:
                for entry in entries:
                    try:
                        if entry.is_dir():
                            waiting.append(entry.path)
                        s = entry.stat()
                    except OSError:
                        rows.append((entry.name,))
                        continue
                    # Through a link: the file itself counts.
                    own = () if stat.S_ISDIR(s.st_mode) else (s.st_size, s.st_mtime_ns)
                    changed = () if stat.S_ISDIR(s.st_mode) else (s.st_ctime_ns,)
                    rows.append((entry.name, s.st_dev, s.st_ino, *own, *changed))
        except OSError:
            rows.append(("unreadable",))
        rows[1:] = sorted(rows[1:], key=lambda row: str(row[0]))
        waiting.sort()
        hasher.update(_bytes(rows))
    return str(hasher.hexdigest())


def watched_paths(products: Iterable[tuple[str, str]]) -> Iterator[str]:
    """Files to watch for products: (file in the reduced tree, its object).

    A hard link and its object are one file: whoever writes to either, or takes one away,
    changes the status of the other.
    """
    for placed, stored in products:
        yield placed
        try:
            ours, theirs = os.stat(placed), os.stat(stored)
            if (ours.st_dev, ours.st_ino) == (theirs.st_dev, theirs.st_ino):
                continue
        except OSError:
            pass
        yield stored


def catalogue_digest() -> str:
    """Hash of the catalogue that comes with musebuild."""
    catalogue = resources.files("musebuild").joinpath("recipes", "catalogue.yml")
    return str(blake3(catalogue.read_bytes()).hexdigest())


def fingerprint(project: Project, names: Sequence[str]) -> str:
    """Hash of all that a plan and the keys in it follow from, files seen by `stat` alone."""
    packages = {name for recipe in project.catalogue.values() for name in recipe.packages}
    document: dict[str, Any] = {
        "version": [VERSION, __version__, KEY_VERSION, DIGEST_VERSION],
        "names": list(names),
        "settings": [str(project.settings.path), project.settings.tree],
        "places": [
            str(project.reduced),
            [str(root) for root in project.settings.cache],
            str(project.settings.raw_path),
        ],
        "catalogue": catalogue_digest(),
        "drs": [project.drs.version, project.drs.path],
        "environment": project.recipe_environment,
        "packages": {name: package_version(name) for name in sorted(packages)},
        "code": {name: one.code for name, one in project.catalogue.items() if one.code},
        "index": generation(project.db),
        "files": _watched(paths_of(project.settings)),
        "forgotten": sorted(project.ledger.forgotten()),
    }
    return blake3(json.dumps(document, sort_keys=True, default=str).encode()).hexdigest()


def _inputs_watched(project: Project) -> str:
    """Hash of the raw folder and the observers' databases, by `stat` alone."""
    logs = _watched(str(path) for path in log_paths(project.settings))
    return _watched_tree(str(project.settings.raw_path)) + logs


def recall(project: Project, names: Sequence[str]) -> Settled | None:
    """The remembered build, if everything that it rests on is as it was.

    The raw folder is compared as a whole, so that nothing need be scanned.
    """
    if not project.settings.raw_path.is_dir():
        return None
    kept = project.ledger.settled(fingerprint(project, names))
    if not kept:
        return None
    head, _, paths = kept.partition("\n")
    data = json.loads(head)
    if _watched(paths.split("\n")) != data["watched"]:
        return None
    if _inputs_watched(project) != data["inputs"]:
        return None
    return Settled(
        data["tasks"],
        data["saved_seconds"],
        tuple(LeftOut.from_dict(left) for left in data["left_out"]),
        tuple(data["problems"]),
        tuple(data["file_problems"]),
        tuple((name, doc, members) for name, doc, members in data["lines"]),
    )


class Kept:
    """A finding that is about to be remembered; the files are noted when it is made.

    Parameters
    ----------
    project : Project
        Scanned and planned.
    names : sequence of str
        What was asked for.
    found : Settled
        What came out.
    paths : iterable of str
        Files that it rests on: products in place, manifests, objects.
    """

    def __init__(
        self, project: Project, names: Sequence[str], found: Settled, paths: Iterable[str]
    ) -> None:
        paths = list(paths)
        self._ledger: Ledger = project.ledger
        self._fingerprint = fingerprint(project, names)
        head = asdict(found) | {"watched": _watched(paths), "inputs": _inputs_watched(project)}
        self._text = "\n".join([json.dumps(head), *paths])
        # A line break in a path would make two of it.
        self._sound = not any("\n" in path for path in paths)

    def write(self) -> None:
        """Remember it."""
        if self._sound:
            self._ledger.set_settled(self._fingerprint, self._text)
