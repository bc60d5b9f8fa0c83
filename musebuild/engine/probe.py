"""The resolution's view of a real project: digests, store, reduced tree, versions."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, MutableMapping, Sequence
from functools import cached_property, partial

from musebuild.cache.ledger import Placed
from musebuild.cache.model import Input, Manifest
from musebuild.cache.store import Lookup, Seen
from musebuild.engine.fingerprints import Looks, package_version
from musebuild.engine.project import Project
from musebuild.engine.quality import choose_members
from musebuild.engine.resolve import Resolution, Resolver, Software, World, identify, slim
from musebuild.errors import UsageError
from musebuild.fits.digest import FrameDigest
from musebuild.index.qa import Measurements
from musebuild.plan.model import Choosing, Invocation, Plan
from musebuild.plan.names import select
from musebuild.plan.selecting import Members


def digest_of(wanted: Input, digest: FrameDigest) -> str:
    """The digest by which an input is known: of its IFU's data where it is split."""
    return digest.of_part(wanted.ifu)


def file_inputs(invocation: Invocation) -> list[str]:
    """Paths of the raw frames and files that an invocation takes."""
    return [wanted.path for wanted in invocation.inputs if wanted.kind != "product"]


def selection(project: Project, names: Sequence[str]) -> tuple[str, ...]:
    """Invocations that names, patterns and groups stand for; none: the plan's default."""
    if not names:
        return project.plan.default
    try:
        return select(project.plan, names)
    except UsageError as error:
        raise _idle(project, names) or error from None


def _idle(project: Project, names: Sequence[str]) -> UsageError | None:
    """What is said of a recipe of the catalogue for which there are no frames."""
    for name in names:
        recipe = project.catalogue.get(name)
        taken = recipe and " or ".join(recipe.raw or recipe.takes)
        left = any(one.name.partition(":")[0] == name for one in project.plan.left_out)
        if taken and not left and name not in project.plan.groups:
            return UsageError(
                f"{name} has nothing to do: it takes {taken}, and there is none",
                remedy="`musebuild info --unused` tells what becomes of each frame",
            )
    return None


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
        self.world = self._world(self.known, None, None)
        self.forgotten = project.ledger.forgotten()

    def _world(
        self,
        known: Mapping[str, FrameDigest],
        placed: Mapping[str, Placed] | None,
        looks: Looks | None,
    ) -> World:
        """How digests and places are seen.

        Parameters
        ----------
        known : mapping
            Path → digest.
        placed : mapping or None
            Path → what was placed there; None: the ledger is asked each time.
        looks : Looks or None
            Told of each file that the store and the tree look at. Without one, what will be used
            is asked for: nothing counts as made whose bytes nobody vouches for.
        """

        def digest(wanted: Input) -> str | None:
            found = known.get(wanted.path)
            if found is not None:
                return digest_of(wanted, found)
            if looks is not None:
                looks.unhashed.append(wanted.path)
            return None

        store, tree = self.project.store, self.project.tree
        seen: Seen | None = None
        lookup: Callable[..., Lookup] = partial(store.lookup, read=True)
        if looks is not None:
            stored, places = looks.stored, looks.placed

            def seen(path: str, status: os.stat_result) -> None:
                places.append((path, status))

            def lookup(key: str, *, read: bool = False) -> Lookup:
                stored.clear()
                return store.lookup(key, lambda *one: stored.append(one), read=read)

        return World(
            digest=digest,
            lookup=lookup,
            prove=partial(lookup, read=True),
            in_place=lambda made, manifest: tree.in_place(made.folder, manifest, placed, seen),
            forgotten=lambda key: key in self.forgotten,
            choose=self._choose,
        )

    def learn(self, invocations: Iterable[Invocation]) -> None:
        """Take in what is remembered of the inputs' digests; hashes nothing."""
        self.known.update(self._known_of(invocations))

    def _known_of(self, invocations: Iterable[Invocation]) -> dict[str, FrameDigest]:
        paths = {path for invocation in invocations for path in file_inputs(invocation)}
        found = {path: self.known[path] for path in paths if path in self.known}
        return found | self.project.digests.known_many(sorted(paths - found.keys()))

    @cached_property
    def measurements(self) -> Measurements:
        """What was measured on products."""
        return Measurements(self.project.connection)

    def _choose(self, choosing: Choosing, manifests: Mapping[str, Manifest]) -> Members:
        return choose_members(choosing, manifests, self.project.store, self.measurements)

    def software(self) -> Software:
        """What computes."""
        return Software(
            drs_version=self.project.drs.version,
            environment=self.project.recipe_environment,
            package_version=package_version,
        )

    def identify(
        self, invocation: Invocation, plan: Plan, manifests: MutableMapping[str, Manifest]
    ) -> Resolution:
        """Key of an invocation, with all that it follows from."""
        world = self._world(self._known_of([invocation]), None, None)
        return identify(invocation, self._resolver(plan, manifests, world))

    def piece(
        self,
        names: Sequence[str],
        plan: Plan,
        manifests: MutableMapping[str, Manifest],
        looks: Looks | None = None,
        *,
        full: bool = False,
    ) -> Iterator[Resolution]:
        """State of a few invocations; the digests of their inputs are known only meanwhile.

        Those of a large archive fill the memory.

        Parameters
        ----------
        names : sequence of str
            In the order of the plan.
        plan : Plan
            The plan, or a part of it that holds all of them.
        manifests : mutable mapping
            What is known of upstream invocations; grows.
        looks : Looks, optional
            Told of each file that is looked at; whoever takes a resolution clears it.
        full : bool
            Whether with what is only needed to run or explain them.
        """
        known = self._known_of(plan.invocations[name] for name in names)
        if full:
            self.known |= known
        world = self._world(known, self.project.ledger.placed_by_any(names), looks)
        for resolution in self._resolver(plan, manifests, world).each(names):
            yield resolution if full else slim(resolution)

    def _resolver(
        self, plan: Plan, manifests: MutableMapping[str, Manifest], world: World
    ) -> Resolver:
        return Resolver(plan, self.project.catalogue, manifests, self.software(), world)
