"""What a build remembers of the whole plan, so that the next looks only at what may differ.

A build keeps a file beside its database: the invocations of each block, the products of those
that it found up to date, and a hash over the identities of all files that this rests on. The
next build compares, by `stat` alone. A block whose call (parameters, software) and whose files
are as they were is as it was found; any other block is resolved anew, and with it each block
that takes its products. The graph itself is taken from the file only while everything that it
follows from is the same (`settled.structure`); else all is planned and resolved anew.

The file is never trusted: it counts only with the mark that the database holds, each part has a
checksum, and what cannot be read is as if it were not there.
"""

from __future__ import annotations

import contextlib
import json
import marshal
import os
import secrets
import sqlite3
import sys
import time
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from itertools import chain
from operator import attrgetter
from pathlib import Path
from typing import Any, BinaryIO

from blake3 import blake3

from musebuild.cache.model import Manifest, Product
from musebuild.cache.place import beside
from musebuild.engine.project import Project
from musebuild.engine.resolve import Resolution
from musebuild.engine.settled import (
    Settled,
    call_of,
    inputs_watched,
    recall_settled,
    structure,
)
from musebuild.engine.watching import Looks, Watch, watched
from musebuild.errors import MusebuildError
from musebuild.index.database import transaction
from musebuild.index.digests import tick_of
from musebuild.index.files import paths_of
from musebuild.index.meta import generation, meta, set_meta
from musebuild.plan.blocks import PlannedBlock, plan_blocks
from musebuild.plan.model import ADDED, Input, Invocation, LeftOut, Plan, Quality
from musebuild.settings.model import Settings

KIND = b"musebuild plan "
"""Every such file begins so, whichever musebuild wrote it."""
MAGIC = KIND + b"2\n"
CHUNK = 2000
"""Invocations in one part of the file."""
MARK = "kept plan"
"""Name of the value of `meta` that says which file belongs to the database."""
COVERED = frozenset({"raw", "qa_raw", "flags"})
"""Tables of which a selection may speak: what they hold is numbered by the generation."""

_OF_QUALITY = tuple(field.name for field in fields(Quality))
_OF_INPUT = tuple(field.name for field in fields(Input) if field.name != "quality")
_OF_INVOCATION = tuple(
    field.name for field in fields(Invocation) if field.name not in ("inputs", "params", "choosing")
)
_OF_PRODUCT = tuple(field.name for field in fields(Product))
_SHAPE = [sys.version, marshal.version, _OF_QUALITY, _OF_INPUT, _OF_INVOCATION, _OF_PRODUCT]
"""What the parts of a file mean: one that was written otherwise is foreign."""
_quality, _input = attrgetter(*_OF_QUALITY), attrgetter(*_OF_INPUT)
_invocation, _product = attrgetter(*_OF_INVOCATION), attrgetter(*_OF_PRODUCT)
_FOOT = 8 + 32
"""Bytes at the end of a file: the length of its head, which stands before it, and a checksum."""
_Part = tuple[int, int, bytes]
"""Where a part begins, how long it is, and its checksum."""
_DAMAGE = (OSError, ValueError, EOFError, TypeError, KeyError, IndexError, AttributeError)
"""What reading a damaged or foreign file raises."""


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


# invocations as plain tuples


def packed(invocation: Invocation) -> tuple[Any, ...]:
    """An invocation as plain data, less the parameters of its block.

    Raises
    ------
    ValueError
        Its inputs are chosen only when they are made.
    """
    if invocation.choosing is not None:
        raise ValueError(f"{invocation.name} is not to be kept")
    inputs = [
        (_input(wanted), None if wanted.quality is None else _quality(wanted.quality))
        for wanted in invocation.inputs
    ]
    added = {name: value for name, value in invocation.params.items() if name in ADDED}
    return _invocation(invocation), inputs, added


