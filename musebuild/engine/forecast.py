"""What pending work will cost: time, memory, disk, learned from earlier runs."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from musebuild.cache.ledger import Sample
from musebuild.cache.model import Manifest
from musebuild.engine.admission import MemoryModel, learned_models
from musebuild.engine.project import Project
from musebuild.engine.resolve import Resolution, State, products_for
from musebuild.engine.tasks import longest_paths
from musebuild.fits.digest import FrameDigest
from musebuild.fits.headers import CHANNEL
from musebuild.plan.model import Invocation, Plan
from musebuild.recipes.model import Recipe

SPREAD = 1.1
"""Ratio of the largest to the smallest input from which on a time is taken to grow with it."""
PENDING = (State.RUN, State.FAILED, State.NOT_HASHED, State.WAITS)
"""States in which a recipe may run."""


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


class _Sizes:
    """Bytes of inputs, known or expected."""

    def __init__(
        self,
        plan: Plan,
        catalogue: Mapping[str, Recipe],
        manifests: Mapping[str, Manifest],
        known: Mapping[str, FrameDigest],
        usual: Mapping[tuple[str, str], float],
    ) -> None:
        self.plan = plan
        self.catalogue = catalogue
        self.manifests = manifests
        self.known = known
        self.usual = usual
        self._files: dict[str, int] = {}

    def file(self, path: str, ifu: int | None) -> int:
        """Of a file; of one IFU's share where it is split."""
        if path not in self._files:
            self._files[path] = 0
            with contextlib.suppress(OSError):
                self._files[path] = Path(path).stat().st_size
        if ifu is None:
            return self._files[path]
        digest = self.known.get(path)
        held = len({n for n in digest.extensions if CHANNEL.match(n)}) if digest else 24
        return self._files[path] // max(held, 1)

    def inputs(self, invocation: Invocation) -> int:
        """Of all inputs of an invocation."""
        total = 0.0
        for wanted in invocation.inputs:
            if wanted.kind != "product":
                total += self.file(wanted.path, wanted.ifu)
                continue
            manifest = self.manifests.get(wanted.invocation)
            if manifest is not None:
                total += sum(product.size for product in products_for(wanted, manifest))
            else:
                recipe = self.catalogue[self.plan.invocations[wanted.invocation].recipe].plugin
                total += self.usual.get((recipe, wanted.category), 0.0)
        return int(total)


def forecast(
    project: Project,
    resolutions: Mapping[str, Resolution],
    known: Mapping[str, FrameDigest],
    workers: int,
) -> Forecast:
    """What the pending work will take, at most: what waits may turn out to be the same.

    Parameters
    ----------
    project : Project
        Whose ledger remembers earlier runs.
    resolutions : mapping
        State of each invocation, in the order of the plan.
    known : mapping
        Path → digest of raw frames, which tells how many IFUs each holds.
    workers : int
        Recipes side by side.
    """
    plan, catalogue, ledger = project.plan, project.catalogue, project.ledger
    pending = [name for name, r in resolutions.items() if r.state in PENDING]
    manifests = {n: r.manifest for n, r in resolutions.items() if r.manifest is not None}
    samples = ledger.samples()
    usual = ledger.product_bytes() if pending else {}
    sizes = _Sizes(plan, catalogue, manifests, known, usual)
    models = learned_models(
        {
            name: [(sample.input_bytes, sample.peak_memory) for sample in some]
            for name, some in samples.items()
        }
    )
    estimates: dict[str, Estimate] = {}
    for name in pending:
        invocation = plan.invocations[name]
        recipe = catalogue[invocation.recipe]
        size = sizes.inputs(invocation)
        declared = MemoryModel(recipe.memory_base, recipe.memory_per_input_byte)
        some = samples.get(recipe.plugin, [])
        made = [usual.get((recipe.plugin, category)) for category in invocation.products]
        estimates[name] = Estimate(
            seconds=expected_seconds(some, size),
            memory=models.get(recipe.plugin, declared).estimate(size),
            disk=int(sum(filter(None, made))) if some else None,
        )
    return _summed(plan, estimates, workers)


def _summed(plan: Plan, estimates: Mapping[str, Estimate], workers: int) -> Forecast:
    by_recipe: dict[str, list[Estimate]] = {}
    for name, estimate in estimates.items():
        by_recipe.setdefault(plan.invocations[name].recipe, []).append(estimate)
    seconds = {name: estimate.seconds or 0.0 for name, estimate in estimates.items()}
    needs = {name: plan.invocations[name].needs for name in estimates}
    paths = longest_paths(needs, seconds)
    total = _price(estimates.values())
    wall = max(max(paths.values(), default=0.0), total.seconds / max(workers, 1))
    recipes = {recipe: _price(some) for recipe, some in by_recipe.items()}
    return Forecast(recipes, total, wall, workers)


def _price(estimates: Iterable[Estimate]) -> Price:
    some = list(estimates)
    return Price(
        tasks=len(some),
        seconds=sum(estimate.seconds or 0.0 for estimate in some),
        memory=max((estimate.memory for estimate in some), default=0),
        disk=sum(estimate.disk or 0 for estimate in some),
        unknown=sum(estimate.seconds is None for estimate in some),
    )
