"""The rows of the plan cache as plain data: what is written of a plan, and what is read back.

Pure: nothing here opens a database, or looks at a file.
"""

from __future__ import annotations

import json
import zlib
from array import array
from collections.abc import (
    Iterable,
    Iterator,
    Mapping,
    Sequence,
)
from dataclasses import asdict, dataclass, field, fields
from itertools import accumulate, chain, pairwise
from operator import attrgetter
from typing import Any, NamedTuple

from musebuild.cache.model import Input, Manifest, Product, Quality
from musebuild.engine.fingerprints import NUMBERS, Places
from musebuild.engine.tasks import describe
from musebuild.index.model import Condition
from musebuild.plan.blocks import PlannedBlock
from musebuild.plan.levels import levels_of
from musebuild.plan.model import ADDED, Candidate, Choosing, Clause, Invocation, Plan

CHUNK = 250
"""Invocations in one piece, at most."""
_IDENTITY = 8 * NUMBERS
"""Bytes of a file's identity."""

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


def squeezed(data: Any) -> bytes:
    return zlib.compress(json.dumps(data, separators=(",", ":")).encode(), 1)


def loosened(data: bytes) -> Any:
    return json.loads(zlib.decompress(data))


# Rows


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


GRAPH_COLUMNS = "piece, block, size, needs, entries, entries_check, invocations, invocations_check"
FOUND_COLUMNS = '"call", same, files, seconds, paths, identities, found_check, made, made_check'


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
        invocations = squeezed([pack(invocation, params, places) for invocation in some])
        yield (
            number,
            some[0].block,
            len(some),
            zlib.compress(packed, 1),
            entries,
            entries_check(some[0].block, entries),
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
    made = squeezed([one and one.made for one in found]) if some else b""
    return (*columns, check_sum(columns), made, zlib.crc32(made))


def check_sum(columns: Sequence[str | bytes]) -> int:
    check = 0
    for column in columns:
        check = zlib.crc32(column.encode() if isinstance(column, str) else column, check)
    return check


def entries_check(block: str, entries: str) -> int:
    return zlib.crc32(f"{block}\n{entries}".encode())


def ranges_of(numbers: Iterable[int]) -> list[int]:
    """Ascending numbers as ranges: start, end, start, end, …"""
    found: list[int] = []
    for number in numbers:
        if found and found[-1] == number:
            found[-1] = number + 1
        else:
            found += (number, number + 1)
    return found


def numbers_in(ranges: Sequence[int]) -> Iterator[int]:
    pairs = zip(ranges[::2], ranges[1::2], strict=True)
    return chain.from_iterable(range(start, end) for start, end in pairs)


def default_ranges(plan: Plan) -> list[int]:
    """The plan's default, as `Head.default` has it."""
    wanted = set(plan.default)
    return ranges_of(number for number, name in enumerate(plan.invocations) if name in wanted)
