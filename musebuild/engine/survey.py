"""What a build has to do, found a piece at a time: recipes start before all is looked at."""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from itertools import islice

from musebuild.engine.probe import CHUNK

AHEAD = 0.3
"""Seconds for which a build looks before its first recipe may start: at all of a project of some
nights, so that the longest path through it is known."""


class Survey:
    """A look at all that was selected, in the order of the plan.

    Parameters
    ----------
    names : iterable of str
        Invocations, each after those whose products it takes.
    look : callable
        Gives those of some invocations that are to do.
    needs : callable
        Invocation → those whose products it takes.
    """

    def __init__(
        self,
        names: Iterable[str],
        look: Callable[[Sequence[str]], Iterable[str]],
        needs: Callable[[str], Iterable[str]],
    ) -> None:
        self._names = iter(names)
        self._look = look
        self._needs = needs
        self.needs: dict[str, tuple[str, ...]] = {}
        """Each that is to do → those to do whose products it takes."""
        self._waiting: deque[str] = deque()
        self.looked = 0
        self.over = False
        """Whether all was looked at."""

    def advance(self) -> list[str]:
        """Look at the next piece; what of it is to do."""
        some = list(islice(self._names, CHUNK))
        found = []
        for name in self._look(some):
            self.needs[name] = tuple(n for n in self._needs(name) if n in self.needs)
            found.append(name)
        self._waiting.extend(found)
        self.looked += len(some)
        self.over = len(some) < CHUNK
        return found

    def look_ahead(self, seconds: float = math.inf) -> None:
        """Go on until all is looked at; or the time is over, and something is to do."""
        began = time.monotonic()
        while not self.over and (time.monotonic() - began < seconds or not self.needs):
            self.advance()

    def take(self, most: int) -> list[str]:
        """Some that are to do and were not taken yet, in the order of the plan."""
        return [self._waiting.popleft() for _ in range(min(most, len(self._waiting)))]
