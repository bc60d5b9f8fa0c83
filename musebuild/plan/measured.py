"""On which products is measured what a selection asks for. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from musebuild.index.model import Selected
from musebuild.plan.made import Made
from musebuild.plan.model import Candidate, Choosing, Invocation, Missing
from musebuild.plan.selecting import Choice, by_date, choosing_of


def measured_by(
    selections: Mapping[str, Mapping[str, Selected]],
) -> dict[str, frozenset[str]]:
    """Block → categories of the products on which is measured what it selects by."""
    found: dict[str, frozenset[str]] = {}
    for block, named in selections.items():
        later = [selected.later for selected in named.values() if selected.later is not None]
        if later:
            found[block] = frozenset(c for condition in later for c in condition.categories)
    return found


class Measured:
    """Finds the products on which exposures are measured.

    Parameters
    ----------
    invocations : mapping
        Of the plan, as far as it is made.
    made : mapping
        Block → its tasks, as far as they are made.
    """

    def __init__(
        self, invocations: Mapping[str, Invocation], made: Mapping[str, Sequence[Made]]
    ) -> None:
        self._invocations = invocations
        self._made = made

    def choosing(self, choice: Choice, sources: Iterable[Made], dataset: str) -> Choosing | Missing:
        """How a combination chooses among exposures when all are made.

        Parameters
        ----------
        choice : Choice
            With a selection that waits.
        sources : iterable of Made
            The candidates.
        dataset : str
            Theirs.

        Returns
        -------
        Choosing or Missing
            The latter where nothing makes the products to be measured.
        """
        candidates = []
        for source in by_date(sources):
            measured: list[tuple[str, str]] = []
            for category in choice.categories:
                found = self._above(source, category) or self._beside(source, category, dataset)
                if isinstance(found, Missing):
                    return found
                measured += [(name, category) for name in found]
            candidates.append(
                Candidate(
                    source.exposure, source.label, tuple(source.by_ifu.values()), tuple(measured)
                )
            )
        return choosing_of(choice, candidates)

    def _above(self, source: Made, category: str) -> list[str]:
        """What makes a category among the candidate and what it is made from: the nearest."""
        level = list(source.by_ifu.values())
        seen: set[str] = set()
        while level:
            found = [name for name in level if category in self._invocations[name].products]
            if found:
                return found
            seen.update(level)
            level = list(
                dict.fromkeys(
                    other
                    for name in level
                    for other in self._invocations[name].needs
                    if other not in seen and self._invocations[other].label == source.label
                )
            )
        return []

    def _beside(self, source: Made, category: str, dataset: str) -> list[str] | Missing:
        """What else makes a category of the exposure, or for each of its dataset."""
        makers = [
            made
            for tasks in self._made.values()
            for made in tasks
            if category in made.categories
            and (
                made.exposure == source.exposure or (not made.exposure and made.dataset == dataset)
            )
        ]
        blocks = list(dict.fromkeys(made.block for made in makers))
        if len(blocks) == 1:
            return [name for made in makers for name in made.by_ifu.values()]
        if blocks:
            return Missing(
                category,
                f"what it selects by is measured on {category}, which {' and '.join(blocks)} "
                f"make of {source.label}",
                "select by what is measured on one, or take products of one of them: from_recipe",
            )
        return Missing(
            category,
            f"what it selects by is measured on {category}, which nothing makes of {source.label}",
            _REMEDIES.get(category, f"declare a block that makes {category} of each exposure"),
        )


_REMEDIES = {
    "SKY_SPECTRUM": "let muse_scipost make it: save: 'cube,skymodel,individual' and a skymethod "
    "that fits the sky",
}
