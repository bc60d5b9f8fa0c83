"""What is to do: the one answer that builds, lists and all other commands go by.

A *view* of a project knows of every invocation that was asked for, and of all that these need,
whether it is up to date. Of most of them the plan cache says so, since nothing that the finding
of an earlier build rests on has changed; the others are looked at, in the order of the plan, a few
at a time, so that the first recipe may start before the last of them was looked at. To look
changes nothing.
"""

from __future__ import annotations

import sqlite3
from collections import deque
from collections.abc import (
    Callable,
    Collection,
    Iterable,
    Iterator,
    Mapping,
    MutableMapping,
    Sequence,
)
from dataclasses import dataclass, field, replace
from typing import Any

from musebuild.cache.model import Manifest
from musebuild.engine import plan_cache, plan_rows
from musebuild.engine.background import in_background
from musebuild.engine.balance import balance_line, differing, folded
from musebuild.engine.fingerprints import (
    Looks,
    Places,
    call_hash,
    files_hash,
    inputs_hash,
    structure_hash,
)
from musebuild.engine.kept_records import KeptInvocations, KeptManifests
from musebuild.engine.notes import BuildNotes
from musebuild.engine.plan_cache import DAMAGE, KeptPlan
from musebuild.engine.plan_rows import Entry, entry_of
from musebuild.engine.probe import ProjectWorld, selection
from musebuild.engine.project import Project
from musebuild.engine.resolve import Resolution, State
from musebuild.engine.summary import BuildSummary
from musebuild.errors import MusebuildError
from musebuild.index.files import paths_of
from musebuild.index.meta import generation
from musebuild.index.soundness import may_be_damage
from musebuild.plan.blocks import plan_blocks
from musebuild.plan.model import LeftOut, Plan
from musebuild.plan.names import closure, concerned, stopped

CHUNK = 250
"""Invocations that are looked at together, at most."""
MOST_KNOWN = 5000
"""Digests of input files that are held; those of a large archive fill the memory."""
LARGE = 20_000_000
"""Bytes of a database from which on a second process looks at the raw frames."""


@dataclass(slots=True)
class _Part:
    """Some invocations of one piece of the plan that are to be looked at."""

    piece: int
    places: list[int]
    """Where they stand in the piece."""
    names: list[str]


