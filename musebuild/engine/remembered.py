"""What a build remembers of the whole plan, so that the next looks only at what may differ.

A build keeps a file beside its database (`planfile`): the invocations of each block, the products
of those that it found up to date, and a hash over the identities of all files that this rests
on. The next build compares, by `stat` alone. A block whose call (parameters, software) and whose
files are as they were is as it was found; any other block is resolved anew, and with it each
block that takes its products. The graph itself is taken from the file only while everything that
it follows from is the same (`settled.structure`); else all is planned and resolved anew.

The file is never trusted: it counts only with the mark that the database holds, each part has a
checksum, and what cannot be read is as if it were not there.
"""

from __future__ import annotations

import contextlib
import json
import secrets
import sqlite3
import time
from collections.abc import (
    Collection,
    Iterable,
    Mapping,
    MutableMapping,
    Sequence,
)
from dataclasses import asdict, dataclass, replace
from itertools import chain
from pathlib import Path
from typing import BinaryIO

from musebuild.cache.model import Manifest
from musebuild.cache.place import beside
from musebuild.engine.aside import Aside
from musebuild.engine.fingerprints import Looks, Watch, watched
from musebuild.engine.kept_plan import KeptInvocations, KeptManifests
from musebuild.engine.planfile import (
    DAMAGE,
    KeptBlock,
    Made,
    PlanFile,
    PlanWriter,
    is_ours,
    packed,
    packed_made,
    pieces,
)
from musebuild.engine.project import Project
from musebuild.engine.resolve import Resolution
from musebuild.engine.settled import (
    Settled,
    call_of,
    inputs_watched,
    recall_settled,
    structure,
)
from musebuild.errors import MusebuildError
from musebuild.index.database import transaction
from musebuild.index.digests import tick_of
from musebuild.index.files import paths_of
from musebuild.index.meta import generation, meta, set_meta
from musebuild.plan.blocks import PlannedBlock, plan_blocks
from musebuild.plan.model import Invocation, LeftOut, Plan
from musebuild.settings.model import Settings

MARK = "kept plan"
"""Name of the value of `meta` that says which file belongs to the database."""
COVERED = frozenset({"raw", "qa_raw", "flags"})
"""Tables of which a selection may speak: what they hold is numbered by the generation."""
LARGE = 1_000_000
"""Bytes of a kept plan from which on a second process looks at the raw frames."""


def place_of(project: Project) -> Path:
    """Where the file lies: beside the database."""
    return project.database_path.with_name(f"{project.database_path.name}.plan")


def is_remembered(settings: Settings) -> bool:
    """Whether the graph follows from what can be compared: no selection asks other tables."""
    asked: set[str] = set()
    for block in settings.blocks.values():
        named = block.extra.get("names_with_selection") or {}
        for given in (block.extra.get("select"), *named.values()):
            asked.update(given or ())
    return asked <= COVERED


@dataclass(frozen=True, slots=True)
class Rest:
    """What is left to look at, where the rest is known to be as it was."""

    kept: PlanFile
    plan: Plan
    """Invocations of the blocks that may differ, and of those whose products they take."""
    names: tuple[str, ...]
    """Those to look at, in the order of the plan."""
    manifests: MutableMapping[str, Manifest]
    """Of the invocations whose products they take, where these are as they were; grows."""
    settled: Settled
    """What is known of the rest."""
    inputs: str


def recall(project: Project, names: Sequence[str]) -> Settled | Rest | None:
    """What is known without planning: that nothing is to do, or what is left to look at.

    Parameters
    ----------
    project : Project
        Nothing of it needs to be read yet.
    names : sequence of str
        What is asked for; only of the default more is remembered than that all was done.

    Returns
    -------
    Settled, Rest or None
        None: everything must be looked at.
    """
    if names or not is_remembered(project.settings):
        return recall_settled(project, names)
    place = place_of(project)
    if not project.settings.raw_path.is_dir() or not place.is_file():
        return None
    file: BinaryIO | None = None
    found: Settled | Rest | None = None
    try:
        # Before the database is opened: no second process may have it.
        with Aside(lambda: inputs_watched(project), apart=place.stat().st_size > LARGE) as inputs:
            mark = meta(project.connection, MARK)
            if mark:
                file = place.open("rb")
                kept = PlanFile(file)
                if kept.head["mark"] == mark:
                    found = _compared(project, kept, inputs)
    except (*DAMAGE, MusebuildError):
        # A mistake in the settings is told by who plans anew.
        found = None
    if file is not None and not isinstance(found, Rest):
        file.close()
    return found


