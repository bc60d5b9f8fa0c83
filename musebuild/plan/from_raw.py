"""Invocations of calibration sequences and of raw exposures."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from musebuild.plan.blocks import PlannedBlock, top_folder
from musebuild.plan.draft import Draft, ifu_list, plain_mode, told_of
from musebuild.plan.made import Made
from musebuild.plan.model import Input, Missing, Wanted
from musebuild.plan.needs import Subject
from musebuild.plan.sequences import Group, exposures, sequences, too_small


def add_sequences(draft: Draft, planned: PlannedBlock) -> None:
    """Add what a block makes of calibration sequences.

    Parameters
    ----------
    draft : Draft
        The plan so far; grows.
    planned : PlannedBlock
        The block.
    """
    frames = [f for category in planned.recipe.raw for f in draft.raw[category]]
    for group in sequences(frames):
        _from_raw(draft, planned, group, _sequence_folder(planned, group))


def add_raw_exposures(draft: Draft, planned: PlannedBlock) -> None:
    """Add what a block makes of single raw exposures; parameters as for `add_sequences`."""
    for category in planned.recipe.raw:
        frames = draft.raw[category]
        if category == "OBJECT":
            frames = [f for f in frames if f.dataset in draft.datasets]
        for group in exposures(frames):
            folder = f"{top_folder(planned)}/{group.label}"
            _from_raw(draft, planned, group, folder)


def _from_raw(draft: Draft, planned: PlannedBlock, group: Group, folder: str) -> None:
    recipe = planned.recipe
    first = group.first
    task = f"{planned.name}:{group.label}"
    held = group.channels
    wanted = draft.settings.ifus
    ifus = held if wanted is None else tuple(ifu for ifu in held if ifu in wanted)
    dataset = first.dataset if first.category == "OBJECT" else ""
    if not ifus:
        have = f"it holds IFU {ifu_list(held)}" if held else "it holds no IFU at all"
        asked = "" if wanted is None else f", and the settings want IFU {ifu_list(wanted)}"
        draft.leave(
            task,
            f"{first.filename}: {have}{asked}",
            "correct `ifus` in the settings, or take the frame out of raw_path",
            dataset,
            setup=group.setup,
            run=first.run,
        )
        return
    if recipe.needs_ifu is not None and recipe.needs_ifu not in ifus:
        draft.leave(
            task,
            f"{recipe.name} needs IFU {recipe.needs_ifu} among its inputs, "
            f"and there is {ifu_list(ifus)}",
            f"add IFU {recipe.needs_ifu} to `ifus`, or go without: exclude what it makes "
            "from the frames of the blocks that take it",
            dataset,
            setup=group.setup,
            run=first.run,
        )
        return
    made = Made(
        planned.name,
        group.label,
        group.setup,
        draft.categories(planned, first.category),
        raw=first.category,
        dataset=dataset,
        run=first.run,
        exposure=first.name if recipe.group_by == "exposure" else "",
        date=first.date_obs,
    )
    made.tpl_start, made.folder = first.tpl_start, folder
    failures: dict[str, list[int]] = defaultdict(list)
    remedies: dict[str, str] = {}
    absent: dict[str, Sequence[Missing]] = {}
    lacking: dict[str, list[Wanted]] = defaultdict(list)
    for ifu in ifus if recipe.split_by_ifu else (None,):
        frames = group.frames if ifu is None else group.with_channel(ifu)
        small = too_small(group, frames, recipe, ifu)
        if small:
            failures[small].append(ifu or 0)
            remedies[small] = (
                "add the missing raw frames to raw_path; "
                "`musebuild retrieve --missing` looks for them in the archive"
            )
            if ifu is None or len(frames) == len(group.frames):
                mode = group.setup.ins_mode
                lacking[small].append(Wanted((first.category,), group.setup.night, 0, mode))
            continue
        subject = Subject(planned, task, group.setup, ifu, ifus, dataset, first, run=first.run)
        found = draft.finder.find(subject)
        if found.missing:
            reason, remedy = told_of(found.missing)
            failures[reason].append(ifu or 0)
            remedies[reason] = remedy
            absent[reason] = found.missing
            continue
        if ifu is None:
            split = [Input(f.category, "raw", path=f.path, order=f.date_obs) for f in frames]
        else:
            split = [
                Input(f.category, "raw", path=f.path, ifu=ifu, order=f.date_obs) for f in frames
            ]
        draft.add(planned, made, folder, [*split, *found.inputs], found.notes, ifu)
    for reason, bad in failures.items():
        part = f"IFU {ifu_list(bad)}: " if any(bad) and len(bad) < len(ifus) else ""
        draft.leave(
            task,
            part + reason,
            remedies[reason],
            dataset,
            missing=absent.get(reason, ()),
            wanted=lacking[reason],
            setup=group.setup,
            run=first.run,
        )
    if made.by_ifu:
        draft.made[planned.name].append(made)


def _sequence_folder(planned: PlannedBlock, group: Group) -> str:
    mode = plain_mode(group.setup)
    last = group.label if not mode or group.label.endswith(mode) else f"{group.label}.{mode}"
    return f"{top_folder(planned)}/{last}"
