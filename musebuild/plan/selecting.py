"""Which exposures of a dataset a combination takes. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from musebuild.index.model import QA_REDUCED, Condition, Selected
from musebuild.plan.blocks import PlannedBlock, result_name
from musebuild.plan.model import Candidate, Cause, Choosing, Clause, Invocation, LeftOut
from musebuild.plan.planned_task import PlannedTask

SELECTING = ("select", "names_with_selection", "exclude_flags", "max_exps", "min_exps")
"""Keys of blocks that choose exposures of a combination."""
_MEASURED = {
    "SKY_SPECTRUM": "let muse_scipost make it: save: 'cube,skymodel,individual' and a skymethod "
    "that fits the sky",
}
"""Category → how it comes to be made."""
SHOWN = 3
"""Reasons that are listed in one message."""


@dataclass(frozen=True, slots=True)
class Choice:
    """What one combination of a block takes."""

    result: str
    """Name of its result."""
    least: int
    """Fewest exposures."""
    most: int | None = None
    flags: bool | Mapping[str, int] = False
    """Flags whose exposures are left out, with the least value that counts; True: any."""
    selected: tuple[tuple[str, Selected], ...] = ()
    """Selections that must all hold: how they are told of, what they select."""
    told: str = ""
    """What chooses, for people."""
    problem: str = ""
    """Why it cannot be chosen."""
    remedy: str = ""

    @property
    def waits(self) -> bool:
        """Whether the exposures are chosen only when all candidates are made."""
        return any(selected.later for _, selected in self.selected)

    @property
    def conditions(self) -> tuple[Condition, ...]:
        """By which exposures are chosen when all are made."""
        return tuple(one for _, selected in self.selected for one in selected.later)

    def against(self, exposure: str, flags: Mapping[str, Mapping[str, int]]) -> str:
        """Why an exposure is not taken; empty: it is, or may be when it is made.

        Parameters
        ----------
        exposure : str
            Its name.
        flags : mapping
            Exposure → its flags, with their values.
        """
        has = flags.get(exposure, {})
        least = dict.fromkeys(has, 1) if self.flags is True else self.flags or {}
        bad = [
            flag if value == 1 else f"{flag} ({value})"
            for flag, value in has.items()
            if flag in least and value >= least[flag]
        ]
        if bad:
            return f"flagged {', '.join(bad)}"
        outside = [
            told
            for told, selected in self.selected
            if exposure not in selected.exposures and not selected.later
        ]
        return f"not selected by {' and '.join(outside)}" if outside else ""

    def choose(
        self, sources: Sequence[PlannedTask], flags: Mapping[str, Mapping[str, int]]
    ) -> tuple[list[PlannedTask], list[str]]:
        """The exposures that are taken, in the order given, and why each other one is not."""
        notes = []
        taken: list[PlannedTask] = []
        for source in sources:
            why = self.against(source.exposure, flags)
            if why:
                notes.append(f"{source.label} is left out: {why}")
            else:
                taken.append(source)
        if self.waits or self.most is None or len(taken) <= self.most:
            return taken, notes
        order = by_date(taken)
        kept = {made.label for made in order[: self.most]}
        notes += [
            f"{made.label} is left out: max_exps is {self.most}" for made in order[self.most :]
        ]
        return [made for made in taken if made.label in kept], notes


def by_date(sources: Iterable[PlannedTask]) -> list[PlannedTask]:
    """Exposures by date, then name."""
    return sorted(sources, key=lambda made: (made.setup.mjd, made.label))


def choosing_of(choice: Choice, candidates: Iterable[Candidate]) -> Choosing:
    """How a combination chooses among candidates when all are made.

    Parameters
    ----------
    choice : Choice
        With a selection that waits.
    candidates : iterable of Candidate
        By date.
    """
    clauses = (
        Clause(told, selected.exposures, selected.later) for told, selected in choice.selected
    )
    return Choosing(tuple(candidates), tuple(clauses), choice.told, choice.least, choice.most)


def measured_by(
    selections: Mapping[str, Mapping[str, Selected]],
) -> dict[str, frozenset[str]]:
    """Block → categories of the products on which is measured what it selects by."""
    found: dict[str, frozenset[str]] = {}
    for block, named in selections.items():
        later = [one for selected in named.values() for one in selected.later]
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
        self, invocations: Mapping[str, Invocation], made: Mapping[str, Sequence[PlannedTask]]
    ) -> None:
        self._invocations = invocations
        self._tasks = made

    def choosing(
        self, choice: Choice, sources: Iterable[PlannedTask], dataset: str, part: str = ""
    ) -> Choosing | Cause:
        """How a combination chooses among exposures when all are made.

        Parameters
        ----------
        choice : Choice
            With a selection that waits.
        sources : iterable of PlannedTask
            The candidates.
        dataset, part : str
            Theirs.

        Returns
        -------
        Choosing or Cause
            The latter where nothing makes the products to be measured.
        """
        candidates = []
        for source in by_date(sources):
            measured: list[tuple[str, str]] = []
            for condition in choice.conditions:
                for category in condition.categories:
                    # Parameters of a product of several exposures are of none of them.
                    of_several = condition.table == QA_REDUCED
                    found = self._above(source, category) or self._beside(
                        source, category, (dataset, part) if of_several else None
                    )
                    if isinstance(found, Cause):
                        return found
                    measured += [(name, category) for name in found]
                if condition.of_all:
                    measured += self._all_of(source)
            candidates.append(
                Candidate(
                    source.exposure,
                    source.label,
                    tuple(source.by_ifu.values()),
                    tuple(dict.fromkeys(measured)),
                )
            )
        return choosing_of(choice, candidates)

    def _above(self, source: PlannedTask, category: str) -> list[str]:
        """What makes a category among the candidate and what it is made from: the nearest."""
        for level in self._levels(source):
            found = [name for name in level if category in self._invocations[name].products]
            if found:
                return found
        return []

    def _all_of(self, source: PlannedTask) -> list[tuple[str, str]]:
        """What the candidate makes, and what it is made from, with the categories."""
        return [
            (name, category)
            for level in self._levels(source)
            for name in level
            for category in self._invocations[name].products
        ]

    def _levels(self, source: PlannedTask) -> Iterator[list[str]]:
        """Invocations of the candidate, then those of the same exposure above them, and so on."""
        level = list(source.by_ifu.values())
        seen: set[str] = set()
        while level:
            yield level
            seen.update(level)
            level = list(
                dict.fromkeys(
                    other
                    for name in level
                    for other in self._invocations[name].needs
                    if other not in seen and self._invocations[other].label == source.label
                )
            )

    def _beside(
        self, source: PlannedTask, category: str, of: tuple[str, str] | None
    ) -> list[str] | Cause:
        """What else makes a category of the exposure, or for each of its dataset."""
        makers = [
            made
            for tasks in self._tasks.values()
            for made in tasks
            if category in made.categories
            and (
                made.exposure == source.exposure
                or (not made.exposure and (made.dataset, made.part) == of)
            )
        ]
        blocks = list(dict.fromkeys(made.block for made in makers))
        if len(blocks) == 1:
            return [name for made in makers for name in made.by_ifu.values()]
        if blocks:
            return Cause(
                f"what it selects by is measured on {category}, which {' and '.join(blocks)} make "
                "of {of}",
                "select by what is measured on one, or take products of one of them: from_recipe",
                of=source.label,
                category=category,
            )
        return Cause(
            f"what it selects by is measured on {category}, which nothing makes of {{of}}",
            _MEASURED.get(category, f"declare a block that makes {category} of each exposure"),
            of=source.label,
            category=category,
        )


@dataclass(frozen=True, slots=True)
class Members:
    """What a combination takes of its candidates."""

    dropped: frozenset[str] = frozenset()
    """Invocations whose products it does not take."""
    notes: tuple[str, ...] = ()
    """What is left out, and why."""
    problem: str = ""
    """Why nothing can be chosen."""
    few: str = ""
    """Why what is chosen is too few to be combined: it is left out, as in the plan."""


def members(
    choosing: Choosing,
    fulfilling: Sequence[frozenset[str]],
    values: Mapping[str, Mapping[str, Any]],
) -> Members:
    """Choose among candidates that are all made.

    Parameters
    ----------
    choosing : Choosing
        The candidates, and what is asked of them.
    fulfilling : sequence of frozenset of str
        For each clause the exposures for which its condition holds.
    values : mapping
        Exposure → column → what was measured, for the reasons.
    """
    notes: list[str] = []
    taken: list[Candidate] = []
    for candidate in choosing.candidates:
        outside = [
            _outside(clause, values.get(candidate.exposure, {}))
            for clause, held in zip(choosing.clauses, fulfilling, strict=True)
            if candidate.exposure not in clause.exposures and candidate.exposure not in held
        ]
        if outside:
            reason = " and ".join(outside)
            notes.append(f"{candidate.label} is left out: not selected by {reason}")
        else:
            taken.append(candidate)
    if choosing.most is not None:
        notes += [
            f"{candidate.label} is left out: max_exps is {choosing.most}"
            for candidate in taken[choosing.most :]
        ]
        taken = taken[: choosing.most]
    kept = {name for candidate in taken for name in candidate.invocations}
    every = {name for candidate in choosing.candidates for name in candidate.invocations}
    few = ""
    if len(taken) < choosing.least:
        few = too_few(choosing.told, len(taken), len(choosing.candidates), choosing.least, notes)
    return Members(frozenset(every - kept), tuple(notes), few=few)


def _outside(clause: Clause, values: Mapping[str, Any]) -> str:
    """A clause that does not hold, with what was measured."""
    if not clause.conditions:
        return clause.told
    told = [
        f"it has no {column}"
        if values.get(column) is None
        else f"{column} is {values[column]:.6g}"
        if isinstance(values[column], float)
        else f"{column} is {values[column]}"
        for column in dict.fromkeys(c for one in clause.conditions for c in one.columns)
    ]
    return f"{clause.told} ({', '.join(told)})" if told else clause.told


def too_few(told: str, taken: int, of: int, least: int, notes: Sequence[str]) -> str:
    """Why too few exposures are left to be combined."""
    return f"{told} takes {taken} of {of} exposures, and it needs at least {least}: {listed(notes)}"


def choose_others(block: str) -> str:
    """What mends that too few are left."""
    return f"change what recipes.{block} selects, or the flags of the exposures (`musebuild flag`)"


def listed(notes: Sequence[str]) -> str:
    """The first few of the reasons, and how many more there are."""
    more = len(notes) - SHOWN
    shown = [*notes[:SHOWN], *([f"and {more} more"] if more > 0 else [])]
    return "; ".join(shown) or "none is left out"


def _flags(given: Any) -> bool | dict[str, int]:
    if isinstance(given, Mapping):
        return {str(flag): 1 if least is None else int(least) for flag, least in given.items()}
    if isinstance(given, str):
        return {given: 1}
    if isinstance(given, Iterable):
        return dict.fromkeys(map(str, given), 1)
    return bool(given)


def heeds(planned: PlannedBlock, flag: str) -> bool:
    """Whether a block leaves out, or may leave out, the exposures that have a flag."""
    given = _flags(planned.block.extra.get("exclude_flags"))
    if given is True or (isinstance(given, Mapping) and flag in given):
        return True
    asked = [planned.block.extra.get(key) for key in ("select", "names_with_selection")]
    return "flags" in str([one for one in asked if one])


def choices(planned: PlannedBlock, selections: Mapping[str, Selected]) -> list[Choice]:
    """The combinations that a block makes of each dataset.

    Parameters
    ----------
    planned : PlannedBlock
        Of a recipe that works on datasets.
    selections : mapping
        Name of the selection (empty: that of `select`) → exposures.
    """
    extra = planned.block.extra
    used = [key for key in SELECTING if key != "names_with_selection" and extra.get(key)]
    base = Choice(
        result=result_name(planned),
        least=max(planned.recipe.least, extra.get("min_exps") or 0),
        most=extra.get("max_exps"),
        flags=_flags(extra.get("exclude_flags")),
        told=" with ".join(used),
    )
    if extra.get("select"):
        base = _narrowed(base, "select", selections.get(""))
    named = extra.get("names_with_selection")
    if not named:
        return [base]
    return [
        _narrowed(
            replace(base, result=name, told=" with ".join([f"the selection {name}", *used])),
            f"the selection {name}",
            selections.get(name),
        )
        for name in named
    ]


def _narrowed(choice: Choice, told: str, selected: Selected | None) -> Choice:
    if choice.problem:
        return choice
    if selected is None:
        return replace(
            choice,
            problem=f"{told} has no condition that the index was asked for",
            remedy='give it one, such as {raw: "EXPTIME > 100"}',
        )
    if selected.problem:
        return replace(choice, problem=f"{told}: {selected.problem}", remedy=selected.remedy)
    return replace(choice, selected=(*choice.selected, (told, selected)))


def refused_keys(planned: PlannedBlock) -> LeftOut | None:
    """What is said of a block with keys that cannot be followed; None where all can be."""
    extra = planned.block.extra
    if extra.get("offsets") and not planned.recipe.by_hand:
        return LeftOut.of(
            planned.name,
            f"offsets by hand make a list of their own, and {planned.recipe.name} takes none",
            f"move recipes.{planned.name}.offsets to a block exp_align_by_hand",
            where=("recipes", planned.name, "offsets"),
            error=True,
        )
    other = [key for key in SELECTING if extra.get(key)]
    if other and planned.recipe.group_by != "dataset":
        return LeftOut.of(
            planned.name,
            f"{', '.join(other)}: exposures are selected for what combines those of a dataset, "
            f"and {planned.recipe.name} does not",
            f"move it from recipes.{planned.name} to the block that combines, or exclude the "
            "exposures altogether with frames.exclude.OBJECT",
            where=("recipes", planned.name, other[0]),
            error=True,
        )
    return None