def _compared(project: Project, kept: PlanFile, inputs: Aside) -> Settled | Rest | None:
    head = kept.head
    blocks, _ = plan_blocks(project.settings, project.catalogue)
    planned = {block.name: block for block in blocks}
    files = watched(paths_of(project.settings))
    if head["structure"] != structure(project, blocks, files, generation(project.connection)):
        return None
    if not project.ledger.forgotten() <= set(head["forgotten"]):
        return None
    differs: set[str] = set()
    for block in kept.blocks.values():
        if (
            differs.intersection(block.takes)
            or not block.watched
            or block.call != call_of(planned[block.name], project)
            or block.watched != watched(kept.paths(block))
        ):
            differs.add(block.name)
    if inputs.result() != head["inputs"]:
        return None
    same = [block for name, block in kept.blocks.items() if name not in differs]
    settled = Settled(
        sum(block.tasks for block in same),
        sum(block.seconds for block in same),
        tuple(LeftOut.from_dict(left) for left in json.loads(head["left_out"])),
        tuple(head["problems"]),
        tuple(head["file_problems"]),
        tuple(kept.part(head["lines"])) if not differs else (),
    )
    return _rest(kept, planned, differs, settled) if differs else settled


def _rest(
    kept: PlanFile,
    planned: Mapping[str, PlannedBlock],
    differs: Collection[str],
    settled: Settled,
) -> Rest:
    takes = {taken for name in differs for taken in kept.blocks[name].takes}
    seen = {name: planned[name].params for name in kept.blocks if name in differs or name in takes}
    # What is damaged shows now: once recipes run it is too late to begin anew.
    for name in seen:
        block = kept.blocks[name]
        for part in (block.names, *block.invocations, *(() if name in differs else block.made)):
            kept.raw(part)
    names = chain.from_iterable(
        kept.names(block) for name, block in kept.blocks.items() if name in differs
    )
    plan = Plan(KeptInvocations(kept, seen), tuple(names), {}, settled.left_out)
    manifests = KeptManifests(kept, takes - set(differs))
    return Rest(kept, plan, plan.default, manifests, settled, kept.head["inputs"])


class _BlockNotes:
    """What a build finds of one block."""

    def __init__(self) -> None:
        self.watch = Watch()
        self.made: dict[str, Made] = {}
        self.seconds = 0.0
        self.sound = True


