"""Bytes that recipes read, and the memory that these are expected to take.

A forecast asks before anything has run, a build when all is known: both by the same rules.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from musebuild.cache.ledger import Sample
from musebuild.cache.model import PRODUCT, Input, Manifest, UsedInput
from musebuild.engine.admission import MemoryModel, learned_models
from musebuild.engine.resolve import products_for
from musebuild.engine.tasks import Plugins
from musebuild.fits.digest import FrameDigest
from musebuild.fits.headers import CHANNEL
from musebuild.recipes.model import Recipe

IFUS = 24
"""That a raw frame is taken to hold before it was looked into."""
MOST_FILES = 20_000
"""Files whose sizes are held; those of a large archive fill the memory."""


def ifus_held(digest: FrameDigest) -> int:
    """Number of IFUs whose data a raw frame or a file holds."""
    return len({name for name in digest.extensions if CHANNEL.match(name)})


class InputSizes:
    """Bytes of inputs: of a frame that is split by IFU only that IFU's share.

    Parameters
    ----------
    manifests : mapping
        Invocation → manifest, of what is made.
    plugins : Plugins
        The recipe that each invocation calls.
    usual : mapping, optional
        (recipe, category) → bytes that one run makes of it, for what is not made yet.
    """

    def __init__(
        self,
        manifests: Mapping[str, Manifest],
        plugins: Plugins,
        usual: Mapping[tuple[str, str], float] | None = None,
    ) -> None:
        self._manifests = manifests
        self._plugins = plugins
        self._usual = usual or {}
        self._files: dict[str, tuple[int, int]] = {}
        """Path → its bytes, and the IFUs that it holds."""

    def learn(self, inputs: Iterable[Input], known: Mapping[str, FrameDigest]) -> None:
        """Look at files that are split by IFU; what their digests tell is not kept.

        Parameters
        ----------
        inputs : iterable of Input
            Whose sizes are asked for next.
        known : mapping
            Path → digest, as far as they are known.
        """
        if len(self._files) > MOST_FILES:
            self._files.clear()
        for wanted in inputs:
            if wanted.kind == PRODUCT or wanted.path in self._files:
                continue
            digest = known.get(wanted.path)
            held = ifus_held(digest) if digest else IFUS
            try:
                size = Path(wanted.path).stat().st_size
            except OSError:
                size = 0
            self._files[wanted.path] = size, max(held, 1)

    def of(self, inputs: Iterable[Input]) -> int:
        """Bytes of inputs that `learn` was told of, as planned or as resolved."""
        total = 0.0
        for wanted in inputs:
            if wanted.kind != PRODUCT:
                size, held = self._files[wanted.path]
                total += size if wanted.ifu is None else size // held
            elif isinstance(wanted, UsedInput) and wanted.product is not None:
                total += wanted.product.size
            elif (manifest := self._manifests.get(wanted.invocation)) is not None:
                total += sum(product.size for product in products_for(wanted, manifest))
            else:
                plugin = self._plugins.of(wanted.invocation)
                total += self._usual.get((plugin, wanted.category), 0.0)
        return int(total)


class ExpectedMemory:
    """Peak memory of recipes: learned from their earlier runs, else as the catalogue declares.

    Parameters
    ----------
    samples : mapping
        Recipe, as the pipeline knows it → what its runs took.
    """

    def __init__(self, samples: Mapping[str, Sequence[Sample]]) -> None:
        self._learned = learned_models(
            {
                plugin: [(sample.input_bytes, sample.peak_memory) for sample in some]
                for plugin, some in samples.items()
            }
        )

    def of(self, recipe: Recipe, input_bytes: int) -> int:
        """Of one run on inputs of so many bytes, in bytes."""
        declared = MemoryModel(recipe.memory_base, recipe.memory_per_input_byte)
        return self._learned.get(recipe.plugin, declared).estimate(input_bytes)
