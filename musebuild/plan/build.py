"""Settings, index and catalogue → the graph of invocations. Pure."""

from __future__ import annotations

import gc
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType

from musebuild.errors import PlanError
from musebuild.index.model import FileIndex, RawFrame, Selected
from musebuild.plan.checks import check_datasets, check_source
from musebuild.plan.draft import Draft
from musebuild.plan.from_products import add_datasets, add_exposures, add_runs
from musebuild.plan.from_raw import add_raw_exposures, add_sequences
from musebuild.plan.model import Invocation, Plan
from musebuild.plan.names import closure, select
from musebuild.plan.scales import refused_scales
from musebuild.plan.selecting import refused_keys
from musebuild.recipes.model import Recipe
from musebuild.settings.model import Settings


def _plan(draft: Draft) -> Plan:
    """All blocks in order."""
    counts = Counter(frame.dataset for frame in draft.raw["OBJECT"])
    draft.left_out += check_datasets(draft.settings, draft.datasets, counts)
    for planned in draft.blocks.values():
        check_source(planned, draft.blocks, draft.settings)
        refused = refused_keys(planned) or refused_scales(planned, draft.blocks, draft.left_out)
        if refused is not None:
            draft.left_out.append(refused)
            continue
        if planned.recipe.group_by == "sequence":
            add_sequences(draft, planned)
        elif planned.recipe.raw:
            add_raw_exposures(draft, planned)
        elif planned.recipe.group_by == "exposure":
            add_exposures(draft, planned)
        elif planned.recipe.group_by == "run":
            add_runs(draft, planned)
        else:
            add_datasets(draft, planned)
    _check_places(draft)
    return _finish(draft)


def _check_places(draft: Draft) -> None:
    taken: dict[tuple[str, int | None], Invocation] = {}
    for invocation in draft.invocations.values():
        other = taken.setdefault((invocation.folder, invocation.ifu), invocation)
        if other is not invocation and other.block != invocation.block:
            raise PlanError(
                f"{other.block} and {invocation.block} would write the same folder "
                f"{invocation.folder}",
                where=str(draft.settings.where("recipes", invocation.block)),
                remedy=f"give one of them another recipes.{invocation.block}.init.output_dir",
            )


def _finish(draft: Draft) -> Plan:
    groups: dict[str, list[str]] = defaultdict(list)
    for name, invocation in draft.invocations.items():
        kind = draft.catalogue[invocation.recipe].group
        keys = [kind, invocation.block, invocation.dataset, invocation.night, invocation.run]
        if invocation.ifu is not None:
            keys.append(invocation.task)
        for key in dict.fromkeys(filter(None, keys)):
            groups[key].append(name)
    plan = Plan(
        invocations=draft.invocations,
        default=(),
        groups={name: tuple(members) for name, members in groups.items()},
        left_out=tuple(dict.fromkeys(draft.left_out)),
    )
    if draft.settings.targets:
        wanted: Sequence[str] = select(plan, draft.settings.targets)
    else:
        wanted = [name for name, inv in draft.invocations.items() if inv.dataset]
    return Plan(plan.invocations, closure(plan, wanted), plan.groups, plan.left_out)


def make_plan(
    settings: Settings,
    raw: Iterable[RawFrame],
    files: FileIndex,
    catalogue: Mapping[str, Recipe],
    selections: Mapping[str, Mapping[str, Selected]] = MappingProxyType({}),
) -> Plan:
    """Every invocation that the settings need, each with its input frames.

    Parameters
    ----------
    settings : Settings
        What to reduce, and how.
    raw : iterable of RawFrame
        Frames of the index; excluded ones are passed over.
    files : FileIndex
        Static calibrations, and files that the settings name.
    catalogue : mapping
        Recipes by name.
    selections : mapping, optional
        Block → name of a selection (empty: that of `select`) → the exposures that it selects. A
        combination whose selection is not among them is left out.

    Returns
    -------
    Plan
        Invocations in an order in which each follows what it needs.

    Raises
    ------
    PlanError
        Blocks contradict each other.
    """
    # Millions of small records are made, none of which refers back to another: the collector of
    # circles would walk them all again and again, for a third of the time.
    collecting = gc.isenabled()
    gc.disable()
    try:
        return _plan(Draft(settings, raw, files, catalogue, selections))
    finally:
        if collecting:
            gc.enable()
