"""What blocks name and what is not there: exposures of selections, calibrations to be included."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from musebuild.check.exclusion_checks import MANY
from musebuild.check.name_checks import conditions_of, each
from musebuild.plan.levels import WORST_TAKEN
from musebuild.plan.model import Plan
from musebuild.settings.model import Settings
from musebuild.settings.nodes import Keys
from musebuild.settings.problems import Problem, problem_at, unknown_at

SHOWN = 2
"""Tasks that one message names."""
NAMED_BY = ("name", "exposure")
"""Columns of tables that name exposures."""


def check_exposures(settings: Settings, exposures: Collection[str]) -> list[Problem]:
    """Exposures that selections name and that there are not.

    Parameters
    ----------
    settings : Settings
        The settings.
    exposures : collection of str
        Names of all frames.
    """
    problems = []
    for keys, _, condition in conditions_of(settings):
        if keys[0] == "frames" or not isinstance(condition, dict):
            continue
        for column in NAMED_BY:
            for at, name in each(condition.get(column), (*keys, column)):
                if str(name) not in exposures:
                    problems.append(_unknown(settings, at, name, exposures))
    return problems


def _unknown(settings: Settings, keys: Keys, name: Any, exposures: Collection[str]) -> Problem:
    near = [one for one in exposures if one[:10] == str(name)[:10]] or list(exposures)
    return unknown_at(
        settings,
        keys,
        f"there is no exposure {name}: it selects nothing",
        str(name),
        near[:MANY],
        severity="warning",
        allowed="",
        remedy="`musebuild info --exposures` lists them",
    )


def check_objects(settings: Settings, objects: Collection[str]) -> list[Problem]:
    """OBJECT names of datasets that no exposure has, where others of the dataset are there.

    Parameters
    ----------
    settings : Settings
        The settings.
    objects : collection of str
        OBJECT of all science exposures.
    """
    return [
        unknown_at(
            settings,
            ("datasets", dataset.name, "OBJECT"),
            f"no exposure has OBJECT {name}",
            name,
            sorted(set(objects) - {*dataset.objects}),
            severity="warning",
            allowed="",
        )
        for dataset in settings.datasets.values()
        if not set(objects).isdisjoint(dataset.objects)
        for name in dataset.objects
        if name not in objects
    ]


def check_refused(settings: Settings, plan: Plan) -> list[Problem]:
    """What tasks do without, since all that there is is of a worse level than is taken: one line.

    What a task cannot do without is told of by itself.
    """
    names = {
        one.task: one.name
        for one in plan.invocations.values()
        if any(WORST_TAKEN in note for note in one.notes)
    }
    if not names:
        return []
    shown = ", ".join([*names][:SHOWN]) + (", …" if len(names) > SHOWN else "")
    return [
        problem_at(
            settings,
            ("association", "worst"),
            f"of {shown} a calibration is left out, since its level is worse",
            severity="warning",
            remedy=f"`musebuild info {next(iter(names.values()))}` tells which, and what takes it",
        )
    ]


def check_included(settings: Settings, plan: Plan) -> list[Problem]:
    """Categories that `frames.include` of a block asks for, and that none of its tasks takes."""
    taken: dict[str, set[str]] = {}
    notes: dict[str, dict[str, None]] = {}
    for one in plan.invocations.values():
        if one.block in settings.blocks and settings.blocks[one.block].frames.include:
            taken.setdefault(one.block, set()).update(wanted.tag for wanted in one.inputs)
            notes.setdefault(one.block, {}).update(dict.fromkeys(one.notes))
    problems = []
    for block, tags in taken.items():
        for category in sorted(settings.blocks[block].frames.include - tags):
            # What its recipe never takes is told of by itself.
            why = next((note for note in notes[block] if note.startswith(f"no {category} ")), "")
            if why:
                keys = ("recipes", block, "frames", "include")
                text = f"no task of {block} takes a {category}: {why}"
                problems.append(problem_at(settings, keys, text, severity="warning"))
    return problems