@dataclass
class View:
    """What is known of a project; `advance` looks at a few more invocations.

    Parameters
    ----------
    project : Project
        The project.
    plan : Plan
        Its invocations are all that are looked at, and those that these take.
    parts : deque
        What is to be looked at.
    asked : iterable of Entry
        What was asked for, in the order of the plan.
    """

    project: Project
    plan: Plan
    probe: ProjectWorld
    manifests: MutableMapping[str, Manifest]
    """What is known of products; grows."""
    left_out: Sequence[LeftOut]
    problems: Sequence[str]
    """Messages on raw files that cannot be used."""
    file_problems: Sequence[str]
    """Messages on calibration files that cannot be read."""
    balance: str
    """What becomes of the files below `raw_path`, in one line."""
    same: int
    """Invocations that are known to be up to date, of those that were asked for or are needed."""
    seconds: float
    """That the recipes of these took."""
    _parts: deque[_Part]
    _asked: Callable[[], Iterable[Entry]]
    """Gives the entries of what was asked for."""
    _notes: BuildNotes | None = None
    _full: bool = False
    held: tuple[str, ...] = ()
    """Datasets and parts of which nothing is looked at, since something of them cannot be done."""
    stopped: bool = False
    """Whether all that was asked for is of units of which something cannot be done."""
    looked: int = 0
    unhashed: list[str] = field(default_factory=list)
    """Input files without digest of what was looked at; who digests them empties it."""
    states: dict[str, Resolution] = field(default_factory=dict)
    """Of all that `complete` looked at."""
    _looks: Looks = field(default_factory=Looks)

    @property
    def over(self) -> bool:
        """Whether all was looked at."""
        return not self._parts

    @property
    def blocks_to_come(self) -> set[str]:
        """Blocks of which something is still to be looked at."""
        return {part.names[0].partition(":")[0] for part in self._parts}

    def summary(self) -> BuildSummary:
        """A summary that tells of what need not be looked at; it grows with what is."""
        return BuildSummary(
            up_to_date=self.same,
            saved_seconds=self.seconds,
            left_out=list(self.left_out),
            problems=[*self.problems, *self.file_problems],
            results=str(self.project.reduced),
            beside=self.project.beside,
            held=self.held,
        )

    def entries(self) -> Iterator[Entry]:
        """What was asked for, in the order of the plan."""
        return iter(self._asked())

    def advance(self) -> list[Resolution]:
        """Look at the next few; their states, without what is only needed to run them."""
        if not self._parts:
            return []
        part = self._parts.popleft()
        if len(part.names) > CHUNK:
            rest = _Part(part.piece, part.places[CHUNK:], part.names[CHUNK:])
            self._parts.appendleft(rest)
            part = _Part(part.piece, part.places[:CHUNK], part.names[:CHUNK])
        looks, found = self._looks, []
        each = self.probe.piece(part.names, self.plan, self.manifests, looks, full=self._full)
        for place, resolution in zip(part.places, each, strict=True):
            if self._notes is not None:
                invocation = self.plan.invocations[resolution.name]
                self._notes.take(part.piece, place, invocation, resolution, looks)
            if resolution.stale:
                self.unhashed += looks.unhashed
            found.append(resolution)
            looks.clear()
        self.looked += len(found)
        if not self._parts and self._notes is not None:
            self._notes.write(self)
            self._notes = None
        return found

    def each(self) -> Iterator[Resolution]:
        """Look at all, a few at a time; what failed at its last attempt is told apart."""
        history: Mapping[str, Mapping[str, Any]] | None = None
        while self._parts:
            for resolution in self.advance():
                if resolution.state is State.RUN:
                    if history is None:
                        history = self.project.ledger.tasks()
                    yield _with_failure(resolution, history.get(resolution.name))
                else:
                    yield resolution

    def complete(self) -> View:
        """Look at all, and keep the states."""
        for resolution in self.each():
            # What it made is among the manifests.
            kept = resolution if self._full else replace(resolution, manifest=None)
            self.states[resolution.name] = kept
        return self

    @property
    def in_full(self) -> Mapping[str, Resolution]:
        """States with preimages, sources and whole manifests, each found when it is asked for."""
        return _InFull(self)

    def state(self, name: str) -> Resolution:
        """State of an invocation after `complete`; of what is as it was no more than that."""
        return self.states.get(name, UP_TO_DATE)


class _InFull(Mapping[str, Resolution]):
    """States of all that a view looked at, with what explains them."""

    def __init__(self, view: View) -> None:
        self._view = view

    def __getitem__(self, name: str) -> Resolution:
        view, first = self._view, self._view.states[name]
        if len(view.probe.known) > MOST_KNOWN:
            view.probe.known.clear()
        invocation = view.plan.invocations[name]
        view.probe.learn([invocation])
        found = view.probe.identify(invocation, view.plan, view.manifests)
        made = first.state in (State.UP_TO_DATE, State.RESTORE)
        manifest = view.project.store.lookup(first.key).manifest if made else None
        return replace(first, preimage=found.preimage, inputs=found.inputs, manifest=manifest)

    def __iter__(self) -> Iterator[str]:
        return iter(self._view.states)

    def __len__(self) -> int:
        return len(self._view.states)


UP_TO_DATE = Resolution("", State.UP_TO_DATE)
"""What is said of an invocation that need not be looked at."""


