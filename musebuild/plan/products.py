"""Which product of which planned task: what is planned so far, and what of it is nearest. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from operator import is_

from musebuild.cache.model import Input, Quality
from musebuild.index.frames import matches
from musebuild.index.model import FileIndex, RawFrame
from musebuild.plan.blocks import PlannedBlock
from musebuild.plan.calibrations import (
    REFUSED_SHOWN,
    Nearest,
    choose_made,
    fitting,
    nearest_in_time,
    refused_for,
)
from musebuild.plan.causes import joined
from musebuild.plan.levels import Rule, worse
from musebuild.plan.masters import Masters
from musebuild.plan.model import Cause, LeftOut, Refused, Wanted
from musebuild.plan.planned_task import Candidates, PlannedTask, Setup, day_of, setup_of
from musebuild.plan.sky import Apart, from_exposures
from musebuild.recipes.model import Need, Recipe
from musebuild.settings.model import Settings


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
    dates: tuple[str, ...] = ()
    """DATE-OBS of the exposures of what takes products."""
    part: str = ""
    """The part of its dataset."""

    @property
    def wanted(self) -> tuple[int | None, ...]:
        """IFUs that a calibration must hold, where its task is split."""
        return (self.ifus if self.ifu is None else (self.ifu,)) or (None,)


@dataclass(slots=True)
class Found:
    """Frames of all needs."""

    inputs: list[Input] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    missing: list[Cause] = field(default_factory=list)
    unaligned: bool = False
    """Whether the one thing that is missing is an offset, because an alignment leaves it out."""
    ghosts: list[LeftOut] = field(default_factory=list)
    """What would be taken, and is left out itself."""

    @property
    def causes(self) -> tuple[Cause, ...]:
        """All that is missing, or keeps from being made what would be taken."""
        if not self.missing and not self.ghosts:
            return ()
        return joined([self.missing, *(left.causes for left in self.ghosts)])


@dataclass(frozen=True, slots=True)
class Alone:
    """What is not made of a dataset, or of a part of it, since there is but one exposure."""

    task: str
    block: str
    result: str
    dataset: str
    part: str
    dates: tuple[str, ...]
    """DATE-OBS of the exposure; none where none is left."""


@dataclass(slots=True)
class Known:
    """What is planned so far, and what there is to choose from.

    Parameters
    ----------
    settings : Settings
    blocks : mapping
        Planned blocks by name.
    raw : mapping
        Category → usable raw frames.
    excluded : mapping
        Category → raw frames that the settings exclude.
    delivered : mapping
        Category → calibrations delivered among the raw frames.
    files : FileIndex
    tasks : mapping
        Block → tasks planned so far; grows.
    ghosts : mapping
        Block → tasks that are left out, in whole or in part, as they would be; grows.
    off : mapping
        Block that is not planned at all → why; grows.
    recipes : mapping
        The catalogue.
    alone : sequence of Alone
        What single exposures do without; grows.
    """

    settings: Settings
    blocks: Mapping[str, PlannedBlock]
    raw: Mapping[str, Sequence[RawFrame]]
    excluded: Mapping[str, Sequence[RawFrame]]
    delivered: Mapping[str, Sequence[RawFrame]]
    files: FileIndex
    tasks: Mapping[str, Sequence[PlannedTask]]
    ghosts: Mapping[str, Sequence[PlannedTask]]
    off: Mapping[str, LeftOut]
    recipes: Mapping[str, Recipe]
    alone: Sequence[Alone]


class Products:
    """Finds products among the tasks that are planned already, less those that are excluded.

    A block is complete before the first that takes its products is planned, so that what is
    found of it once holds.

    Parameters
    ----------
    known : Known
        What is planned, and what there is to choose from.
    """

    def __init__(self, known: Known) -> None:
        self.known = known
        self._candidates: dict[tuple[str, str], Candidates] = {}
        self._excluded: dict[tuple[str, str], list[PlannedTask]] = {}
        self._fitting: dict[tuple[object, ...], tuple[int, tuple[PlannedTask, ...]]] = {}
        self._missing: dict[tuple[object, ...], Cause | LeftOut] = {}
        self._ghosts: dict[tuple[str, str], Candidates] = {}
        self._rules: dict[tuple[str, str], Rule] = {}
        self.masters = Masters(known.delivered)
        self._last: dict[tuple[str, str, str], tuple[Setup, tuple[PlannedTask, ...], Nearest]] = {}
        self._apart = Apart(known.raw)

    def rule(self, need: Need, planned: PlannedBlock) -> Rule:
        """By what a block's frames of a category are chosen."""
        key = planned.name, need.category
        if key not in self._rules:
            self._rules[key] = Rule(
                need.match,
                int(planned.block.frames.offsets.get(need.category, need.offset)),
                need.offset,
                need.close,
                need.category,
                self.known.settings.association.worst,
            )
        return self._rules[key]

    def candidates(self, block: str, category: str) -> Candidates:
        """Tasks of a block that make a category."""
        key = block, category
        if key not in self._candidates:
            rules = self.known.settings.frames_exclude.get(category, ())
            found = self._candidates[key] = Candidates()
            self._excluded[key] = []
            for made in self.known.tasks.get(block, ()):
                if category not in made.categories:
                    continue
                if rules and _excluded(made, rules):
                    self._excluded[key].append(made)
                else:
                    found.add(made)
        return self._candidates[key]

    def excluded(self, block: str, category: str) -> list[PlannedTask]:
        """Tasks that the settings exclude by `frames.exclude`."""
        self.candidates(block, category)
        return self._excluded[block, category]

    def nearest(self, need: Need, block: str, subject: Subject, found: Found) -> None:
        """Find the product of a block that fits best."""
        category, setup = need.category, subject.setup
        rule = self.rule(need, subject.planned)
        wanted = subject.wanted
        key = (subject.planned.name, category, block, wanted, setup.night, setup.kind)
        fits = self._fitting.get(key)
        if fits is None:
            candidates = self.candidates(block, category)
            fits = self._fitting[key] = fitting(candidates, setup, rule, wanted)
        nights, made = fits
        if made:
            choice = self._choice(need, block, subject, nights, made)
            if worse(choice.quality, rule.worst):
                choice = choose_made(self.candidates(block, category), setup, rule, wanted)
            if choice.made is not None:
                quality = choice.quality
                if choice.made.raw == "SKY" and quality is not None:
                    away = self._apart.told(choice.made.date, subject.dates)
                    note = ", ".join(filter(None, (quality.note, away)))
                    quality = replace(quality, note=note)
                self.take(category, choice.made, category, quality, subject, found)
                return
        if key not in self._missing:
            ghost = self._ghost(need, block, subject, rule)
            self._missing[key] = ghost or self._not_made(need, block, subject, rule)
        missing = self._missing[key]
        if isinstance(missing, Cause):
            lacks(need, missing, found)
        else:
            would_take(need, missing, found)

    def _ghost(self, need: Need, block: str, subject: Subject, rule: Rule) -> LeftOut | None:
        """What would be taken, and is left out itself: a task, else its whole block."""
        key = block, need.category
        if key not in self._ghosts:
            candidates = self._ghosts[key] = Candidates()
            for ghost in self.known.ghosts.get(block, ()):
                if need.category in ghost.categories:
                    candidates.add(ghost)
        made = choose_made(self._ghosts[key], subject.setup, rule, subject.wanted).made
        return made.left if made is not None else self.known.off.get(block)

    def _choice(
        self,
        need: Need,
        block: str,
        subject: Subject,
        nights: int,
        made: tuple[PlannedTask, ...],
    ) -> Nearest:
        """The nearest in time, which is the same one for all IFUs of a task."""
        setup = subject.setup
        key = subject.planned.name, need.category, block
        before = self._last.get(key)
        if before is not None and before[0] is setup and _same(before[1], made):
            return before[2]
        choice = nearest_in_time(nights, made, setup, self.rule(need, subject.planned))
        self._last[key] = setup, made, choice
        return choice

    @staticmethod
    def take(
        tag: str,
        made: PlannedTask,
        category: str,
        quality: Quality | None,
        subject: Subject,
        found: Found,
        filt: str = "",
    ) -> None:
        """Take the products of a task, of the IFUs that the subject holds where it is split."""
        by_ifu = made.by_ifu
        ifus = (None,) if None in by_ifu else subject.wanted
        for ifu in ifus:
            if ifu in by_ifu:
                found.inputs.append(
                    Input(tag, "product", "", by_ifu[ifu], category, filt, None, made.date, quality)
                )

    def _not_made(self, need: Need, block: str, subject: Subject, rule: Rule) -> Cause:
        category, setup = need.category, subject.setup
        name = subject.planned.name
        within = f"within {rule.offset} night{'s' * (rule.offset != 1)} of {{of}}"
        raw = self.raw_categories(block, category)
        wanted = self._wanted(need, raw, setup, rule.offset)
        what = f"no {{category}} {within}"
        hint = f"add raw {' or '.join(raw)} frames of those nights to raw_path" if raw else ""
        if wanted is not None:
            # Of several categories that are made from them it is the same.
            what = f"no raw {' or '.join(raw)} {within} (for {{category}})"
            hint = f"`musebuild retrieve --missing`, or {hint}"
        elif block not in self.known.blocks:
            hint = f"declare the block {block}, which makes it"
        if raw == ("SKY",):
            asked = from_exposures(subject.planned.block)
            own = f"take recipes.{name}.sky out"
            if not asked:
                own = f"set recipes.{name}.params.skymethod: model"
            hint += f", or {own} to model the sky of the field itself"
        return Cause(
            what,
            hint,
            "frames" if wanted is not None else "category",
            of=setup.night,
            category=category,
            block=name,
            optional=not need.required,
            refused=self._refused(need, block, subject, rule),
            wanted=wanted,
        )

    def _wanted(
        self, need: Need, categories: tuple[str, ...], setup: Setup, offset: int
    ) -> Wanted | None:
        """Raw frames to look for; None where they are here, and what takes them is left out."""
        day = day_of(setup.night)
        here = (
            frame
            for category in categories
            for frame in self.known.raw.get(category, ())
            if abs(day_of(frame.night) - day) <= offset
        )
        if not categories or any(not setup_of(f).agrees(setup, need.match) for f in here):
            return None
        mode = setup.ins_mode if "ins_mode" in need.match else ""
        return Wanted(categories, setup.night, offset, mode)

    def raw_categories(self, block: str, category: str) -> tuple[str, ...]:
        """Raw categories that a block makes a category from, in the end."""
        planned = self.known.blocks.get(block)
        while planned is not None and not planned.recipe.raw:
            category = next(iter(planned.recipe.takes.values()), "")
            planned = self.known.blocks.get(planned.source)
        if planned is None:
            return ()
        rules = [rule for rule in planned.recipe.products if rule.category == category]
        allowed = {raw for rule in rules for raw in rule.when.get("raw", planned.recipe.raw)}
        return tuple(raw for raw in planned.recipe.raw if raw in allowed)

    def _refused(self, need: Need, block: str, subject: Subject, rule: Rule) -> tuple[Refused, ...]:
        """The nearest candidates, whatever kept them from being taken."""
        category, setup = need.category, subject.setup
        told = refused_for(
            self.candidates(block, category),
            setup,
            rule,
            subject.wanted,
            block=subject.planned.name,
            category=category,
        )

        def tell(other: Setup, refused: Refused) -> None:
            away = abs(day_of(other.night) - day_of(setup.night))
            told.append((away, abs(other.mjd - setup.mjd), refused))

        for made in self.excluded(block, category):
            reason = f"is excluded by frames.exclude.{category} in the settings"
            tell(
                made.setup, Refused(made.task, reason, f"take it out of frames.exclude.{category}")
            )
        for sequence, frame in self._excluded_frames(block, category).items():
            setting = frame.excluded.partition(" by ")[2].removesuffix(" in the settings")
            refused = Refused(
                f"{block}:{sequence}", f"is {frame.excluded}", f"take it out of {setting}"
            )
            tell(Setup(frame.night, frame.mjd_obs), refused)
        prefers = self.known.settings.association.prefers_masters(category)
        told += self.masters.refused(
            rule, setup, subject.wanted, subject.planned.name, asked=prefers
        )
        told.sort(key=lambda item: (item[0], item[1], item[2].task))
        return tuple(refused for _, _, refused in told[:REFUSED_SHOWN])

    def _excluded_frames(self, block: str, category: str) -> dict[str, RawFrame]:
        """TPL START or exposure → its first frame, of those that the settings exclude."""
        found: dict[str, RawFrame] = {}
        raw = self.raw_categories(block, category)
        planned = self.known.blocks.get(block)
        by_exposure = planned is not None and planned.recipe.group_by == "exposure"
        for frame in (f for name in raw for f in self.known.excluded.get(name, ())):
            if "frames.exclude" in frame.excluded:
                label = frame.name if by_exposure else frame.tpl_start or frame.night
                found.setdefault(label, frame)
        return found


def lacks(need: Need, missing: Cause, found: Found) -> None:
    """Note that there is no frame for a need: an error, or a note where it can be done without."""
    if need.required or need.expected:
        found.missing.append(missing)
    else:
        found.notes.append(f"{_without(need.category, missing)}: reduced without it")


def _without(category: str, missing: Cause) -> str:
    nearest = "".join(f"; {one.task} {one.reason}" for one in missing.refused[:1])
    told = missing.told.removesuffix(f" (for {category})")
    lacks = f"no {category}"
    return f"{told if told.startswith(lacks) else f'{lacks} ({told})'}{nearest}"


def would_take(need: Need, left: LeftOut, found: Found) -> None:
    """Note that what would be taken is left out itself."""
    if need.required or need.expected:
        found.ghosts.append(left)
    else:
        found.notes.append(f"no {need.category}, since {left.name} is left out: reduced without it")


def _same(some: Sequence[PlannedTask], others: Sequence[PlannedTask]) -> bool:
    return len(some) == len(others) and all(map(is_, some, others))


def _excluded(made: PlannedTask, rules: Sequence[object]) -> bool:
    row = {**made.row, "filename": made.label}
    return any(matches(row, rule) for rule in rules)
