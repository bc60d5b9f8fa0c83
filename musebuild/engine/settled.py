"""A build that found nothing to do is remembered, so that the next one need not look so closely.

What is kept is what that finding rests on: a fingerprint of settings, catalogue, software and
index, and the identity of each file that it saw (products in place, manifests, objects). Any
difference, any doubt, means planning and resolving anew.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from functools import cache
from importlib import resources
from typing import Any

from blake3 import blake3

from musebuild import __version__
from musebuild.cache.keys import KEY_VERSION, canonical, plain
from musebuild.cache.ledger import Ledger
from musebuild.engine.fingerprints import watched, watched_tree
from musebuild.engine.probe import package_version
from musebuild.engine.project import Project
from musebuild.fits.volatile import DIGEST_VERSION
from musebuild.index.files import paths_of
from musebuild.index.meta import generation
from musebuild.index.observing import log_paths
from musebuild.plan.blocks import PlannedBlock
from musebuild.plan.model import LeftOut

VERSION = 2
"""Raised whenever what is kept, or what it means, changes."""


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


def catalogue_digest() -> str:
    """Hash of the catalogue that comes with musebuild."""
    catalogue = resources.files("musebuild").joinpath("recipes", "catalogue.yml")
    return str(blake3(catalogue.read_bytes()).hexdigest())


@cache
def source_watched() -> str:
    """Hash of the identities of musebuild's own source files: who changes the code plans anew."""
    found = [
        f"{folder}/{name}"
        for folder, _, names in os.walk(str(resources.files("musebuild")))
        for name in names
        if name.endswith(".py")
    ]
    return watched(sorted(found))


def structure(
    project: Project, blocks: Sequence[PlannedBlock], files: str, generation_: int
) -> str:
    """Hash of all that the graph of invocations follows from.

    Parameters only as far as blocks are shaped by them; what else goes into keys is in `call_of`.

    Parameters
    ----------
    project : Project
        The project.
    blocks : sequence of PlannedBlock
        All of them, in their order.
    files : str
        `watched` over the calibration files.
    generation_ : int
        Of the index.
    """
    settings = project.settings
    recipes = dict(settings.tree.get("recipes") or {})
    for name in settings.blocks:
        recipes[name] = {k: v for k, v in (recipes[name] or {}).items() if k != "params"}
        if not recipes[name]:
            # Declared or not, the block is the same but for its folder, which is told below.
            del recipes[name]
    document: dict[str, Any] = {
        "version": [VERSION, __version__, KEY_VERSION, DIGEST_VERSION, source_watched()],
        "settings": [str(settings.path), {**settings.tree, "recipes": recipes}],
        "blocks": [
            [b.name, b.recipe.name, b.source, b.shaping, b.block.output_dir] for b in blocks
        ],
        "places": _places(project),
        "catalogue": catalogue_digest(),
        "code": {name: one.code for name, one in project.catalogue.items() if one.code},
        "index": generation_,
        "files": files,
    }
    return _hashed(document)


def call_of(planned: PlannedBlock, project: Project) -> str:
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


def _places(project: Project) -> list[Any]:
    return [
        str(project.reduced),
        [str(root) for root in project.settings.cache],
        str(project.settings.raw_path),
    ]


def _hashed(document: dict[str, Any]) -> str:
    return blake3(json.dumps(document, sort_keys=True, default=str).encode()).hexdigest()


def fingerprint(project: Project, names: Sequence[str]) -> str:
    """Hash of all that a plan and the keys in it follow from, files seen by `stat` alone."""
    packages = {name for recipe in project.catalogue.values() for name in recipe.packages}
    document: dict[str, Any] = {
        "version": [VERSION, __version__, KEY_VERSION, DIGEST_VERSION, source_watched()],
        "names": list(names),
        "settings": [str(project.settings.path), project.settings.tree],
        "places": _places(project),
        "catalogue": catalogue_digest(),
        "drs": [project.drs.version, project.drs.path],
        "environment": project.recipe_environment,
        "packages": {name: package_version(name) for name in sorted(packages)},
        "code": {name: one.code for name, one in project.catalogue.items() if one.code},
        "index": generation(project.connection),
        "files": watched(paths_of(project.settings)),
        "forgotten": sorted(project.ledger.forgotten()),
    }
    return _hashed(document)


def inputs_watched(project: Project) -> str:
    """Hash of the raw folder and the observers' databases, by `stat` alone."""
    logs = watched(str(path) for path in log_paths(project.settings))
    return watched_tree(str(project.settings.raw_path)) + logs


def recall_settled(project: Project, names: Sequence[str]) -> Settled | None:
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
    if watched(paths.split("\n")) != data["watched"]:
        return None
    if inputs_watched(project) != data["inputs"]:
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
        head = asdict(found) | {"watched": watched(paths), "inputs": inputs_watched(project)}
        self._text = "\n".join([json.dumps(head), *paths])
        # A line break in a path would make two of it.
        self._sound = not any("\n" in path for path in paths)

    def write(self) -> None:
        """Remember it."""
        if self._sound:
            self._ledger.set_settled(self._fingerprint, self._text)
