"""Invocations of calibration sequences and of raw exposures."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import replace

from musebuild.cache.model import Input
from musebuild.plan.blocks import PlannedBlock, top_folder
from musebuild.plan.draft import Draft, ifu_list, plain_mode
from musebuild.plan.model import Cause, LeftOut, Wanted
from musebuild.plan.planned_task import PlannedTask
from musebuild.plan.products import Found, Subject
from musebuild.plan.sequences import Group, exposures, matter_of, sequences, too_small


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
    matter = matter_of(planned.recipe, draft.catalogue.values())
    for group in sequences(frames, matter):
        _from_raw(draft, planned, group, _sequence_folder(planned, group))


def lacking_ifus(draft: Draft) -> list[LeftOut]:
    """What a person should know of frames without IFUs that most others of their night hold.

    The pipeline makes a cube of the IFUs that there are, and says nothing: half a file looks so.
    """
    wanted = draft.settings.ifus
    nights: dict[str, Counter[tuple[int, ...]]] = defaultdict(Counter)
    for frames in draft.raw.values():
        for frame in frames:
            nights[frame.night][frame.channels] += 1
    usual = {
        night: max(counts, key=lambda held: (counts[held], len(held)))
        for night, counts in nights.items()
        if len(counts) > 1
    }
    alike: dict[tuple[int, ...], list[str]] = defaultdict(list)
    taken = {category for planned in draft.blocks.values() for category in planned.recipe.raw}
    for category in sorted(taken & draft.raw.keys()):
        for frame in draft.raw[category]:
            lost = {*usual.get(frame.night, ())} - {*frame.channels}
            lost = lost if wanted is None else lost & {*wanted}
            if lost:
                alike[tuple(sorted(lost))].append(frame.filename)
    told = [
        LeftOut.of(
            names[0] + (f" and {len(names) - 1} more" if len(names) > 1 else ""),
            f"IFU {ifu_list(lost)} is lacking, which other frames of the night hold: "
            "what is made of it lacks them, too",
            "fetch the frame again, or leave it out with frames.exclude",
            note=True,
        )
        for lost, names in alike.items()
    ]
    held = {ifu for counts in nights.values() for channels in counts for ifu in channels}
    nowhere = {*(wanted or ())} - held
    # Where there is none of those that are wanted, nothing can be done, and that is said.
    if nowhere and held & {*(wanted or ())}:
        reason = f"no frame holds IFU {ifu_list(sorted(nowhere))}: the rest is reduced"
        told.append(LeftOut.of("ifus", reason, "correct `ifus` in the settings", note=True))
    return told


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
    first, recipe = group.first, planned.recipe
    task = PlannedTask(
        planned.name,
        group.label,
        group.setup,
        draft.categories(planned, first.category),
        raw=first.category,
        dataset=first.dataset if first.category == "OBJECT" else "",
        part=draft.parts.name(first.name) if first.category == "OBJECT" else "",
        run=first.run,
        exposure=first.name if recipe.group_by == "exposure" else "",
        date=first.date_obs,
        tpl_start=first.tpl_start,
        folder=folder,
    )
    wanted = draft.settings.ifus
    ifus = tuple(ifu for ifu in group.channels if wanted is None or ifu in wanted)
    refused = _without_ifus(draft, planned, group, ifus)
    if refused is not None:
        draft.leave(task, [refused])
        return
    failures: dict[Cause, list[int]] = {}
    split = ifus if recipe.split_by_ifu else (None,)
    for ifu in split:
        for cause in _add(draft, task, group, ifus, ifu):
            failures.setdefault(cause, []).append(ifu or 0)
    if failures:
        # Of some IFUs each says of which.
        causes = [
            cause
            if len(bad) == len(split)
            else replace(cause, of=f"{cause.of}, IFU {ifu_list(bad)}".removeprefix(", "))
            for cause, bad in failures.items()
        ]
        whole = {ifu: task.task if ifu is None else f"{task.task}.ifu{ifu:02d}" for ifu in split}
        draft.leave(replace(task, by_ifu=whole), causes)


def _without_ifus(
    draft: Draft, planned: PlannedBlock, group: Group, ifus: tuple[int, ...]
) -> Cause | None:
    """Why nothing can be made of the IFUs that frames hold and settings want."""
    recipe, held, wanted = planned.recipe, group.channels, draft.settings.ifus
    if not held:
        return Cause(
            f"{group.first.category} frames have no extension CHANnn ({{of}}): "
            "they are headers only, or cut off",
            "fetch them again, or take them out of raw_path",
            "frames",
            of=group.first.filename,
        )
    if not ifus:
        asked = ifu_list(wanted or ())
        return Cause(
            f"{{of}}: it holds IFU {ifu_list(held)}, and the settings want IFU {asked}",
            "correct `ifus` in the settings, or take the frames out of raw_path",
            of=group.first.filename,
            where=("ifus",),
        )
    if recipe.needs_ifu is not None and recipe.needs_ifu not in ifus:
        return Cause(
            f"{recipe.name} needs IFU {recipe.needs_ifu} among its inputs, "
            f"and there is {ifu_list(ifus)}",
            f"add IFU {recipe.needs_ifu} to `ifus`, or go without: exclude what it makes "
            "from the frames of the blocks that take it",
            where=("ifus",),
        )
    return None


def _add(
    draft: Draft, task: PlannedTask, group: Group, ifus: tuple[int, ...], ifu: int | None
) -> tuple[Cause, ...]:
    """Add the invocation of an IFU (None: of all together); else why that cannot be."""
    planned, first = draft.blocks[task.block], group.first
    frames = group.frames if ifu is None else group.with_channel(ifu)
    small = too_small(group, frames, planned.recipe, ifu)
    causes: tuple[Cause, ...] = ()
    if small:
        whole = ifu is None or len(frames) == len(group.frames)
        lacks = Wanted((first.category,), group.setup.night, 0, group.setup.ins_mode)
        causes = (
            Cause(
                f"{{of}}: {small}",
                "add the missing raw frames to raw_path; "
                "`musebuild retrieve --missing` looks for them in the archive",
                "frames",
                of=f"{first.category}:{group.label}",
                wanted=lacks if whole else None,
            ),
        )
    subject = Subject(
        planned,
        task.task,
        group.setup,
        ifu,
        ifus,
        task.dataset,
        first,
        run=first.run,
        part=task.part,
    )
    found = draft.finder.find(subject)
    causes += found.causes
    if causes:
        return causes
    raw = [Input(f.category, "raw", path=f.path, ifu=ifu, order=f.date_obs) for f in frames]
    draft.add(task, Found([*raw, *found.inputs], found.notes), ifu)
    return ()


def _sequence_folder(planned: PlannedBlock, group: Group) -> str:
    mode = plain_mode(group.setup)
    last = group.label if not mode or group.label.endswith(mode) else f"{group.label}.{mode}"
    return f"{top_folder(planned)}/{last}"