def unpacked(data: tuple[Any, ...], params: Mapping[str, Any]) -> Invocation:
    """The invocation of `packed`, with the parameters that its block has now."""
    values = dict(zip(_OF_INVOCATION, data[0], strict=True))
    inputs = []
    for own, quality in data[1]:
        whole = (*own, quality and Quality(*quality))
        inputs.append(Input(*whole))
    given = {**params, **data[2]} if data[2] else params
    return Invocation(**values, inputs=tuple(inputs), params=given)


class KeptInvocations(Mapping[str, Invocation]):
    """Invocations of some blocks, each made when it is asked for."""

    def __init__(
        self, blocks: Iterable[tuple[Mapping[str, tuple[Any, ...]], Mapping[str, Any]]]
    ) -> None:
        self._data: dict[str, Invocation | tuple[tuple[Any, ...], Mapping[str, Any]]] = {
            name: (data, params) for parts, params in blocks for name, data in parts.items()
        }

    def __getitem__(self, name: str) -> Invocation:
        found = self._data[name]
        if isinstance(found, tuple):
            found = self._data[name] = unpacked(*found)
        return found

    def __iter__(self) -> Iterator[str]:
        return iter(self._data)

    def __len__(self) -> int:
        return len(self._data)

    def __contains__(self, name: object) -> bool:
        return name in self._data


# the file


@dataclass(slots=True)
class KeptBlock:
    """What is kept of one block."""

    name: str
    call: str
    """Hash of all that goes into its keys besides the inputs."""
    takes: tuple[str, ...]
    """Blocks whose products it takes."""
    tasks: int
    seconds: float
    """That its recipes took."""
    watched: str
    """Over the files of its products; empty where not all was up to date."""
    invocations: tuple[_Part, ...]
    made: _Part
    paths: _Part


class Remembered:
    """A file that was kept, open; each part is read when it is asked for.

    Parameters
    ----------
    file : binary file
        At its beginning.

    Raises
    ------
    OSError, ValueError, EOFError, TypeError, KeyError, IndexError
        It is damaged, or another musebuild wrote it.
    """

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        if file.read(len(MAGIC)) != MAGIC:
            raise ValueError("it is no plan of ours")
        end = file.seek(-_FOOT, os.SEEK_END)
        length = int.from_bytes(file.read(8), "big")
        checksum = file.read()
        file.seek(end - length)
        head = marshal.loads(self._checked(file.read(length), checksum))
        if head["shape"] != marshal.loads(marshal.dumps(_SHAPE)):
            raise ValueError("another Python, or another musebuild, wrote it")
        self.head: dict[str, Any] = head
        self.blocks = {data[0]: KeptBlock(*data) for data in head["blocks"]}

    @staticmethod
    def _checked(data: bytes, checksum: bytes) -> bytes:
        if blake3(data).digest() != checksum:
            raise ValueError("its checksum is wrong")
        return data

    def raw(self, part: _Part) -> bytes:
        """A part as it stands in the file."""
        self._file.seek(part[0])
        return self._checked(self._file.read(part[1]), part[2])

    def part(self, part: _Part) -> Any:
        """A part as data."""
        return marshal.loads(self.raw(part))

    def paths(self, block: KeptBlock) -> list[str]:
        """Files that a block's finding rests on."""
        text = self.raw(block.paths).decode("utf-8", "surrogateescape")
        return text.split("\n") if text else []

    def invocations(self, block: KeptBlock) -> dict[str, tuple[Any, ...]]:
        """A block's invocations, packed."""
        found: dict[str, tuple[Any, ...]] = {}
        for part in block.invocations:
            found |= self.part(part)
        return found

    def manifests(
        self, block: KeptBlock, wanted: Mapping[str, Collection[str]]
    ) -> Iterator[Manifest]:
        """What some invocations of a block made; of each no more than what uses it must know.

        Parameters
        ----------
        block : KeptBlock
        wanted : mapping
            Invocation → categories that are taken.
        """
        made = self.part(block.made)
        place = _OF_PRODUCT.index("category")
        for name, categories in wanted.items():
            key, products = made[name]
            found = tuple(Product(*values) for values in products if values[place] in categories)
            yield Manifest(key, {}, found, "", name, "", 0.0, 0.0, 0, 0)

    def close(self) -> None:
        """Close the file."""
        self._file.close()


