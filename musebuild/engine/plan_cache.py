"""What builds remember of the plan and of what they found: one disposable table.

A row holds a *piece*: up to `CHUNK` invocations of one block, in the order of the plan, with what
a build found of them: which were up to date, the files that this rests on with their identities,
and what was made. The next look compares identities by `stat` alone. An invocation is as it was
found while the call of its block, its own files, and all that it takes are as they were; any other
is looked at anew. The graph itself counts only while all that it follows from is the same
(`fingerprints.structure_hash`, `fingerprints.inputs_hash`).

Nothing here is ever the truth: a row that is damaged, or that another musebuild wrote, is as if it
were not there, and all of it may be deleted at any time.
"""

from __future__ import annotations

import contextlib
import json
import os
import sqlite3
import zlib
from array import array
from bisect import bisect_right
from collections import OrderedDict
from collections.abc import (
    Callable,
    Collection,
    Iterable,
    Iterator,
    Mapping,
    MutableMapping,
    Sequence,
)
from dataclasses import asdict, dataclass, field, fields
from functools import cached_property
from itertools import accumulate, chain, compress, pairwise
from operator import attrgetter
from pathlib import Path
from typing import Any, Generic, NamedTuple, TypeVar, cast

from musebuild.cache.model import Input, Manifest, Product, Quality
from musebuild.engine.fingerprints import NUMBERS, Places, identities
from musebuild.engine.tasks import describe
from musebuild.index.database import transaction
from musebuild.index.meta import set_meta
from musebuild.index.model import Condition
from musebuild.plan.blocks import PlannedBlock
from musebuild.plan.levels import levels_of
from musebuild.plan.model import ADDED, Candidate, Choosing, Clause, Invocation, LeftOut, Plan
from musebuild.plan.names import select

HEAD = "plan cache"
GROUPS = "plan groups"
"""Names of values of `meta`."""
CHUNK = 250
"""Invocations in one piece, at most."""
AT_HAND = 16
"""Pieces that are held as data; a build goes through them one after another."""
DAMAGE = (sqlite3.Error, zlib.error, ValueError, TypeError, KeyError, IndexError, AttributeError)
"""What reading a damaged or foreign row raises."""
_OLD = b"musebuild plan "
"""Every file of an earlier musebuild with a plan begins so."""
_IDENTITY = 8 * NUMBERS
"""Bytes of a file's identity."""
_OPPOSITE = bytes([1, 0, *range(2, 256)])
T = TypeVar("T")

_OF_QUALITY = tuple(field.name for field in fields(Quality))
_OF_INPUT = tuple(field.name for field in fields(Input) if field.name not in ("path", "quality"))
_OF_INVOCATION = tuple(
    field.name for field in fields(Invocation) if field.name not in ("inputs", "params", "choosing")
)
_OF_PRODUCT = tuple(field.name for field in fields(Product))
_quality, _input = attrgetter(*_OF_QUALITY), attrgetter(*_OF_INPUT)
_invocation, _product = attrgetter(*_OF_INVOCATION), attrgetter(*_OF_PRODUCT)


class Entry(NamedTuple):
    """What a list tells of an invocation."""

    name: str
    label: str
    night: str
    run: str
    about: str
    levels: str
    """Of its associations, a digit each, the worst first."""

    @property
    def block(self) -> str:
        """Its block."""
        return self.name.partition(":")[0]

    @property
    def task(self) -> str:
        """The name with its IFUs folded."""
        return f"{self.block}:{self.label}"


def entry_of(invocation: Invocation) -> Entry:
    """The entry of an invocation that was planned."""
    return Entry(
        invocation.name,
        invocation.label,
        invocation.night,
        invocation.run,
        describe(invocation),
        "".join(sorted((str(level) for level in levels_of(invocation)), reverse=True)),
    )


