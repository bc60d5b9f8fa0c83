"""Everything that can be said against a project before it runs."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from musebuild.check.parameters import check_parameters, check_python, read_parameters
from musebuild.engine.project import Project
from musebuild.errors import MusebuildError
from musebuild.plan.blocks import PlannedBlock, plan_blocks
from musebuild.settings.model import Settings
from musebuild.settings.nearest import nearest
from musebuild.settings.problems import Problem, SettingsProblems, ordered


def check_categories(blocks: Iterable[PlannedBlock], settings: Settings) -> list[Problem]:
    """Categories under `frames` that a block's recipe does not know.

    Parameters
    ----------
    blocks : iterable of PlannedBlock
        Blocks with their recipes.
    settings : Settings
        Where each stands.
    """
    problems = []
    for planned in blocks:
        recipe, frames = planned.recipe, planned.block.frames
        known = {need.category for need in recipe.needs} | set(recipe.takes) | set(recipe.raw)
        known |= set(recipe.takes.values())
        if not known:
            continue
        for key, categories in (
            ("exclude", frames.exclude),
            ("include", frames.include),
            ("offsets", frames.offsets),
        ):
            for category in sorted(set(categories) - known):
                keys = ("recipes", planned.name, "frames", key)
                problems.append(
                    Problem(
                        f"{'.'.join(keys)}: {recipe.name} takes no {category}",
                        settings.where(*keys),
                        nearest=tuple(nearest(category, known)),
                        allowed=", ".join(sorted(known)),
                        keys=keys,
                    )
                )
    return problems


def _warn(message: str, settings: Settings, *keys: str, remedy: str = "") -> Problem:
    return Problem(message, settings.where(*keys), remedy=remedy, severity="warning", keys=keys)


def check_paths(settings: Settings) -> list[Problem]:
    """Paths that do not exist; only warnings, since they may come before they are needed."""
    found = []
    for key, path in (
        ("raw_path", settings.raw_path),
        ("muse_calib_path", settings.muse_calib_path),
    ):
        if path is not None and not path.is_dir():
            found.append(_warn(f"{key}: {path} does not exist", settings, key))
    return found


def _of(error: MusebuildError, settings: Settings, *keys: str) -> Problem:
    """An error as a problem of the settings."""
    text = error.what if error.why is None else f"{error.what} ({error.why})"
    return Problem(text, settings.where(*keys), remedy=error.remedy or "", keys=keys)


def check_project(project: Project) -> list[Problem]:
    """All errors and warnings, in the order of the settings file.

    Parameters
    ----------
    project : Project
        Nothing of it needs to exist besides the settings file; nothing is run, and only headers
        are read.
    """
    try:
        settings = project.settings
    except SettingsProblems as error:
        return list(error.problems)
    problems: list[Problem] = check_paths(settings)
    try:
        blocks, _ = plan_blocks(settings, project.catalogue)
    except MusebuildError as error:
        return ordered([*problems, _of(error, settings, "recipes")])
    problems += check_categories(blocks, settings)
    problems += check_python(blocks, settings)
    try:
        drs: Any = project.drs
        if drs.path:
            plugins = [planned.recipe.plugin for planned in blocks]
            known = read_parameters(drs.path, plugins)
            problems += check_parameters(blocks, known, settings)
    except MusebuildError as error:
        problems.append(_of(error, settings, "cpl"))
    if settings.raw_path.is_dir():
        problems += _of_plan(project, settings)
    return ordered(problems)


def _of_plan(project: Project, settings: Settings) -> list[Problem]:
    """What the plan says, where there are raw frames to plan with."""
    try:
        plan = project.plan
    except MusebuildError as error:
        return [_of(error, settings, "recipes")]
    found = [
        Problem(
            f"{left.name}: {left.reason}",
            settings.where("recipes", left.name.partition(":")[0]),
            remedy=left.remedy,
            severity="error" if left.error else "warning",
        )
        for left in plan.left_out
    ]
    found += [_warn(str(bad), settings, "raw_path") for bad in project.scan_report.problems]
    found += [_warn(text, settings, "muse_calib_path") for text in project.files.problems]
    return found
