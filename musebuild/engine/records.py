"""What an invocation is made from, with names: now, and as the ledger remembers it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from musebuild.cache.model import Manifest, Record, UsedInput
from musebuild.engine.probe import ProjectWorld
from musebuild.engine.resolve import Resolution, preimage_of, products_for
from musebuild.plan.model import Plan


def _of_night(used: UsedInput, plan: Plan) -> UsedInput:
    """An input with the night of what made it."""
    return replace(used, night=plan.invocations[used.invocation].night) if used.invocation else used


def record_of(resolution: Resolution, plan: Plan) -> Record:
    """How an invocation whose key is known is made."""
    return Record(
        task=resolution.name,
        key=resolution.key,
        date="",
        call={name: value for name, value in resolution.preimage.items() if name != "inputs"},
        inputs=tuple(_of_night(used, plan) for used in resolution.inputs),
        chosen=tuple(
            wanted
            for wanted in plan.invocations[resolution.name].inputs
            if wanted.quality is not None
        ),
    )


def record_stored(manifest: Manifest | None, task: str) -> Record | None:
    """How a task was made, where only the store still knows: without names of its inputs."""
    if manifest is None:
        return None
    call = {name: value for name, value in manifest.preimage.items() if name != "inputs"}
    inputs = tuple(
        UsedInput.named(tag, digest, "", "") for tag, digest in manifest.preimage["inputs"]
    )
    return Record(task, manifest.key, manifest.made, call, inputs)


def record_now(
    name: str, resolutions: Mapping[str, Resolution], looked: ProjectWorld
) -> Record | None:
    """How an invocation would be made now, as far as that is known: digests may be missing.

    Parameters
    ----------
    name : str
        The invocation.
    resolutions : mapping
        Its state, and that of all that it needs; with a key, all is known.
    looked : ProjectWorld
        That resolved them.

    Returns
    -------
    Record or None
        None: before all candidates are made, nobody knows which are taken.
    """
    plan, catalogue = looked.project.plan, looked.project.catalogue
    invocation, resolution = plan.invocations[name], resolutions[name]
    if resolution.key:
        return record_of(resolution, plan)
    if invocation.choosing is not None:
        return None
    inputs = []
    for wanted in invocation.inputs:
        if wanted.kind != "product":
            inputs.append(UsedInput.of(wanted, looked.world.digest(wanted) or ""))
            continue
        upstream = resolutions.get(wanted.invocation)
        manifest = upstream.manifest if upstream is not None else None
        made = products_for(wanted, manifest) if manifest is not None else []
        resolved = [UsedInput.of(wanted, one.digest, one) for one in made]
        inputs += [_of_night(one, plan) for one in resolved or [UsedInput.of(wanted, "")]]
    call = preimage_of(invocation, catalogue[invocation.recipe], (), looked.software())
    del call["inputs"]
    return Record(name, "", "", call, tuple(inputs))
