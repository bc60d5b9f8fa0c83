"""Everything about one invocation, for people."""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

from musebuild.cache.manifest import is_object
from musebuild.cache.model import Input
from musebuild.cache.store import Store
from musebuild.engine.resolve import Resolution
from musebuild.index.times import Times
from musebuild.plan.model import Invocation, Plan
from musebuild.report.associations import fit_text
from musebuild.report.listing import reason_of
from musebuild.report.spans import span

SECONDS = 86400.0
"""Of a day."""


def quality_text(wanted: Input) -> str:
    """How well an associated frame fits, in brackets; empty where nothing was chosen."""
    text = fit_text(wanted.quality)
    return f"  [{text}]" if text else ""


def _inputs(invocation: Invocation, resolution: Resolution) -> list[str]:
    lines = []
    width = max((len(wanted.tag) for wanted in invocation.inputs), default=0)
    for wanted in invocation.inputs:
        what = wanted.invocation if wanted.kind == "product" else wanted.path
        if wanted.filter:
            what += f" ({wanted.filter})"
        if wanted.invocation in resolution.dropped:
            what += "  [not chosen]"
        lines.append(f"  {wanted.tag:<{width}}  {what}{quality_text(wanted)}")
    return lines


def labels_of(invocation: Invocation, plan: Plan, resolution: Resolution) -> list[str]:
    """Labels of the tasks whose products go into an invocation: exposures, sequences, results."""
    labels = (
        plan.invocations[wanted.invocation].label
        for wanted in invocation.inputs
        if wanted.kind == "product" and wanted.invocation not in resolution.dropped
    )
    return list(dict.fromkeys(labels))


def sum_text(times: Collection[Times]) -> str:
    """Number, sum of times, first and last moment of exposures that are combined.

    The header of the pipeline's combination has those of the first exposure.

    Parameters
    ----------
    times : collection of Times
        Of each.
    """
    first = min(times, key=lambda one: one.mjd_obs)
    last = max(times, key=lambda one: one.mjd_obs + one.exptime / SECONDS)
    end = dt.datetime.fromisoformat(last.date_obs) + dt.timedelta(seconds=last.exptime)
    return (
        f"{len(times)}, {sum(one.exptime for one in times):.6g} s in all, from {first.date_obs} "
        f"to {end.isoformat(timespec='milliseconds')}"
    )


def info_text(
    invocation: Invocation,
    plan: Plan,
    resolution: Resolution,
    history: Mapping[str, Any],
    store: Store,
    reduced: Path,
    times: Mapping[str, Times] = MappingProxyType({}),
) -> str:
    """Name, state, parameters, inputs, products and history of an invocation.

    Parameters
    ----------
    invocation : Invocation
        What to tell of.
    plan : Plan
        The plan that holds it.
    resolution : Resolution
        Its state.
    history : mapping
        The ledger's row of its task; empty where it never ran.
    store : Store
        Where its log lies.
    reduced : Path
        The reduced tree.
    times : mapping, optional
        Exposure → when it was taken, of it and those that may go in.
    """
    state = str(resolution.state) + (f" ({reason_of(resolution)})" if resolution.reason else "")
    lines = [invocation.name, f"recipe: {invocation.recipe}", f"state: {state}"]
    if invocation.dataset:
        lines.append(f"dataset: {invocation.dataset}")
    if invocation.night:
        lines.append(f"night: {invocation.night}")
    went_in = [times[n] for n in labels_of(invocation, plan, resolution) if n in times]
    # Which of the candidates are taken is known when all are made.
    waits = invocation.choosing is not None and not resolution.key
    if len(went_in) > 1 and invocation.label not in times and not waits:
        lines.append(f"exposures: {sum_text(went_in)}")
    if invocation.params:
        lines.append("parameters:")
        lines += [f"  {name} = {value}" for name, value in invocation.params.items()]
    lines += ["inputs:", *_inputs(invocation, resolution)]
    lines.append(f"products in {reduced / invocation.folder}:")
    if resolution.manifest is not None:
        lines += [f"  {p.category:<18} {p.name}" for p in resolution.manifest.products]
    else:
        lines += [f"  {category}" for category in invocation.products]
    needed_by = [
        other.name for other in plan.invocations.values() if invocation.name in other.needs
    ]
    if needed_by:
        lines.append("needed by: " + ", ".join(needed_by[:12]) + (" …" * (len(needed_by) > 12)))
    lines += [f"note: {note}" for note in (*invocation.notes, *resolution.notes)]
    if resolution.manifest is not None:
        made = resolution.manifest
        lines.append(
            f"made: {made.made}, in {span(made.seconds)}, {made.peak_memory / 1e9:.2f} GB of memory"
        )
        lines += [f"warning: {text}" for text in made.warnings[:10]]
        if made.log:
            lines.append(f"log: {store.path(made.log) if is_object(made.log) else made.log}")
    if history:
        lines.append(f"last: {history['outcome']} on {history['date']}")
        if history["outcome"] == "failed":
            lines.append(f"  {history['reason']}")
            if history["log"]:
                lines.append(f"  log: {history['log']}")
    if resolution.key:
        lines.append(f"key: {resolution.key}")
    return "\n".join(lines) + "\n"
