"""Frames that the settings name under `frames:`: a block, a result, a path, folder or glob."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Sequence

from musebuild.cache.model import Input, Quality
from musebuild.index.model import FileFrame
from musebuild.plan.blocks import (
    PlannedPath,
    makes,
    named_results,
    planned_path,
    serving,
    top_folder,
)
from musebuild.plan.calibrations import WORDS, choose_made
from musebuild.plan.levels import WORST, Rule, quality_of
from musebuild.plan.masters import MASTER
from musebuild.plan.model import Cause
from musebuild.plan.offsets import OFFSET_LIST, lacking, lacking_file
from musebuild.plan.parts import label_of
from musebuild.plan.planned_task import Candidates, PlannedTask, Setup, day_of
from musebuild.plan.products import Found, Products, Subject
from musebuild.plan.static_files import file_setup
from musebuild.recipes.model import Need
from musebuild.settings.nearest import nearest
from musebuild.settings.of_musered import keys_of_frame
from musebuild.settings.path_names import ENDINGS, is_path

SKY_MASK = "SKY_MASK"
_EXPOSURE = re.compile(r"\d{4}-\d\d-\d\dT\d\d.?\d\d.?\d\d\.\d{3}")
EVER = 10**6
"""Nights: what the settings name is taken whatever its distance."""


class Named:
    """Finds what the settings name.

    Parameters
    ----------
    products : Products
        Which knows what is planned.
    """

    def __init__(self, products: Products) -> None:
        self.products = products
        self.known = products.known
        self._paths: dict[tuple[str, str], list[tuple[PlannedTask, PlannedPath]]] = {}
        self._makers: dict[tuple[str, str, str], dict[tuple[str, str], list[PlannedTask]]] = {}
        self._theirs: dict[
            PlannedPath, dict[tuple[str, str], list[tuple[PlannedTask, PlannedPath]]]
        ] = {}

    def explicit(self, need: Need, subject: Subject, found: Found) -> None:
        """Find the frame that the settings name for a category and a night."""
        category = need.category
        night = dt.date.fromisoformat(subject.setup.night)
        sources = subject.planned.block.frames.sources[category]
        text = next((text for text, span in sources if night in span), "")
        if not text:
            self._unnamed(
                need,
                subject,
                found,
                f"the settings name no {category} for the night {{of}}",
                f"add a range that holds them under {self._key(subject, category)}",
                of=subject.setup.night,
            )
        elif is_path(text):
            self._path(need, text, subject, found)
        elif text in self.known.blocks:
            recipe = self.known.blocks[text].recipe
            if not makes(recipe, serving(category)):
                reason = f"the block {text} makes no {category}"
                remedy = f"name another under {self._key(subject, category)}"
                self._unnamed(need, subject, found, reason, remedy)
            elif recipe.group_by == "run":
                self._of_run(need, text, subject, found)
            elif recipe.group_by == "dataset":
                self._result(need, text, "", subject, found)
            else:
                self.products.nearest(need, text, subject, found)
        elif text == MASTER and need.source == "product":
            self._master(need, subject, found)
        else:
            self._result(need, "", named_results(text, category), subject, found)
        if category == OFFSET_LIST and subject.dates:
            self._complete(text, subject, found)

    def _master(self, need: Need, subject: Subject, found: Found) -> None:
        """What the archive delivers."""
        masters, rule = self.products.masters, self.products.rule(need, subject.planned)
        made = masters.find(rule, subject.setup, subject.wanted, subject.ifu)
        found.inputs += made
        if not made:
            name = subject.planned.name
            found.missing.append(masters.missing(rule, subject.setup, subject.wanted, name))

    def _key(self, subject: Subject, category: str) -> str:
        """Where the settings name a category, for people."""
        return ".".join(keys_of_frame(self.known.settings, subject.planned.name, category))

    def _complete(self, text: str, subject: Subject, found: Found) -> None:
        """Note a list of offsets that lacks an exposure, as far as its rows are known."""
        block = subject.planned.name
        for wanted in [given for given in found.inputs if given.tag == OFFSET_LIST]:
            if wanted.kind == "file":
                files = self.known.files.named.get((OFFSET_LIST, text), ())
                used = [file for file in files if file.path == wanted.path]
                said = lacking_file(used, subject.dates, block)
            else:
                made = self.maker(wanted.invocation)
                if made is None or made.aligned is None:
                    continue
                said = lacking(made.aligned, text, subject.dates, block, made.task)
                if said is not None and subject.planned.recipe.group_by == "exposure":
                    found.unaligned = True
            if said is not None:
                found.missing.append(said)

    def maker(self, invocation: str) -> PlannedTask | None:
        """The task of an invocation; None: there is none of that name."""
        tasks = self.known.tasks.get(invocation.partition(":")[0], ())
        return next((made for made in tasks if invocation in made.by_ifu.values()), None)

    def _of_run(self, need: Need, block: str, subject: Subject, found: Found) -> None:
        """What a block made of the run of an exposure, in its instrument mode."""
        category, mode = need.category, subject.setup.ins_mode
        of_run = [made for made in self.known.tasks.get(block, ()) if made.run == subject.run]
        lost = [made for made in self.known.ghosts.get(block, ()) if made.run == subject.run]
        every = [*of_run, *lost]
        fitting = [made for made in every if not made.setup.agrees(subject.setup, ("ins_mode",))]
        if fitting and not self._left(fitting[:1], found):
            quality = Quality("as set", level=self._level(need, fitting[0], subject))
            self.products.take(category, fitting[0], category, quality, subject, found)
        if fitting:
            return
        run = f"the run {subject.run}" if subject.run else "a night that belongs to no run"
        self._unnamed(
            need,
            subject,
            found,
            f"{block} makes no {category} for {run}" + (f" in the mode {mode}" if of_run else ""),
            f"add a standard star of that run, or correct `runs`, or take {category} out of "
            f"recipes.{subject.planned.name}.frames",
        )

    def _result(self, need: Need, block: str, result: str, subject: Subject, found: Found) -> None:
        """A result of the same dataset, by the name of its block or its own."""
        category = need.category
        made_category = serving(category)
        # While a block is planned, what it may take grows no more.
        asked = subject.planned.name, block, made_category
        if asked not in self._makers:
            by_part: dict[tuple[str, str], list[PlannedTask]] = {}
            for tasks in (*self.known.tasks.values(), *self.known.ghosts.values()):
                for task in tasks:
                    if made_category in task.categories and (
                        task.block == block if block else bool(task.result)
                    ):
                        by_part.setdefault((task.dataset, task.part), []).append(task)
            self._makers[asked] = by_part
        by_part = self._makers[asked]
        makers = by_part.get((subject.dataset, subject.part), [])
        fitting = [task for task in makers if block or task.result == result]
        fitting = [task for task in fitting if task.left is None] or fitting
        lost = all(task.left is not None for task in fitting)
        if lost and self._alone(need, block, result, subject, found):
            return
        if self._left(fitting[:1], found):
            return
        if len(fitting) == 1:
            quality = Quality("as set", level=_level_named(need))
            self.products.take(category, fitting[0], made_category, quality, subject, found)
            return
        wanted = block or f"{category}_{result}"
        if not fitting and self._left_block(need, block, result, found):
            return
        if fitting:
            reason = f"{wanted} means several results: {' and '.join(t.task for t in fitting)}"
            self._unnamed(need, subject, found, reason, "give each block a `name:` of its own")
            return
        whole = label_of(subject.dataset, subject.part)
        every = [task for some in by_part.values() for task in some]
        names = sorted({f"{category}_{task.result}" for task in every if task.result})
        there = f"there is {', '.join(names)}" if names else f"no block makes an {category}"
        self._unnamed(
            need,
            subject,
            found,
            f"there is no {wanted} for the dataset {whole} ({there})",
            f"correct {self._key(subject, category)}, or declare a block that makes it",
        )

    @staticmethod
    def _left(tasks: Sequence[PlannedTask], found: Found) -> bool:
        """Whether what would be taken is left out itself."""
        lost = [task.left for task in tasks if task.left is not None]
        found.ghosts += lost
        return bool(lost)

    def _left_block(self, need: Need, block: str, result: str, found: Found) -> bool:
        """Whether the block that would make a result is not planned at all."""
        for name, left in self.known.off.items():
            given = self.known.settings.blocks.get(name)
            recipe = self.known.recipes.get((given and given.recipe) or name)
            if given is None or recipe is None or not makes(recipe, serving(need.category)):
                continue
            if name in (block, result) or (not block and (given.label or recipe.suffix) == result):
                found.ghosts.append(left)
                return True
        return False

    def _alone(self, need: Need, block: str, result: str, subject: Subject, found: Found) -> bool:
        """Whether nothing makes a category of a dataset, since there is but one exposure.

        That exposure does without. Another, which was left out on purpose, must not: nothing is
        known of its place.
        """
        alone = [
            one
            for one in self.known.alone
            if (one.dataset, one.part) == (subject.dataset, subject.part)
            and (one.block == block if block else one.result == result)
            and makes(self.known.blocks[one.block].recipe, serving(need.category))
        ]
        if not alone:
            return False
        if {*subject.dates} <= {date for one in alone for date in one.dates}:
            found.notes.append(
                f"{alone[0].task} is left out, since this is the only exposure: "
                f"reduced without {need.category}"
            )
            return True
        found.unaligned = subject.planned.recipe.group_by == "exposure"
        self._unnamed(
            need,
            subject,
            found,
            f"{alone[0].task} is left out, since it leaves other exposures out",
            f"let recipes.{alone[0].block} and recipes.{subject.planned.name} select the same "
            "exposures",
        )
        return True

    # paths

    def _planned(self, text: str, category: str) -> list[tuple[PlannedTask, PlannedPath]]:
        """Tasks whose products a path means."""
        key = text, category
        if key not in self._paths:
            path = planned_path(text, category, self.known.settings)
            meant = [
                (made, path)
                for tasks in (*self.known.tasks.values(), *self.known.ghosts.values())
                for made in tasks
                if path is not None and path.means(made.folder) and path.category(made.categories)
            ]
            self._paths[key] = [one for one in meant if not _are_lost([one])] or meant
        return self._paths[key]

    def _as_in_musered(
        self, path: PlannedPath, subject: Subject
    ) -> list[tuple[PlannedTask, PlannedPath]]:
        """What a path means that is named as MuseRed names folders; of the dataset first."""
        if path not in self._theirs:
            found = self._theirs[path] = {}
            for tasks in (*self.known.tasks.values(), *self.known.ghosts.values()):
                for made in tasks:
                    if path.means_as_in_musered(
                        made.folder, made.dataset, made.result
                    ) and path.category(made.categories):
                        found.setdefault((made.dataset, made.part), []).append((made, path))
        every = self._theirs[path]
        own = every.get((subject.dataset, subject.part))
        held = own or [one for some in every.values() for one in some]
        return [one for one in held if not _are_lost([one])] or held

    def _alone_at(self, path: PlannedPath, need: Need, subject: Subject, found: Found) -> bool:
        """Whether a path means what is not made, since there is but one exposure (`_alone`)."""
        for one in self.known.alone:
            label = label_of(one.dataset, one.part, one.result)
            folder = f"{top_folder(self.known.blocks[one.block])}/{label}"
            if path.means(folder) or path.means_as_in_musered(folder, one.dataset, one.result):
                return self._alone(need, one.block, "", subject, found)
        return False

    def _path(self, need: Need, text: str, subject: Subject, found: Found) -> None:
        planned = self._planned(text, need.category)
        named = planned_path(text, need.category, self.known.settings)
        there = self.known.files.named.get((need.category, text))
        if named is not None and _are_lost(planned) and not there:
            planned = planned or self._as_in_musered(named, subject)
            if _are_lost(planned) and self._alone_at(named, need, subject, found):
                return
            if len(planned) > 1:
                meant = " and ".join(made.task for made, _ in planned)
                reason = f"{need.category}: {text} means several results: {meant}"
                places = " or ".join(made.folder for made, _ in planned)
                self._unnamed(need, subject, found, reason, f"name one by its own folder: {places}")
                return
        if not planned:
            self._files(need, text, subject, found)
            return
        tasks = [made for made, _ in planned]
        best, note = self._best_of(need, tasks, subject)
        if self._left([best], found):
            return
        path = planned[0][1]
        category = path.category(best.categories)
        images = str(self.known.blocks[best.block].shaping.get("filter", "")).split(",")
        filt = images[path.number - 1] if category == "IMAGE_FOV" and path.number else ""
        hours = round((best.setup.mjd - subject.setup.mjd) * 24, 3)
        quality = _as_set(
            best.setup.agrees(subject.setup, need.match),
            note,
            hours,
            level=self._level(need, best, subject),
        )
        before = len(found.inputs)
        self.products.take(need.category, best, category, quality, subject, found, filt)
        if len(found.inputs) == before:
            self._unnamed(
                need,
                subject,
                found,
                f"{need.category}: {text} is {best.task}, which lacks IFU {subject.ifu}",
                f"name another with {self._key(subject, need.category)}",
            )

    @staticmethod
    def _best_of(
        need: Need, tasks: Sequence[PlannedTask], subject: Subject
    ) -> tuple[PlannedTask, str]:
        """Of several tasks that a glob means the nearest that agrees, else the nearest."""
        if len(tasks) == 1:
            return tasks[0], ""
        candidates = Candidates()
        for made in tasks:
            candidates.add(made)
        for match in (need.match, ()):
            rule = Rule(match, EVER, need.offset, need.close)
            choice = choose_made(candidates, subject.setup, rule, subject.wanted)
            if choice.made is not None:
                return choice.made, f"nearest of {len(tasks)} that the path means"
        return tasks[0], "none of those that the path means holds the IFU"

    def _files(self, need: Need, text: str, subject: Subject, found: Found) -> None:
        every = self.known.files.named.get((need.category, text), ())
        files, lacks = _of_ifus(every, need, subject)
        if not files:
            reason = f"{need.category}: {text} does not exist or holds no frame"
            remedy = "correct the path in the settings, or put a file there"
            if made := self._results(need.category):
                remedy += f", or take what a block makes: {made}"
            places = self._places(need.category)
            if lacks:
                reason = f"{need.category}: {text} lacks IFU {lacks}"
                remedy = (
                    "name the files of all IFUs: a folder, or a pattern such as 'FOLDER/*.fits'"
                )
            elif planned_path(text, need.category, self.known.settings) and places:
                near = nearest(text.rpartition("/reduced/")[2] or text, places) or places[:2]
                remedy += f"; products of the plan are {' and '.join(near)} below reduced_path"
            self._unnamed(need, subject, found, reason, remedy)
            return
        several = "*" in text or not text.lower().endswith(ENDINGS)
        if need.category == SKY_MASK and several and subject.dates:
            files = _of_exposure(files, subject.dates[0])
            if not files:
                name = subject.dates[0]
                reason = f"{need.category}: {text} holds none for the exposure {{of}}"
                remedy = "put one there whose name holds its name, or name a single file"
                self._unnamed(need, subject, found, reason, remedy, of=name)
                return
        chosen, note = _nearest_files(files, subject.setup)
        found.inputs.extend(
            Input(
                need.category,
                "file",
                path=file.path,
                ifu=subject.ifu,
                quality=_as_set(
                    file_setup(file).agrees(subject.setup, need.match),
                    note,
                    level=_level_named(need),
                ),
            )
            for file in chosen
        )
        if note:
            found.notes.append(f"{need.category}: {note}")

    def _results(self, category: str) -> str:
        """Names of the results of a category that blocks make, for people."""
        every = (*self.known.tasks.values(), *self.known.ghosts.values())
        tasks = [task for tasks in every for task in tasks if serving(category) in task.categories]
        found = {f"{category}_{task.result} (of {task.block})" for task in tasks if task.result}
        return " or ".join(sorted(found)[:2])

    def _level(self, need: Need, made: PlannedTask, subject: Subject) -> int | None:
        """The level of a product that the settings name: that of the rules where they allow it."""
        if need.source == "named":
            return None
        rule = self.products.rule(need, subject.planned)
        nights = day_of(made.setup.night) - day_of(subject.setup.night)
        if abs(nights) > rule.offset or made.setup.agrees(subject.setup, need.match):
            return WORST
        return quality_of(nights, made.setup, subject.setup, rule).level

    def _places(self, category: str) -> list[str]:
        """Products of the plan that could be meant, as paths below `reduced_path`."""
        similar = serving(category)
        return [
            f"{made.folder}/{similar}.fits"
            for tasks in self.known.tasks.values()
            for made in tasks
            if similar in made.categories
        ]

    def _unnamed(
        self, need: Need, subject: Subject, found: Found, what: str, hint: str, *, of: str = ""
    ) -> None:
        block, category = subject.planned.name, need.category
        keys = keys_of_frame(self.known.settings, block, category)
        found.missing.append(Cause(what, hint, "setting", of, category, block, tuple(keys)))


def _are_lost(planned: Sequence[tuple[PlannedTask, PlannedPath]]) -> bool:
    """Whether all that a path means is left out."""
    return all(made.left is not None for made, _ in planned)


def _as_set(differs: str, note: str, hours: float | None = None, *, level: int | None) -> Quality:
    """How well a frame fits that the settings name, and that is taken though it differs."""
    if not differs:
        return Quality("as set", hours=hours, note=note, level=level)
    told = f"its {WORDS[differs]} differs"
    note = f"{told}, {note}" if note else told
    return Quality("other than asked", hours=hours, note=note, level=level)


def _level_named(need: Need) -> int | None:
    """The level of what only the settings can name: it is no choice where nothing else could be."""
    return None if need.source == "named" else WORST


def _of_ifus(
    files: Sequence[FileFrame], need: Need, subject: Subject
) -> tuple[Sequence[FileFrame], str]:
    """Files that hold IFUs of an invocation; none where one of its IFUs is in none of them.

    Returns
    -------
    files : sequence of FileFrame
        A file that tells no IFU holds any.
    lacks : str
        IFUs that are in none, for people.
    """
    if not files or (subject.ifu is None and need.source != "product"):
        return files, ""
    held = {file.path: _ifus(file) for file in files}
    lacks = [
        ifu
        for ifu in subject.wanted
        if ifu is not None and not any(not ifus or ifu in ifus for ifus in held.values())
    ]
    if lacks:
        return (), ", ".join(map(str, lacks))
    wanted = set(subject.wanted)
    return [file for file in files if not held[file.path] or wanted & {*held[file.path]}], ""


def _of_exposure(files: Sequence[FileFrame], date: str) -> list[FileFrame]:
    """Files whose names hold the name of an exposure; else those that name no exposure.

    A mask that was drawn on one exposure fits no other. Colons may be left out of its name, or be
    another character.
    """
    stems = {file.path: file.path.rpartition("/")[2] for file in files}
    wanted = _digits(date)
    of_it = [file for file in files if wanted in _digits(stems[file.path])]
    return of_it or [file for file in files if not _EXPOSURE.search(stems[file.path])]


def _digits(text: str) -> str:
    return "".join(filter(str.isdigit, text))


def _ifus(file: FileFrame) -> tuple[int, ...]:
    """IFUs of a file: its extensions, else the number at the end of its name; none: not told."""
    if file.channels:
        return file.channels
    stem = file.path.rpartition("/")[2].partition(".")[0]
    number = stem.rpartition("-")[2]
    if "-" in stem and len(number) == 2 and number.isdigit():
        return (int(number),)
    return ()


def _nearest_files(files: Sequence[FileFrame], setup: Setup) -> tuple[list[FileFrame], str]:
    """One file for each set of IFUs: the nearest in time, then by name; of this INS MODE first."""
    groups: dict[tuple[int, ...], list[FileFrame]] = {}
    for file in files:
        groups.setdefault(_ifus(file), []).append(file)

    def rank(file: FileFrame) -> tuple[bool, float, str]:
        apart = abs(file.mjd_obs - setup.mjd) if file.mjd_obs is not None else float("inf")
        return bool(file.ins_mode) and file.ins_mode != setup.ins_mode, apart, file.path

    chosen = [min(group, key=rank) for group in groups.values()]
    most = max(len(group) for group in groups.values())
    if most == 1:
        return chosen, ""
    name = chosen[0].path.rpartition("/")[2]
    return chosen, f"{name} is the nearest of {most} that the path means"
