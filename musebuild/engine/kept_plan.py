"""What a kept plan says of each invocation, read a piece at a time when it is asked for."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Collection, Iterator, Mapping, MutableMapping
from itertools import chain
from typing import Any, Generic, TypeVar

from musebuild.cache.model import Manifest
from musebuild.engine.planfile import (
    KeptBlock,
    Made,
    Part,
    PlanFile,
    pieces,
    unpacked,
    unpacked_made,
)
from musebuild.plan.model import Invocation

AT_HAND = 16
"""Pieces that are held as data; a build goes through them one after another."""
T = TypeVar("T")


class _Index:
    """Where each invocation of some blocks stands in the file.

    Parameters
    ----------
    kept : PlanFile
        The file.
    blocks : collection of str
        Blocks that are asked for.
    """

    def __init__(self, kept: PlanFile, blocks: Collection[str]) -> None:
        self.kept = kept
        # In the order of the plan.
        self.blocks = tuple(block for name, block in kept.blocks.items() if name in blocks)
        self._named = {block.name: block for block in self.blocks}
        self._pieces: dict[str, dict[str, int]] = {}

    def numbered(self, block: KeptBlock) -> dict[str, int]:
        """Invocation → number of its piece, in the order of the plan."""
        found = self._pieces.get(block.name)
        if found is None:
            found = self._pieces[block.name] = {
                name: number
                for number, piece in enumerate(pieces(self.kept.names(block)))
                for name in piece
            }
        return found

    def where(self, name: str) -> tuple[KeptBlock, int]:
        """Block and number of the piece that an invocation stands in."""
        block = self._named[name.partition(":")[0]]
        return block, self.numbered(block)[name]


class _Pieces(Generic[T]):
    """What is said of each invocation of some blocks, a piece at a time.

    Parameters
    ----------
    index : _Index
        Which piece an invocation stands in.
    parts : callable
        Block → its pieces in the file.
    """

    def __init__(self, index: _Index, parts: Callable[[KeptBlock], tuple[Part, ...]]) -> None:
        self._index = index
        self._parts = parts
        self._held: OrderedDict[tuple[str, int], dict[str, T]] = OrderedDict()

    def of(self, name: str) -> dict[str, T]:
        """The piece that an invocation stands in.

        Raises
        ------
        KeyError
            None of the blocks has it.
        """
        block, number = self._index.where(name)
        held = self._held.get((block.name, number))
        if held is None:
            held = self._index.kept.part(self._parts(block)[number])
            self._held[block.name, number] = held
            if len(self._held) > AT_HAND:
                self._held.popitem(last=False)
        else:
            self._held.move_to_end((block.name, number))
        return held


class KeptInvocations(Mapping[str, Invocation]):
    """Invocations of some blocks of a kept plan, each made when it is asked for.

    Parameters
    ----------
    kept : PlanFile
        The file.
    params : mapping
        Block → the parameters that it has now.
    """

    def __init__(self, kept: PlanFile, params: Mapping[str, Mapping[str, Any]]) -> None:
        self._index = _Index(kept, params)
        self._params = params
        self._pieces: _Pieces[Any] = _Pieces(self._index, lambda block: block.invocations)

    def __getitem__(self, name: str) -> Invocation:
        piece = self._pieces.of(name)
        found = piece[name]
        if isinstance(found, tuple):
            found = piece[name] = unpacked(found, self._params[name.partition(":")[0]])
        invocation: Invocation = found
        return invocation

    def __iter__(self) -> Iterator[str]:
        return chain.from_iterable(map(self._index.numbered, self._index.blocks))

    def __len__(self) -> int:
        return sum(len(self._index.numbered(block)) for block in self._index.blocks)

    def __contains__(self, name: object) -> bool:
        try:
            self._index.where(str(name))
        except KeyError:
            return False
        return True


class KeptManifests(MutableMapping[str, Manifest]):
    """What is known of products: of some blocks from a kept plan, of others as it is found.

    A manifest from the file says no more than what others must know who take its products.

    Parameters
    ----------
    kept : PlanFile
        The file.
    blocks : collection of str
        Those whose products are as they were.
    """

    def __init__(self, kept: PlanFile, blocks: Collection[str]) -> None:
        self._index = _Index(kept, blocks)
        self._pieces: _Pieces[Made] = _Pieces(self._index, lambda block: block.made)
        self._found: dict[str, Manifest] = {}

    def __getitem__(self, name: str) -> Manifest:
        found = self._found.get(name)
        return unpacked_made(name, self._pieces.of(name)[name]) if found is None else found

    def __setitem__(self, name: str, manifest: Manifest) -> None:
        self._found[name] = manifest

    def __delitem__(self, name: str) -> None:
        del self._found[name]

    def __iter__(self) -> Iterator[str]:
        kept = chain.from_iterable(map(self._index.numbered, self._index.blocks))
        return iter(dict.fromkeys(chain(self._found, kept)))

    def __len__(self) -> int:
        return sum(1 for _ in self)
