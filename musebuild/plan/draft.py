"""A plan that is being made: what it holds so far, and what was left out."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from types import MappingProxyType
from typing import Any

from musebuild.cache.model import Input
from musebuild.errors import PlanError
from musebuild.index.model import FileIndex, RawFrame, Selected
from musebuild.plan.association import Finder
from musebuild.plan.blocks import PlannedBlock, made_by, plan_blocks, top_folder
from musebuild.plan.model import Cause, Choosing, Invocation, LeftOut
from musebuild.plan.parts import label_of, parts_of
from musebuild.plan.planned_task import PlannedTask, Setup
from musebuild.plan.products import Alone, Found, Known
from musebuild.plan.selecting import Measured, measured_by
from musebuild.recipes.model import Recipe
from musebuild.settings.model import Settings
from musebuild.settings.path_names import BadNameError, folder_of, plain_part, shown


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
        self.flags: dict[str, dict[str, int]] = {}
        for frame in raw:
            if frame.excluded:
                excluded[frame.category].append(frame)
            else:
                if frame.flags:
                    values = frame.flag_values or (1,) * len(frame.flags)
                    self.flags[frame.name] = dict(zip(frame.flags, values, strict=True))
                (self.raw if frame.is_raw else delivered)[frame.category].append(frame)
        self.invocations: dict[str, Invocation] = {}
        self.tasks: dict[str, list[PlannedTask]] = defaultdict(list)
        self.ghosts: dict[str, list[PlannedTask]] = defaultdict(list)
        self._made_of: dict[tuple[str, str], tuple[str, ...]] = {}
        self._params: dict[tuple[str, int | None], Mapping[str, Any]] = {}
        self.off = {left.name: left for left in self.left_out}
        self.alone: list[Alone] = []
        self.finder = Finder(
            Known(
                settings,
                self.blocks,
                self.raw,
                excluded,
                delivered,
                files,
                self.tasks,
                self.ghosts,
                self.off,
                catalogue,
                self.alone,
            )
        )
        self.measured = Measured(self.invocations, self.tasks)
        self.exposures = [*self.raw["OBJECT"], *excluded["OBJECT"]]
        self.datasets = set(settings.datasets) or {f.dataset for f in self.raw["OBJECT"]}
        self.parts = parts_of(
            (f for f in self.raw["OBJECT"] if f.dataset in self.datasets), settings.datasets
        )
        self.unit_of: dict[str, str] = {}
        """Invocation of a dataset → the dataset, or the part of it."""

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

    def task_from(self, planned: PlannedBlock, source: PlannedTask, label: str) -> PlannedTask:
        """The record of a task that takes the products of another."""
        return PlannedTask(
            planned.name,
            label,
            source.setup,
            self.categories(planned, source.raw),
            raw=source.raw,
            dataset=source.dataset,
            part=source.part,
            run=source.run,
            exposure=source.exposure,
            date=source.date,
            tpl_start=source.tpl_start,
            folder=f"{top_folder(planned)}/{label}",
        )

    def sources(self, block: str) -> list[PlannedTask]:
        """Tasks whose products another block takes, as if all were made.

        What is left out, in whole or in part, stands among them as what it would be.
        """
        ghosts = self.ghosts[block]
        lost = {ghost.label for ghost in ghosts}
        return [*(made for made in self.tasks[block] if made.label not in lost), *ghosts]

    def leave(self, task: PlannedTask, causes: Iterable[Cause], *, error: bool = True) -> None:
        """Leave a task, or some of its IFUs, out.

        What needs it is planned as if it were there, so that all that is missing is found at once.

        Parameters
        ----------
        task : PlannedTask
            As it would be, with all its IFUs.
        causes : iterable of Cause
            All that keep it from being made.
        error : bool
            Whether that is a fault; False: the settings want it so.
        """
        planned = self.blocks[task.block]
        left = LeftOut(
            task.task,
            tuple(dict.fromkeys(causes)),
            # A calibration that nobody can use is no error: what needs it says so.
            error=error and bool(task.dataset),
            dataset=task.dataset,
            night=task.setup.night,
            run=task.run,
            part=task.part,
            exposure=task.exposure,
            raw=task.raw,
            on_demand=not (planned.declared or planned.recipe.default),
        )
        self.ghosts[task.block].append(
            replace(task, by_ifu=task.by_ifu or {None: task.task}, left=left)
        )
        self.left_out.append(left)

    def add(
        self,
        task: PlannedTask,
        found: Found,
        ifu: int | None = None,
        *,
        params: Mapping[str, Any] = MappingProxyType({}),
        choosing: Choosing | None = None,
    ) -> None:
        """Add an invocation, and its task with the first.

        Parameters
        ----------
        task : PlannedTask
            The record of its task, which learns its name.
        found : Found
            All that it takes, and how that was chosen.
        ifu : int or None
            None where it is not split.
        params : mapping
            Parameters besides those of its block.
        choosing : Choosing, optional
            How it chooses among its inputs.
        """
        planned = self.blocks[task.block]
        top = top_folder(planned)
        try:
            folder = folder_of(top, task.folder.removeprefix(f"{top}/"))
        except BadNameError as error:
            self._refuse_name(task, error)
            return
        if not task.by_ifu:
            self.tasks[task.block].append(task)
        name = task.task if ifu is None else f"{task.task}.ifu{ifu:02d}"
        if name in self.invocations:
            raise PlanError(
                f"two tasks would both be {name}",
                why=f"a dataset has the name of a part of another: {label_of(task.dataset, '')}",
                remedy="give the dataset another name: datasets: {NAME: {OBJECT: …}}",
            )
        own = self._params_of(planned, ifu)
        self.invocations[name] = Invocation(
            name=name,
            block=planned.name,
            recipe=planned.recipe.name,
            label=task.label,
            inputs=tuple(found.inputs),
            params={**own, **params} if params else own,
            products=task.categories,
            folder=folder,
            ifu=ifu,
            night="" if planned.recipe.group_by in ("dataset", "run") else task.setup.night,
            run=task.run,
            dataset=task.dataset,
            ins_mode=task.setup.ins_mode,
            notes=tuple(dict.fromkeys(found.notes)),
            choosing=choosing,
        )
        if task.dataset:
            self.unit_of[name] = label_of(task.dataset, task.part)
        task.by_ifu[ifu] = name

    def _refuse_name(self, task: PlannedTask, error: BadNameError) -> None:
        """Leave a task out whose products could have no folder; once, whatever its IFUs."""
        refused = replace(task, label=shown(task.label))
        if any(ghost.label == refused.label for ghost in self.ghosts[task.block]):
            return
        headers = "correct ESO TPL START and DATE-OBS in the headers of its raw frames"
        naming = "give its dataset another name: datasets: {NAME: {OBJECT: …}}"
        reason = f"its products would lie in a folder of this name: {error}"
        remedy = naming if task.dataset else headers
        self.leave(refused, [Cause(reason, remedy, of=refused.task)])

    def _params_of(self, planned: PlannedBlock, ifu: int | None) -> Mapping[str, Any]:
        """Parameters of a block's invocations of an IFU: the same ones for all of them."""
        key = planned.name, ifu
        if key not in self._params:
            added = {} if ifu is None else {"nifu": ifu}
            self._params[key] = {**planned.params, **added}
        return self._params[key]


def plain_mode(setup: Setup) -> str:
    """Instrument mode (INS MODE) as a part of a file name."""
    return plain_part(setup.ins_mode)


def products_of(sources: Sequence[PlannedTask], planned: PlannedBlock) -> list[Input]:
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


def ifu_list(ifus: Iterable[int]) -> str:
    """Numbers of IFUs, for people."""
    return ", ".join(str(ifu) for ifu in sorted(set(ifus)))
