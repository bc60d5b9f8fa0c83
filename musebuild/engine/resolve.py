"""Keys and states of invocations, from plain data: what is up to date, and why something is not.

Pure: whatever must be looked at (digests, store, reduced tree) comes in through `World`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, MutableMapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any, Protocol

from musebuild.cache.keys import key_of, make_preimage
from musebuild.cache.model import Input, Manifest, Product, UsedInput
from musebuild.plan.model import Choosing, Invocation, Plan
from musebuild.plan.offsets import OFFSET_LIST
from musebuild.plan.selecting import Members
from musebuild.recipes.model import Recipe


class State(StrEnum):
    """What a build would do with an invocation, as all commands tell it; most urgent first."""

    IMPOSSIBLE = "impossible"
    FAILED = "failed"
    """To run, and the last attempt with the same key failed; only lists tell it apart."""
    RUN = "to run"
    NOT_HASHED = "to run, not yet hashed"
    WAITS = "waits"
    RESTORE = "cached"
    LEFT_OUT = "left out"
    """Too few of its exposures fulfil what is asked of them, now that they are made."""
    UP_TO_DATE = "up to date"

    @property
    def pending(self) -> bool:
        """Whether a build has something to do."""
        return self not in (State.UP_TO_DATE, State.LEFT_OUT)


class LookupLike(Protocol):
    """What the store answers."""

    @property
    def manifest(self) -> Manifest | None: ...
    @property
    def outcome(self) -> str: ...
    @property
    def detail(self) -> str: ...
    @property
    def proven(self) -> bool: ...


@dataclass(frozen=True, slots=True)
class World:
    """How the resolution sees digests, store and tree; each answer must be cheap."""

    digest: Callable[[Input], str | None]
    """Content digest of a raw frame or a file; None: not hashed yet."""
    lookup: Callable[[str], LookupLike]
    """What the store has for a key; a look reads no object that is not in place."""
    prove: Callable[[str], LookupLike]
    """The same, once the bytes of all objects are vouched for."""
    in_place: Callable[[Invocation, Manifest], bool]
    forgotten: Callable[[str], bool]
    choose: Callable[[Choosing, Mapping[str, Manifest]], Members]
    """Which candidates a combination takes, from what is measured on their products."""


@dataclass(frozen=True, slots=True)
class Software:
    """What computes, as far as it belongs to the key."""

    drs_version: str
    environment: Mapping[str, str] = field(default_factory=dict)
    package_version: Callable[[str], str] = str


@dataclass(frozen=True, slots=True)
class Resolution:
    """State of one invocation."""

    name: str
    state: State
    reason: str = ""
    key: str = ""
    preimage: Mapping[str, Any] = field(default_factory=dict)
    inputs: tuple[UsedInput, ...] = ()
    manifest: Manifest | None = None
    waits_for: tuple[str, ...] = ()
    detail: str = ""
    """What is damaged, where something is."""
    dropped: frozenset[str] = frozenset()
    """Invocations of candidates that were not chosen."""
    notes: tuple[str, ...] = ()
    """Candidates that were not chosen, and why."""

    @property
    def stale(self) -> bool:
        """Whether a build has something to do."""
        return self.state.pending


def bare(manifest: Manifest) -> Manifest:
    """A manifest without its preimage, the largest part of it: what a build keeps of thousands."""
    return replace(manifest, preimage={})


def slim(resolution: Resolution) -> Resolution:
    """A resolution without what is only needed to run it, or to explain it.

    `resolve_one` gives that once more when its time has come.
    """
    manifest = resolution.manifest and bare(resolution.manifest)
    return replace(resolution, preimage={}, inputs=(), manifest=manifest)


def products_for(wanted: Input, manifest: Manifest) -> list[Product]:
    """Products of an upstream invocation that an input takes."""
    return [
        product
        for product in manifest.products
        if product.category == wanted.category
        and (not wanted.filter or product.filter == wanted.filter)
    ]


def _may_be_missing(wanted: Input, upstream: Invocation, catalogue: Mapping[str, Recipe]) -> bool:
    recipe = catalogue.get(upstream.recipe)
    rules = recipe.products if recipe else ()
    return any(rule.category == wanted.category and rule.optional for rule in rules)


def canonical(invocation: Invocation, used: Iterable[UsedInput]) -> tuple[UsedInput, ...]:
    """Inputs in the one order that keys and recipes see: tag, date, digest; never names."""
    tags: dict[str, int] = {}
    for wanted in invocation.inputs:
        tags.setdefault(wanted.tag, len(tags))
    return tuple(sorted(used, key=lambda one: (tags[one.tag], one.order, one.digest)))


def preimage_of(
    invocation: Invocation, recipe: Recipe, used: Iterable[UsedInput], software: Software
) -> dict[str, Any]:
    """The document that the key of an invocation is the hash of."""
    return make_preimage(
        recipe=recipe.plugin,
        version=software.drs_version if recipe.kind == "drs" else "",
        params=invocation.params,
        inputs=[(one.tag, one.digest) for one in used],
        environment=software.environment if recipe.kind == "drs" else {},
        packages={name: software.package_version(name) for name in recipe.packages},
        code=recipe.code,
    )


@dataclass(frozen=True, slots=True)
class Resolver:
    """What invocations are resolved with."""

    plan: Plan
    """The plan that holds them."""
    catalogue: Mapping[str, Recipe]
    """Recipes by name."""
    manifests: MutableMapping[str, Manifest]
    """Upstream invocation → manifest, for those that are made."""
    software: Software
    """Versions and environment."""
    world: World
    """Digests, store and tree."""

    def resolve(self, invocation: Invocation) -> Resolution:
        """State of one invocation."""
        found = identify(invocation, self)
        return judge(found, invocation, self.world) if found.key else found

    def each(self, names: Iterable[str]) -> Iterator[Resolution]:
        """Resolve invocations, given in an order in which each follows what it needs.

        An invocation whose upstream must run has no key yet: it waits. `manifests` grows by what
        is made, without preimages.
        """
        for name in names:
            resolution = self.resolve(self.plan.invocations[name])
            if resolution.manifest is not None:
                self.manifests[name] = bare(resolution.manifest)
            yield resolution


def identify(invocation: Invocation, by: Resolver) -> Resolution:
    """The key of one invocation, with all that it follows from; without one, what keeps it.

    With a key it is not known yet whether it was made: store and tree are not asked.
    """
    manifests, catalogue, world = by.manifests, by.catalogue, by.world
    used: list[UsedInput] = []
    notes: list[str] = []
    unhashed = 0
    waits: dict[str, None] = {}
    for wanted in invocation.inputs:
        if wanted.kind == "product":
            upstream = manifests.get(wanted.invocation)
            if upstream is None:
                lost = _left_out(wanted, invocation, by)
                if lost is None:
                    waits[wanted.invocation] = None
                elif lost.problem:
                    return Resolution(invocation.name, State.IMPOSSIBLE, lost.problem)
                else:
                    notes += lost.notes
                continue
            found = products_for(wanted, upstream)
            if not found and not _may_be_missing(
                wanted, by.plan.invocations[wanted.invocation], catalogue
            ):
                filtered = f" in the filter {wanted.filter}" if wanted.filter else ""
                return Resolution(
                    invocation.name,
                    State.IMPOSSIBLE,
                    f"{wanted.invocation} made no {wanted.category}{filtered}",
                )
            used.extend(UsedInput.of(wanted, p.digest, p) for p in found)
            continue
        digest = world.digest(wanted)
        if digest is None:
            unhashed += 1
        else:
            used.append(UsedInput.of(wanted, digest))
    choosing = invocation.choosing
    if choosing is not None:
        waits.update(dict.fromkeys(name for name in invocation.needs if name not in manifests))
    if waits:
        first, more = next(iter(waits)), len(waits) - 1
        reason = f"waits for {first}" + (f" and {more} more" if more else "")
        if choosing is not None:
            reason += f"; then {choosing.told} chooses among {len(choosing.candidates)} exposures"
        return Resolution(invocation.name, State.WAITS, reason, waits_for=tuple(waits))
    if unhashed:
        frames = "1 input is" if unhashed == 1 else f"{unhashed} inputs are"
        return Resolution(invocation.name, State.NOT_HASHED, f"{frames} not yet hashed")
    chosen = Members() if choosing is None else world.choose(choosing, manifests)
    if chosen.problem:
        return Resolution(invocation.name, State.IMPOSSIBLE, chosen.problem, notes=chosen.notes)
    if chosen.few:
        return Resolution(invocation.name, State.LEFT_OUT, chosen.few, notes=chosen.notes)
    taken = (one for one in used if one.invocation not in chosen.dropped)
    ordered = canonical(invocation, taken)
    recipe = catalogue[invocation.recipe]
    preimage = preimage_of(invocation, recipe, ordered, by.software)
    return Resolution(
        invocation.name,
        State.RUN,
        key=key_of(preimage),
        preimage=preimage,
        inputs=ordered,
        dropped=chosen.dropped,
        notes=(*notes, *chosen.notes),
    )


def _left_out(wanted: Input, invocation: Invocation, by: Resolver) -> Members | None:
    """What becomes of an input whose maker is left out; None: it is not, as far as is known.

    The only exposure that an alignment is left with does without, as where the plan knows it.
    """
    upstream = by.plan.invocations[wanted.invocation]
    choosing = upstream.choosing
    if choosing is None or not by.manifests.keys() >= {*upstream.needs}:
        return None
    chosen = by.world.choose(choosing, by.manifests)
    if not chosen.few:
        return None
    kept = [one.label for one in choosing.candidates if chosen.dropped.isdisjoint(one.invocations)]
    if wanted.tag == OFFSET_LIST and kept == [invocation.label]:
        told = f"{upstream.name} is left out, since this is the only exposure: reduced without it"
        return Members(notes=(told,))
    return Members(problem=f"{upstream.name} is left out: {chosen.few}")


def judge(resolution: Resolution, invocation: Invocation, world: World) -> Resolution:
    """Give a resolution that has a key its state, from the store and the reduced tree."""
    if world.forgotten(resolution.key):
        return replace(resolution, state=State.RUN, manifest=None, reason="forgotten on request")
    found = world.lookup(resolution.key)
    placed = found.manifest is not None and world.in_place(invocation, found.manifest)
    if placed and not found.proven:
        found = world.prove(resolution.key)
    if found.manifest is None:
        return replace(
            resolution, state=State.RUN, manifest=None, reason=found.outcome, detail=found.detail
        )
    if placed:
        return replace(resolution, state=State.UP_TO_DATE, manifest=found.manifest, reason="")
    return replace(
        resolution,
        state=State.RESTORE,
        manifest=found.manifest,
        reason="made before; its files are not in place"
        + ("" if found.proven else ", and their bytes are checked as they are put there"),
    )
