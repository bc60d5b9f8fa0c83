"""What a build would run, with each set of frames: to check the tool against the pipeline."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from musebuild.engine.project import Project
from musebuild.engine.resolve import Resolution, State, products_for
from musebuild.errors import UsageError
from musebuild.plan.model import Invocation, Plan
from musebuild.recipes.esorex import arguments
from musebuild.recipes.pyrun import by_hand
from musebuild.report.listing import reason_of
from musebuild.settings.path_names import NAME, cut, plain_part


@dataclass(frozen=True, slots=True)
class SofLine:
    """A line of a set of frames."""

    tag: str
    path: str
    """Empty: the product is not made yet."""
    source: str = ""
    """What makes it."""


def sof_lines(
    invocation: Invocation, resolutions: Mapping[str, Resolution], plan: Plan, reduced: Path
) -> list[SofLine]:
    """The set of frames of an invocation; products by their place in the reduced tree."""
    frames = []
    own = resolutions.get(invocation.name)
    dropped = own.dropped if own is not None else frozenset()
    for wanted in invocation.inputs:
        if wanted.invocation in dropped:
            continue
        if wanted.kind != "product":
            frames.append(SofLine(wanted.tag, wanted.path))
            continue
        upstream = resolutions.get(wanted.invocation)
        manifest = upstream.manifest if upstream is not None else None
        if manifest is None:
            frames.append(SofLine(wanted.tag, "", wanted.invocation))
            continue
        folder = reduced / plan.invocations[wanted.invocation].folder
        frames += [
            SofLine(wanted.tag, str(folder / product.name), wanted.invocation)
            for product in products_for(wanted, manifest)
        ]
    return frames


def sof_text(frames: list[SofLine]) -> str:
    """A set-of-frames file; what is not made yet is a comment."""
    return "".join(
        f"{frame.path} {frame.tag}\n" if frame.path else f"# {frame.tag} of {frame.source}\n"
        for frame in frames
    )


def dry_run_text(names: list[str], resolutions: Mapping[str, Resolution], project: Project) -> str:
    """What would run or be restored, in order, with each set of frames."""
    plan = project.plan
    lines = []
    for number, name in enumerate(names, 1):
        resolution = resolutions[name]
        invocation = plan.invocations[name]
        what = "restore" if resolution.state is State.RESTORE else "run"
        reason = f"  ({reason_of(resolution)})" if resolution.reason else ""
        lines.append(f"{number}. {what} {name}{reason}")
        if resolution.state is State.RESTORE:
            continue
        params = " ".join(f"--{key}={value}" for key, value in invocation.params.items())
        lines.append(f"     {project.catalogue[invocation.recipe].plugin} {params}".rstrip())
        lines += [
            f"     {frame.tag:<16} {frame.path or 'from ' + frame.source}"
            for frame in sof_lines(invocation, resolutions, plan, project.reduced)
        ]
    return "\n".join(lines) + "\n" if lines else "Nothing would run.\n"


def write_sofs(
    folder: Path, names: list[str], resolutions: Mapping[str, Resolution], project: Project
) -> list[Path]:
    """Write a set of frames and a script with the esorex command for each invocation.

    Parameters
    ----------
    folder : Path
        Made if missing.
    names : list of str
        Invocations, in order.
    resolutions : mapping
        State of each, and of what they need.
    project : Project
        The project.

    Raises
    ------
    UsageError
        The folder cannot be written.
    """
    written = []
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for number, name in enumerate(names, 1):
            invocation = project.plan.invocations[name]
            stem = cut(f"{number:03d}-{plain_part(name)}", NAME - len(".sof"))
            frames = sof_lines(invocation, resolutions, project.plan, project.reduced)
            sof = folder / f"{stem}.sof"
            sof.write_text(sof_text(frames), encoding="utf-8")
            script = folder / f"{stem}.sh"
            script.write_text(_script(invocation, sof, project, frames), encoding="utf-8")
            script.chmod(0o755)
            written += [sof, script]
    except OSError as error:
        raise UsageError(
            f"the sets of frames cannot be written to {folder}",
            why=error.strerror,
            remedy="name a folder that you can write",
        ) from None
    return written


def _script(invocation: Invocation, sof: Path, project: Project, frames: list[SofLine]) -> str:
    params: dict[str, Any] = dict(invocation.params)
    recipe = project.catalogue[invocation.recipe]
    if recipe.kind == "python":
        made = list(invocation.products)
        command = by_hand(recipe.plugin, params, sof.name, made, recipe.location)
    else:
        command = arguments(recipe.plugin, params, sof.name, recipe_path=project.drs.path)
    text = f'#!/bin/sh\n# {invocation.name}\ncd "$(dirname "$0")" || exit 1\n'
    if any(not frame.path for frame in frames):
        text += "# Some of its frames are not made yet: see the comments in the set of frames.\n"
    return text + shlex.join(command) + "\n"
