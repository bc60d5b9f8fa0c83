"""Invocations and manifests of the plan cache, read when they are asked for."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import (
    Callable,
    Iterator,
    Mapping,
    MutableMapping,
)
from itertools import chain
from typing import Any, Generic, TypeVar

from musebuild.cache.model import Manifest
from musebuild.engine.plan_cache import KeptPlan
from musebuild.engine.plan_rows import (
    unpack,
    unpack_made,
)
from musebuild.plan.model import Invocation

AT_HAND = 16
"""Pieces that are held as data; a build goes through them one after another."""
T = TypeVar("T")


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