@dataclass(slots=True)
class Piece:
    """What was found of some invocations of one block; at first nothing."""

    size: int
    same: bytes = b""
    """For each, 1 where it was found up to date."""
    files: Sequence[int] = ()
    """For each, how many files its finding rests on."""
    seconds: Sequence[float] = ()
    """For each, how long its recipe took."""
    paths: list[str] = field(default_factory=list)
    identities: bytes = b""

    @classmethod
    def of(cls, columns: Sequence[Any]) -> Piece:
        """What the columns of a row say."""
        _, same, files, seconds, paths, found = columns
        counts, times = array("H"), array("d")
        counts.frombytes(files)
        times.frombytes(seconds)
        listed = paths.decode("utf-8", "surrogateescape").split("\n") if paths else []
        return cls(len(same), same, counts, times, listed, found)

    def as_it_was(self, now: bytes) -> bytearray:
        """For each, 1 where it was found up to date and its files are as they were.

        Parameters
        ----------
        now : bytes
            Identities of the files now.
        """
        same = bytearray(self.same)
        if now != self.identities:
            at = 0
            for place, count in enumerate(self.files):
                end = at + count * _IDENTITY
                if self.identities[at:end] != now[at:end]:
                    same[place] = 0
                at = end
        return same

    def found(self, place: int, made: list[Any]) -> Found:
        """What was found of one, to be written once more."""
        first = sum(self.files[:place])
        last = first + self.files[place]
        return Found(
            self.paths[first:last],
            self.identities[first * _IDENTITY : last * _IDENTITY],
            self.seconds[place],
            made,
        )


@dataclass(slots=True)
class Found:
    """What a build found of one invocation that is up to date."""

    paths: list[str]
    identities: bytes
    """Of its files."""
    seconds: float
    made: list[Any]


class Head(NamedTuple):
    """What the whole plan rests on, and what is told of it."""

    mark: str
    """Who wrote the rows."""
    structure: str
    inputs: str
    forgotten: list[str]
    """Keys that counted as never made."""
    left_out: str
    problems: list[str]
    file_problems: list[str]
    balance: str
    """What becomes of the files below `raw_path`, in one line."""
    default: list[int]
    """Numbers of the invocations of the plan's default, as ranges."""
    units: list[str]
    """`Plan.units`."""


def left_out_of(head: Head, places: Places) -> tuple[LeftOut, ...]:
    """What the plan left out."""
    return tuple(LeftOut.from_dict(left) for left in json.loads(places.shown(head.left_out)))


# Invocations as plain data


def pack(invocation: Invocation, params: Mapping[str, Any], places: Places) -> list[Any]:
    """An invocation as plain data, less the parameters of its block.

    Raises
    ------
    ValueError
        It has parameters that do not come back as they were.
    """
    inputs = [
        (
            _input(wanted),
            places.short(wanted.path),
            None if wanted.quality is None else _quality(wanted.quality),
        )
        for wanted in invocation.inputs
    ]
    added = {name: value for name, value in invocation.params.items() if name in ADDED}
    if {**params, **added} != invocation.params or json.loads(json.dumps(added)) != added:
        raise ValueError(f"{invocation.name} has parameters of its own")
    choosing = None
    if invocation.choosing is not None:
        choosing = asdict(invocation.choosing)
        for clause in choosing["clauses"]:
            clause["exposures"] = sorted(clause["exposures"])
    return [_invocation(invocation), inputs, added, choosing]


def unpack(data: Sequence[Any], params: Mapping[str, Any], places: Places) -> Invocation:
    """The invocation of `pack`, with the parameters that its block has now."""
    own, inputs, added, choosing = data
    values = dict(zip(_OF_INVOCATION, own, strict=True))
    values["products"], values["notes"] = tuple(values["products"]), tuple(values["notes"])
    return Invocation(
        **values,
        inputs=tuple(
            Input(
                **dict(zip(_OF_INPUT, some, strict=True)),
                path=places.whole(path),
                quality=quality and Quality(*quality),
            )
            for some, path, quality in inputs
        ),
        params={**params, **added} if added else params,
        choosing=choosing and _choosing(choosing),
    )


def _choosing(data: Mapping[str, Any]) -> Choosing:
    candidates = tuple(
        Candidate(
            one["exposure"],
            one["label"],
            tuple(one["invocations"]),
            tuple((name, category) for name, category in one["measured"]),
        )
        for one in data["candidates"]
    )
    clauses = tuple(
        Clause(
            one["told"],
            frozenset(one["exposures"]),
            tuple(map(_condition, one["conditions"])),
        )
        for one in data["clauses"]
    )
    return Choosing(candidates, clauses, data["told"], data["least"], data["most"])


def _condition(data: Mapping[str, Any]) -> Condition:
    lists = {name: tuple(data[name]) for name in ("parameters", "columns", "categories")}
    return Condition(**{**data, **lists})


def pack_made(manifest: Manifest) -> list[Any]:
    """What an invocation made, as plain data."""
    return [manifest.key, [_product(product) for product in manifest.products]]