@dataclass(frozen=True, slots=True)
class Rest:
    """What is left to look at, where the rest is known to be as it was."""

    kept: Remembered
    plan: Plan
    """Invocations of the blocks that may differ, and of those whose products they take."""
    names: tuple[str, ...]
    """Those to look at, in the order of the plan."""
    manifests: dict[str, Manifest]
    """Of the invocations whose products they take, where these are as they were."""
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
    if not project.settings.raw_path.is_dir():
        return None
    mark = meta(project.db, MARK)
    if not mark:
        return None
    file: BinaryIO | None = None
    try:
        file = place_of(project).open("rb")
        kept = Remembered(file)
        found = _compared(project, kept) if kept.head["mark"] == mark else None
    except (*_DAMAGE, MusebuildError):
        # A mistake in the settings is told by who plans anew.
        found = None
    if file is not None and not isinstance(found, Rest):
        file.close()
    return found


def _compared(project: Project, kept: Remembered) -> Settled | Rest | None:
    head = kept.head
    blocks, _ = plan_blocks(project.settings, project.catalogue)
    planned = {block.name: block for block in blocks}
    files = watched(paths_of(project.settings))
    if head["structure"] != structure(project, blocks, files, generation(project.db)):
        return None
    if not project.ledger.forgotten() <= set(head["forgotten"]):
        return None
    inputs = inputs_watched(project)
    if inputs != head["inputs"]:
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
    same = [block for name, block in kept.blocks.items() if name not in differs]
    settled = Settled(
        sum(block.tasks for block in same),
        sum(block.seconds for block in same),
        tuple(LeftOut.from_dict(left) for left in json.loads(head["left_out"])),
        tuple(head["problems"]),
        tuple(head["file_problems"]),
        tuple(kept.part(head["lines"])) if not differs else (),
    )
    return _rest(kept, planned, differs, settled, inputs) if differs else settled


def _rest(
    kept: Remembered,
    planned: Mapping[str, PlannedBlock],
    differs: Collection[str],
    settled: Settled,
    inputs: str,
) -> Rest:
    takes = {taken for name in differs for taken in kept.blocks[name].takes}
    parts = {
        name: kept.invocations(block)
        for name, block in kept.blocks.items()
        if name in differs or name in takes
    }
    invocations = KeptInvocations((part, planned[name].params) for name, part in parts.items())
    names = tuple(chain.from_iterable(part for name, part in parts.items() if name in differs))
    wanted: dict[str, dict[str, set[str]]] = {}
    place, category = _OF_INPUT.index("invocation"), _OF_INPUT.index("category")
    for name in differs:
        for _, inputs_of, _ in parts[name].values():
            for own, _ in inputs_of:
                if source := own[place]:
                    some = wanted.setdefault(source.partition(":")[0], {})
                    some.setdefault(source, set()).add(own[category])
    manifests = {
        manifest.task: manifest
        for block, sources in wanted.items()
        if block not in differs
        for manifest in kept.manifests(kept.blocks[block], sources)
    }
    plan = Plan(invocations, names, {}, settled.left_out)
    return Rest(kept, plan, names, manifests, settled, inputs)


