"""Invocations that take products of another block: for each exposure, dataset or run."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace

from musebuild.plan.blocks import PlannedBlock, scale_block
from musebuild.plan.draft import Draft, lacking, plain_mode, products_of
from musebuild.plan.fields import scattered
from musebuild.plan.model import LeftOut, Missing
from musebuild.plan.offsets import ByHand, Given
from musebuild.plan.parts import label_of
from musebuild.plan.planned_task import PlannedTask
from musebuild.plan.products import Alone, Found, Subject
from musebuild.plan.scales import scales_of
from musebuild.plan.selecting import Choice, choices, choose_others, too_few


def add_exposures(draft: Draft, planned: PlannedBlock) -> None:
    """Add what a block makes of the products of each exposure.

    Parameters
    ----------
    draft : Draft
        The plan so far, with the blocks that this one takes products of; grows.
    planned : PlannedBlock
        The block.
    """
    for source in draft.tasks[planned.source]:
        if set(planned.recipe.takes.values()) <= set(source.categories):
            left = _exposure(draft, planned, source)
            if left is not None:
                draft.leave(left, source.dataset, source.setup, source.run, source.part)
    held = {task.label for task in draft.tasks[planned.source]}
    for task, left in list(draft.why.items()):
        # What was left out altogether has no record, and still must be told of below.
        block, _, label = task.partition(":")
        if block == planned.source and label not in held and left.dataset:
            below = LeftOut(
                f"{planned.name}:{label}",
                f"{left.name} is left out",
                left.remedy,
                error=left.error,
                because=left.name,
            )
            draft.leave(below, left.dataset, part=left.part)


def _exposure(draft: Draft, planned: PlannedBlock, source: PlannedTask) -> LeftOut | None:
    """Add what a block makes of the products of one exposure; else why that cannot be."""
    task = f"{planned.name}:{source.label}"
    part = draft.why.get(source.task)
    if part is not None:
        reason = f"a part of {part.name} is left out"
        return LeftOut(task, reason, part.remedy, error=True, because=part.name)
    ifus = tuple(ifu for ifu in source.by_ifu if ifu is not None)
    subject = Subject(
        planned, task, source.setup, None, ifus, source.dataset, run=source.run,
        dates=(source.date,), part=source.part,
    )  # fmt: skip
    found = draft.finder.find(subject)
    if found.missing:
        # What an alignment leaves out was left out on purpose.
        on_purpose = found.unaligned and len(found.missing) == 1
        return replace(lacking(task, found.missing), error=not on_purpose)
    inputs = [*products_of([source], planned), *found.inputs]
    draft.add(draft.task_from(planned, source, source.label), Found(inputs, found.notes))
    return None


def add_datasets(draft: Draft, planned: PlannedBlock) -> None:
    """Add what a block makes of the exposures of each dataset, as for `add_exposures`."""
    categories = set(planned.recipe.takes.values())
    by_part: dict[tuple[str, str], list[PlannedTask]] = defaultdict(list)
    for source in draft.tasks[planned.source]:
        if source.dataset and categories <= set(source.categories):
            by_part[source.dataset, source.part].append(source)
    by_hand = None
    if planned.recipe.by_hand:
        by_hand = ByHand(planned, draft.exposures)
        for name, remedy in by_hand.unknown():
            reason = "the settings give an offset for an exposure that there is not"
            left = LeftOut(f"{planned.name}:{name}", reason, remedy)
            draft.left_out.append(left)
    for choice in choices(planned, draft.selections.get(planned.name, {})):
        for dataset in sorted(draft.datasets):
            for part in draft.parts.counts.get(dataset, ("",)):
                sources = by_part.get((dataset, part), [])
                chosen, notes = choice.choose(sources, draft.flags)
                wanted = _Combination(planned, choice, dataset, part, sources, chosen, notes)
                _dataset(draft, wanted, by_hand)


@dataclass(frozen=True, slots=True)
class _Combination:
    """What a block shall make of the exposures of one dataset, or of a part of it."""

    planned: PlannedBlock
    choice: Choice
    dataset: str
    part: str
    sources: Sequence[PlannedTask]
    """Its exposures."""
    chosen: Sequence[PlannedTask]
    """Those that it takes."""
    notes: Sequence[str]
    """Why it does not take the others."""

    @property
    def label(self) -> str:
        return label_of(self.dataset, self.part, self.choice.result)

    @property
    def whole(self) -> str:
        """The dataset or part, for people."""
        return label_of(self.dataset, self.part)

    @property
    def task(self) -> str:
        return f"{self.planned.name}:{self.label}"

    def left(self, reason: str, remedy: str, *, error: bool = True) -> LeftOut:
        """It cannot be made."""
        return LeftOut(self.task, reason, remedy, error=error)


def _dataset(draft: Draft, wanted: _Combination, by_hand: ByHand | None) -> None:
    left = _refused(draft, wanted)
    if left is None and not wanted.sources:
        return
    left = left or _too_few(draft, wanted) or _scattered(draft, wanted)
    left = left or _combine(draft, wanted, by_hand)
    if left is not None:
        setup = wanted.sources[-1].setup if wanted.sources else None
        draft.leave(left, wanted.dataset, setup, part=wanted.part)


def _refused(draft: Draft, wanted: _Combination) -> LeftOut | None:
    """Why exposures cannot be chosen, or those that are wanted cannot be reduced."""
    choice = wanted.choice
    if choice.problem:
        return wanted.left(choice.problem, choice.remedy)
    lost = [
        name
        for name, left in draft.why.items()
        if name.partition(":")[0] == wanted.planned.source
        and left.dataset == wanted.dataset
        and left.part == wanted.part
        and not choice.against(name.partition(":")[2], draft.flags)
    ]
    if not lost:
        return None
    if draft.blocks[wanted.planned.source].recipe.group_by == "dataset":
        above = [draft.why[name] for name in lost]
        return LeftOut(
            wanted.task,
            f"{above[0].name} is left out: {above[0].reason}",
            above[0].remedy,
            error=any(left.error for left in above),
            because=above[0].name,
        )
    return wanted.left(
        f"{len(lost)} of its {len(lost) + len(wanted.chosen)} exposures cannot be reduced: "
        f"{', '.join(lost[:3])}{' …' if len(lost) > 3 else ''}",
        "mend those first, or exclude the exposures with frames.exclude.OBJECT",
    )


def _too_few(draft: Draft, wanted: _Combination) -> LeftOut | None:
    """Why a combination has too few exposures; what takes it of a single one does without.

    That is no error, for the settings are those of datasets with more.
    """
    choice, taken = wanted.choice, len(wanted.chosen)
    if taken >= choice.least:
        return None
    if taken < 2:
        _note_alone(draft, wanted)
    name = wanted.planned.name
    if choice.told and (taken > 1 or len(wanted.sources) > 1):
        return wanted.left(
            too_few(choice.told, taken, len(wanted.sources), choice.least, wanted.notes),
            choose_others(name),
            error=False,
        )
    return wanted.left(
        f"{wanted.whole} has 1 exposure: there is nothing to align or combine", "", error=False
    )


def _note_alone(draft: Draft, wanted: _Combination) -> None:
    dates = tuple(task.date for task in wanted.chosen)
    name, result = wanted.planned.name, wanted.choice.result
    draft.alone.append(Alone(wanted.task, name, result, wanted.dataset, wanted.part, dates))


def _scattered(draft: Draft, wanted: _Combination) -> LeftOut | None:
    """Why exposures cannot be aligned or combined: they show other parts of the sky."""
    if wanted.choice.waits:
        return None
    names = [task.exposure for task in wanted.chosen]
    held = [draft.by_name[name] for name in names if name in draft.by_name]
    reason = scattered(wanted.planned.recipe.name, held)
    remedy = "exclude them with frames.exclude.OBJECT, or give them a dataset of their own"
    return wanted.left(reason, remedy) if reason else None


def _combine(draft: Draft, wanted: _Combination, by_hand: ByHand | None) -> LeftOut | None:
    """Add what is made of the chosen exposures; else why that cannot be."""
    planned, chosen, dataset = wanted.planned, wanted.chosen, wanted.dataset
    part = wanted.part
    given = by_hand.of(wanted.whole, chosen) if by_hand else Given()
    if given.problem:
        return wanted.left(given.problem, given.remedy, error=given.error)
    latest = max(chosen, key=lambda task: (task.setup.mjd, task.label))
    ifus = tuple(sorted({ifu for task in chosen for ifu in task.by_ifu if ifu is not None}))
    dates = tuple(task.date for task in chosen)
    found = draft.finder.find(
        Subject(planned, wanted.task, latest.setup, None, ifus, dataset, dates=dates, part=part)
    )
    if found.missing:
        return lacking(wanted.task, found.missing)
    waits = wanted.choice.waits and not by_hand
    choosing = draft.measured.choosing(wanted.choice, chosen, dataset, part) if waits else None
    if isinstance(choosing, Missing):
        return wanted.left(choosing.reason, choosing.remedy)
    made = draft.tasks.get(scale_block(planned.block), [])
    scales = scales_of(planned, chosen, made, dataset, part)
    if isinstance(scales, Missing):
        return wanted.left(scales.reason, scales.remedy)
    task = draft.task_from(planned, latest, wanted.label)
    task.exposure, task.result = "", wanted.choice.result
    # The pipeline's alignment makes a row for each exposure, or fails.
    whole = planned.recipe.name == "muse_exp_align" and choosing is None
    task.aligned = dates if by_hand or whole else None
    inputs = [*products_of(chosen, planned), *found.inputs, *scales.inputs]
    offsets = {"offsets": [dict(row) for row in given.rows]} if given.rows else {}
    draft.add(
        task,
        Found(inputs, [*found.notes, *wanted.notes]),
        params={**offsets, **scales.params()},
        choosing=choosing and scales.chosen(choosing),
    )
    return None


def add_runs(draft: Draft, planned: PlannedBlock) -> None:
    """One task for each run and instrument mode."""
    categories = set(planned.recipe.takes.values())
    by_run: dict[tuple[str, str], list[PlannedTask]] = defaultdict(list)
    outside = 0
    for source in draft.tasks[planned.source]:
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
        name = f"{planned.name}:{label}"
        if len(sources) < planned.recipe.least:
            continue
        first = min(sources, key=lambda task: (task.setup.mjd, task.label))
        found = draft.finder.find(Subject(planned, name, first.setup, None, (), run=run))
        if found.missing:
            draft.leave(lacking(name, found.missing), "", run=run)
            continue
        task = draft.task_from(planned, first, label)
        task.exposure = ""
        draft.add(task, Found([*products_of(sources, planned), *found.inputs], found.notes))
