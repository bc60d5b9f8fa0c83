"""A build that found nothing to do is remembered, so that the next one need not look so closely.

What is kept is what that finding rests on: a fingerprint of settings, catalogue, software and
index, and the identity of each file that it saw (products in place, manifests, objects). Any
difference, any doubt, means planning and resolving anew.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from importlib import resources
from pathlib import Path
from typing import Any

from blake3 import blake3

from musebuild import __version__
from musebuild.cache.keys import KEY_VERSION
from musebuild.cache.ledger import Ledger
from musebuild.engine.project import Project
from musebuild.engine.world import package_version
from musebuild.fits.volatile import DIGEST_VERSION
from musebuild.index.digests import Identity, identity
from musebuild.index.files import paths_of
from musebuild.index.meta import generation
from musebuild.plan.model import LeftOut

VERSION = 1
"""Raised whenever what is kept, or what it means, changes."""


@dataclass(frozen=True, slots=True)
class Settled:
    """A build that had nothing to do."""

    tasks: int
    saved_seconds: float
    left_out: tuple[LeftOut, ...]


def _identity(path: str) -> Identity | None:
    try:
        return identity(Path(path).stat())
    except OSError:
        return None


def _watched(paths: Iterable[str]) -> str:
    """One hash over the identity of files; a missing one has none."""
    hasher = blake3()
    for path in paths:
        hasher.update(f"{path}\0{_identity(path)}\n".encode("utf-8", "surrogateescape"))
    return hasher.hexdigest()


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
            str(project.settings.reduced_path),
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


def recall(project: Project, names: Sequence[str]) -> Settled | None:
    """The remembered build, if everything that it rests on is as it was."""
    report = project.scan_report
    if report.new or report.changed or report.vanished:
        return None
    text = project.ledger.settled(fingerprint(project, names))
    if not text:
        return None
    data = json.loads(text)
    if _watched(data["paths"]) != data["watched"]:
        return None
    return Settled(
        data["tasks"],
        data["saved_seconds"],
        tuple(LeftOut(**left) for left in data["left_out"]),
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
        self._text = json.dumps(
            {
                "tasks": found.tasks,
                "saved_seconds": found.saved_seconds,
                "left_out": [asdict(left) for left in found.left_out],
                "paths": paths,
                "watched": _watched(paths),
            }
        )

    def write(self) -> None:
        """Remember it."""
        self._ledger.set_settled(self._fingerprint, self._text)
