"""Invocations that take products of another block: for each exposure, dataset or run."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from musebuild.plan.blocks import PlannedBlock, scale_block
from musebuild.plan.causes import joined
from musebuild.plan.draft import Draft, plain_mode, products_of
from musebuild.plan.fields import scattered
from musebuild.plan.model import Cause, LeftOut
from musebuild.plan.offsets import ByHand, Given
from musebuild.plan.parts import label_of
from musebuild.plan.planned_task import PlannedTask
from musebuild.plan.products import Alone, Found, Subject
from musebuild.plan.scales import Scales, scales_of
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
    for source in draft.sources(planned.source):
        if set(planned.recipe.takes.values()) <= set(source.categories):
            _exposure(draft, planned, source)


def _exposure(draft: Draft, planned: PlannedBlock, source: PlannedTask) -> None:
    """Add what a block makes of the products of one exposure; else say why that cannot be."""
    task = draft.task_from(planned, source, source.label)
    ifus = tuple(ifu for ifu in source.by_ifu if ifu is not None)
    subject = Subject(
        planned, task.task, source.setup, None, ifus, source.dataset, run=source.run,
        dates=(source.date,), part=source.part,
    )  # fmt: skip
    found = Found() if _is_blank(draft, source) else draft.finder.find(subject)
    if source.left is None and not found.causes:
        inputs = [*products_of([source], planned), *found.inputs]
        draft.add(task, Found(inputs, found.notes))
        return
    # What an alignment leaves out was left out on purpose.
    on_purpose = found.unaligned and len(found.causes) == 1
    error = bool(found.causes and not on_purpose) or (source.left is not None and source.left.error)
    above = source.left.causes if source.left is not None else ()
    draft.leave(task, joined([above, found.causes]), error=error)


def _is_blank(draft: Draft, source: PlannedTask) -> bool:
    """Whether it is not known of a task that is left out which IFUs it would hold."""
    split = draft.blocks[source.block].recipe.split_by_ifu
    return source.left is not None and split and None in source.by_ifu


def add_datasets(draft: Draft, planned: PlannedBlock) -> None:
    """Add what a block makes of the exposures of each dataset, as for `add_exposures`."""
    categories = set(planned.recipe.takes.values())
    by_part: dict[tuple[str, str], list[PlannedTask]] = defaultdict(list)
    for source in draft.sources(planned.source):
        if source.dataset and categories <= set(source.categories):
            by_part[source.dataset, source.part].append(source)
    by_hand = None
    if planned.recipe.by_hand:
        by_hand = ByHand(planned, draft.exposures)
        for name, remedy in by_hand.unknown():
            reason = "the settings give an offset for an exposure that there is not"
            where = ("recipes", planned.name, "offsets", name)
            draft.left_out.append(LeftOut.of(f"{planned.name}:{name}", reason, remedy, where=where))
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

    @property
    def lost(self) -> list[LeftOut]:
        """Those of its exposures that are left out."""
        return [source.left for source in self.chosen if source.left is not None]


def _dataset(draft: Draft, wanted: _Combination, by_hand: ByHand | None) -> None:
    choice = wanted.choice
    if not wanted.sources:
        if choice.problem:
            cause = _cause(wanted, choice.problem, choice.remedy)
            draft.left_out.append(
                LeftOut(wanted.task, (cause,), error=True, dataset=wanted.dataset, part=wanted.part)
            )
        return
    latest = max(wanted.chosen or wanted.sources, key=lambda task: (task.setup.mjd, task.label))
    task = draft.task_from(wanted.planned, latest, wanted.label)
    task.exposure, task.result = "", choice.result
    if choice.problem:
        draft.leave(task, [_cause(wanted, choice.problem, choice.remedy)])
    elif few := _too_few(draft, wanted):
        draft.leave(task, [few], error=False)
    else:
        causes, error = _combine(draft, wanted, by_hand, task)
        if causes:
            draft.leave(task, causes, error=error)


def _cause(wanted: _Combination, what: str, hint: str, of: str = "") -> Cause:
    return Cause(what, hint, of=of, where=("recipes", wanted.planned.name))


def _too_few(draft: Draft, wanted: _Combination) -> Cause | None:
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
        return _cause(
            wanted,
            too_few(choice.told, taken, len(wanted.sources), choice.least, wanted.notes),
            choose_others(name),
        )
    return _cause(
        wanted, "{of} has 1 exposure: there is nothing to align or combine", "", wanted.whole
    )


def _note_alone(draft: Draft, wanted: _Combination) -> None:
    dates = tuple(task.date for task in wanted.chosen)
    name, result = wanted.planned.name, wanted.choice.result
    draft.alone.append(Alone(wanted.task, name, result, wanted.dataset, wanted.part, dates))


def _scattered(draft: Draft, wanted: _Combination) -> Iterator[Cause]:
    """Why exposures cannot be aligned or combined: they show other parts of the sky."""
    if wanted.choice.waits:
        return
    names = [task.exposure for task in wanted.chosen]
    held = [draft.by_name[name] for name in names if name in draft.by_name]
    reason = scattered(wanted.planned.recipe.name, held)
    hint = "exclude them with frames.exclude.OBJECT, or give them a dataset of their own"
    if reason:
        yield _cause(wanted, reason, hint)


def _combine(
    draft: Draft, wanted: _Combination, by_hand: ByHand | None, task: PlannedTask
) -> tuple[tuple[Cause, ...], bool]:
    """Add what is made of the chosen exposures; else say why that cannot be.

    Returns
    -------
    causes : tuple of Cause
        None: it was added.
    error : bool
        Whether they are faults.
    """
    planned, chosen, dataset, part = wanted.planned, wanted.chosen, wanted.dataset, wanted.part
    own = [*_scattered(draft, wanted)]
    given = by_hand.of(wanted.whole, chosen) if by_hand else Given()
    if given.problem:
        where = ("recipes", planned.name, "offsets")
        own.append(Cause(given.problem, given.remedy, where=where))
    latest = max(chosen, key=lambda task: (task.setup.mjd, task.label))
    ifus = tuple(sorted({ifu for task in chosen for ifu in task.by_ifu if ifu is not None}))
    dates = tuple(task.date for task in chosen)
    subject = Subject(
        planned, wanted.task, latest.setup, None, ifus, dataset, dates=dates, part=part
    )
    blank = any(_is_blank(draft, source) for source in chosen)
    found = Found() if blank else draft.finder.find(subject)
    lost = wanted.lost
    choosing, scales = None, Scales()
    if not lost:
        # Of what is left out it is not known what is measured on it.
        waits = wanted.choice.waits and not by_hand
        measured = draft.measured.choosing(wanted.choice, chosen, dataset, part) if waits else None
        made = draft.tasks.get(scale_block(planned.block), [])
        asked = scales_of(planned, chosen, made, dataset, part)
        own += [one for one in (measured, asked) if isinstance(one, Cause)]
        choosing = None if isinstance(measured, Cause) else measured
        scales = scales if isinstance(asked, Cause) else asked
    causes = joined([*(left.causes for left in lost), own, found.causes])
    if causes:
        # Without exposures of its own, and with what was left out by rule, nothing is wrong.
        of_datasets = draft.blocks[planned.source].recipe.group_by == "dataset"
        faults = [left.error for left in lost] if of_datasets else [True] * len(lost)
        faults += [given.error] * bool(given.problem) + [True] * len(found.causes)
        return causes, any(faults) or len(own) > bool(given.problem)
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
    return (), False


def add_runs(draft: Draft, planned: PlannedBlock) -> None:
    """One task for each run and instrument mode."""
    categories = set(planned.recipe.takes.values())
    by_run: dict[tuple[str, str], list[PlannedTask]] = defaultdict(list)
    outside = 0
    for source in draft.sources(planned.source):
        if not categories <= set(source.categories):
            continue
        if source.run:
            by_run[source.run, source.setup.ins_mode].append(source)
        else:
            outside += source.left is None
    if outside:
        plural = "s" * (outside != 1)
        draft.left_out.append(
            LeftOut.of(
                planned.name,
                f"{outside} exposure{plural} of {planned.source} belong to no run",
                "give the nights of each run: runs: {NAME: {start_date: …, end_date: …}}",
                error=not by_run,
            )
        )
    # Of a run all that can be reduced is taken; what cannot stands for it only where it is all.
    held = {key: [one for one in of if one.left is None] or of for key, of in by_run.items()}
    modes: dict[str, set[str]] = defaultdict(set)
    for run, mode in held:
        modes[run].add(mode)
    for (run, _), sources in sorted(held.items()):
        label = run if len(modes[run]) == 1 else f"{run}.{plain_mode(sources[0].setup)}"
        if len(sources) < planned.recipe.least:
            continue
        first = min(sources, key=lambda task: (task.setup.mjd, task.label))
        task = draft.task_from(planned, first, label)
        task.exposure = ""
        subject = Subject(planned, task.task, first.setup, None, (), run=run)
        found = draft.finder.find(subject)
        lost = [source.left.causes for source in sources if source.left is not None]
        causes = joined([*lost, found.causes])
        if causes:
            draft.leave(task, causes)
            continue
        draft.add(task, Found([*products_of(sources, planned), *found.inputs], found.notes))
