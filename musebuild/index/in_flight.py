"""Work handed out a few pieces at a time, so that results do not pile up before they are taken."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, wait
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")


def in_flight(
    submit: Callable[[T], Future[R]], items: Iterable[T], most: int
) -> Iterator[tuple[T, Future[R]]]:
    """Items with their finished work, as it finishes.

    Parameters
    ----------
    submit : callable
        Hands an item to a pool.
    items : iterable
        Taken as they are submitted.
    most : int
        How many are under way at once.
    """
    waiting = iter(items)
    running: dict[Future[R], T] = {}
    more = True
    while more or running:
        while more and len(running) < most:
            try:
                item = next(waiting)
            except StopIteration:
                more = False
            else:
                running[submit(item)] = item
        if running:
            for future in wait(running, return_when=FIRST_COMPLETED).done:
                yield running.pop(future), future