def unpack_made(name: str, made: Sequence[Any]) -> Manifest:
    """A manifest that says no more than what others must know who take its products."""
    key, products = made
    return Manifest(
        key, {}, tuple(Product(*some) for some in products), "", name, "", 0.0, 0.0, 0, 0
    )


def _squeezed(data: Any) -> bytes:
    return zlib.compress(json.dumps(data, separators=(",", ":")).encode(), 1)


def _loosened(data: bytes) -> Any:
    return json.loads(zlib.decompress(data))


# Writing


def _pieces(plan: Plan) -> Iterator[list[Invocation]]:
    piece: list[Invocation] = []
    for invocation in plan.invocations.values():
        if piece and (len(piece) == CHUNK or piece[-1].block != invocation.block):
            yield piece
            piece = []
        piece.append(invocation)
    if piece:
        yield piece


def piece_ranges(plan: Plan) -> list[range]:
    """Numbers of the invocations in each row of a plan."""
    ends = accumulate(map(len, _pieces(plan)), initial=0)
    return [range(start, end) for start, end in pairwise(ends)]


_GRAPH = "piece, block, size, needs, entries, entries_check, invocations, invocations_check"
_FOUND = '"call", same, files, seconds, paths, identities, found_check, made, made_check'


def graph_rows(
    plan: Plan, blocks: Mapping[str, PlannedBlock], places: Places
) -> Iterator[tuple[Any, ...]]:
    """Rows of a plan, without what was found.

    Raises
    ------
    ValueError, TypeError
        It cannot be kept.
    """
    numbers = {name: number for number, name in enumerate(plan.invocations)}
    for number, some in enumerate(_pieces(plan)):
        needs = [[numbers[name] for name in invocation.needs] for invocation in some]
        packed = array("I", chain(map(len, needs), *needs)).tobytes()
        entries = "\n".join(chain(*zip(*map(entry_of, some), strict=True)))
        if entries.count("\n") != len(some) * len(Entry._fields) - 1:
            raise ValueError("a name has a line break")
        params = blocks[some[0].block].params
        invocations = _squeezed([pack(invocation, params, places) for invocation in some])
        yield (
            number,
            some[0].block,
            len(some),
            zlib.compress(packed, 1),
            entries,
            _entries_check(some[0].block, entries),
            invocations,
            zlib.crc32(invocations),
        )


def found_columns(call: str, found: Sequence[Found | None]) -> tuple[Any, ...]:
    """The columns of what was found of a piece; `call`: of its block."""
    some = [one for one in found if one is not None]
    columns = (
        call,
        bytes(one is not None for one in found),
        array("H", [len(one.paths) if one else 0 for one in found]).tobytes(),
        array("d", [one.seconds if one else 0.0 for one in found]).tobytes(),
        "\n".join(chain(*(one.paths for one in some))).encode("utf-8", "surrogateescape"),
        b"".join(one.identities for one in some),
    )
    made = _squeezed([one and one.made for one in found]) if some else b""
    return (*columns, _check(columns), made, zlib.crc32(made))


def _check(columns: Sequence[str | bytes]) -> int:
    check = 0
    for column in columns:
        check = zlib.crc32(column.encode() if isinstance(column, str) else column, check)
    return check


def _entries_check(block: str, entries: str) -> int:
    return zlib.crc32(f"{block}\n{entries}".encode())


def _ranges(numbers: Iterable[int]) -> list[int]:
    """Ascending numbers as ranges: start, end, start, end, …"""
    found: list[int] = []
    for number in numbers:
        if found and found[-1] == number:
            found[-1] = number + 1
        else:
            found += (number, number + 1)
    return found


def _numbers(ranges: Sequence[int]) -> Iterator[int]:
    pairs = zip(ranges[::2], ranges[1::2], strict=True)
    return chain.from_iterable(range(start, end) for start, end in pairs)


def default_ranges(plan: Plan) -> list[int]:
    """The plan's default, as `Head.default` has it."""
    wanted = set(plan.default)
    return _ranges(number for number, name in enumerate(plan.invocations) if name in wanted)


