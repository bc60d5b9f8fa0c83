"""What a plan and its findings rest on: identities of files, settings, software.

Paths are relative to the project's folder where they lie below it, so that a project that moved
has the same fingerprints.
"""

from __future__ import annotations

import json
import marshal
import os
import stat
from array import array
from collections.abc import Iterable, Sequence
from functools import cache
from importlib import metadata, resources
from operator import attrgetter
from typing import Any

from blake3 import blake3

from musebuild import __version__
from musebuild.cache.keys import KEY_VERSION, canonical, plain
from musebuild.engine.project import Project
from musebuild.fits.volatile import DIGEST_VERSION
from musebuild.index.digests import COARSE_TICK_NS, whole_seconds
from musebuild.index.observing import log_paths
from musebuild.plan.blocks import PlannedBlock

VERSION = 4
"""Raised whenever what the plan cache holds, or what it means, changes."""
_identity = attrgetter("st_dev", "st_ino", "st_size", "st_mtime_ns", "st_ctime_ns")
NUMBERS = 5
"""In the identity of a file: what changes whenever its content may have."""
GONE = (0,) * NUMBERS
_MASK = 2**64 - 1
Look = tuple[str, os.stat_result]
"""A file that was looked at, as it was then."""


def identities(paths: Iterable[str], folder: int) -> bytes:
    """The identities of files, one after another; zeros for a missing one.

    Parameters
    ----------
    paths : iterable of str
        Absolute, or below a folder.
    folder : int
        Descriptor of that folder, open: looking up a short path costs the system less.
    """
    numbers: list[int] = []
    extend, status_of, identity = numbers.extend, os.stat, _identity
    for path in paths:
        try:
            extend(identity(status_of(path, dir_fd=folder)))
        except OSError:
            extend(GONE)
    return packed(numbers)


def packed(numbers: Sequence[int]) -> bytes:
    """Whole numbers as bytes, eight for each."""
    try:
        return array("Q", numbers).tobytes()
    except OverflowError:
        # A time before 1970.
        return array("Q", [number & _MASK for number in numbers]).tobytes()


class Looks:
    """Files that a finding on an invocation rests on."""

    def __init__(self) -> None:
        self.stored: list[Look] = []
        """Manifest and objects."""
        self.placed: list[Look] = []
        """Products in the reduced tree."""
        self.unhashed: list[str] = []
        """Input files whose digests are not known."""

    def clear(self) -> None:
        """Begin anew, for the next invocation."""
        self.stored.clear()
        self.placed.clear()
        self.unhashed.clear()

    def files(self) -> list[Look]:
        """What was looked at; a hard link in the reduced tree and its object are one file.

        Whoever writes to either, or takes one away, changes the status of the other.
        """
        seen = {(status.st_dev, status.st_ino) for _, status in self.placed}
        own = [look for look in self.stored if (look[1].st_dev, look[1].st_ino) not in seen]
        return self.placed + own


def identity_bytes(files: Iterable[Look]) -> bytes:
    """What `identities` gives of files, as they were when they were looked at."""
    numbers: list[int] = []
    for _, status in files:
        numbers.extend(_identity(status))
    return packed(numbers)


def newest_change(files: Iterable[Look]) -> int:
    """Latest change of any file [ns]; where times are whole seconds, it may have been later."""
    return max((max(s.st_mtime_ns, _latest(s.st_ctime_ns)) for _, s in files), default=0)


def _latest(ctime_ns: int) -> int:
    return ctime_ns + COARSE_TICK_NS if whole_seconds(ctime_ns) else ctime_ns


class Places:
    """Paths as the plan cache holds them: relative to the project's folder, if below it."""

    def __init__(self, project: Project) -> None:
        self._below = f"{project.settings.folder}/"
        self._length = len(self._below)

    def open(self) -> int:
        """A descriptor of the folder, which kept paths start from."""
        return os.open(self._below, os.O_RDONLY | os.O_DIRECTORY)

    def short(self, path: str) -> str:
        """A path as it is kept."""
        return path[self._length :] if path.startswith(self._below) else path

    def whole(self, path: str) -> str:
        """A path as it is used."""
        return self._below + path if path and path[0] != "/" else path

    def hidden(self, text: str) -> str:
        """A message without the project's folder."""
        return text.replace(self._below, "\0")

    def shown(self, text: str) -> str:
        """The message of `hidden`, where the project lies now."""
        return text.replace("\0", self._below)


