"""Everything that can be said against a project before it runs."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from itertools import chain
from pathlib import Path

from musebuild.check.archive_filter import check_archive_filters
from musebuild.check.bands import check_bands
from musebuild.check.block_checks import check_blocks, products_of_paths
from musebuild.check.causes import CauseProblem
from musebuild.check.findings import Findings
from musebuild.check.name_checks import (
    check_categories,
    check_excluded,
    check_flags,
    check_selections,
    check_static,
    check_targets,
)
from musebuild.check.parameter_checks import check_parameters, check_python, read_parameters
from musebuild.check.path_checks import check_dates, check_paths
from musebuild.check.plan_checks import check_plan, of_error
from musebuild.engine.project import Project
from musebuild.errors import MusebuildError, RecipeError
from musebuild.index.vanished import used_below
from musebuild.plan.blocks import PlannedBlock, plan_blocks
from musebuild.plan.model import Invocation
from musebuild.recipes.catalogue import load_catalogue
from musebuild.recipes.declare import complete
from musebuild.recipes.drs import find_drs, usual_places
from musebuild.recipes.model import Recipe
from musebuild.recipes.source import load_function
from musebuild.settings.included import own_configuration, trusted_folders
from musebuild.settings.model import Settings
from musebuild.settings.problems import Problem, SettingsProblems, ordered, problem_at
from musebuild.settings.resolved import flatten
from musebuild.settings.secrets import has_login, is_secret

APART = frozenset({"cpl", "cache", "resources", "retrieve_data", "loglevel", "revision"})
"""Keys of the settings that no plan follows from."""
_PLACES = (("db",), ("workdir",), ("reduced_path",), ("cache",))
"""Without these nothing can be looked at."""


def check_project(project: Project, found: Findings | None = None) -> list[Problem]:
    """All errors and warnings, in the order of the settings file.

    Parameters
    ----------
    project : Project
        Nothing of it needs to exist besides the settings file; nothing is run, and only headers
        are read.
    found : Findings, optional
        Gets what was looked at, and what was not checked.
    """
    found = Findings() if found is None else found
    told: list[Problem] = []
    try:
        settings = project.settings
    except SettingsProblems as error:
        told += error.problems
        if error.sound is None:
            return told
        rest = project.with_settings(error.sound)
        try:
            return _further(rest, error.sound, told, found)
        finally:
            rest.close()
    return _further(project, settings, told, found)


def _further(
    project: Project, settings: Settings, told: list[Problem], found: Findings
) -> list[Problem]:
    """All that is wrong, with what the schema told."""
    wrong = {str(p.keys[1]) for p in told if p.keys[:1] == ("recipes",) and len(p.keys) > 1}
    catalogue, blocks, more = _of_settings(project, settings, wrong, found)
    places = any(p.severity == "error" and p.keys[:1] in _PLACES for p in more)
    if blocks and settings.raw_path.is_dir() and not places and all(map(_apart, told)):
        more += check_plan(project, settings, catalogue, blocks, wrong, found)
    else:
        lacks = "raw_path is no folder" if not settings.raw_path.is_dir() else "mistakes above"
        found.unchecked.append(f"raw frames, and the calibrations that they need ({lacks})")
    if not settings.raw_path.exists() and not places and project.database_path.exists():
        lost = used_below(project.connection, str(settings.raw_path))
        if lost:
            more = [_lost(p, lost) if p.keys == ("raw_path",) else p for p in more]
    # What the schema says of a password is said of it already.
    known = {problem.keys for problem in told}
    more += [p for p in check_secrets(settings) if p.keys not in known]
    stopping = [one for one in more if isinstance(one, CauseProblem)]
    # A place that a cause tells of, with all that it stops, is not told of once more.
    places_told = {keys for one in stopping for keys in one.cause.where}
    rest = [one for one in more if not isinstance(one, CauseProblem)]
    of_paths = {"muse_calib_path", "static_calib", "frames"}
    # A file there that cannot be read is why, and the cause does not know of it.
    rest = [
        p
        for p in rest
        if p.keys not in places_told or of_paths.isdisjoint(p.keys) or p.severity == "warning"
    ]
    return [*ordered([*told, *rest]), *stopping]


def _lost(problem: Problem, number: int) -> Problem:
    """That the raw folder is not there, where builds have used frames of it."""
    return replace(
        problem,
        message=f"{problem.message}, and builds used {number} frame{'s' * (number != 1)} of it",
        severity="error",
        remedy="mount its disk, or correct raw_path",
    )


def _apart(problem: Problem) -> bool:
    """Whether a mistake spoils nothing of the plan besides its block."""
    top, *below = problem.keys or ("",)
    return top in APART or (top == "recipes" and bool(below) and below[0] != "common")


def _of_settings(
    project: Project, settings: Settings, wrong: set[str], found: Findings
) -> tuple[Mapping[str, Recipe], list[PlannedBlock], list[Problem]]:
    """Recipes, blocks that can be planned, and what the settings alone tell.

    Blocks with mistakes are added to `wrong`.
    """
    problems: list[Problem] = []
    blocks: list[PlannedBlock] = []
    mistakes: list[tuple[str, RecipeError]] = []
    catalogue = complete(load_catalogue(), settings, mistakes)
    for name, error in mistakes:
        keys = ("recipes", name, "recipe" if settings.blocks[name].recipe else "declare")
        problems.append(of_error(error, settings, *keys))
    wrong.update(name for name, _ in mistakes)
    blocks, mistaken = check_blocks(settings, catalogue, wrong)
    problems += mistaken
    wrong.update(str(p.keys[1]) for p in mistaken if len(p.keys) > 1)
    categories = check_categories(blocks, settings, catalogue)
    # A frame that the recipe does not take spoils the plan of its block; the others do not.
    wrong.update(
        str(p.keys[1]) for p in categories if p.keys[3] not in ("exclude", "include", "offsets")
    )
    problems += categories
    problems += check_static(settings, catalogue)
    problems += check_excluded(settings, catalogue)
    problems += check_python(blocks, settings)
    problems += _of_pipeline(project, blocks, found)
    problems += check_paths(settings, products_of_paths(settings, blocks))
    if not settings.raw_path.is_dir():
        problems += check_targets(settings, {planned.name for planned in blocks})
    chosen = [*check_flags(settings), *check_selections(settings, catalogue)]
    wrong.update(str(p.keys[1]) for p in chosen if p.keys[0] == "recipes" and p.severity == "error")
    problems += chosen
    problems += check_archive_filters(settings)
    problems += check_dates(settings)
    return catalogue, blocks, problems


def refuse_mistakes(
    project: Project, invocations: Collection[Invocation], more: Collection[str] = ()
) -> None:
    """Refuse blocks with mistakes before their first recipe runs.

    A slip in the last step would otherwise show after hours, or never.

    Parameters
    ----------
    project : Project
        With settings that can be planned.
    invocations : collection of Invocation
        Those that shall run.
    more : collection of str
        Blocks of which some may be found to run later.

    Raises
    ------
    SettingsProblems
        All mistakes.
    """
    settings = project.settings
    names = {invocation.block for invocation in invocations} | set(more)
    blocks, _ = plan_blocks(settings, project.catalogue)
    chosen = [planned for planned in blocks if planned.name in names]
    problems = check_categories(chosen, settings, project.catalogue)
    problems += check_python(chosen, settings)
    problems += _of_code(chosen, settings)
    problems += check_bands(invocations, settings)
    if any(p.block.params and p.recipe.kind == "drs" for p in chosen):
        # Without python-cpl the pipeline itself checks them.
        problems += _of_pipeline(project, chosen)
    problems += [
        problem
        for problem in (
            *check_static(settings, project.catalogue),
            *check_excluded(settings, project.catalogue),
            *check_flags(settings),
            *check_selections(settings, project.catalogue),
        )
        if problem.keys[0] != "recipes" or problem.keys[1] in names
    ]
    errors = [problem for problem in problems if problem.severity == "error"]
    if errors:
        raise SettingsProblems(errors)


def _of_code(blocks: Iterable[PlannedBlock], settings: Settings) -> list[Problem]:
    """Recipes of one's own that cannot be imported: a build executes them, a look never does."""
    problems = []
    for planned in blocks:
        recipe = planned.recipe
        if recipe.kind == "python" and recipe.asked:
            try:
                load_function(recipe.plugin, recipe.location)
            except RecipeError as error:
                problems.append(of_error(error, settings, "recipes", planned.name, "recipe"))
    return problems


