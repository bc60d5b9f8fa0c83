"""Settings, index and catalogue → the graph of invocations. Pure."""

from __future__ import annotations

import gc
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from types import MappingProxyType
from typing import Any

from musebuild.errors import PlanError
from musebuild.index.model import FileIndex, RawFrame, Selected
from musebuild.plan.blocks import PlannedBlock, made_by, plan_blocks, scale_block
from musebuild.plan.checks import check_datasets, check_source
from musebuild.plan.fields import scattered
from musebuild.plan.made import Made, Setup
from musebuild.plan.measured import Measured, measured_by
from musebuild.plan.model import Input, Invocation, LeftOut, Missing, Plan, Wanted
from musebuild.plan.names import closure, select
from musebuild.plan.needs import Finder, Known, Subject
from musebuild.plan.offsets import ByHand, Given
from musebuild.plan.places import top_folder
from musebuild.plan.scales import refused_scales, scales_of
from musebuild.plan.selecting import Choice, choices, refused_keys, too_few
from musebuild.plan.sequences import Group, exposures, sequences, too_small
from musebuild.recipes.model import Recipe
from musebuild.settings.model import Settings


class _Planner:
    """Builds the plan block by block."""

    def __init__(
        self,
        settings: Settings,
        raw: Iterable[RawFrame],
        files: FileIndex,
        catalogue: Mapping[str, Recipe],
        selections: Mapping[str, Mapping[str, Selected]],
    ) -> None:
        self.settings = settings
        self.selections = selections
        self.catalogue = catalogue
        ordered, self.left_out = plan_blocks(settings, catalogue, measured=measured_by(selections))
        self.blocks = {planned.name: planned for planned in ordered}
        self.raw: dict[str, list[RawFrame]] = defaultdict(list)
        delivered: dict[str, list[RawFrame]] = defaultdict(list)
        excluded: dict[str, list[RawFrame]] = defaultdict(list)
        self.flags: dict[str, tuple[str, ...]] = {}
        for frame in raw:
            if frame.excluded:
                excluded[frame.category].append(frame)
            else:
                if frame.flags:
                    self.flags[frame.name] = frame.flags
                (self.raw if frame.is_raw else delivered)[frame.category].append(frame)
        self.invocations: dict[str, Invocation] = {}
        self.made: dict[str, list[Made]] = defaultdict(list)
        self.why: dict[str, LeftOut] = {}
        self._made_of: dict[tuple[str, str], tuple[str, ...]] = {}
        self._params: dict[tuple[str, int | None], Mapping[str, Any]] = {}
        self.left_datasets: dict[str, str] = {}
        self.lost: dict[str, list[tuple[Setup, LeftOut]]] = defaultdict(list)
        self.finder = Finder(
            Known(settings, self.blocks, self.raw, excluded, delivered, files, self.made, self.lost)
        )
        self.measured = Measured(self.invocations, self.made)
        self.exposures = [*self.raw["OBJECT"], *excluded["OBJECT"]]
        self.datasets = set(settings.datasets) or {f.dataset for f in self.raw["OBJECT"]}

    @cached_property
    def by_name(self) -> dict[str, RawFrame]:
        """Exposures by name."""
        return {frame.name: frame for frame in self.exposures}

    def plan(self) -> Plan:
        """All blocks in order."""
        counts = Counter(frame.dataset for frame in self.raw["OBJECT"])
        self.left_out += check_datasets(self.settings, self.datasets, counts)
        for planned in self.blocks.values():
            check_source(planned, self.blocks, self.settings)
            refused = refused_keys(planned) or refused_scales(planned, self.blocks, self.left_out)
            if refused is not None:
                self.left_out.append(refused)
                continue
            if planned.recipe.group_by == "sequence":
                self._sequences(planned)
            elif planned.recipe.raw:
                self._raw_exposures(planned)
            elif planned.recipe.group_by == "exposure":
                self._exposures(planned)
            elif planned.recipe.group_by == "run":
                self._runs(planned)
            else:
                self._datasets(planned)
        self._check_places()
        return self._finish()

    # calibration sequences and raw exposures

    def _sequences(self, planned: PlannedBlock) -> None:
        frames = [f for category in planned.recipe.raw for f in self.raw[category]]
        for group in sequences(frames):
            self._from_raw(planned, group, self._sequence_folder(planned, group))

    def _raw_exposures(self, planned: PlannedBlock) -> None:
        for category in planned.recipe.raw:
            frames = self.raw[category]
            if category == "OBJECT":
                frames = [f for f in frames if f.dataset in self.datasets]
            for group in exposures(frames):
                folder = f"{top_folder(planned)}/{group.label}"
                self._from_raw(planned, group, folder)

    def _from_raw(self, planned: PlannedBlock, group: Group, folder: str) -> None:
        recipe = planned.recipe
        first = group.first
        task = f"{planned.name}:{group.label}"
        held = group.channels
        wanted = self.settings.ifus
        ifus = held if wanted is None else tuple(ifu for ifu in held if ifu in wanted)
        dataset = first.dataset if first.category == "OBJECT" else ""
        if not ifus:
            have = f"it holds IFU {_ifu_list(held)}" if held else "it holds no IFU at all"
            asked = "" if wanted is None else f", and the settings want IFU {_ifu_list(wanted)}"
            self._leave(
                task,
                f"{first.filename}: {have}{asked}",
                "correct `ifus` in the settings, or take the frame out of raw_path",
                dataset,
                setup=group.setup,
                run=first.run,
            )
            return
        if recipe.needs_ifu is not None and recipe.needs_ifu not in ifus:
            self._leave(
                task,
                f"{recipe.name} needs IFU {recipe.needs_ifu} among its inputs, "
                f"and there is {_ifu_list(ifus)}",
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
            self._categories(planned, first.category),
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
            found = self.finder.find(subject)
            if found.missing:
                reason, remedy = _told(found.missing)
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
            self._add(planned, made, folder, [*split, *found.inputs], found.notes, ifu)
        for reason, bad in failures.items():
            part = f"IFU {_ifu_list(bad)}: " if any(bad) and len(bad) < len(ifus) else ""
            self._leave(
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
            self.made[planned.name].append(made)

    # what takes products of another block

    def _exposures(self, planned: PlannedBlock) -> None:
        for source in self.made[planned.source]:
            if not set(planned.recipe.takes.values()) <= set(source.categories):
                continue
            task = f"{planned.name}:{source.label}"
            if self._source_left_out(task, source):
                continue
            ifus = tuple(ifu for ifu in source.by_ifu if ifu is not None)
            subject = Subject(
                planned, task, source.setup, None, ifus, source.dataset, run=source.run,
                dates=(source.date,),
            )  # fmt: skip
            found = self.finder.find(subject)
            if found.missing:
                self._leave(
                    task,
                    *_told(found.missing),
                    source.dataset,
                    # What an alignment leaves out was left out on purpose.
                    error=not (found.unaligned and len(found.missing) == 1),
                    missing=found.missing,
                    setup=source.setup,
                    run=source.run,
                )
                continue
            made = self._made_from(planned, source, source.label)
            inputs = _products([source], planned)
            made.folder = folder = f"{top_folder(planned)}/{source.label}"
            self._add(planned, made, folder, [*inputs, *found.inputs], found.notes, None)
            self.made[planned.name].append(made)
        held = {made.label for made in self.made[planned.source]}
        for task, left in list(self.why.items()):
            # What was left out altogether has no record, and still must be told of below.
            block, _, label = task.partition(":")
            if block == planned.source and label not in held:
                dataset = self.left_datasets.get(task, "")
                if not dataset:
                    continue
                self._leave(
                    f"{planned.name}:{label}",
                    f"{left.name} is left out",
                    left.remedy,
                    dataset,
                    error=left.error,
                    because=left.name,
                )

    def _categories(self, planned: PlannedBlock, raw: str) -> tuple[str, ...]:
        """What a block makes of a raw category; the same for all of its exposures."""
        key = planned.name, raw
        if key not in self._made_of:
            rules = made_by(planned.recipe, planned.shaping, raw)
            self._made_of[key] = tuple(rule.category for rule in rules)
        return self._made_of[key]

    def _datasets(self, planned: PlannedBlock) -> None:
        categories = set(planned.recipe.takes.values())
        by_dataset: dict[str, list[Made]] = defaultdict(list)
        for source in self.made[planned.source]:
            if source.dataset and categories <= set(source.categories):
                by_dataset[source.dataset].append(source)
        by_hand = None
        if planned.recipe.by_hand:
            by_hand = ByHand(planned, self.exposures)
            for name, remedy in by_hand.unknown():
                reason = "the settings give an offset for an exposure that there is not"
                left = LeftOut(f"{planned.name}:{name}", reason, remedy, error=True)
                self.left_out.append(left)
        for choice in choices(planned, self.selections.get(planned.name, {})):
            for dataset in sorted(self.datasets):
                sources = by_dataset.get(dataset, [])
                self._dataset(planned, choice, dataset, sources, by_hand)

    def _dataset(
        self,
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
            self._leave(task, choice.problem, choice.remedy, dataset, setup=setup)
            return
        lost = [
            name
            for name in self.why
            if name.partition(":")[0] == planned.source
            and self.left_datasets.get(name) == dataset
            and not choice.against(name.partition(":")[2], self.flags)
        ]
        chosen, notes = choice.choose(sources, self.flags)
        if lost:
            self._leave(
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
                self._leave(
                    task,
                    too_few(choice.told, len(chosen), len(sources), choice.least, notes),
                    f"change what recipes.{planned.name} selects, or the flags of the "
                    "exposures (`musebuild flag`)",
                    dataset,
                    setup=setup,
                )
            elif sources:
                self._leave(
                    task,
                    f"{len(chosen)} exposure, and {planned.recipe.name} needs at least "
                    f"{choice.least}",
                    f"take the block {planned.name} out, or add exposures",
                    dataset,
                    error=False,
                    setup=setup,
                )
            return
        latest = max(chosen, key=lambda made: (made.setup.mjd, made.label))
        ifus = tuple(sorted({i for made in chosen for i in made.by_ifu if i is not None}))
        scattered = "" if choice.waits else self._scattered(planned, chosen)
        if scattered:
            remedy = "exclude them with frames.exclude.OBJECT, or give them a dataset of their own"
            self._leave(task, scattered, remedy, dataset, setup=setup)
            return
        given = by_hand.of(dataset, chosen) if by_hand else Given()
        if given.problem:
            error = given.error
            self._leave(task, given.problem, given.remedy, dataset, error=error, setup=setup)
            return
        dates = tuple(made.date for made in chosen)
        subject = Subject(planned, task, latest.setup, None, ifus, dataset, dates=dates)
        found = self.finder.find(subject)
        if found.missing:
            missing = found.missing
            self._leave(task, *_told(missing), dataset, missing=missing, setup=setup)
            return
        waits = choice.waits and not by_hand
        choosing = self.measured.choosing(choice, chosen, dataset) if waits else None
        if isinstance(choosing, Missing):
            self._leave(task, choosing.reason, choosing.remedy, dataset)
            return
        scales = scales_of(planned, chosen, self.made.get(scale_block(planned.block), []), dataset)
        if isinstance(scales, Missing):
            self._leave(task, scales.reason, scales.remedy, dataset)
            return
        made = self._made_from(planned, latest, label)
        made.exposure, made.result = "", choice.result
        # The pipeline's alignment makes a row for each exposure, or fails.
        whole = planned.recipe.name == "muse_exp_align" and choosing is None
        made.aligned = dates if by_hand or whole else None
        inputs = [*_products(chosen, planned), *found.inputs, *scales.inputs]
        made.folder = folder = f"{top_folder(planned)}/{label}"
        notes = [*found.notes, *notes]
        self._add(planned, made, folder, inputs, notes, None, given.rows)
        if choosing is not None or scales.inputs:
            one = self.invocations[task]
            self.invocations[task] = replace(
                one,
                choosing=choosing and scales.chosen(choosing),
                params={**one.params, **scales.params()},
            )
        self.made[planned.name].append(made)

    def _scattered(self, planned: PlannedBlock, chosen: Sequence[Made]) -> str:
        """Why exposures cannot be aligned or combined: they show other parts of the sky."""
        held = [self.by_name[made.exposure] for made in chosen if made.exposure in self.by_name]
        return scattered(planned.recipe.name, held)

    def _runs(self, planned: PlannedBlock) -> None:
        """One task for each run and instrument mode."""
        categories = set(planned.recipe.takes.values())
        by_run: dict[tuple[str, str], list[Made]] = defaultdict(list)
        outside = 0
        for source in self.made[planned.source]:
            if not categories <= set(source.categories) or source.task in self.why:
                continue
            if source.run:
                by_run[source.run, source.setup.ins_mode].append(source)
            else:
                outside += 1
        if outside:
            plural = "s" * (outside != 1)
            self.left_out.append(
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
            label = run if len(modes[run]) == 1 else f"{run}.{_plain_mode(sources[0].setup)}"
            task = f"{planned.name}:{label}"
            if len(sources) < planned.recipe.least:
                continue
            first = min(sources, key=lambda made: (made.setup.mjd, made.label))
            found = self.finder.find(Subject(planned, task, first.setup, None, (), run=run))
            if found.missing:
                self._leave(task, *_told(found.missing), "", missing=found.missing, run=run)
                continue
            made = self._made_from(planned, first, label)
            made.exposure = ""
            made.folder = folder = f"{top_folder(planned)}/{label}"
            inputs = [*_products(sources, planned), *found.inputs]
            self._add(planned, made, folder, inputs, found.notes, None)
            self.made[planned.name].append(made)

    def _made_from(self, planned: PlannedBlock, source: Made, label: str) -> Made:
        return Made(
            planned.name,
            label,
            source.setup,
            self._categories(planned, source.raw),
            raw=source.raw,
            dataset=source.dataset,
            run=source.run,
            exposure=source.exposure,
            date=source.date,
            tpl_start=source.tpl_start,
        )

    def _source_left_out(self, task: str, source: Made) -> bool:
        left = self.why.get(source.task)
        if left is None:
            return False
        self._leave(
            task,
            f"a part of {left.name} is left out",
            left.remedy,
            source.dataset,
            because=left.name,
            setup=source.setup,
            run=source.run,
        )
        return True

    # invocations and what is left out

    def _leave(
        self,
        task: str,
        reason: str,
        remedy: str,
        dataset: str,
        *,
        error: bool = True,
        missing: Sequence[Missing] = (),
        wanted: Iterable[Wanted] = (),
        because: str = "",
        setup: Setup | None = None,
        run: str = "",
    ) -> None:
        # A calibration that nobody can use is no error: what needs it says so.
        left = LeftOut(
            task,
            reason,
            remedy,
            error=error and bool(dataset),
            wanted=tuple(dict.fromkeys([*wanted, *_wanted(missing)])),
            missing=tuple(missing),
            because=because,
            dataset=dataset,
            night=setup.night if setup is not None else "",
            run=run,
        )
        if setup is not None:
            self.lost[task.partition(":")[0]].append((setup, left))
        self.why.setdefault(task, left)
        self.left_datasets.setdefault(task, dataset)
        self.left_out.append(left)

    def _add(
        self,
        planned: PlannedBlock,
        made: Made,
        folder: str,
        inputs: Sequence[Input],
        notes: Sequence[str],
        ifu: int | None,
        offsets: Sequence[Mapping[str, Any]] = (),
    ) -> None:
        name = made.task if ifu is None else f"{made.task}.ifu{ifu:02d}"
        params = self._params_of(planned, ifu)
        if offsets:
            params = {**params, "offsets": [dict(row) for row in offsets]}
        self.invocations[name] = Invocation(
            name=name,
            block=planned.name,
            recipe=planned.recipe.name,
            label=made.label,
            inputs=tuple(inputs),
            params=params,
            products=made.categories,
            folder=folder,
            ifu=ifu,
            night="" if planned.recipe.group_by in ("dataset", "run") else made.setup.night,
            run=made.run,
            dataset=made.dataset,
            ins_mode=made.setup.ins_mode,
            notes=tuple(dict.fromkeys(notes)),
        )
        made.by_ifu[ifu] = name

    def _params_of(self, planned: PlannedBlock, ifu: int | None) -> Mapping[str, Any]:
        """Parameters of a block's invocations of an IFU: the same ones for all of them."""
        key = planned.name, ifu
        if key not in self._params:
            added = {} if ifu is None else {"nifu": ifu}
            self._params[key] = {**planned.params, **added}
        return self._params[key]

    # places

    @staticmethod
    def _sequence_folder(planned: PlannedBlock, group: Group) -> str:
        mode = _plain_mode(group.setup)
        last = group.label if not mode or group.label.endswith(mode) else f"{group.label}.{mode}"
        return f"{top_folder(planned)}/{last}"

    def _check_places(self) -> None:
        taken: dict[tuple[str, int | None], Invocation] = {}
        for invocation in self.invocations.values():
            other = taken.setdefault((invocation.folder, invocation.ifu), invocation)
            if other is not invocation and other.block != invocation.block:
                raise PlanError(
                    f"{other.block} and {invocation.block} would write the same folder "
                    f"{invocation.folder}",
                    where=str(self.settings.where("recipes", invocation.block)),
                    remedy=f"give one of them another recipes.{invocation.block}.init.output_dir",
                )

    # the whole

    def _finish(self) -> Plan:
        groups: dict[str, list[str]] = defaultdict(list)
        for name, invocation in self.invocations.items():
            kind = self.catalogue[invocation.recipe].group
            keys = [kind, invocation.block, invocation.dataset, invocation.night, invocation.run]
            if invocation.ifu is not None:
                keys.append(invocation.task)
            for key in dict.fromkeys(filter(None, keys)):
                groups[key].append(name)
        plan = Plan(
            invocations=self.invocations,
            default=(),
            groups={name: tuple(members) for name, members in groups.items()},
            left_out=tuple(dict.fromkeys(self.left_out)),
        )
        if self.settings.targets:
            wanted: Sequence[str] = select(plan, self.settings.targets)
        else:
            wanted = [name for name, inv in self.invocations.items() if inv.dataset]
        return Plan(plan.invocations, closure(plan, wanted), plan.groups, plan.left_out)


def _plain_mode(setup: Setup) -> str:
    return "".join(c if c.isalnum() or c in "-_" else "_" for c in setup.ins_mode)


def _products(sources: Sequence[Made], planned: PlannedBlock) -> list[Input]:
    return [
        Input(
            tag,
            "product",
            invocation=name,
            category=category,
            filter=planned.block.filt if category == "IMAGE_FOV" else "",
            order=source.date,
        )
        for tag, category in planned.recipe.takes.items()
        for source in sources
        for name in source.by_ifu.values()
    ]


def _told(missing: Sequence[Missing]) -> tuple[str, str]:
    reasons = "; ".join(item.reason for item in missing)
    remedies = dict.fromkeys(item.remedy for item in missing if item.remedy)
    if any(item.wanted is not None for item in missing):
        remedies["`musebuild retrieve --missing` looks for raw frames in the archive"] = None
    return reasons, "; ".join(remedies)


def _wanted(missing: Iterable[Missing]) -> list[Wanted]:
    return [item.wanted for item in missing if item.wanted is not None]


def _ifu_list(ifus: Iterable[int]) -> str:
    return ", ".join(str(ifu) for ifu in sorted(set(ifus)))


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
        return _Planner(settings, raw, files, catalogue, selections).plan()
    finally:
        if collecting:
            gc.enable()