def tree_hash(folder: str) -> str:
    """One hash over the names and identities of all files below a folder, and of its folders.

    Links to folders are followed, circles are not; what is new there shows as well.
    """
    hasher = blake3()
    seen: set[tuple[int, int]] = set()
    waiting = [""]
    identity = _identity
    while waiting:
        current = waiting.pop()
        rows: list[tuple[object, ...]] = []
        try:
            here = os.stat(f"{folder}/{current}")
            if (here.st_dev, here.st_ino) in seen:
                continue
            seen.add((here.st_dev, here.st_ino))
            with os.scandir(f"{folder}/{current}") as entries:
                for entry in entries:
                    name = entry.name
                    try:
                        # Through a link: the file itself counts.
                        status = entry.stat()
                    except OSError:
                        rows.append((name,))
                        continue
                    if stat.S_ISDIR(status.st_mode):
                        waiting.append(f"{current}{name}/")
                        rows.append((name, status.st_dev, status.st_ino))
                    else:
                        rows.append((name, identity(status)))
        except OSError:
            rows.append(("unreadable",))
        rows.sort()
        waiting.sort()
        # Version 2 has no references, so that equal rows give equal bytes.
        hasher.update(marshal.dumps((current, rows), 2))
    return str(hasher.hexdigest())


def files_hash(project: Project, paths: Iterable[str]) -> str:
    """One hash over the names and identities of files."""
    places = Places(project)
    listed = list(paths)
    folder = places.open()
    try:
        found = identities(listed, folder)
    finally:
        os.close(folder)
    names = "\0".join(map(places.short, listed)).encode("utf-8", "surrogateescape")
    return blake3(names + b"\0\0" + found).hexdigest()


def inputs_hash(project: Project) -> str:
    """Hash of the raw folder and the observers' databases, by `stat` alone."""
    logs = files_hash(project, (str(path) for path in log_paths(project.settings)))
    return tree_hash(str(project.settings.raw_path)) + logs


@cache
def package_version(name: str) -> str:
    """Version of an installed Python package; empty where it is missing."""
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return ""


def catalogue_digest() -> str:
    """Hash of the catalogue that comes with musebuild."""
    catalogue = resources.files("musebuild").joinpath("recipes", "catalogue.yml")
    return str(blake3(catalogue.read_bytes()).hexdigest())


@cache
def source_hash() -> str:
    """Hash of the identities of musebuild's own source files: who changes the code plans anew."""
    found = sorted(
        f"{folder}/{name}"
        for folder, _, names in os.walk(str(resources.files("musebuild")))
        for name in names
        if name.endswith(".py")
    )
    return blake3("\0".join(found).encode() + identities(found, -1)).hexdigest()


def structure_hash(
    project: Project, blocks: Sequence[PlannedBlock], files: str, generation: int
) -> str:
    """Hash of all that the graph of invocations follows from.

    Parameters only as far as blocks are shaped by them; what else goes into keys is in
    `call_hash`.

    Parameters
    ----------
    project : Project
        The project.
    blocks : sequence of PlannedBlock
        All of them, in their order.
    files : str
        `files_hash` of the calibration files.
    generation : int
        Of the index.
    """
    settings = project.settings
    places = Places(project)
    recipes = dict(settings.tree.get("recipes") or {})
    for name in settings.blocks:
        recipes[name] = {k: v for k, v in (recipes[name] or {}).items() if k != "params"}
        if not recipes[name]:
            # Declared or not, the block is the same but for its folder, which is told below.
            del recipes[name]
    document: dict[str, Any] = {
        "version": [VERSION, __version__, KEY_VERSION, DIGEST_VERSION, source_hash()],
        "settings": [places.short(str(settings.path)), {**settings.tree, "recipes": recipes}],
        "blocks": [
            [b.name, b.recipe.name, b.source, b.shaping, b.block.output_dir] for b in blocks
        ],
        "places": [
            places.short(str(path))
            for path in (project.reduced, settings.raw_path, *settings.cache)
        ],
        "catalogue": catalogue_digest(),
        "code": {name: one.code for name, one in project.catalogue.items() if one.code},
        "index": generation,
        "files": files,
    }
    return _hashed(document)


def call_hash(planned: PlannedBlock, project: Project) -> str:
    """Hash of all that goes into the keys of a block besides its inputs.

    Raises
    ------
    ValueError
        A parameter has no canonical form, so that there is no key.
    """
    recipe = planned.recipe
    drs = recipe.kind == "drs"
    document = {
        "recipe": [recipe.plugin, recipe.kind, recipe.code],
        "params": canonical(plain(planned.params)),
        "drs": [project.drs.version, project.drs.path] if drs else [],
        "environment": project.recipe_environment if drs else {},
        "packages": {name: package_version(name) for name in recipe.packages},
    }
    return _hashed(document)


def _hashed(document: dict[str, Any]) -> str:
    return blake3(json.dumps(document, sort_keys=True, default=str).encode()).hexdigest()