def look(
    project: Project,
    asked: Sequence[str] = (),
    *,
    needed: bool = False,
    everything: bool = False,
    whole: bool = False,
    full: bool = False,
    remember: bool = False,
    sound: bool = False,
) -> View:
    """Look at a project as closely as is needed.

    Parameters
    ----------
    project : Project
        Nothing of it needs to be read yet.
    asked : sequence of str
        Names, groups and patterns; empty: the default of the plan.
    needed : bool
        Whether what is needed by what was asked for is asked for, too.
    everything : bool
        Whether what nobody asks for is asked for, too.
    whole : bool
        Whether all is planned and looked at, whatever is remembered.
    full : bool
        Whether states are kept with what is needed to run or explain them; then all is looked at.
    remember : bool
        Whether what is found is remembered; only builds do.
    sound : bool
        Whether a dataset (or a part of one) is left alone of which something cannot be done, if
        there are others.

    Raises
    ------
    MusebuildError
        There is no plan; a name stands for nothing.
    """
    wish = _Wish(asked, needed=needed, everything=everything, remember=remember, sound=sound)
    view = None if whole or full else _recalled(project, wish)
    return view or _planned(project, wish, full=full)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Wish:
    """What is asked of a view, as for `look`."""

    asked: Sequence[str] = field(kw_only=False)
    needed: bool
    everything: bool
    remember: bool
    sound: bool

    def held(self, left_out: Iterable[LeftOut], units: Collection[str]) -> tuple[str, ...]:
        """Units that are left alone; none where that would leave nothing."""
        held = stopped(left_out, units) if self.sound else frozenset()
        return () if held == {*units} else tuple(sorted(held))


def resolved(
    project: Project, names: Iterable[str], probe: ProjectWorld | None = None
) -> dict[str, Resolution]:
    """States of invocations of the plan and of all that they need, with preimages and inputs.

    Parameters
    ----------
    project : Project
        The project; all is planned.
    names : iterable of str
        Invocations.
    probe : ProjectWorld, optional
        Knows digests that are not remembered yet.
    """
    view = _view_of(project, closure(project.plan, names), None, full=True)
    if probe is not None:
        view.probe = probe
    found: dict[str, Resolution] = {}
    while not view.over:
        found.update((resolution.name, resolution) for resolution in view.advance())
    return found


def _planned(project: Project, wish: _Wish, *, full: bool) -> View:
    """A view that looks at all that was asked for."""
    # Before anything of what it rests on is read.
    notes = BuildNotes(project) if wish.remember and not project.is_scanned else None
    bad = folded(project.scan_report.problems, project.settings.raw_path)
    bad += differing(project.raw, project.settings.raw_path)
    problems = [f"{text}\n  hint: {remedy}" for text, remedy in bad]
    if notes is not None:
        notes.scanned()
    plan = project.plan
    if notes is not None:
        notes.planned(plan)
    # While the raw frames are at hand.
    line = balance_line(project)
    left_out = _concerned(project, plan.left_out, wish.asked)
    held = wish.held(left_out, plan.units)
    selected = _without(project, wish.asked, held) if held else ()
    if not selected:
        held = ()
        everything = tuple(plan.invocations) if wish.everything else None
        selected = everything or selection(project, wish.asked)
    names = closure(plan, selected)
    view = _view_of(project, names, notes, full=full)
    view.problems = problems
    view.balance = line
    listed = names if wish.needed else selected
    view._asked = lambda: (entry_of(plan.invocations[name]) for name in listed)
    view.left_out, view.held = left_out, held
    view.stopped = _all_stopped(left_out, plan.units, held)
    return view


def _all_stopped(
    left_out: Iterable[LeftOut], units: Collection[str], held: Collection[str]
) -> bool:
    """Whether something cannot be done, and there is nothing else to go on with.

    A dataset without any invocation stops nothing.
    """
    errors = [left for left in left_out if left.blocks_others]
    return bool(errors) and not held and (not units or bool(stopped(errors, units)))


def _without(project: Project, asked: Sequence[str], held: Collection[str]) -> tuple[str, ...]:
    """What was asked for, less that of some units."""
    plan = project.plan
    names = asked or project.settings.targets
    some = selection(project, names) if names else plan.invocations
    # Without names a calibration is wanted only by what needs it.
    left = {name for unit in held for name in plan.groups.get(unit, ())}
    return tuple(
        name for name in some if name not in left and (names or plan.invocations[name].dataset)
    )


def _concerned(
    project: Project, left_out: Iterable[LeftOut], asked: Sequence[str]
) -> list[LeftOut]:
    settings = project.settings
    return concerned(left_out, asked or settings.targets or (), settings.datasets)