class _BlockNotes:
    """What a build finds of one block."""

    def __init__(self) -> None:
        self.watch = Watch()
        self.made: dict[str, tuple[str, list[tuple[Any, ...]]]] = {}
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
        self._generation = generation(self._project.db)

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
        notes.made[resolution.name] = manifest.key, [_product(p) for p in manifest.products]

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
        by_block: dict[str, list[Invocation]] = {}
        for name in names:
            invocation = plan.invocations[name]
            by_block.setdefault(invocation.block, []).append(invocation)
        target = place_of(project)
        if target.exists() and not _is_ours(target):
            return
        temporary = beside(target)
        mark = secrets.token_hex(16)
        try:
            with temporary.open("wb") as file:
                file.write(MAGIC)
                parts = _Parts(file)
                blocks = []
                for name in rest.kept.blocks if rest else by_block:
                    if rest and name not in by_block:
                        blocks.append(parts.copied(rest.kept, rest.kept.blocks[name]))
                    else:
                        blocks.append(self._block(planned[name], by_block[name], plan, parts))
                if rest:
                    lines = parts.add(rest.kept.raw(rest.kept.head["lines"]))
                else:
                    lines = parts.add(marshal.dumps(list(found.lines)))
                generation_ = rest.kept.head["generation"] if rest else self._generation
                head = {
                    "shape": _SHAPE,
                    "mark": mark,
                    "structure": structure(project, ordered, self._files, generation_),
                    "generation": generation_,
                    "inputs": self._inputs,
                    "forgotten": sorted(forgotten),
                    "left_out": json.dumps([asdict(left) for left in found.left_out]),
                    "problems": list(found.problems),
                    "file_problems": list(found.file_problems),
                    "lines": lines,
                    "blocks": blocks,
                }
                data = marshal.dumps(head)
                file.write(data + len(data).to_bytes(8, "big") + blake3(data).digest())
            temporary.replace(target)
        except BaseException:
            with contextlib.suppress(OSError):
                temporary.unlink()
            raise
        with transaction(project.db) as connection:
            set_meta(connection, MARK, mark)

    def _block(
        self,
        planned: PlannedBlock,
        invocations: Sequence[Invocation],
        plan: Plan,
        parts: _Parts,
    ) -> tuple[Any, ...]:
        notes = self._blocks.get(planned.name) or _BlockNotes()
        takes = {
            plan.invocations[wanted.invocation].block
            for invocation in invocations
            for wanted in invocation.inputs
            if wanted.kind == "product"
        }
        # Some at a time: those of a large block fill the memory.
        kept = []
        for start in range(0, len(invocations), CHUNK):
            some = {one.name: packed(one) for one in invocations[start : start + CHUNK]}
            for one in invocations[start : start + CHUNK]:
                if {**planned.params, **some[one.name][2]} != one.params:
                    raise ValueError(f"{one.name} has parameters of its own")
            kept.append(parts.add(marshal.dumps(some)))
        paths = "\n".join(notes.watch.paths)
        tick = max(tick_of(str(self._project.store.root)), tick_of(str(self._project.reduced)))
        sound = (
            notes.sound
            and len(notes.made) == len(invocations)
            # A line break in a path would make two of it.
            and paths.count("\n") == max(len(notes.watch.paths) - 1, 0)
            # What changed a moment ago may change once more without showing another time.
            and notes.watch.newest + tick < self._began
        )
        return (
            planned.name,
            call_of(planned, self._project),
            tuple(sorted(takes)),
            len(invocations) if sound else 0,
            notes.seconds if sound else 0.0,
            notes.watch.digest() if sound else "",
            tuple(kept),
            parts.add(marshal.dumps(notes.made if sound else {})),
            parts.add(paths.encode("utf-8", "surrogateescape") if sound else b""),
        )


class _Parts:
    """The parts of a file that is being written."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file

    def add(self, data: bytes) -> _Part:
        """Write a part; where it stands."""
        start = self._file.tell()
        self._file.write(data)
        return start, len(data), blake3(data).digest()

    def copied(self, kept: Remembered, block: KeptBlock) -> tuple[Any, ...]:
        """Take a block over as it was."""
        invocations = tuple(self.add(kept.raw(part)) for part in block.invocations)
        parts = [self.add(kept.raw(part)) for part in (block.made, block.paths)]
        return (block.name, block.call, block.takes, block.tasks, block.seconds, block.watched,
                invocations, *parts)  # fmt: skip


def _is_ours(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(len(KIND)) == KIND
