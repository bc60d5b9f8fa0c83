"""Calibrations that the archive delivers, made already: M.MUSE.*, one file for each IFU. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from musebuild.cache.model import Input
from musebuild.index.model import RawFrame
from musebuild.plan.calibrations import choose_made, refused_for
from musebuild.plan.levels import Rule
from musebuild.plan.model import Cause, Refused
from musebuild.plan.planned_task import Candidates, PlannedTask, Setup, setup_of

MASTER = "master"
"""What `frames:` calls them."""
MASTER_LEVEL = 2
"""The lowest level of such a calibration: nobody here made it from raw frames."""


class Masters:
    """Finds what the archive delivers, by the rules for what is made here.

    Parameters
    ----------
    delivered : mapping
        Category → calibrations delivered among the raw frames.
    """

    def __init__(self, delivered: Mapping[str, Sequence[RawFrame]]) -> None:
        self._delivered = delivered
        self._candidates: dict[str, Candidates] = {}

    def find(
        self, rule: Rule, setup: Setup, ifus: Sequence[int | None], ifu: int | None
    ) -> list[Input]:
        """The file that fits best, for each IFU.

        Parameters
        ----------
        rule : Rule
            By which the category is chosen.
        setup : Setup
            Of the frame that needs it.
        ifus : sequence
            IFUs that are wanted; each may have a file of its own.
        ifu : int or None
            Of the invocation; None: it takes all IFUs together.

        Returns
        -------
        list of Input
            Empty where an IFU has none.
        """
        taken: dict[str, Input] = {}
        for one in ifus:
            choice = choose_made(self._of(rule.category), setup, _of_masters(rule), (one,))
            if choice.made is None:
                return []
            path = next(iter(choice.made.by_ifu.values()))
            taken[path] = Input(rule.category, "file", path, ifu=ifu, quality=choice.quality)
        return list(taken.values())

    def missing(self, rule: Rule, setup: Setup, ifus: Sequence[int | None], block: str) -> Cause:
        """What is said where the settings ask for one and none fits; parameters as below."""
        category = rule.category
        told = tuple(one for _, _, one in self.refused(rule, setup, ifus, block, asked=True))
        return Cause(
            "the archive delivered no {category} that fits {of}",
            f"take {category} out of recipes.{block}.frames",
            "category",
            of=setup.night,
            category=category,
            block=block,
            where=("recipes", block, "frames", category),
            refused=told,
        )

    def refused(
        self,
        rule: Rule,
        setup: Setup,
        ifus: Sequence[int | None],
        block: str,
        *,
        asked: bool,
    ) -> list[tuple[int, float, Refused]]:
        """Why the nearest were not taken, as `refused_for` tells it.

        Parameters
        ----------
        rule, setup, ifus
            As of `find`.
        block : str
            What needs it, for the settings.
        asked : bool
            Whether the settings ask for them; else that is why.
        """
        category, candidates, of_masters = rule.category, self._of(rule.category), _of_masters(rule)
        # Of several IFUs the first is told of for which there is none.
        each = ((ifu,) for ifu in ifus)
        none = (one for one in each if choose_made(candidates, setup, of_masters, one).made is None)
        told = refused_for(
            candidates,
            setup,
            of_masters,
            next(none, tuple(ifus[:1])),
            block=block,
            category=category,
        )
        on_request = "was delivered by the archive, and is taken only on request"
        setting = f"recipes.{block}.frames: {{{category}: {MASTER}}}"
        return [
            (
                nights,
                days,
                replace(one, task=one.task.removeprefix(":"))
                if one.reason or asked
                else Refused(one.task.removeprefix(":"), on_request, setting),
            )
            for nights, days, one in told
        ]

    def _of(self, category: str) -> Candidates:
        """Those of a category, each as a task that made it."""
        if category not in self._candidates:
            found = self._candidates[category] = Candidates()
            for frame in self._delivered.get(category, ()):
                held: Sequence[int | None] = frame.channels or (None,)
                by_ifu = dict.fromkeys(held, frame.path)
                found.add(PlannedTask("", frame.filename, setup_of(frame), (category,), by_ifu))
        return self._candidates[category]


def _of_masters(rule: Rule) -> Rule:
    return replace(rule, least=MASTER_LEVEL)