class Notes:
    """What a build finds, as far as it is to be remembered.

    All that a finding rests on is noted before it is looked at, or as it is looked at: what
    changes later differs from the note.

    Parameters
    ----------
    project : Project
        Not scanned yet.
    rest : Rest, optional
        What is known already.
    """

    def __init__(self, project: Project, rest: Rest | None = None) -> None:
        self._project = project
        self._rest = rest
        self._files = watched(paths_of(project.settings))
        self._inputs = rest.inputs if rest else inputs_watched(project)
        self._began = time.time_ns()
        self._generation = -1
        self._blocks: dict[str, _BlockNotes] = {}

    def scanned(self) -> None:
        """The raw folder was scanned, and its frames are not read yet."""
        self._generation = generation(self._project.connection)

    def take(self, block: str, resolution: Resolution, looks: Looks) -> None:
        """Note the state of an invocation, with the files that were looked at for it."""
        notes = self._blocks.get(block)
        if notes is None:
            notes = self._blocks[block] = _BlockNotes()
        manifest = resolution.manifest
        if resolution.stale or manifest is None:
            notes.sound = False
        if not notes.sound or manifest is None:
            return
        looks.note(notes.watch)
        notes.seconds += manifest.seconds
        notes.made[resolution.name] = packed_made(manifest)

    def write(
        self,
        plan: Plan,
        names: Iterable[str],
        found: Settled,
        forgotten: Collection[str],
    ) -> None:
        """Keep what was found; where that cannot be, nothing is remembered.

        Parameters
        ----------
        plan : Plan
            What was planned.
        names : iterable of str
            Invocations that were looked at, in the order of the plan.
        found : Settled
            What people are told of an empty build.
        forgotten : collection of str
            Keys that counted as never made.
        """
        try:
            self._write(plan, names, found, forgotten)
        except (OSError, ValueError, sqlite3.Error, MusebuildError):
            # It saves time, no more.
            with contextlib.suppress(OSError):
                place_of(self._project).unlink()

    def _write(
        self, plan: Plan, names: Iterable[str], found: Settled, forgotten: Collection[str]
    ) -> None:
        project, rest = self._project, self._rest
        ordered, _ = plan_blocks(project.settings, project.catalogue)
        planned = {block.name: block for block in ordered}
        by_block: dict[str, list[str]] = {}
        for name in names:
            by_block.setdefault(name.partition(":")[0], []).append(name)
        target = place_of(project)
        if target.exists() and not is_ours(target):
            return
        temporary = beside(target)
        mark = secrets.token_hex(16)
        try:
            with temporary.open("wb") as file:
                writer = PlanWriter(file)
                if rest:
                    graph = [
                        _copied(kept, rest.kept, writer, whole=kept.name not in by_block)
                        for kept in rest.kept.blocks.values()
                    ]
                    (lines,) = writer.copied(rest.kept, [rest.kept.head["lines"]])
                else:
                    graph = [
                        _graph_of(planned[name], [plan.invocations[n] for n in some], writer)
                        for name, some in by_block.items()
                    ]
                    lines = writer.part(list(found.lines))
                blocks = [
                    self._found(kept, planned[kept.name], by_block[kept.name], writer)
                    if kept.name in by_block
                    else kept
                    for kept in graph
                ]
                generation_ = rest.kept.head["generation"] if rest else self._generation
                head = {
                    "mark": mark,
                    "structure": structure(project, ordered, self._files, generation_),
                    "generation": generation_,
                    "inputs": self._inputs,
                    "forgotten": sorted(forgotten),
                    "left_out": json.dumps([asdict(left) for left in found.left_out]),
                    "problems": list(found.problems),
                    "file_problems": list(found.file_problems),
                    "lines": lines,
                }
                writer.end(head, blocks)
            temporary.replace(target)
        except BaseException:
            with contextlib.suppress(OSError):
                temporary.unlink()
            raise
        with transaction(project.connection) as connection:
            set_meta(connection, MARK, mark)

    def _found(
        self, kept: KeptBlock, planned: PlannedBlock, names: Sequence[str], writer: PlanWriter
    ) -> KeptBlock:
        """A block with what was found of it."""
        notes = self._blocks.get(planned.name) or _BlockNotes()
        paths = "\n".join(notes.watch.paths)
        tick = max(tick_of(str(self._project.store.root)), tick_of(str(self._project.reduced)))
        sound = (
            notes.sound
            and len(notes.made) == len(names)
            # A line break in a path would make two of it.
            and paths.count("\n") == max(len(notes.watch.paths) - 1, 0)
            # What changed a moment ago may change once more without showing another time.
            and notes.watch.newest + tick < self._began
        )
        made = (
            [{name: notes.made[name] for name in some} for some in pieces(names)] if sound else []
        )
        return replace(
            kept,
            call=call_of(planned, self._project),
            tasks=len(names) if sound else 0,
            seconds=notes.seconds if sound else 0.0,
            watched=notes.watch.digest() if sound else "",
            made=tuple(map(writer.part, made)),
            paths=writer.raw(paths.encode("utf-8", "surrogateescape") if sound else b""),
        )


def _graph_of(
    planned: PlannedBlock, invocations: Sequence[Invocation], writer: PlanWriter
) -> KeptBlock:
    """A block's invocations, of which nothing is found yet."""
    by_name = {one.name: one for one in invocations}
    takes = {
        wanted.invocation.partition(":")[0]
        for invocation in invocations
        for wanted in invocation.inputs
        if wanted.kind == "product"
    }
    kept = []
    for some in pieces(list(by_name)):
        piece = {name: packed(by_name[name]) for name in some}
        for name in some:
            if {**planned.params, **piece[name][2]} != by_name[name].params:
                raise ValueError(f"{name} has parameters of its own")
        kept.append(writer.part(piece))
    nowhere = (0, 0, b"")
    return KeptBlock(
        planned.name, "", tuple(sorted(takes)), 0, 0.0, "",
        writer.part(list(by_name)), tuple(kept), (), nowhere,
    )  # fmt: skip


def _copied(block: KeptBlock, kept: PlanFile, writer: PlanWriter, *, whole: bool) -> KeptBlock:
    """A block as an older file has it; not `whole`: without what was found of it."""
    (names,) = writer.copied(kept, [block.names])
    invocations = writer.copied(kept, block.invocations)
    if not whole:
        return replace(block, names=names, invocations=invocations)
    made = writer.copied(kept, block.made)
    (paths,) = writer.copied(kept, [block.paths])
    return replace(block, names=names, invocations=invocations, made=made, paths=paths)