def write_plan(
    database: sqlite3.Connection,
    head: Head,
    plan: Plan,
    graph: Iterable[tuple[Any, ...]],
    found: Mapping[int, tuple[Any, ...]],
) -> None:
    """Put a plan, and what was found of it, in place of what there was."""
    numbers = {name: number for number, name in enumerate(plan.invocations)}
    groups = {
        name: _ranges(sorted(numbers[member] for member in members))
        for name, members in plan.groups.items()
    }
    marks = ", ".join("?" * len(_GRAPH.split(",")))
    with transaction(database) as connection:
        connection.execute("DELETE FROM plan_cache")
        connection.executemany(f"INSERT INTO plan_cache ({_GRAPH}) VALUES ({marks})", graph)
        _write_found(connection, head, found)
        set_meta(connection, GROUPS, json.dumps(groups, separators=(",", ":")))


def remove_old_file(database: Path) -> None:
    """Take away the file in which an earlier musebuild kept its plan, beside the database."""
    old = database.with_name(f"{database.name}.plan")
    with contextlib.suppress(OSError):
        with old.open("rb") as file:
            ours = file.read(len(_OLD)) == _OLD
        if ours:
            old.unlink()


def write_found(
    database: sqlite3.Connection,
    kept: KeptPlan,
    found: Mapping[int, tuple[Any, ...]],
    below: bytearray,
) -> None:
    """Put what was found anew of some pieces in place of what there was of them.

    `below`: invocations that were not looked at and take products of some that were, so that
    nothing is known of them any more.
    """
    with transaction(database) as connection:
        known = read_head(connection)
        # Another build may have written its own plan meanwhile.
        if known is None or known.mark != kept.head.mark:
            return
        _write_found(connection, known, found)
        connection.executemany(
            'UPDATE plan_cache SET "call" = NULL WHERE piece = ?',
            [(number,) for number, _ in kept.marked(below) if number not in found],
        )


def _write_found(
    connection: sqlite3.Connection, head: Head, found: Mapping[int, tuple[Any, ...]]
) -> None:
    columns = ", ".join(f"{name.strip()} = ?" for name in _FOUND.split(","))
    connection.executemany(
        f"UPDATE plan_cache SET {columns} WHERE piece = ?",
        [(*values, number) for number, values in found.items()],
    )
    set_meta(connection, HEAD, json.dumps(head))


def forget_plan(database: sqlite3.Connection) -> None:
    """Remember nothing."""
    with transaction(database) as connection:
        connection.execute("DELETE FROM plan_cache")
        connection.execute("DELETE FROM meta WHERE name IN (?, ?)", [HEAD, GROUPS])


# Reading


def read_head(connection: sqlite3.Connection) -> Head | None:
    """What is remembered of the whole plan; None: nothing."""
    row = connection.execute("SELECT value FROM meta WHERE name = ?", [HEAD]).fetchone()
    return Head(*json.loads(row[0])) if row else None


