"""What the plan says of a project, where there are raw frames to plan with."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace

from musebuild.check.bands import check_bands
from musebuild.check.block_checks import below
from musebuild.check.causes import cause_problems
from musebuild.check.exclusion_checks import check_exclusions, frame_rows, task_rows
from musebuild.check.findings import Findings, planned_line
from musebuild.check.frame_checks import check_files, check_frames, check_times
from musebuild.check.unmatched import check_exposures, check_included, check_objects, check_refused
from musebuild.engine.balance import balance_of
from musebuild.engine.project import Project
from musebuild.errors import MusebuildError, UsageError
from musebuild.index.selection import select_exposures
from musebuild.plan.blocks import PlannedBlock
from musebuild.plan.build import make_plan
from musebuild.plan.model import LeftOut, Plan
from musebuild.plan.names import select
from musebuild.recipes.catalogue import recipe_name
from musebuild.recipes.model import Recipe
from musebuild.settings.model import Block, Settings
from musebuild.settings.nearest import nearest
from musebuild.settings.problems import Problem, problem_at


def of_error(
    error: MusebuildError, settings: Settings, *keys: str, severity: str = "error"
) -> Problem:
    """An error as a problem of the settings."""
    what = error.what.removeprefix(f"{'.'.join(keys)}: ")
    told = ": ".join(one for one in (error.where, error.why) if one)
    text = f"{what} ({told})" if told else what
    return problem_at(
        settings,
        keys,
        text,
        remedy=error.remedy or "",
        severity="warning" if severity == "warning" else "error",
    )


def check_plan(
    project: Project,
    settings: Settings,
    catalogue: Mapping[str, Recipe],
    blocks: Collection[PlannedBlock],
    wrong: Collection[str],
    told: Findings,
) -> list[Problem]:
    """What is missing for the blocks that can be planned, and what cannot be read.

    Parameters
    ----------
    project : Project
        Its raw folder is scanned; nothing is run.
    settings : Settings
        The settings, without what has a mistake.
    catalogue : mapping
        Recipes by name.
    blocks : collection of PlannedBlock
        Those that can be planned.
    wrong : collection of str
        Blocks with mistakes, which were told: nothing that follows from them is told again.
    told : Findings
        Gets what was looked at.
    """
    out = below(blocks, wrong, settings, catalogue)
    kept = {
        name: block if name not in out else _switched_off(block, catalogue)
        for name, block in settings.blocks.items()
    }
    known = {name: block for name, block in kept.items() if recipe_name(block, catalogue)}
    rest = replace(settings, blocks=known, targets=None)
    found: list[Problem] = []
    try:
        raw = project.raw
    except MusebuildError as error:
        return [of_error(error, settings, "raw_path")]
    try:
        selections = select_exposures(project.connection, rest)
        gone = project.gone
        frames, files = gone.with_frames(raw), gone.with_files(project.files)
        plan = make_plan(rest, frames, files, catalogue, selections, gone.losses)
    except MusebuildError as error:
        return [of_error(error, settings, "recipes")]
    balance = balance_of(project, rest, plan, blocks)
    told.balances.append(balance)
    told.planned, told.settings = planned_line(plan, frames), settings
    found += check_frames(balance, settings)
    found += check_times(frames)
    if settings.frames_exclude:
        rows = frame_rows(project.connection, settings)
        found += check_exclusions(settings, rows, task_rows(plan, rows))
    found += check_exposures(rest, {frame.name for frame in frames})
    found += check_objects(rest, {one.object_orig for one in frames if one.category == "OBJECT"})
    found += check_included(rest, plan)
    found += check_refused(rest, plan)
    found += cause_problems((one for one in plan.left_out if _block(one) not in out), settings)
    found += check_files(project.scan_report.problems, settings)
    found += [
        problem_at(settings, ["muse_calib_path"], text, severity="warning")
        for text in project.files.problems
    ]
    found += check_bands((one for one in plan.invocations.values() if one.block in known), settings)
    return found + _targets(plan, settings, out, [planned.name for planned in blocks])


def _switched_off(block: Block, catalogue: Mapping[str, Recipe]) -> Block:
    """A block that is not planned; taken out, one of the catalogue would stand in for it."""
    known = bool(recipe_name(block, catalogue))
    return replace(block, enabled=False, recipe=block.recipe if known else None)


def _block(left: LeftOut) -> str:
    return left.name.partition(":")[0]


def _targets(
    plan: Plan, settings: Settings, out: Collection[str], blocks: Iterable[str]
) -> list[Problem]:
    """Every one of `targets` that means nothing."""
    given = settings.tree.get("targets")
    several = isinstance(given, list)
    problems = []
    # Where much is left out, what was meant may have no task just now.
    named = (*blocks, *settings.datasets, *settings.runs, "calib", "science")
    for number, target in enumerate(settings.targets or ()):
        if target.partition(":")[0] in out or (out and target in named):
            continue
        try:
            select(plan, [target])
        except UsageError as error:
            keys = ("targets", number) if several else ("targets",)
            text = error.what if error.why is None else f"{error.what} ({error.why})"
            near = () if error.why else tuple(nearest(target, named))
            problems.append(
                problem_at(settings, keys, text, nearest=near, remedy=error.remedy or "")
            )
    return problems
