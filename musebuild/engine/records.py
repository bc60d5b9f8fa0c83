"""What an invocation is made from, with names: now, and as the ledger remembers it."""

from __future__ import annotations

from collections.abc import Mapping

from musebuild.cache.model import ChosenInput, Manifest, Record, UsedInput
from musebuild.engine.resolve import (
    Resolution,
    Software,
    World,
    preimage_of,
    products_for,
)
from musebuild.plan.model import Input, Invocation, Plan
from musebuild.recipes.model import Recipe


def _used(tag: str, digest: str, wanted: Input, plan: Plan) -> UsedInput:
    if wanted.kind != "product":
        return UsedInput(tag, digest, wanted.kind, wanted.path)
    maker = plan.invocations[wanted.invocation]
    return UsedInput(tag, digest, "product", maker.name, wanted.category, maker.night)


def _chosen(wanted: Input) -> ChosenInput | None:
    fit = wanted.quality
    if fit is None:
        return None
    return ChosenInput(
        wanted.tag,
        wanted.kind,
        wanted.invocation or wanted.path,
        wanted.category,
        fit.grade,
        fit.nights,
        fit.hours,
        fit.kelvin,
        fit.note,
    )


def record_of(resolution: Resolution, plan: Plan) -> Record:
    """How an invocation whose key is known is made."""
    return Record(
        task=resolution.name,
        key=resolution.key,
        date="",
        call={name: value for name, value in resolution.preimage.items() if name != "inputs"},
        inputs=tuple(_used(s.tag, s.digest, s.input, plan) for s in resolution.sources),
        chosen=tuple(
            chosen
            for wanted in plan.invocations[resolution.name].inputs
            if (chosen := _chosen(wanted)) is not None
        ),
    )


def record_stored(manifest: Manifest | None, task: str) -> Record | None:
    """How a task was made, where only the store still knows: without names of its inputs."""
    if manifest is None:
        return None
    call = {name: value for name, value in manifest.preimage.items() if name != "inputs"}
    inputs = tuple(UsedInput(tag, digest, "", "") for tag, digest in manifest.preimage["inputs"])
    return Record(task, manifest.key, manifest.made, call, inputs)


def record_now(
    invocation: Invocation,
    resolution: Resolution,
    *,
    plan: Plan,
    catalogue: Mapping[str, Recipe],
    manifests: Mapping[str, Manifest],
    software: Software,
    world: World,
) -> Record:
    """How an invocation would be made now, as far as that is known: digests may be missing.

    Parameters
    ----------
    invocation : Invocation
        What to look at.
    resolution : Resolution
        Its state; with a key, all is known.
    plan, catalogue, manifests, software, world
        As for `resolve_one`.
    """
    if resolution.key:
        return record_of(resolution, plan)
    inputs = []
    for wanted in invocation.inputs:
        if wanted.kind != "product":
            inputs.append(_used(wanted.tag, world.digest(wanted) or "", wanted, plan))
            continue
        upstream = manifests.get(wanted.invocation)
        made = products_for(wanted, upstream) if upstream is not None else []
        digests = [product.digest for product in made] or [""]
        inputs += [_used(wanted.tag, digest, wanted, plan) for digest in digests]
    call = preimage_of(invocation, catalogue[invocation.recipe], (), software)
    del call["inputs"]
    return Record(invocation.name, "", "", call, tuple(inputs))
