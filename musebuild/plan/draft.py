"""A plan that is being made: what it holds so far, and what was left out."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from typing import Any

from musebuild.index.model import FileIndex, RawFrame, Selected
from musebuild.plan.blocks import PlannedBlock, made_by, plan_blocks
from musebuild.plan.made import Made, Setup
from musebuild.plan.measured import Measured, measured_by
from musebuild.plan.model import Input, Invocation, LeftOut, Missing, Wanted
from musebuild.plan.needs import Finder, Known
from musebuild.recipes.model import Recipe
from musebuild.settings.model import Settings


class Draft:
    """What all blocks of a plan are made from, and add to."""

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

    def categories(self, planned: PlannedBlock, raw: str) -> tuple[str, ...]:
        """What a block makes of a raw category; the same for all of its exposures."""
        key = planned.name, raw
        if key not in self._made_of:
            rules = made_by(planned.recipe, planned.shaping, raw)
            self._made_of[key] = tuple(rule.category for rule in rules)
        return self._made_of[key]

    def made_from(self, planned: PlannedBlock, source: Made, label: str) -> Made:
        """The record of a task that takes the products of another."""
        return Made(
            planned.name,
            label,
            source.setup,
            self.categories(planned, source.raw),
            raw=source.raw,
            dataset=source.dataset,
            run=source.run,
            exposure=source.exposure,
            date=source.date,
            tpl_start=source.tpl_start,
        )

    def leave(
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
        """Leave a task, or a part of it, out.

        Parameters
        ----------
        task : str
            Its name.
        reason, remedy : str
            For people.
        dataset : str
            Whose exposures need it; empty for a calibration.
        error : bool
            False: people want it so.
        missing : sequence of Missing
            What it needs and does not find.
        wanted : iterable of Wanted
            Raw frames that would help, besides those of `missing`.
        because : str
            The task for whose sake it is left out.
        setup : Setup, optional
            Of its frames: what needs its products is told of it.
        run : str
            Observing run.
        """
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

    def add(
        self,
        planned: PlannedBlock,
        made: Made,
        folder: str,
        inputs: Sequence[Input],
        notes: Sequence[str],
        ifu: int | None,
        offsets: Sequence[Mapping[str, Any]] = (),
    ) -> None:
        """Add an invocation.

        Parameters
        ----------
        planned : PlannedBlock
            Its block.
        made : Made
            The record of its task, which learns its name.
        folder : str
            Below the reduced tree.
        inputs : sequence of Input
            All that it takes.
        notes : sequence of str
            On how inputs were chosen.
        ifu : int or None
            None where it is not split.
        offsets : sequence of mapping
            Rows of a list of offsets that the settings give.
        """
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


def plain_mode(setup: Setup) -> str:
    """Instrument mode (INS MODE) as a part of a file name."""
    return "".join(c if c.isalnum() or c in "-_" else "_" for c in setup.ins_mode)


def products_of(sources: Sequence[Made], planned: PlannedBlock) -> list[Input]:
    """Inputs of a block that takes the products of some tasks."""
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


def told_of(missing: Sequence[Missing]) -> tuple[str, str]:
    """Reason and remedy, for people, where frames are missing."""
    reasons = "; ".join(item.reason for item in missing)
    remedies = dict.fromkeys(item.remedy for item in missing if item.remedy)
    if any(item.wanted is not None for item in missing):
        remedies["`musebuild retrieve --missing` looks for raw frames in the archive"] = None
    return reasons, "; ".join(remedies)


def _wanted(missing: Iterable[Missing]) -> list[Wanted]:
    return [item.wanted for item in missing if item.wanted is not None]


def ifu_list(ifus: Iterable[int]) -> str:
    """Numbers of IFUs, for people."""
    return ", ".join(str(ifu) for ifu in sorted(set(ifus)))
