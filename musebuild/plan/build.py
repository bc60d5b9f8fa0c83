"""Settings, index and catalogue → the graph of invocations. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType

from musebuild.errors import PlanError
from musebuild.index.model import FileIndex, Loss, RawFrame, Selected
from musebuild.plan.blocks import PlannedBlock, made_by
from musebuild.plan.datasets import check_datasets
from musebuild.plan.draft import Draft
from musebuild.plan.from_products import add_datasets, add_exposures, add_runs
from musebuild.plan.from_raw import add_raw_exposures, add_sequences, lacking_ifus
from musebuild.plan.model import Invocation, Plan
from musebuild.plan.names import closure, select
from musebuild.plan.scales import refused_scales
from musebuild.plan.selecting import refused_keys
from musebuild.plan.vanished import stop
from musebuild.recipes.model import Recipe
from musebuild.settings.model import Settings


def _plan(draft: Draft) -> Plan:
    """All blocks in order."""
    draft.left_out += draft.parts.told()
    draft.left_out += lacking_ifus(draft)
    draft.left_out += check_datasets(draft.settings, draft.datasets, draft.raw["OBJECT"])
    for planned in draft.blocks.values():
        _check_source(planned, draft.blocks, draft.settings)
        refused = refused_keys(planned) or refused_scales(planned, draft.blocks, draft.left_out)
        if refused is not None:
            draft.left_out.append(refused)
            draft.off[planned.name] = refused
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


def _check_source(
    planned: PlannedBlock, blocks: Mapping[str, PlannedBlock], settings: Settings
) -> None:
    """Check that the block that products come from makes them with its parameters.

    Raises
    ------
    PlanError
        It does not.
    """
    if not planned.source or not planned.declared:
        # What runs by itself makes nothing where there is nothing; what needs it says so.
        return
    source = blocks[planned.source]
    raws = source.recipe.raw or ("",)
    makes = {rule.category for raw in raws for rule in made_by(source.recipe, source.shaping, raw)}
    for category in planned.recipe.takes.values():
        if category in makes:
            continue
        rule = next((r for r in source.recipe.products if r.category == category), None)
        remedy = f"name another block with recipes.{planned.name}.from_recipe"
        if rule is not None:
            wanted = ", ".join(f"{k}: {' or '.join(v)}" for k, v in rule.when.items())
            remedy = f"{category} is made with {wanted}: set recipes.{source.name}.params so"
        raise PlanError(
            f"{planned.name} takes {category} from {source.name}, which makes none "
            "with its parameters",
            where=str(settings.where("recipes", source.name, "params")),
            why=", ".join(f"{k}: {v}" for k, v in source.params.items()),
            remedy=remedy,
        )
    filters = str(source.shaping.get("filter", "")).split(",")
    if "IMAGE_FOV" in planned.recipe.takes.values() and planned.block.filt not in filters:
        raise PlanError(
            f"{planned.name} takes images in the filter {planned.block.filt}, "
            f"and {source.name} makes them in {', '.join(filters)}",
            where=str(settings.where("recipes", planned.name, "filt")),
            remedy=f"add it to recipes.{source.name}.params.filter, or choose another `filt`",
        )


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
        unit = draft.unit_of.get(name, "")
        keys = [kind, invocation.block, invocation.dataset, unit, invocation.night, invocation.run]
        if invocation.ifu is not None:
            keys.append(invocation.task)
        for key in dict.fromkeys(filter(None, keys)):
            groups[key].append(name)
    plan = Plan(
        invocations=draft.invocations,
        default=(),
        groups={name: tuple(members) for name, members in groups.items()},
        left_out=tuple(dict.fromkeys(draft.left_out)),
        units=tuple(sorted(set(draft.unit_of.values()))),
    )
    if draft.settings.targets:
        wanted: Sequence[str] = select(plan, draft.settings.targets)
    else:
        wanted = [name for name, inv in draft.invocations.items() if inv.dataset]
    return replace(plan, default=closure(plan, wanted))


def make_plan(
    settings: Settings,
    raw: Iterable[RawFrame],
    files: FileIndex,
    catalogue: Mapping[str, Recipe],
    selections: Mapping[str, Mapping[str, Selected]] = MappingProxyType({}),
    lost: Collection[Loss] = (),
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
    lost : collection of Loss
        Those of `raw` and `files` that builds used and that cannot be read any more: what would
        take them is stopped.

    Returns
    -------
    Plan
        Invocations in an order in which each follows what it needs.

    Raises
    ------
    PlanError
        Blocks contradict each other.
    """
    plan = _plan(Draft(settings, raw, files, catalogue, selections))
    return stop(plan, lost, str(settings.folder)) if lost else plan
