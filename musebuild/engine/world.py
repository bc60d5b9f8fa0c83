"""The resolution's view of a real project: digests, store, reduced tree, versions."""

from __future__ import annotations

import contextlib
import gc
from collections.abc import Collection, Iterable, Iterator, Mapping, MutableMapping
from functools import cache, cached_property
from importlib import metadata
from itertools import islice

from musebuild.cache.ledger import Placed
from musebuild.cache.model import Manifest
from musebuild.cache.store import Lookup
from musebuild.engine.project import Project
from musebuild.engine.quality import choose
from musebuild.engine.resolve import Resolution, Software, World, resolve_all, resolve_each, slim
from musebuild.engine.watching import Looks
from musebuild.fits.digest import FrameDigest
from musebuild.index.qa import Measurements
from musebuild.plan.model import Choosing, Input, Invocation, Plan
from musebuild.plan.selecting import Members
from musebuild.recipes.model import Recipe

FEW = 5000
"""Fewer tasks than these are asked for by name, rather than all."""
CHUNK = 2000
"""Invocations whose inputs' digests are held at once."""


@contextlib.contextmanager
def without_collector() -> Iterator[None]:
    """While millions of small records are made, none of which refers back to another, the
    collector of circles would walk them all again and again."""
    collecting = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collecting:
            gc.enable()


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
    tasks : collection of str, optional
        The only ones that are asked for; default: all.
    """

    def __init__(self, project: Project, tasks: Collection[str] | None = None) -> None:
        self.project = project
        self.looks: Looks | None = None
        """Where there is one, it is told of each file that the store and the tree look at."""
        self._tasks = tasks
        self.known: dict[str, FrameDigest] = {}
        self.world = World(
            digest=self._digest,
            lookup=self._lookup,
            in_place=self.in_place,
            forgotten=lambda key: key in self.forgotten,
            choose=self._choose,
        )
        self.placed: dict[str, Placed] = {}
        self.forgotten: frozenset[str] = frozenset()
        self.refresh()

    def refresh(self) -> None:
        """Read anew what was placed and what is forgotten."""
        ledger = self.project.ledger
        few = self._tasks is not None and len(self._tasks) < FEW
        self.placed = ledger.placed_by_any(self._tasks or ()) if few else ledger.all_placed()
        self.forgotten = self.project.ledger.forgotten()

    def learn(self, invocations: Iterable[Invocation]) -> None:
        """Take in what is remembered of the inputs' digests; hashes nothing."""
        paths = {path for invocation in invocations for path in file_inputs(invocation)}
        self.known.update(self.project.digests.known_many(sorted(paths - self.known.keys())))

    def _digest(self, wanted: Input) -> str | None:
        digest = self.known.get(wanted.path)
        return None if digest is None else digest_of(wanted, digest)

    @cached_property
    def measurements(self) -> Measurements:
        """What was measured on products."""
        return Measurements(self.project.db)

    def _choose(self, choosing: Choosing, manifests: Mapping[str, Manifest]) -> Members:
        return choose(choosing, manifests, self.project.store, self.measurements)

    def in_place(self, invocation: Invocation, manifest: Manifest) -> bool:
        """Whether an invocation's products lie in the reduced tree, by `stat` alone."""
        looks = self.looks
        return self.project.tree.in_place(
            invocation.folder,
            manifest,
            self.placed,
            None if looks is None else lambda *look: looks.placed.append(look),
        )

    def _lookup(self, key: str) -> Lookup:
        looks = self.looks
        if looks is None:
            return self.project.store.lookup(key)
        return self.project.store.lookup(key, lambda *look: looks.stored.append(look))

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
        catalogue: dict[str, Recipe] = self.project.catalogue
        with without_collector():
            self.learn(plan.invocations[name] for name in names)
            return resolve_all(
                names, plan=plan, catalogue=catalogue, software=self.software(), world=self.world
            )

    def survey(
        self, names: Iterable[str], plan: Plan, manifests: MutableMapping[str, Manifest]
    ) -> Iterator[Resolution]:
        """State of invocations, without what is only needed to run one of them.

        The digests of their inputs are known only meanwhile: those of a large archive fill the
        memory.

        Parameters
        ----------
        names : iterable of str
            In the order of the plan.
        plan : Plan
            The plan, or a part of it that holds all of them.
        manifests : dict
            What is known of upstream invocations; grows.
        """
        waiting = iter(names)
        while some := list(islice(waiting, CHUNK)):
            with without_collector():
                self.learn(plan.invocations[name] for name in some)
                for resolution in resolve_each(
                    some,
                    plan=plan,
                    catalogue=self.project.catalogue,
                    software=self.software(),
                    world=self.world,
                    manifests=manifests,
                ):
                    yield slim(resolution)
            self.known.clear()