class KeptPlan:
    """The plan that a build remembers, read as far as it is asked for.

    Everything is read in one transaction, so that all of it is of one build; what is asked for
    later is held as the bytes that the rows have.

    Parameters
    ----------
    connection : sqlite3.Connection
        In a transaction.
    head : Head
        What `read_head` gave.
    places : Places
        Where the project lies now.
    """

    def __init__(self, connection: sqlite3.Connection, head: Head, places: Places) -> None:
        self._connection = connection
        self.head = head
        self.places = places
        rows = connection.execute("SELECT block, size FROM plan_cache ORDER BY piece").fetchall()
        self.blocks = [str(block) for block, _ in rows]
        """Block of each piece."""
        ends = list(accumulate((size for _, size in rows), initial=0))
        self.ranges = [range(start, end) for start, end in pairwise(ends)]
        """Numbers in the plan of each piece's invocations."""
        self.size = ends[-1]
        self.found: dict[int, Piece] = {}
        """Pieces that were compared, by number."""
        self._entries: dict[int, list[str]] = {}
        self._blobs: dict[int, tuple[bytes, bytes]] = {}

    # What is asked for

    def default(self) -> bytearray:
        """For each invocation, 1 where it is of the plan's default."""
        return self._mask(_numbers(self.head.default))

    def everything(self) -> bytearray:
        """The same for all of them."""
        return bytearray(b"\1" * self.size)

    def _mask(self, numbers: Iterable[int]) -> bytearray:
        found = bytearray(self.size)
        for number in numbers:
            found[number] = 1
        return found

    def selected(self, names: Sequence[str], left_out: tuple[LeftOut, ...]) -> bytearray:
        """The same for what names, groups and patterns stand for.

        Raises
        ------
        UsageError
            A name stands for nothing.
        """
        groups = self._groups()
        entries = {entry.name: entry for entry in self.entries(self.everything())}
        order = list(entries)
        # All that `select` looks at.
        plan = Plan(
            cast("Mapping[str, Invocation]", entries),
            (),
            _Groups(groups, order),
            left_out,
        )
        numbers = {name: number for number, name in enumerate(order)}
        return self._mask(numbers[name] for name in select(plan, names))

    def _groups(self) -> dict[str, list[int]]:
        row = self._connection.execute("SELECT value FROM meta WHERE name = ?", [GROUPS])
        groups: dict[str, list[int]] = json.loads(row.fetchone()[0])
        return groups

    def of_groups(self, names: Iterable[str]) -> bytearray:
        """For each invocation, 1 where it is of one of some groups."""
        groups = self._groups()
        return self._mask(chain(*(_numbers(groups.get(name, ())) for name in names)))

    def closure(self, selected: bytearray) -> bytearray:
        """What is selected, and everything that it needs."""
        wanted = bytearray(selected)
        for number, members in reversed(list(enumerate(self.ranges))):
            if wanted.find(1, members.start, members.stop) < 0:
                continue
            for one, needs in self._needs(number, reverse=True):
                if wanted[one]:
                    for other in needs:
                        wanted[other] = 1
        return wanted

    def _needs(self, number: int, *, reverse: bool = False) -> Iterator[tuple[int, array[int]]]:
        """Each invocation of a piece, with those whose products it takes."""
        members = self.ranges[number]
        row = self._connection.execute("SELECT needs FROM plan_cache WHERE piece = ?", [number])
        flat = array("I")
        flat.frombytes(zlib.decompress(row.fetchone()[0]))
        ends = list(accumulate(flat[: len(members)], initial=len(members)))
        if ends[-1] != len(flat):
            raise ValueError("a row of the plan cache is damaged")
        order = range(len(members) - 1, -1, -1) if reverse else range(len(members))
        for place in order:
            yield members.start + place, flat[ends[place] : ends[place + 1]]

    # What may differ

    def compare(
        self, wanted: bytearray, calls: Mapping[str, str], forgotten: Collection[str]
    ) -> bytearray:
        """For each invocation, 1 where it is wanted and may not be as it was found.

        Parameters
        ----------
        wanted : bytearray
            For each invocation, 1 where it is wanted, with all that it needs.
        calls : mapping
            Block → hash of its call now.
        forgotten : collection of str
            Keys that count as never made.
        """
        differs = bytearray(self.size)
        fresh = set(forgotten).difference(self.head.forgotten)
        folder = self.places.open()
        try:
            for number, *columns in self._connection.execute(
                'SELECT piece, "call", same, files, seconds, paths, identities, found_check, '
                "made FROM plan_cache ORDER BY piece"
                if fresh
                else 'SELECT piece, "call", same, files, seconds, paths, identities, '
                "found_check, NULL FROM plan_cache ORDER BY piece"
            ):
                members = self.ranges[number]
                if wanted.find(1, members.start, members.stop) < 0:
                    continue
                *found, check, made = columns
                piece = Piece(len(members))
                if found[0] == calls.get(self.blocks[number]) and _check(found) == check:
                    piece = Piece.of(found)
                    if piece.size != len(members):
                        raise ValueError("a row of the plan cache is damaged")
                    same = piece.as_it_was(identities(piece.paths, folder))
                    if fresh and made:
                        for place, one in enumerate(_loosened(made)):
                            if one and one[0] in fresh:
                                same[place] = 0
                    differs[members.start : members.stop] = same.translate(_OPPOSITE)
                else:
                    differs[members.start : members.stop] = b"\1" * len(members)
                self.found[number] = piece
        finally:
            os.close(folder)
        self._spread(differs, wanted)
        for number, piece in self.found.items():
            members = self.ranges[number]
            if differs.find(1, members.start, members.stop) < 0:
                # Nobody will ask what it rested on.
                piece.paths, piece.identities = [], b""
        return differs

    def _spread(self, differs: bytearray, wanted: bytearray) -> None:
        """What takes products of what may differ may differ itself; the rest is not asked for."""
        begun = False
        for number, members in enumerate(self.ranges):
            start, end = members.start, members.stop
            if number not in self.found:
                continue
            if begun and differs.find(0, start, end) >= 0:
                for one, needs in self._needs(number):
                    if not differs[one] and any(differs[other] for other in needs):
                        differs[one] = 1
            if wanted.find(0, start, end) >= 0:
                for one in members:
                    differs[one] &= wanted[one]
            begun = begun or differs.find(1, start, end) >= 0

    def below(self, differs: bytearray, wanted: bytearray) -> bytearray:
        """For each invocation, 1 where it is not wanted and takes products of what differs."""
        found = bytearray(self.size)
        if differs.find(1) < 0 or wanted.find(0) < 0:
            return found
        for number, members in enumerate(self.ranges):
            if wanted.find(0, members.start, members.stop) < 0:
                continue
            for one, needs in self._needs(number):
                if not wanted[one] and any(differs[n] or found[n] for n in needs):
                    found[one] = 1
        return found

    def marked(self, mask: bytearray) -> Iterator[tuple[int, list[int]]]:
        """Pieces in which something is marked, each with the places of that."""
        for number, members in enumerate(self.ranges):
            if mask.find(1, members.start, members.stop) >= 0:
                some = mask[members.start : members.stop]
                yield number, [place for place, one in enumerate(some) if one]

    def seconds(self, wanted: bytearray, differs: bytearray) -> float:
        """How long the recipes took of all that is wanted and as it was."""
        total = 0.0
        for number, piece in self.found.items():
            members = self.ranges[number]
            start, end = members.start, members.stop
            if differs.find(1, start, end) < 0 and wanted.find(0, start, end) < 0:
                total += sum(piece.seconds)
            elif piece.same:
                total += sum(
                    seconds
                    for one, seconds in zip(members, piece.seconds, strict=True)
                    if wanted[one] and not differs[one]
                )
        return total

    def still_found(self, number: int, *gone: bytearray) -> list[Found | None]:
        """What is remembered of a piece's invocations, less of those that are marked."""
        piece, members = self.found[number], self.ranges[number]
        made = self.made(number)
        return [
            None
            if not piece.same or not piece.same[place] or any(mask and mask[one] for mask in gone)
            else piece.found(place, made[place])
            for place, one in enumerate(members)
        ]

    # What there is to say of invocations

    def entries(self, mask: bytearray) -> Iterator[Entry]:
        """Entries of some invocations, in the order of the plan."""
        for number, members in enumerate(self.ranges):
            if mask.find(1, members.start, members.stop) < 0:
                continue
            size = len(members)
            texts = self._texts(number)
            rows = map(Entry, *(texts[n : n + size] for n in range(0, len(texts), size)))
            if mask.find(0, members.start, members.stop) < 0:
                yield from rows
            else:
                yield from compress(rows, mask[members.start : members.stop])

    def read_entries(self, mask: bytearray) -> None:
        """Read the entries of some invocations, which are asked for later."""
        for number, _ in self.marked(mask):
            self._texts(number)

    def _texts(self, number: int) -> list[str]:
        texts = self._entries.get(number)
        if texts is None:
            text, check = self._connection.execute(
                "SELECT entries, entries_check FROM plan_cache WHERE piece = ?", [number]
            ).fetchone()
            texts = text.split("\n")
            size = len(self.ranges[number]) * len(Entry._fields)
            if _entries_check(self.blocks[number], text) != check or len(texts) != size:
                raise ValueError("a row of the plan cache is damaged")
            self._entries[number] = texts
        return texts

    def hold(self, mask: bytearray) -> None:
        """Read all that may be asked of some invocations, and of those that they need."""
        pieces = set()
        for number, members in enumerate(self.ranges):
            if mask.find(1, members.start, members.stop) < 0:
                continue
            pieces.add(number)
            for one, needs in self._needs(number):
                if mask[one]:
                    pieces.update(bisect_right(self._starts, other) - 1 for other in set(needs))
        for number in sorted(pieces):
            invocations, check, made, made_check = self._connection.execute(
                "SELECT invocations, invocations_check, made, made_check FROM plan_cache "
                "WHERE piece = ?",
                [number],
            ).fetchone()
            # What is damaged shows now: once recipes run it is too late to begin anew.
            if zlib.crc32(invocations) != check or zlib.crc32(made or b"") != (made_check or 0):
                raise ValueError("a row of the plan cache is damaged")
            self._blobs[number] = invocations, made
            self._texts(number)

    @cached_property
    def _starts(self) -> list[int]:
        return [members.start for members in self.ranges]

    def held(self) -> list[int]:
        """Numbers of the pieces that were read."""
        return sorted(self._blobs)

    @cached_property
    def where(self) -> dict[str, tuple[int, int]]:
        """Piece of each invocation that is held, and its place there."""
        return {
            name: (number, place)
            for number in self.held()
            for place, name in enumerate(self.names(number))
        }

    def names(self, number: int) -> list[str]:
        """Names of a piece's invocations."""
        return self._texts(number)[: len(self.ranges[number])]

    def invocations(self, number: int) -> list[Any]:
        """A piece's invocations, as `pack` made them."""
        found: list[Any] = _loosened(self._blobs[number][0])
        return found

    def made(self, number: int) -> list[Any]:
        """What a piece's invocations made, as `pack_made` has it; None where it is not known."""
        data = self._blobs[number][1]
        return _loosened(data) if data else [None] * len(self.ranges[number])


