"""What builds remember of the plan and of what they found: one disposable table.

A row holds a *piece*: up to `plan_rows.CHUNK` invocations of one block, in the order of the plan,
with what a build found of them: which were up to date, the files that this rests on with their
identities, and what was made. The next look compares identities by `stat` alone. An invocation is
as it was found while the call of its block, its own files, and all that it takes are as they were;
any other is looked at anew. The graph itself counts only while all that it follows from is the same
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
from collections.abc import (
    Collection,
    Iterable,
    Iterator,
    Mapping,
    Sequence,
)
from functools import cached_property
from itertools import accumulate, chain, compress, pairwise
from pathlib import Path
from typing import Any, cast

from musebuild.engine.fingerprints import Places, identities
from musebuild.engine.plan_rows import (
    FOUND_COLUMNS,
    GRAPH_COLUMNS,
    Entry,
    Found,
    Head,
    Piece,
    check_sum,
    entries_check,
    loosened,
    numbers_in,
    ranges_of,
)
from musebuild.index.database import transaction
from musebuild.index.meta import meta, set_meta
from musebuild.plan.causes import from_plain
from musebuild.plan.model import Invocation, LeftOut, Plan
from musebuild.plan.names import select

HEAD = "plan cache"
GROUPS = "plan groups"
"""Names of values of `meta`."""
DAMAGE = (sqlite3.Error, zlib.error, ValueError, TypeError, KeyError, IndexError, AttributeError)
"""What reading a damaged or foreign row raises."""
_OLD = b"musebuild plan "
"""Every file of an earlier musebuild with a plan begins so."""
_OPPOSITE = bytes([1, 0, *range(2, 256)])


def left_out_of(head: Head, places: Places) -> tuple[LeftOut, ...]:
    """What the plan left out."""
    return from_plain(json.loads(places.shown(head.left_out)))


# Writing


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
        name: ranges_of(sorted(numbers[member] for member in members))
        for name, members in plan.groups.items()
    }
    marks = ", ".join("?" * len(GRAPH_COLUMNS.split(",")))
    with transaction(database) as connection:
        connection.execute("DELETE FROM plan_cache")
        connection.executemany(f"INSERT INTO plan_cache ({GRAPH_COLUMNS}) VALUES ({marks})", graph)
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
    columns = ", ".join(f"{name.strip()} = ?" for name in FOUND_COLUMNS.split(","))
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
    text = meta(connection, HEAD)
    return Head(*json.loads(text)) if text else None


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
        return self._mask(numbers_in(self.head.default))

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
        groups: dict[str, list[int]] = json.loads(meta(self._connection, GROUPS))
        return groups

    def of_groups(self, names: Iterable[str]) -> bytearray:
        """For each invocation, 1 where it is of one of some groups."""
        groups = self._groups()
        return self._mask(chain(*(numbers_in(groups.get(name, ())) for name in names)))

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
                if found[0] == calls.get(self.blocks[number]) and check_sum(found) == check:
                    piece = Piece.of(found)
                    if piece.size != len(members):
                        raise ValueError("a row of the plan cache is damaged")
                    same = piece.as_it_was(identities(piece.paths, folder))
                    if fresh and made:
                        for place, one in enumerate(loosened(made)):
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
            if entries_check(self.blocks[number], text) != check or len(texts) != size:
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
        found: list[Any] = loosened(self._blobs[number][0])
        return found

    def made(self, number: int) -> list[Any]:
        """What a piece's invocations made, as `pack_made` has it; None where it is not known."""
        data = self._blobs[number][1]
        return loosened(data) if data else [None] * len(self.ranges[number])


class _Groups(Mapping[str, tuple[str, ...]]):
    """Groups of a plan whose members are named when they are asked for."""

    def __init__(self, ranges: Mapping[str, Sequence[int]], order: Sequence[str]) -> None:
        self._ranges = ranges
        self._order = order

    def __getitem__(self, name: str) -> tuple[str, ...]:
        return tuple(self._order[number] for number in numbers_in(self._ranges[name]))

    def __iter__(self) -> Iterator[str]:
        return iter(self._ranges)

    def __len__(self) -> int:
        return len(self._ranges)
