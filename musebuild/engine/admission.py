"""Which work may start now: cores and memory, decided from plain numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class MemoryModel:
    """Peak memory of a recipe: base + factor × bytes of its inputs, and never less than seen."""

    base: float
    per_input_byte: float
    least: float = 0.0

    def estimate(self, input_bytes: int) -> int:
        """Expected peak memory in bytes."""
        return int(max(self.base + self.per_input_byte * input_bytes, self.least))


def learned_models(samples: Mapping[str, Sequence[tuple[int, int]]]) -> dict[str, MemoryModel]:
    """Memory models from what recipes took before.

    A recipe's memory grows with its inputs at most in proportion: the largest ratio that was
    seen bounds what larger inputs take, and smaller ones take no less than the smallest peak.

    Parameters
    ----------
    samples : mapping
        Recipe → (bytes of inputs, peak memory in bytes) of its runs.
    """
    models = {}
    for recipe, seen in samples.items():
        useful = [(size, peak) for size, peak in seen if size > 0 and peak > 0]
        if useful:
            models[recipe] = MemoryModel(
                base=0.0,
                per_input_byte=max(peak / size for size, peak in useful),
                least=min(peak for _, peak in useful),
            )
    return models


@dataclass(frozen=True, slots=True)
class Machine:
    """What a build may use."""

    cores: int
    memory: int
    """Bytes."""


@dataclass(frozen=True, slots=True)
class Demand:
    """What is known of one piece of work before it starts."""

    memory: int
    threaded: bool = True
    """OpenMP threads help it."""


@dataclass(frozen=True, slots=True)
class Running:
    """What one running piece of work holds."""

    memory: int
    threads: int


def fits(demand: Demand, running: list[Running], machine: Machine, workers: int) -> bool:
    """Whether work may start beside what runs.

    What is alone may always start: a machine that is too small for it should try, and the
    failure, if any, is reported as such.
    """
    if not running:
        return True
    if len(running) >= workers:
        return False
    return sum(r.memory for r in running) + demand.memory <= machine.memory


def threads_for(
    demand: Demand, running: list[Running], waiting: int, machine: Machine, workers: int
) -> int:
    """OpenMP threads for work that starts now: the idle cores, shared with what else is ready.

    Parameters
    ----------
    demand : Demand
        The work that starts.
    running : list of Running
        What runs already.
    waiting : int
        Other work that is ready and may start beside it.
    machine : Machine
        The limits.
    workers : int
        How many may run at once.
    """
    if not demand.threaded:
        return 1
    idle = machine.cores - sum(r.threads for r in running)
    sharers = 1 + min(waiting, max(workers - len(running) - 1, 0))
    return max(1, idle // sharers)


def pick(
    ready: list[Demand],
    running: list[Running],
    machine: Machine,
    workers: int,
    *,
    passed: int = 0,
    patience: int = 8,
) -> int | None:
    """Index of the first work that fits now; None: wait until something ends.

    The order is kept as long as it can be. Smaller work may pass the oldest where that does not
    fit beside what runs, which keeps cores busy; after `patience` such times nothing passes any
    more, so that the oldest gets its turn.

    Parameters
    ----------
    ready : list of Demand
        What could start, oldest first.
    running : list of Running
        What runs.
    machine : Machine
        The limits.
    workers : int
        How many may run at once.
    passed : int
        How often the oldest was passed already.
    patience : int
        How often it may be.
    """
    eligible = ready if passed < patience else ready[:1]
    for index, demand in enumerate(eligible):
        if fits(demand, running, machine, workers):
            return index
    return None
