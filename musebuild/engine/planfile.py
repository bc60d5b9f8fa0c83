"""The file of a remembered plan: parts that are read one by one, each with a checksum.

Of each block it holds the names of its invocations, the invocations themselves and what they
made in pieces of `CHUNK`, and the paths of the files that the finding rests on. A head at the
end says where each part stands.
"""

from __future__ import annotations

import marshal
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from operator import attrgetter
from pathlib import Path
from typing import Any, BinaryIO

from blake3 import blake3

from musebuild.cache.model import Manifest, Product
from musebuild.plan.model import ADDED, Input, Invocation, Quality

KIND = b"musebuild plan "
"""Every such file begins so, whichever musebuild wrote it."""
MAGIC = KIND + b"3\n"
CHUNK = 250
"""Invocations in one piece: so many are read to see one of them."""

_OF_QUALITY = tuple(field.name for field in fields(Quality))
_OF_INPUT = tuple(field.name for field in fields(Input) if field.name != "quality")
_OF_INVOCATION = tuple(
    field.name for field in fields(Invocation) if field.name not in ("inputs", "params", "choosing")
)
_OF_PRODUCT = tuple(field.name for field in fields(Product))
SHAPE = [sys.version, marshal.version, _OF_QUALITY, _OF_INPUT, _OF_INVOCATION, _OF_PRODUCT]
"""What the parts of a file mean: one that was written otherwise is foreign."""
_quality, _input = attrgetter(*_OF_QUALITY), attrgetter(*_OF_INPUT)
_invocation, _product = attrgetter(*_OF_INVOCATION), attrgetter(*_OF_PRODUCT)
_FOOT = 8 + 32
"""Bytes at the end of a file: the length of its head, which stands before it, and a checksum."""
Part = tuple[int, int, bytes]
"""Where a part begins, how long it is, and its checksum."""
Made = tuple[str, list[tuple[Any, ...]]]
"""Key and products of an invocation, as plain data."""
DAMAGE = (OSError, ValueError, EOFError, TypeError, KeyError, IndexError, AttributeError)
"""What reading a damaged or foreign file raises."""


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


def packed_made(manifest: Manifest) -> Made:
    """What an invocation made, as plain data."""
    return manifest.key, [_product(product) for product in manifest.products]


def unpacked_made(name: str, made: Made) -> Manifest:
    """A manifest that says no more than what others must know who take its products."""
    key, products = made
    found = tuple(Product(*values) for values in products)
    return Manifest(key, {}, found, "", name, "", 0.0, 0.0, 0, 0)


def pieces(names: Sequence[str]) -> Iterator[Sequence[str]]:
    """The names of a block, as its pieces hold them."""
    for start in range(0, len(names), CHUNK):
        yield names[start : start + CHUNK]


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
    names: Part
    invocations: tuple[Part, ...]
    """Pieces: name → what `packed` gave."""
    made: tuple[Part, ...]
    """Pieces: name → what `packed_made` gave; none where not all was up to date."""
    paths: Part


class PlanFile:
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
        if head["shape"] != marshal.loads(marshal.dumps(SHAPE)):
            raise ValueError("another Python, or another musebuild, wrote it")
        self.head: dict[str, Any] = head
        self.blocks = {data[0]: KeptBlock(*data) for data in head["blocks"]}

    @staticmethod
    def _checked(data: bytes, checksum: bytes) -> bytes:
        if blake3(data).digest() != checksum:
            raise ValueError("its checksum is wrong")
        return data

    def raw(self, part: Part) -> bytes:
        """A part as it stands in the file."""
        self._file.seek(part[0])
        return self._checked(self._file.read(part[1]), part[2])

    def part(self, part: Part) -> Any:
        """A part as data."""
        return marshal.loads(self.raw(part))

    def paths(self, block: KeptBlock) -> list[str]:
        """Files that a block's finding rests on."""
        text = self.raw(block.paths).decode("utf-8", "surrogateescape")
        return text.split("\n") if text else []

    def names(self, block: KeptBlock) -> list[str]:
        """A block's invocations, in the order of the plan."""
        found: list[str] = self.part(block.names)
        return found

    def close(self) -> None:
        """Close the file."""
        self._file.close()


class PlanWriter:
    """A file that is being written.

    Parameters
    ----------
    file : binary file
        Empty.
    """

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        file.write(MAGIC)

    def raw(self, data: bytes) -> Part:
        """Write a part; where it stands."""
        start = self._file.tell()
        self._file.write(data)
        return start, len(data), blake3(data).digest()

    def part(self, data: Any) -> Part:
        """Write a part that is data."""
        return self.raw(marshal.dumps(data))

    def copied(self, kept: PlanFile, parts: Sequence[Part]) -> tuple[Part, ...]:
        """Take parts of another file over as they are."""
        return tuple(self.raw(kept.raw(part)) for part in parts)

    def end(self, head: Mapping[str, Any], blocks: Sequence[KeptBlock]) -> None:
        """Write the head."""
        # By hand: `asdict` would copy each part of each part.
        flat = [tuple(getattr(b, field.name) for field in fields(KeptBlock)) for b in blocks]
        data = marshal.dumps({**head, "shape": SHAPE, "blocks": flat})
        self._file.write(data + len(data).to_bytes(8, "big") + blake3(data).digest())


def is_ours(path: Path) -> bool:
    """Whether a file is such a one, of whatever version."""
    with path.open("rb") as file:
        return file.read(len(KIND)) == KIND
