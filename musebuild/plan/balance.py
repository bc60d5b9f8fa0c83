"""The balance of frames: every file below `raw_path` is used by a task, or not used and why. Pure.

The sum of all parts is the number of files: what is told in one line can be trusted to leave
nothing out.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from musebuild.index.model import RawFrame
from musebuild.plan.blocks import PlannedBlock
from musebuild.plan.causes import folded
from musebuild.plan.model import Plan

Counts = dict["Fate", Counter[str]]
WIDTH = 150
"""Of the line, if only what does not count is left away."""


APART = "`musebuild check-integrity` tells which is whole; move the other out of raw_path"
"""Mends files of one exposure that differ."""


class Fate(StrEnum):
    """What becomes of a file, in the order in which it is told."""

    USED = "used"
    NOT_NEEDED = "not needed"
    """A calibration that no exposure takes, or that nothing asked for takes."""
    LEFT_OUT = "of tasks left out"
    NO_DATASET = "of no dataset"
    NO_BLOCK = "by no block"
    EXCLUDED = "excluded"
    COPY = "duplicates"
    NO_CATEGORY = "not classified"
    UNREADABLE = "not readable"
    OTHER_FORM = "in another form"
    LOG = "logs"
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class Told:
    """What is told of one file."""

    path: str
    fate: Fate
    about: str
    """Category, dataset or form: by this such files are counted together."""
    reason: str = ""
    """A sentence that holds of all alike; empty for what is used."""
    detail: str = ""
    """What holds of this file alone."""
    remedy: str = ""
    tasks: tuple[str, ...] = ()
    """Tasks that take it."""


@dataclass(frozen=True, slots=True)
class Uses:
    """Which raw frames the tasks of a plan take."""

    tasks: Mapping[str, tuple[str, ...]]
    """Path → tasks that take it, in the order of the plan."""
    needed: frozenset[str]
    """Paths that something takes that a plain `doit` builds."""


def uses_of(plan: Plan) -> Uses:
    """Which raw frames the tasks of a plan take."""
    default = frozenset(plan.default)
    tasks: dict[str, list[str]] = defaultdict(list)
    needed: set[str] = set()
    for name, invocation in plan.invocations.items():
        task = ""
        for wanted in invocation.inputs:
            if wanted.kind != "raw":
                continue
            task = task or invocation.task
            found = tasks[wanted.path]
            # The IFUs of a task follow each other.
            if not found or found[-1] != task:
                found.append(task)
            if name in default:
                needed.add(wanted.path)
    return Uses(
        {path: tuple(dict.fromkeys(found)) for path, found in tasks.items()}, frozenset(needed)
    )


class Judge:
    """Tells of each frame what becomes of it.

    Parameters
    ----------
    plan : Plan
        What takes which frame, and what is left out.
    blocks : iterable of PlannedBlock
        Blocks that are planned.
    datasets : collection of str
        Datasets of the settings; empty: each OBJECT is one.
    """

    def __init__(
        self, plan: Plan, blocks: Iterable[PlannedBlock], datasets: Collection[str]
    ) -> None:
        takes = {planned.name: planned.recipe for planned in blocks}
        self._uses = uses_of(plan)
        self._datasets = frozenset(datasets)
        self._raw = {category for recipe in takes.values() for category in recipe.raw}
        self._calibrations = {need.category for recipe in takes.values() for need in recipe.needs}
        self._why: dict[tuple[str, str], tuple[str, str]] = {}
        for left in plan.left_out:
            block, _, label = left.name.partition(":")
            # Of several blocks the first takes the frames themselves.
            first = folded([left])[0]
            for category in takes[block].raw if block in takes else ():
                told = first.short, next(iter(first.hints), "")
                self._why.setdefault((category, label), told)

    def __call__(self, frame: RawFrame) -> Told:
        """What becomes of a frame."""
        path, category = frame.path, frame.category
        if frame.excluded:
            return self._excluded(frame)
        tasks = self._uses.tasks.get(path, ())
        if path in self._uses.needed:
            return Told(path, Fate.USED, category, tasks=tasks)
        if tasks:
            return Told(
                path,
                Fate.NOT_NEEDED,
                category,
                "nothing that is asked for needs what is made of it",
                tasks=tasks,
            )
        if category in self._raw:
            return self._without_task(frame)
        if category in self._calibrations:
            return Told(path, Fate.NOT_NEEDED, category, "no task takes it")
        return Told(path, Fate.NO_BLOCK, category, f"no block takes {category}")

    def _excluded(self, frame: RawFrame) -> Told:
        about = frame.category or frame.dpr_type or "no DPR TYPE"
        if frame.excluded.startswith("the same exposure as"):
            reason = "another file of the same exposure is used"
            if not frame.differs:
                return Told(frame.path, Fate.COPY, about, reason, frame.excluded)
            detail = f"{frame.excluded}, but {frame.differs}"
            return Told(frame.path, Fate.COPY, about, f"{reason}, and they differ", detail, APART)
        if frame.differs:
            reason = "another frame has its date"
            return Told(frame.path, Fate.COPY, about, reason, frame.excluded, APART)
        fate = Fate.EXCLUDED if frame.category else Fate.NO_CATEGORY
        return Told(frame.path, fate, about, frame.excluded)

    def _without_task(self, frame: RawFrame) -> Told:
        """What is told of a frame of a category that blocks take, and that no task takes."""
        if frame.category == "OBJECT" and self._datasets and frame.dataset not in self._datasets:
            return Told(
                frame.path,
                Fate.NO_DATASET,
                frame.dataset or frame.object_orig or "no OBJECT",
                "it belongs to no dataset of the settings",
            )
        # A sequence of frames goes by its start, an exposure by its name.
        labels = ((frame.category, label) for label in (frame.name, frame.tpl_start))
        reason, remedy = next(
            (self._why[label] for label in labels if label in self._why), ("", "")
        )
        return Told(
            frame.path,
            Fate.LEFT_OUT,
            frame.category,
            reason or "no task takes it",
            remedy=remedy,
        )


@dataclass(frozen=True, slots=True)
class Part:
    """Files of which the same is told."""

    fate: Fate
    about: str
    reason: str
    remedy: str
    files: tuple[Told, ...]


@dataclass(frozen=True, slots=True)
class Balance:
    """What becomes of all files below `raw_path`."""

    told: tuple[Told, ...]
    """Of each frame, and of each file that looks like one."""
    others: Mapping[str, int] = field(default_factory=dict)
    """Files that are no frames by their names: ending → number."""
    closed: tuple[Told, ...] = ()
    """Folders that cannot be read: what lies there is not known, and not counted."""
    gone: int = 0
    """Files that builds used and that cannot be read any more; they are not counted."""
    folders: Mapping[str, int] = field(default_factory=dict)
    """Folders that were not looked into: why → number."""

    @property
    def parts(self) -> list[Part]:
        """What is not used: alike files together, in the order of their fates, the most first."""
        groups: dict[tuple[Fate, str, str], list[Told]] = defaultdict(list)
        for one in self.told:
            if one.fate is not Fate.USED:
                groups[one.fate, one.about, one.reason].append(one)
        order = list(Fate)
        # The others are mended as the first is.
        return sorted(
            (Part(*key, files[0].remedy, tuple(files)) for key, files in groups.items()),
            key=lambda part: (order.index(part.fate), -len(part.files), part.about, part.reason),
        )

    @property
    def whole(self) -> bool:
        """Whether all files are used."""
        rest = self.others or self.closed or self.gone or self.folders
        return not rest and all(one.fate is Fate.USED for one in self.told)

    @property
    def counts(self) -> Counts:
        """Number of files of each fate, by what they are."""
        return counts_of(self.told, self.others)

    @property
    def line(self) -> str:
        """All of it in one line: `12 files: 9 used, 3 by no block (SKY 2, MASK 1)`."""
        return line_of(self.counts, self.gone, len(self.closed))


def counts_of(told: Iterable[Told], others: Mapping[str, int]) -> Counts:
    """Number of files of each fate, by what they are.

    Parameters
    ----------
    told : iterable of Told
        Of each frame, and of each file that looks like one.
    others : mapping
        Files that are no frames by their names: ending → number.
    """
    found: Counts = {fate: Counter() for fate in Fate}
    for one in told:
        found[one.fate][one.about] += 1
    found[Fate.OTHER].update({ending or "no ending": number for ending, number in others.items()})
    return {fate: counted for fate, counted in found.items() if counted.total()}


def judged(frames: Iterable[RawFrame], others: Iterable[Told], judge: Judge) -> Iterator[Told]:
    """What becomes of each file below `raw_path`.

    Parameters
    ----------
    frames : iterable of RawFrame
        All frames of the index, the excluded ones among them.
    others : iterable of Told
        Files that give no frame.
    judge : Judge
        Knows the plan.
    """
    yield from others
    yield from map(judge, frames)


def line_of(counts: Counts, gone: int = 0, closed: int = 0) -> str:
    """The numbers of a balance in one line.

    Parameters
    ----------
    counts : mapping
        Of `counts_of`.
    gone : int
        Files that builds used and that cannot be read any more.
    closed : int
        Folders that cannot be read.
    """
    total = sum(counted.total() for counted in counts.values())
    rest = f"; {closed:,} folder{'s' * (closed != 1)} cannot be read" if closed else ""
    rest += f"; {gone:,} that earlier builds used cannot be read" if gone else ""
    start = f"{total:,} file{'s' * (total != 1)}"
    for most in (4, 2, 1, 0):
        parts = ", ".join(_parts(counts, most))
        line = start + (f": {parts}" if parts else "") + rest
        if len(line) <= WIDTH:
            break
    return line


def _parts(counts: Counts, most: int) -> Iterator[str]:
    """The parts of the line; each names so many kinds of its files at most."""
    for fate, counted in counts.items():
        number = counted.total()
        text = f"{number:,} {fate}"
        if number == 1 and fate in (Fate.COPY, Fate.LOG):
            text = text.removesuffix("s")
        # What no block takes is always named: nothing else tells of it.
        shown = max(most, fate is Fate.NO_BLOCK)
        if fate is Fate.USED or not shown:
            yield text
            continue
        kinds = sorted(counted.items(), key=lambda item: (-item[1], item[0]))
        named = [f"{about} {n:,}" for about, n in kinds[:shown]]
        more = sum(n for _, n in kinds[shown:])
        yield f"{text} ({', '.join(named)}{f', others {more:,}' if more else ''})"