def _of_pipeline(
    project: Project, blocks: Iterable[PlannedBlock], found: Findings | None = None
) -> list[Problem]:
    """Parameters against those of the pipeline, where one is installed.

    A look, which tells what it found, loads no pipeline that only the settings name: libraries run
    code as they are loaded.
    """
    settings = project.settings
    look, found = found is not None, found or Findings()
    problems: list[Problem] = []
    try:
        drs = project.drs
    except MusebuildError as error:
        # It is needed only when something runs; a settings file can be written before.
        keys = ("cpl", "recipe_path") if settings.cpl.recipe_path else ("cpl",)
        problems.append(of_error(error, settings, *keys, severity="warning"))
        try:
            drs = find_drs(None, None)
        except MusebuildError:
            found.unchecked.append(f"parameters of recipes ({error.what})")
            return problems
        found.unchecked.append(
            f"parameters of recipes against the pipeline of the settings; they were against "
            f"{drs.version or 'one of unknown version'} in {drs.path}"
        )
    if not drs.path:
        # The runner of tests, which takes any.
        return problems
    try:
        if look and not _is_trusted(drs.path, settings):
            found.unchecked.append(
                "parameters of recipes against cpl.recipe_path: a look loads no pipeline that only "
                f"the settings name; a build does (trusted: [{drs.path}] in "
                f"{own_configuration(os.environ)} has a look load it, too)"
            )
            return problems
        known = read_parameters(drs.path, [planned.recipe.plugin for planned in blocks])
    except MusebuildError as error:
        found.unchecked.append(f"parameters of recipes ({error.what})")
        return [*problems, of_error(error, settings, "cpl", severity="warning")]
    return problems + check_parameters(blocks, known, settings)


def _is_trusted(path: str, settings: Settings) -> bool:
    """Whether a pipeline lies where the system or the person has it."""
    if settings.cpl.recipe_path is None:
        return True
    usual = (place.resolve() for place in usual_places(os.environ))
    trusted = chain(usual, trusted_folders(os.environ))
    return any(Path(path).resolve().is_relative_to(folder) for folder in trusted)


def check_secrets(settings: Settings) -> list[Problem]:
    """Values that look like passwords, without showing them.

    Parameters
    ----------
    settings : Settings
        The settings; what comes from the environment or the command line is no matter.
    """
    problems = []
    for keys, value in flatten(settings.tree):
        address = has_login(value)
        if not (address or is_secret(keys[-1])) or value in ("", False, True):
            continue
        if not settings.where(*keys).in_file:
            continue
        problems.append(
            problem_at(
                settings,
                keys,
                "an address with a password" if address else "a password in the settings file",
                of_key=True,
                severity="warning",
                remedy="take it out, and change it if others have seen the file",
            )
        )
    return problems
