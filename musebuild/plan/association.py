"""The frames that an invocation needs besides what it is grouped by. Pure."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

from musebuild.cache.model import Input
from musebuild.index.model import FileFrame, RawFrame
from musebuild.plan.blocks import PlannedBlock, holds
from musebuild.plan.calibrations import REFUSED_SHOWN, choose_illum
from musebuild.plan.levels import WORST, WORST_TAKEN, accepting, worse
from musebuild.plan.model import Cause, Refused
from musebuild.plan.named import Named
from musebuild.plan.planned_task import Setup, setup_of
from musebuild.plan.products import Found, Known, Products, Subject, lacks
from musebuild.plan.static_files import Static, choose_static
from musebuild.recipes.model import Need


def _unnamed(need: Need, subject: Subject) -> Cause:
    planned = subject.planned
    return Cause(
        f"{planned.recipe.name} needs a {need.category}, and the settings name none",
        f"name one with recipes.{planned.name}.frames.{need.category}",
        category=need.category,
        block=planned.name,
        where=("recipes", planned.name),
    )


def _applies(need: Need, subject: Subject, taken: Collection[str]) -> bool:
    """Whether an invocation has a need, whatever its block says."""
    setup = subject.setup
    if need.beside and need.beside not in taken:
        return False
    if need.modes and not any(part in setup.ins_mode for part in need.modes):
        return False
    return need.before is None or setup.mjd < need.before


class Finder:
    """Finds frames for needs among what is planned already.

    Parameters
    ----------
    known : Known
        What is planned, and what there is to choose from.
    """

    def __init__(self, known: Known) -> None:
        self.known = known
        self.products = Products(known)
        self.named = Named(self.products)
        self._refuses = min(known.settings.association.worst.values()) < WORST
        rules = known.settings.frames_exclude
        self._static: dict[str, list[FileFrame]] = {}
        for file in known.files.static:
            name = file.path.rpartition("/")[2]
            if name not in map(str, rules.get(file.category, ())):
                self._static.setdefault(file.category, []).append(file)
        self._illums: dict[str, dict[str, list[tuple[RawFrame, Setup]]]] = {}
        self._needs: dict[str, list[tuple[Need, bool]]] = {}
        self._statics: dict[tuple[object, ...], tuple[Static, Input | None]] = {}
        self._supposed: dict[tuple[object, ...], tuple[Cause, ...]] = {}

    def needs_of(self, planned: PlannedBlock) -> list[tuple[Need, bool]]:
        """Needs that a block has with its settings, and whether the settings name the frame."""
        known = self._needs.get(planned.name)
        if known is not None:
            return known
        frames, recipe = planned.block.frames, planned.recipe
        listed = {need.category for need in recipe.needs} | set(recipe.takes)
        needs = list(recipe.needs)
        needs += [Need(category, "named") for category in frames.sources if category not in listed]
        found = []
        applied = {need.category for need in needs if holds(planned.shaping, need.when)}
        for need in needs:
            if need.category in frames.exclude:
                continue
            if need.category in frames.sources:
                if need.category in applied and not holds(planned.shaping, need.when):
                    # One of the same category holds, and has its own rules.
                    continue
                found.append((need, True))
            elif (need.default or need.category in frames.include) and holds(
                planned.shaping, need.when
            ):
                found.append((need, False))
        self._needs[planned.name] = found
        return found

    def find(self, subject: Subject) -> Found:
        """Frames for all needs of an invocation."""
        found = Found()
        taken: set[str] = set()
        for need, explicit in self.needs_of(subject.planned):
            category = need.category
            if category in taken or (not explicit and not _applies(need, subject, taken)):
                continue
            before, lacking = len(found.inputs), len(found.missing)
            if explicit:
                self.named.explicit(need, subject, found)
            elif need.source == "named":
                if need.required:
                    found.missing.append(_unnamed(need, subject))
            elif need.of:
                self._of_same(need, subject, found)
            elif need.source == "product" and not self._stands_in(need, subject):
                self._made(need, subject, found)
            elif need.source in ("product", "static"):
                self._static_file(need, subject, found)
            elif need.source == "raw":
                self._illum(need, subject, found)
            if self._refuses:
                self._refuse_worse(need, subject, found, before)
            if len(found.missing) > lacking:
                self._suppose(need, subject, found)
            if found.inputs and found.inputs[-1].tag == category:
                taken.add(category)
        return found

    def _suppose(self, need: Need, subject: Subject, found: Found) -> None:
        """What else would be missing, if the raw frames for a product were there.

        They are supposed to be of the night and the set-up of what needs them.
        """
        name: str = need.recipe if found.missing[-1].wanted is not None else ""
        while name and name in self.known.blocks:
            planned = self.known.blocks[name]
            if planned.recipe.group_by in ("dataset", "run"):
                return
            key = name, subject.setup.night, subject.setup.kind, subject.wanted
            if key not in self._supposed:
                # While it is asked, nothing more is known.
                self._supposed[key] = ()
                supposed = replace(
                    subject, planned=planned, task="", dataset="", frame=None, run="", part=""
                )
                self._supposed[key] = self.find(supposed).causes
            found.missing += self._supposed[key]
            name = planned.source

    def _made(self, need: Need, subject: Subject, found: Found) -> None:
        """A product of the plan, or one that the archive delivers, as the settings prefer."""
        made: list[Input] = []
        if self.known.settings.association.prefers_masters(need.category):
            rule = self.products.rule(need, subject.planned)
            made = self.products.masters.find(rule, subject.setup, subject.wanted, subject.ifu)
        found.inputs += made
        if not made:
            self.products.nearest(need, need.recipe, subject, found)

    def _stands_in(self, need: Need, subject: Subject) -> bool:
        """Whether a file of `static_calib` stands in for a product.

        Not where the recipe also knows the category as a static calibration: SKY_LINES of
        `static_calib` is the list of all lines, and not what a sky exposure tells.
        """
        category = need.category
        return category in self.known.settings.static_calib and not any(
            other.category == category and other.source == "static"
            for other in subject.planned.recipe.needs
        )

    def _of_same(self, need: Need, subject: Subject, found: Found) -> None:
        """What the task made, too, whose product of another category is taken."""
        category = need.category
        given = next((one for one in found.inputs if one.tag == need.of), None)
        if given is None:
            # That one is lacking, and told of.
            return
        maker = self.named.maker(given.invocation)
        if maker is not None and category in maker.categories:
            found.inputs.append(replace(given, tag=category, category=category))
            return
        name = subject.planned.name
        found.missing.append(
            Cause(
                f"the settings name a {need.of} for {name}, and no {category} to go with it",
                f"name one with recipes.{name}.frames.{category}, "
                f"or take {need.of} out of recipes.{name}.frames",
                category=category,
                block=name,
                where=("recipes", name, "frames", need.of),
            )
        )

    def _refuse_worse(self, need: Need, subject: Subject, found: Found, before: int) -> None:
        """Take back what was found for a need, where its level is worse than is taken."""
        rule = self.products.rule(need, subject.planned)
        worst = rule.worst
        bad = next((given for given in found.inputs[before:] if worse(given.quality, worst)), None)
        if bad is None:
            return
        del found.inputs[before:]
        assert bad.quality is not None, "what is worse has a level"
        level = bad.quality.level or 0
        name = bad.invocation or bad.path.rpartition("/")[2]
        reason = f"is of level {level}, and {worst} {WORST_TAKEN}"
        setting = accepting(need.category, level, rule.levels)
        label = f"{need.category}: {name}" if bad.kind == "file" else name
        missing = Cause(
            f"no {{category}} of level {worst} or better for {{of}}",
            kind="category",
            of=subject.setup.night,
            category=need.category,
            block=subject.planned.name,
            optional=not need.required,
            refused=(Refused(label, reason, setting),),
        )
        lacks(need, missing, found)

    # static calibrations

    def _static_file(self, need: Need, subject: Subject, found: Found) -> None:
        category, setup = need.category, subject.setup
        key = (category, need.match, setup.night, setup.kind, subject.ifu)
        kept = self._statics.get(key)
        if kept is None:
            static = choose_static(
                category,
                setup,
                ranges=self.known.settings.static_calib.get(category, ()),
                folder=self._static.get(category, ()),
                delivered=self.known.delivered.get(category, ()),
                match=need.match,
            )
            wanted = None
            if static.path:
                wanted = Input(
                    category, "file", path=static.path, ifu=subject.ifu, quality=static.quality
                )
            kept = static, wanted
            if not static.dated:
                self._statics[key] = kept
        static, wanted = kept
        if wanted is not None:
            found.inputs.append(wanted)
            if static.note:
                found.notes.append(static.note)
            return
        missing = self._no_static(need, subject, static)
        if need.required or need.expected:
            found.missing.append(missing)
        else:
            text = missing.told if category in missing.told else f"no {category}: {missing.told}"
            found.notes.append(f"{text}: reduced without it")

    def _no_static(self, need: Need, subject: Subject, static: Static) -> Cause:
        """Why there is no static calibration of a category."""
        category, name = need.category, subject.planned.name
        where: tuple[str, ...] = ("muse_calib_path",)
        folder, kind, of = self.known.files.folder, "folder", ""
        others = [file.path for file in self._static.get(category, ())]
        if not folder:
            what, where = "the settings give no muse_calib_path", ()
            hint = self._folder_hint()
        elif not self.known.files.folder_exists:
            what, hint = f"muse_calib_path does not exist: {folder}", self._folder_hint()
        elif static.note:
            what, kind, where = static.note, "file", ("static_calib", category)
            hint = f"correct static_calib.{category}, or put the file into {folder}"
        else:
            what, kind = f"no {{category}} in {folder}", "category"
            hint = f"put a file with ESO PRO CATG = {{category}} into {folder}"
            if others:
                of = subject.setup.ins_mode or "frames without INS MODE"
                what = f"no {{category}} in {folder} for {{of}}"
        refused = tuple(Refused(path.rpartition("/")[2], "is of another mode") for path in others)
        return Cause(
            what,
            hint,
            kind,
            of=of,
            category=category,
            block=name,
            where=where,
            optional=not need.required,
            refused=refused[:REFUSED_SHOWN] if of else (),
        )

    def _folder_hint(self) -> str:
        """Which folder of static calibrations is meant."""
        every = self.known.settings.static_calib.values()
        named = next((name for files in every for name, _ in files), "")
        held = f" that holds {named}" if named else " of the pipeline's static calibrations"
        return f"set muse_calib_path to the folder{held}"

    # illumination flats

    def _illum(self, need: Need, subject: Subject, found: Found) -> None:
        if subject.frame is None:
            return
        category = need.category
        nights = self._illums.get(category)
        if nights is None:
            nights = self._illums[category] = {}
            for frame in self.known.raw.get(category, ()):
                nights.setdefault(frame.night, []).append((frame, setup_of(frame)))
        held = [
            (frame, setup)
            for frame, setup in nights.get(subject.frame.night, ())
            if subject.ifu is None or subject.ifu in frame.channels
        ]
        rule = self.products.rule(need, subject.planned)
        best, quality, note = choose_illum(held, subject.frame, rule)
        if best is None:
            found.notes.append(f"{note}: reduced without it")
            return
        found.inputs.append(
            Input(category, "raw", best.path, ifu=subject.ifu, order=best.date_obs, quality=quality)
        )