def _view_of(
    project: Project, names: Sequence[str], notes: BuildNotes | None, *, full: bool
) -> View:
    plan = project.plan
    project.forget_frames()
    wanted = set(names)
    parts: deque[_Part] = deque()
    order = list(plan.invocations)
    for piece, members in enumerate(plan_rows.piece_ranges(plan)):
        places = [n - members.start for n in members if order[n] in wanted]
        if places:
            parts.append(_Part(piece, places, [order[members.start + n] for n in places]))
    return View(
        project, plan, ProjectWorld(project), {}, plan.left_out, (), project.files.problems,
        "", 0, 0.0, parts, tuple, notes, full,
    )  # fmt: skip


def _recalled(project: Project, wish: _Wish) -> View | None:
    """A view that looks only at what may differ from what is remembered; None: plan anew."""
    database = project.database_path
    if not project.settings.raw_path.is_dir() or not database.is_file():
        return None
    try:
        apart = database.stat().st_size > LARGE
        # Before the database is opened: no second process may have it.
        with in_background(lambda: inputs_hash(project), apart=apart) as inputs:
            connection = project.connection
            connection.execute("BEGIN")
            try:
                return _compared(project, connection, wish, inputs)
            finally:
                connection.rollback()
    except (*DAMAGE, OSError, MusebuildError) as error:
        if isinstance(error, sqlite3.Error | MusebuildError) and may_be_damage(error):
            raise
        # Mistakes in settings and names are told by who plans anew.
        return None


def _compared(
    project: Project,
    connection: sqlite3.Connection,
    wish: _Wish,
    inputs: Callable[[], str],
) -> View | None:
    head = plan_cache.read_head(connection)
    if head is None:
        return None
    blocks, _ = plan_blocks(project.settings, project.catalogue)
    files = files_hash(project, paths_of(project.settings))
    if head.structure != structure_hash(project, blocks, files, generation(project.connection)):
        return None
    places = Places(project)
    kept = KeptPlan(connection, head, places)
    all_left_out = plan_cache.left_out_of(head, places)
    left_out = _concerned(project, all_left_out, wish.asked)
    held = wish.held(left_out, head.units)
    names = wish.asked or (held and project.settings.targets) or ()
    selected = bytearray()
    if held:
        some = kept.selected(names, all_left_out) if names else kept.of_groups(head.units)
        left = kept.of_groups(held)
        selected = bytearray(one & (not other) for one, other in zip(some, left, strict=True))
    if not any(selected):
        held = ()
        if wish.everything:
            selected = kept.everything()
        else:
            selected = kept.selected(names, all_left_out) if wish.asked else kept.default()
    wanted = kept.closure(selected) if wish.asked or held else selected
    calls = {planned.name: call_hash(planned, project) for planned in blocks}
    differs = kept.compare(wanted, calls, project.ledger.forgotten())
    listed = wanted if wish.needed else selected
    kept.hold(differs)
    kept.read_entries(listed)
    below = kept.below(differs, wanted) if wish.remember else bytearray()
    if inputs() != head.inputs:
        return None
    order = {number: kept.names(number) for number in kept.held()}
    parts = deque(
        _Part(number, list(some), [order[number][place] for place in some])
        for number, some in kept.marked(differs)
    )
    invocations = KeptInvocations(kept, {b.name: b.params for b in blocks})
    plan = Plan(invocations, (), {}, all_left_out)
    notes = BuildNotes(project, kept, differs, below) if wish.remember and parts else None
    return View(
        project,
        plan,
        ProjectWorld(project),
        KeptManifests(kept, differs),
        left_out,
        [places.shown(text) for text in head.problems],
        [places.shown(text) for text in head.file_problems],
        head.balance,
        wanted.count(1) - differs.count(1),
        kept.seconds(wanted, differs),
        parts,
        lambda: kept.entries(listed),
        notes,
        held=held,
        stopped=_all_stopped(left_out, head.units, held),
    )


def _with_failure(resolution: Resolution, last: Mapping[str, Any] | None) -> Resolution:
    """A resolution of what would run, told apart where it failed at its last attempt.

    An attempt with another key says nothing about the next.
    """
    if last is None or last["outcome"] != "failed" or last["key"] != resolution.key:
        return resolution
    reason = f"failed on {last['date']}: {last['reason']}"
    return replace(resolution, state=State.FAILED, reason=reason)