class _Groups(Mapping[str, tuple[str, ...]]):
    """Groups of a plan whose members are named when they are asked for."""

    def __init__(self, ranges: Mapping[str, Sequence[int]], order: Sequence[str]) -> None:
        self._ranges = ranges
        self._order = order

    def __getitem__(self, name: str) -> tuple[str, ...]:
        return tuple(self._order[number] for number in _numbers(self._ranges[name]))

    def __iter__(self) -> Iterator[str]:
        return iter(self._ranges)

    def __len__(self) -> int:
        return len(self._ranges)


class _Held(Generic[T]):
    """What a kept plan holds of each invocation, decoded a piece at a time."""

    def __init__(self, kept: KeptPlan, decode: Callable[[int], list[T]]) -> None:
        self._decode = decode
        self.where = kept.where
        self._at_hand: OrderedDict[int, list[T]] = OrderedDict()

    def piece(self, number: int) -> list[T]:
        """All of a piece."""
        found = self._at_hand.get(number)
        if found is None:
            found = self._at_hand[number] = self._decode(number)
            if len(self._at_hand) > AT_HAND:
                self._at_hand.popitem(last=False)
        else:
            self._at_hand.move_to_end(number)
        return found


class KeptInvocations(Mapping[str, Invocation]):
    """Invocations of a kept plan, as far as they are held; each made when it is asked for.

    Parameters
    ----------
    kept : KeptPlan
        The plan.
    params : mapping
        Block → the parameters that it has now.
    """

    def __init__(self, kept: KeptPlan, params: Mapping[str, Mapping[str, Any]]) -> None:
        self._kept = kept
        self._params = params
        self._held: _Held[Any] = _Held(kept, kept.invocations)

    def __getitem__(self, name: str) -> Invocation:
        number, place = self._held.where[name]
        piece = self._held.piece(number)
        found = piece[place]
        if not isinstance(found, Invocation):
            params = self._params[self._kept.blocks[number]]
            found = piece[place] = unpack(found, params, self._kept.places)
        return found

    def __iter__(self) -> Iterator[str]:
        return iter(self._held.where)

    def __len__(self) -> int:
        return len(self._held.where)


class KeptManifests(MutableMapping[str, Manifest]):
    """What is known of products: of a kept plan, and what is found besides.

    A manifest of the kept plan says no more than what others must know who take its products.

    Parameters
    ----------
    kept : KeptPlan
        The plan.
    differs : bytearray
        For each invocation, 1 where it may not be as it was found.
    """

    def __init__(self, kept: KeptPlan, differs: bytearray) -> None:
        self._kept = kept
        self._differs = differs
        self._held: _Held[Any] = _Held(kept, kept.made)
        self._found: dict[str, Manifest] = {}

    def __getitem__(self, name: str) -> Manifest:
        found = self._found.get(name)
        if found is not None:
            return found
        number, place = self._held.where[name]
        made = self._held.piece(number)[place]
        if made is None or self._differs[self._kept.ranges[number].start + place]:
            raise KeyError(name)
        return unpack_made(name, made)

    def __setitem__(self, name: str, manifest: Manifest) -> None:
        self._found[name] = manifest

    def __delitem__(self, name: str) -> None:
        del self._found[name]

    def __iter__(self) -> Iterator[str]:
        return iter(dict.fromkeys(chain(self._found, filter(self.__contains__, self._held.where))))

    def __len__(self) -> int:
        return sum(1 for _ in self)
