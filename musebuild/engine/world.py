"""The resolution's view of a real project: digests, store, reduced tree, versions."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from importlib import metadata

from musebuild.cache.ledger import Placed
from musebuild.cache.model import Manifest
from musebuild.engine.project import Project
from musebuild.engine.resolve import Resolution, Software, World, resolve_all
from musebuild.fits.digest import FrameDigest
from musebuild.plan.model import Input, Invocation
from musebuild.recipes.model import Recipe


@cache
def package_version(name: str) -> str:
    """Version of an installed Python package; empty where it is missing."""
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return ""


def digest_of(wanted: Input, digest: FrameDigest) -> str:
    """The digest by which an input is known: of its IFU's data where it is split."""
    return digest.content if wanted.ifu is None else digest.for_ifu(wanted.ifu)


def file_inputs(invocation: Invocation) -> list[str]:
    """Paths of the raw frames and files that an invocation takes."""
    return [wanted.path for wanted in invocation.inputs if wanted.kind != "product"]


class ProjectWorld:
    """Digests and places of a project, as `resolve` asks for them.

    Parameters
    ----------
    project : Project
        The project.
    """

    def __init__(self, project: Project) -> None:
        self.project = project
        self.known: dict[str, FrameDigest] = {}
        self.world = World(
            digest=self._digest,
            lookup=project.store.lookup,
            in_place=self.in_place,
            forgotten=lambda key: key in self.forgotten,
        )
        self.placed: dict[str, Placed] = {}
        self.forgotten: frozenset[str] = frozenset()
        self.refresh()

    def refresh(self) -> None:
        """Read anew what was placed and what is forgotten."""
        self.placed = self.project.ledger.all_placed()
        self.forgotten = self.project.ledger.forgotten()

    def learn(self, invocations: Iterable[Invocation]) -> None:
        """Take in what is remembered of the inputs' digests; hashes nothing."""
        paths = {path for invocation in invocations for path in file_inputs(invocation)}
        self.known.update(self.project.digests.known_many(sorted(paths - self.known.keys())))

    def _digest(self, wanted: Input) -> str | None:
        digest = self.known.get(wanted.path)
        return None if digest is None else digest_of(wanted, digest)

    def in_place(self, invocation: Invocation, manifest: Manifest) -> bool:
        """Whether an invocation's products lie in the reduced tree, by `stat` alone."""
        return self.project.tree.in_place(invocation.folder, manifest, self.placed)

    def software(self) -> Software:
        """What computes."""
        return Software(
            drs_version=self.project.drs.version,
            environment=self.project.recipe_environment,
            package_version=package_version,
        )

    def resolve(self, names: Iterable[str]) -> dict[str, Resolution]:
        """State of invocations, given in the order of the plan."""
        names = list(names)
        plan = self.project.plan
        self.learn(plan.invocations[name] for name in names)
        catalogue: dict[str, Recipe] = self.project.catalogue
        return resolve_all(
            names, plan=plan, catalogue=catalogue, software=self.software(), world=self.world
        )
