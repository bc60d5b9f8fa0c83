"""The frames that an invocation needs besides what it is grouped by."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from musebuild.index.model import FileFrame, FileIndex, RawFrame
from musebuild.plan.associate import (
    choose_illum,
    choose_made,
    choose_static,
    nights_between,
)
from musebuild.plan.blocks import PlannedBlock, holds, made_by, named_results, serving
from musebuild.plan.made import Made, Setup, setup_of
from musebuild.plan.model import Input, LeftOut, Quality, Wanted
from musebuild.recipes.model import Need
from musebuild.settings.model import Settings
from musebuild.settings.sources import is_path

REFUSED_SHOWN = 3


@dataclass(frozen=True, slots=True)
class Subject:
    """What needs frames: one invocation that is being planned."""

    planned: PlannedBlock
    task: str
    setup: Setup
    ifu: int | None
    """None: the recipe takes all IFUs together."""
    ifus: tuple[int, ...]
    """IFUs that it holds."""
    dataset: str = ""
    frame: RawFrame | None = None
    """Its first raw frame, for the illumination flat."""
    run: str = ""


@dataclass(frozen=True, slots=True)
class Missing:
    """A frame that cannot be found."""

    category: str
    reason: str
    remedy: str = ""
    wanted: Wanted | None = None
    """Raw frames that would mend it."""


@dataclass(slots=True)
class Found:
    """Frames of all needs."""

    inputs: list[Input] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    missing: list[Missing] = field(default_factory=list)


class Finder:
    """Finds frames for needs among what is planned already.

    Parameters
    ----------
    settings : Settings
    blocks : mapping
        Planned blocks by name.
    raw : mapping
        Category → usable raw frames.
    delivered : mapping
        Category → calibrations delivered among the raw frames.
    files : FileIndex
    made : mapping
        Block → tasks planned so far; grows.
    why : mapping
        Task → why it, or a part of it, is left out; grows.
    """

    def __init__(
        self,
        settings: Settings,
        blocks: Mapping[str, PlannedBlock],
        raw: Mapping[str, Sequence[RawFrame]],
        delivered: Mapping[str, Sequence[RawFrame]],
        files: FileIndex,
        made: Mapping[str, Sequence[Made]],
        why: Mapping[str, LeftOut],
    ) -> None:
        self.settings = settings
        self.blocks = blocks
        self.raw = raw
        self.delivered = delivered
        self.files = files
        self.made = made
        self.why = why
        self._static: dict[str, list[FileFrame]] = {}
        for file in files.static:
            self._static.setdefault(file.category, []).append(file)

    def find(self, subject: Subject) -> Found:
        """Frames for all needs of an invocation."""
        found = Found()
        planned = subject.planned
        frames = planned.block.frames
        needs = list(planned.recipe.needs)
        listed = {need.category for need in needs} | set(planned.recipe.takes)
        needs += [Need(category, "named") for category in frames.sources if category not in listed]
        for need in needs:
            category = need.category
            if category in frames.exclude:
                continue
            if category in frames.sources:
                self._explicit(need, subject, found)
                continue
            if need.source == "named":
                if need.required:
                    found.missing.append(
                        Missing(
                            category,
                            f"{planned.recipe.name} needs a {category}, and the settings name none",
                            f"name one with recipes.{planned.name}.frames.{category}",
                        )
                    )
                continue
            if not need.default and category not in frames.include:
                continue
            if not holds(planned.params, need.when):
                continue
            taken = {wanted.tag for wanted in found.inputs}
            if category in taken or (need.beside and need.beside not in taken):
                continue
            if need.modes and not any(part in subject.setup.ins_mode for part in need.modes):
                continue
            if need.source == "product":
                self._product(need, need.recipe, subject, found)
            elif need.source == "static":
                self._statics(need, subject, found)
            elif need.source == "raw":
                self._illum(need, subject, found)
        return found

    # calibrations that other blocks make

    def _candidates(self, block: str, category: str) -> list[Made]:
        excluded = {
            str(name)
            for name in self.settings.frames_exclude.get(category, ())
            if not isinstance(name, Mapping)
        }
        return [
            made
            for made in self.made.get(block, ())
            if category in made.categories and made.label not in excluded
        ]

    def _product(self, need: Need, block: str, subject: Subject, found: Found) -> None:
        category = need.category
        frames = subject.planned.block.frames
        offset = int(frames.offsets.get(category, need.offset))
        candidates = self._candidates(block, category)
        wanted: tuple[int | None, ...] = (
            subject.ifus if subject.ifu is None else (subject.ifu,)
        ) or (None,)
        choice = choose_made(
            candidates, subject.setup, match=need.match, offset=offset, ifus=wanted
        )
        if choice.made is None:
            self._not_made(need, block, subject, found, offset, choice.refused)
            return
        self._take(category, choice.made, choice.quality, subject, found)

    def _take(
        self, category: str, made: Made, quality: Quality | None, subject: Subject, found: Found
    ) -> None:
        if None in made.by_ifu:
            chosen = [made.by_ifu[None]]
        elif subject.ifu is not None:
            chosen = [made.by_ifu[subject.ifu]]
        else:
            chosen = [made.by_ifu[ifu] for ifu in subject.ifus if ifu in made.by_ifu]
        found.inputs.extend(
            Input(
                category,
                "product",
                invocation=name,
                category=category if category in made.categories else serving(category),
                order=made.date,
                quality=quality,
            )
            for name in chosen
        )

    def _not_made(
        self,
        need: Need,
        block: str,
        subject: Subject,
        found: Found,
        offset: int,
        refused: tuple[str, ...],
    ) -> None:
        category, night = need.category, subject.setup.night
        name = subject.planned.name
        told = list(refused[:REFUSED_SHOWN])
        told += [
            f"{left.name} is left out: {left.reason}"
            for task, left in self.why.items()
            if task.partition(":")[0] == block
        ][:REFUSED_SHOWN]
        reason = f"no {category} within {offset} night{'s' * (offset != 1)} of {night}"
        if told:
            reason += " (" + "; ".join(told) + ")"
        elif block not in self.blocks:
            reason += f" (the block {block} is not planned)"
        if not need.required and not need.expected:
            found.notes.append(f"{reason}: reduced without it")
            return
        raw = self._raw_of(block)
        frames = f"raw {' or '.join(raw)} frames" if raw else "what it is made from"
        wanted = self._wanted(need, raw, subject.setup, offset)
        remedy = f"add {frames} of that night to raw_path"
        if any("away" in text for text in refused):
            remedy += f", or accept others with recipes.{name}.frames.offsets: {{{category}: N}}"
        if not need.required:
            remedy += f", or go without with recipes.{name}.frames.exclude: {category}"
        found.missing.append(Missing(category, reason, remedy, wanted))

    def _raw_of(self, block: str) -> tuple[str, ...]:
        """Raw categories that a block's products come from."""
        if block not in self.blocks:
            return ()
        planned = self.blocks[block]
        if planned.recipe.raw or planned.source not in self.blocks:
            return tuple(planned.recipe.raw)
        source, taken = self.blocks[planned.source], set(planned.recipe.takes.values())
        return tuple(
            raw
            for raw in source.recipe.raw
            if any(r.category in taken for r in made_by(source.recipe, source.params, raw))
        )

    def _wanted(
        self, need: Need, categories: tuple[str, ...], setup: Setup, offset: int
    ) -> Wanted | None:
        """Raw frames to look for; None where they are here, and what takes them is left out."""
        here = (
            frame
            for category in categories
            for frame in self.raw.get(category, ())
            if abs(nights_between(setup.night, frame.night)) <= offset
        )
        if not categories or any(not setup_of(f).agrees(setup, need.match) for f in here):
            return None
        mode = setup.ins_mode if "ins_mode" in need.match else ""
        return Wanted(categories, setup.night, offset, mode)

    # static calibrations

    def _statics(self, need: Need, subject: Subject, found: Found) -> None:
        category = need.category
        path, quality, note = choose_static(
            category,
            subject.setup,
            ranges=self.settings.static_calib.get(category, ()),
            folder=self._static.get(category, ()),
            delivered=self.delivered.get(category, ()),
        )
        if path:
            found.inputs.append(
                Input(category, "file", path=path, ifu=subject.ifu, quality=quality)
            )
            if note:
                found.notes.append(note)
            return
        folder = self.files.folder
        if not note:
            note = f"no {category}"
            if not folder:
                note += ": the settings give no muse_calib_path"
            elif not self.files.folder_exists:
                note += f": muse_calib_path {folder} does not exist"
            else:
                note += f" in {folder}"
        if not need.required:
            found.notes.append(f"{note}: reduced without it")
            return
        place = folder or "the folder that muse_calib_path names"
        found.missing.append(
            Missing(
                category,
                note,
                f"put a file with ESO PRO CATG = {category} into {place}, "
                f"or name one with recipes.{subject.planned.name}.frames: {{{category}: FILE}}",
            )
        )

    # illumination flats

    def _illum(self, need: Need, subject: Subject, found: Found) -> None:
        if subject.frame is None:
            return
        held = [
            frame
            for frame in self.raw.get(need.category, ())
            if subject.ifu is None or subject.ifu in frame.channels
        ]
        best, quality, note = choose_illum(held, subject.frame)
        if best is None:
            found.notes.append(f"{note}: reduced without it")
            return
        found.inputs.append(
            Input(
                need.category,
                "raw",
                path=best.path,
                ifu=subject.ifu,
                order=best.date_obs,
                quality=quality,
            )
        )

    # what the settings name

    def _explicit(self, need: Need, subject: Subject, found: Found) -> None:
        category = need.category
        name = subject.planned.name
        night = dt.date.fromisoformat(subject.setup.night)
        fitting = [
            text for text, span in subject.planned.block.frames.sources[category] if night in span
        ]
        if not fitting:
            self._unnamed(
                need, found, f"the settings name no {category} for the night {subject.setup.night}"
            )
            return
        text = fitting[0]
        if is_path(text):
            self._files(need, text, subject, found)
        elif text in self.blocks:
            makes = {rule.category for rule in self.blocks[text].recipe.products}
            group = self.blocks[text].recipe.group_by
            if serving(category) not in makes:
                found.missing.append(
                    Missing(
                        category,
                        f"the block {text} makes no {category}",
                        f"name another under recipes.{name}.frames.{category}",
                    )
                )
            elif group == "run":
                self._of_run(need, text, subject, found)
            elif group == "dataset":
                self._result(need, text, "", subject, found)
            else:
                self._product(need, text, subject, found)
        else:
            self._result(need, "", named_results(text, category), subject, found)

    def _of_run(self, need: Need, block: str, subject: Subject, found: Found) -> None:
        """What a block made of the run of an exposure, in its instrument mode."""
        category = need.category
        of_run = [made for made in self.made.get(block, ()) if made.run == subject.run]
        fitting = [made for made in of_run if made.setup.ins_mode == subject.setup.ins_mode]
        if fitting:
            self._take(category, fitting[0], Quality("as set"), subject, found)
            return
        mode = f" in the mode {subject.setup.ins_mode}" if of_run else ""
        run = f"the run {subject.run}" if subject.run else "a night that belongs to no run"
        found.missing.append(
            Missing(
                category,
                f"{block} makes no {category} for {run}{mode}",
                f"add a standard star of that run, or correct `runs`, or take {category} out of "
                f"recipes.{subject.planned.name}.frames",
            )
        )

    def _result(self, need: Need, block: str, result: str, subject: Subject, found: Found) -> None:
        category = need.category
        fitting = [
            made
            for tasks in self.made.values()
            for made in tasks
            if serving(category) in made.categories
            and made.dataset == subject.dataset
            and (made.block == block if block else made.result == result)
        ]
        name = subject.planned.name
        wanted = block or f"{category}_{result}"
        if len(fitting) == 1:
            self._take(category, fitting[0], Quality("as set"), subject, found)
        elif fitting:
            tasks = " and ".join(made.task for made in fitting)
            found.missing.append(
                Missing(
                    category,
                    f"{wanted} means several results: {tasks}",
                    "give each block a `name:` of its own",
                )
            )
        else:
            known = sorted(
                {
                    f"{category}_{made.result}"
                    for tasks in self.made.values()
                    for made in tasks
                    if category in made.categories and made.result
                }
            )
            reasons = [
                f"{left.name} is left out: {left.reason}"
                for task, left in self.why.items()
                if task.partition(":")[0] in self.blocks
                and any(
                    rule.category == category
                    for rule in self.blocks[task.partition(":")[0]].recipe.products
                )
            ]
            detail = "; ".join(reasons) or (
                f"there is {', '.join(known)}" if known else f"no block makes an {category}"
            )
            found.missing.append(
                Missing(
                    category,
                    f"there is no {wanted} for the dataset {subject.dataset} ({detail})",
                    f"correct recipes.{name}.frames.{category}, or declare a block that makes it",
                )
            )

    def _files(self, need: Need, text: str, subject: Subject, found: Found) -> None:
        files = self.files.named.get((need.category, text), ())
        if subject.ifu is not None and len(files) > 1:
            mark = f"-{subject.ifu:02d}."
            files = tuple(
                file
                for file in files
                if subject.ifu in file.channels or (not file.channels and mark in file.path)
            )
        if not files:
            self._unnamed(need, found, f"{need.category}: {text} does not exist or holds no frame")
            return
        found.inputs.extend(
            Input(need.category, "file", path=file.path, ifu=subject.ifu, quality=Quality("as set"))
            for file in files
        )

    @staticmethod
    def _unnamed(need: Need, found: Found, reason: str) -> None:
        found.missing.append(
            Missing(need.category, reason, "correct the path in the settings, or put a file there")
        )
