"""Invocations that take products of another block: for each exposure, dataset or run."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace

from musebuild.plan.blocks import PlannedBlock, scale_block, top_folder
from musebuild.plan.draft import Draft, plain_mode, products_of, told_of
from musebuild.plan.fields import scattered
from musebuild.plan.made import Made
from musebuild.plan.model import LeftOut, Missing
from musebuild.plan.needs import Subject
from musebuild.plan.offsets import ByHand, Given
from musebuild.plan.scales import scales_of
from musebuild.plan.selecting import Choice, choices, too_few


def add_exposures(draft: Draft, planned: PlannedBlock) -> None:
    """Add what a block makes of the products of each exposure.

    Parameters
    ----------
    draft : Draft
        The plan so far, with the blocks that this one takes products of; grows.
    planned : PlannedBlock
        The block.
    """
    for source in draft.made[planned.source]:
        if not set(planned.recipe.takes.values()) <= set(source.categories):
            continue
        task = f"{planned.name}:{source.label}"
        if _source_left_out(draft, task, source):
            continue
        ifus = tuple(ifu for ifu in source.by_ifu if ifu is not None)
        subject = Subject(
            planned, task, source.setup, None, ifus, source.dataset, run=source.run,
            dates=(source.date,),
        )  # fmt: skip
        found = draft.finder.find(subject)
        if found.missing:
            draft.leave(
                task,
                *told_of(found.missing),
                source.dataset,
                # What an alignment leaves out was left out on purpose.
                error=not (found.unaligned and len(found.missing) == 1),
                missing=found.missing,
                setup=source.setup,
                run=source.run,
            )
            continue
        made = draft.made_from(planned, source, source.label)
        inputs = products_of([source], planned)
        made.folder = folder = f"{top_folder(planned)}/{source.label}"
        draft.add(planned, made, folder, [*inputs, *found.inputs], found.notes, None)
        draft.made[planned.name].append(made)
    held = {made.label for made in draft.made[planned.source]}
    for task, left in list(draft.why.items()):
        # What was left out altogether has no record, and still must be told of below.
        block, _, label = task.partition(":")
        if block == planned.source and label not in held:
            dataset = draft.left_datasets.get(task, "")
            if not dataset:
                continue
            draft.leave(
                f"{planned.name}:{label}",
                f"{left.name} is left out",
                left.remedy,
                dataset,
                error=left.error,
                because=left.name,
            )


def _source_left_out(draft: Draft, task: str, source: Made) -> bool:
    left = draft.why.get(source.task)
    if left is None:
        return False
    draft.leave(
        task,
        f"a part of {left.name} is left out",
        left.remedy,
        source.dataset,
        because=left.name,
        setup=source.setup,
        run=source.run,
    )
    return True


def add_datasets(draft: Draft, planned: PlannedBlock) -> None:
    """Add what a block makes of the exposures of each dataset, as for `add_exposures`."""
    categories = set(planned.recipe.takes.values())
    by_dataset: dict[str, list[Made]] = defaultdict(list)
    for source in draft.made[planned.source]:
        if source.dataset and categories <= set(source.categories):
            by_dataset[source.dataset].append(source)
    by_hand = None
    if planned.recipe.by_hand:
        by_hand = ByHand(planned, draft.exposures)
        for name, remedy in by_hand.unknown():
            reason = "the settings give an offset for an exposure that there is not"
            left = LeftOut(f"{planned.name}:{name}", reason, remedy, error=True)
            draft.left_out.append(left)
    for choice in choices(planned, draft.selections.get(planned.name, {})):
        for dataset in sorted(draft.datasets):
            sources = by_dataset.get(dataset, [])
            _dataset(draft, planned, choice, dataset, sources, by_hand)


def _dataset(
    draft: Draft,
    planned: PlannedBlock,
    choice: Choice,
    dataset: str,
    sources: Sequence[Made],
    by_hand: ByHand | None,
) -> None:
    """What a block makes of the chosen exposures of one dataset."""
    label = f"{dataset}_{choice.result}" if choice.result else dataset
    task = f"{planned.name}:{label}"
    setup = sources[-1].setup if sources else None
    if choice.problem:
        draft.leave(task, choice.problem, choice.remedy, dataset, setup=setup)
        return
    lost = [
        name
        for name in draft.why
        if name.partition(":")[0] == planned.source
        and draft.left_datasets.get(name) == dataset
        and not choice.against(name.partition(":")[2], draft.flags)
    ]
    chosen, notes = choice.choose(sources, draft.flags)
    if lost:
        draft.leave(
            task,
            f"{len(lost)} of its {len(lost) + len(chosen)} exposures cannot be reduced: "
            f"{', '.join(lost[:3])}{' …' if len(lost) > 3 else ''}",
            "mend those first, or exclude the exposures with frames.exclude.OBJECT",
            dataset,
            setup=setup,
        )
        return
    if len(chosen) < choice.least:
        if choice.told and sources:
            draft.leave(
                task,
                too_few(choice.told, len(chosen), len(sources), choice.least, notes),
                f"change what recipes.{planned.name} selects, or the flags of the "
                "exposures (`musebuild flag`)",
                dataset,
                setup=setup,
            )
        elif sources:
            draft.leave(
                task,
                f"{len(chosen)} exposure, and {planned.recipe.name} needs at least {choice.least}",
                f"take the block {planned.name} out, or add exposures",
                dataset,
                error=False,
                setup=setup,
            )
        return
    latest = max(chosen, key=lambda made: (made.setup.mjd, made.label))
    ifus = tuple(sorted({i for made in chosen for i in made.by_ifu if i is not None}))
    scattered = "" if choice.waits else _why_scattered(draft, planned, chosen)
    if scattered:
        remedy = "exclude them with frames.exclude.OBJECT, or give them a dataset of their own"
        draft.leave(task, scattered, remedy, dataset, setup=setup)
        return
    given = by_hand.of(dataset, chosen) if by_hand else Given()
    if given.problem:
        error = given.error
        draft.leave(task, given.problem, given.remedy, dataset, error=error, setup=setup)
        return
    dates = tuple(made.date for made in chosen)
    subject = Subject(planned, task, latest.setup, None, ifus, dataset, dates=dates)
    found = draft.finder.find(subject)
    if found.missing:
        missing = found.missing
        draft.leave(task, *told_of(missing), dataset, missing=missing, setup=setup)
        return
    waits = choice.waits and not by_hand
    choosing = draft.measured.choosing(choice, chosen, dataset) if waits else None
    if isinstance(choosing, Missing):
        draft.leave(task, choosing.reason, choosing.remedy, dataset)
        return
    scales = scales_of(planned, chosen, draft.made.get(scale_block(planned.block), []), dataset)
    if isinstance(scales, Missing):
        draft.leave(task, scales.reason, scales.remedy, dataset)
        return
    made = draft.made_from(planned, latest, label)
    made.exposure, made.result = "", choice.result
    # The pipeline's alignment makes a row for each exposure, or fails.
    whole = planned.recipe.name == "muse_exp_align" and choosing is None
    made.aligned = dates if by_hand or whole else None
    inputs = [*products_of(chosen, planned), *found.inputs, *scales.inputs]
    made.folder = folder = f"{top_folder(planned)}/{label}"
    notes = [*found.notes, *notes]
    draft.add(planned, made, folder, inputs, notes, None, given.rows)
    if choosing is not None or scales.inputs:
        one = draft.invocations[task]
        draft.invocations[task] = replace(
            one,
            choosing=choosing and scales.chosen(choosing),
            params={**one.params, **scales.params()},
        )
    draft.made[planned.name].append(made)


def _why_scattered(draft: Draft, planned: PlannedBlock, chosen: Sequence[Made]) -> str:
    """Why exposures cannot be aligned or combined: they show other parts of the sky."""
    held = [draft.by_name[made.exposure] for made in chosen if made.exposure in draft.by_name]
    return scattered(planned.recipe.name, held)


def add_runs(draft: Draft, planned: PlannedBlock) -> None:
    """One task for each run and instrument mode."""
    categories = set(planned.recipe.takes.values())
    by_run: dict[tuple[str, str], list[Made]] = defaultdict(list)
    outside = 0
    for source in draft.made[planned.source]:
        if not categories <= set(source.categories) or source.task in draft.why:
            continue
        if source.run:
            by_run[source.run, source.setup.ins_mode].append(source)
        else:
            outside += 1
    if outside:
        plural = "s" * (outside != 1)
        draft.left_out.append(
            LeftOut(
                planned.name,
                f"{outside} exposure{plural} of {planned.source} belong to no run",
                "give the nights of each run: runs: {NAME: {start_date: …, end_date: …}}",
                error=not by_run,
            )
        )
    modes: dict[str, set[str]] = defaultdict(set)
    for run, mode in by_run:
        modes[run].add(mode)
    for (run, _), sources in sorted(by_run.items()):
        label = run if len(modes[run]) == 1 else f"{run}.{plain_mode(sources[0].setup)}"
        task = f"{planned.name}:{label}"
        if len(sources) < planned.recipe.least:
            continue
        first = min(sources, key=lambda made: (made.setup.mjd, made.label))
        found = draft.finder.find(Subject(planned, task, first.setup, None, (), run=run))
        if found.missing:
            draft.leave(task, *told_of(found.missing), "", missing=found.missing, run=run)
            continue
        made = draft.made_from(planned, first, label)
        made.exposure = ""
        made.folder = folder = f"{top_folder(planned)}/{label}"
        inputs = [*products_of(sources, planned), *found.inputs]
        draft.add(planned, made, folder, inputs, found.notes, None)
        draft.made[planned.name].append(made)
