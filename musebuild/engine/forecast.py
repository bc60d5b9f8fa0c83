"""What pending work will cost: time, memory, disk, learned from earlier runs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from musebuild.cache.ledger import Sample
from musebuild.cache.model import PRODUCT
from musebuild.engine.input_sizes import ExpectedMemory, InputSizes
from musebuild.engine.resolve import State
from musebuild.engine.tasks import Plugins, longest_paths
from musebuild.engine.view import View

SPREAD = 1.1
"""Ratio of the largest to the smallest input from which on a time is taken to grow with it."""
PENDING = (State.RUN, State.FAILED, State.NOT_HASHED, State.WAITS)
"""States in which a recipe may run."""
CHUNK = 250
"""Pending invocations whose inputs are known at once."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """What one invocation is expected to take."""

    seconds: float | None
    """None: its recipe never ran here."""
    memory: int
    disk: int | None
    """Bytes of products."""


@dataclass(frozen=True, slots=True)
class Price:
    """What all pending work of some recipe, or of all, is expected to take, at most."""

    tasks: int = 0
    seconds: float = 0.0
    memory: int = 0
    """Peak of one invocation, in bytes."""
    disk: int = 0
    unknown: int = 0
    """Invocations of recipes that never ran, whose time and disk are not in the sums."""


@dataclass(frozen=True, slots=True)
class Forecast:
    """What a build is expected to take."""

    recipes: Mapping[str, Price]
    blocks: Mapping[str, Price]
    total: Price
    wall: float
    """Seconds with as many workers as were asked for: the longest chain, or the sum over the
    workers, whichever is longer."""
    workers: int


def expected_seconds(samples: Sequence[Sample], size: int) -> float | None:
    """Time of a recipe on inputs of a size, from its earlier runs.

    A straight line through them (a constant and a part that grows with the input, both
    positive) where the inputs differ in size; their mean where they do not.

    Parameters
    ----------
    samples : sequence of Sample
        Of one recipe.
    size : int
        Bytes of inputs.
    """
    if not samples:
        return None
    sizes = [float(sample.input_bytes) for sample in samples]
    times = [sample.seconds for sample in samples]
    mean_size, mean_time = sum(sizes) / len(sizes), sum(times) / len(times)
    if size <= 0 or min(sizes) <= 0 or max(sizes) < SPREAD * min(sizes):
        return mean_time
    spread = sum((x - mean_size) ** 2 for x in sizes)
    slope = (
        sum((x - mean_size) * (t - mean_time) for x, t in zip(sizes, times, strict=True)) / spread
    )
    constant = mean_time - slope * mean_size
    if slope <= 0:
        return mean_time
    if constant < 0:
        squares = sum(x * x for x in sizes)
        return size * sum(x * t for x, t in zip(sizes, times, strict=True)) / squares
    return constant + slope * size


def forecast(view: View, workers: int) -> Forecast:
    """What the pending work will take, at most: what waits may turn out to be the same.

    Parameters
    ----------
    view : View
        All of it was looked at.
    workers : int
        Recipes side by side.
    """
    project, plan, manifests = view.project, view.plan, view.manifests
    pending = [name for name, found in view.states.items() if found.state in PENDING]
    estimates: dict[str, Estimate] = {}
    recipes: dict[str, str] = {}
    needs: dict[str, tuple[str, ...]] = {}
    if not pending:
        return _summed(estimates, recipes, needs, workers)
    catalogue, ledger = project.catalogue, project.ledger
    samples = ledger.samples()
    usual = ledger.product_bytes()
    sizes = InputSizes(manifests, Plugins(plan, catalogue), usual)
    memory = ExpectedMemory(samples)
    wanted = set(pending)
    for start in range(0, len(pending), CHUNK):
        some_of_them = [plan.invocations[name] for name in pending[start : start + CHUNK]]
        inputs = [wanted for invocation in some_of_them for wanted in invocation.inputs]
        split = {one.path for one in inputs if one.kind != PRODUCT and one.ifu is not None}
        sizes.learn(inputs, project.digests.known_many(sorted(split)))
        for invocation in some_of_them:
            name = invocation.name
            recipe = catalogue[invocation.recipe]
            size = sizes.of(invocation.inputs)
            some = samples.get(recipe.plugin, [])
            made = [usual.get((recipe.plugin, category)) for category in invocation.products]
            estimates[name] = Estimate(
                seconds=expected_seconds(some, size),
                memory=memory.of(recipe, size),
                disk=int(sum(filter(None, made))) if some else None,
            )
            recipes[name] = invocation.recipe
            needs[name] = tuple(other for other in invocation.needs if other in wanted)
    return _summed(estimates, recipes, needs, workers)


def _summed(
    estimates: Mapping[str, Estimate],
    recipes: Mapping[str, str],
    needs: Mapping[str, tuple[str, ...]],
    workers: int,
) -> Forecast:
    by_recipe: dict[str, list[Estimate]] = {}
    by_block: dict[str, list[Estimate]] = {}
    for name, estimate in estimates.items():
        by_recipe.setdefault(recipes[name], []).append(estimate)
        by_block.setdefault(name.partition(":")[0], []).append(estimate)
    seconds = {name: estimate.seconds or 0.0 for name, estimate in estimates.items()}
    paths = longest_paths(needs, seconds)
    total = _price(estimates.values())
    wall = max(max(paths.values(), default=0.0), total.seconds / max(workers, 1))
    prices = {recipe: _price(some) for recipe, some in by_recipe.items()}
    blocks = {block: _price(some) for block, some in by_block.items()}
    return Forecast(prices, blocks, total, wall, workers)


def _price(estimates: Iterable[Estimate]) -> Price:
    some = list(estimates)
    return Price(
        tasks=len(some),
        seconds=sum(estimate.seconds or 0.0 for estimate in some),
        memory=max((estimate.memory for estimate in some), default=0),
        disk=sum(estimate.disk or 0 for estimate in some),
        unknown=sum(estimate.seconds is None for estimate in some),
    )
