"""`musebuild settings`."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Mapping
from dataclasses import replace
from importlib import resources
from pathlib import Path
from typing import Any

import click

from musebuild.cache.trees import own_tree
from musebuild.check.affected_blocks import meant, touched
from musebuild.cli.command import Command, Group
from musebuild.cli.opening import Place, at_place, on_project
from musebuild.cli.options import TEXT_OR_JSON, Argument, format_option
from musebuild.engine.project import Project
from musebuild.errors import PlanError
from musebuild.index.database import own_path
from musebuild.plan.blocks import PlannedBlock, meaning_in, plan_blocks
from musebuild.settings.differences import Difference, differences
from musebuild.settings.model import Settings
from musebuild.settings.resolved import Value, with_origins

settings_format = format_option("For people, or for machines.", TEXT_OR_JSON)


@click.group(cls=Group, default="show", formerly={"--diff": "diff"})
def settings() -> None:
    """The settings in full, and where each value comes from."""


@settings.command("show", cls=Command, example="musebuild settings show --set version=2")
@settings_format
@on_project
def show_settings(project: Project, form: str) -> None:
    """Every value, and where it comes from.

    File and line, --set, an environment variable, the default of the settings or of the recipe.
    Passwords are not shown.
    """
    values = [_as_used(v, project.settings) for v in with_origins(project.settings)]
    values += _of_recipes(project)
    if form == "json":
        _tell([{"key": v.key, "value": v.value, "source": v.origin} for v in values])
    else:
        width = max(len(value.key) for value in values)
        _tell(f"{v.key:<{width}} = {_text(v.value)}   ({v.origin})" for v in values)


@settings.command(
    "diff", cls=Command, example="musebuild settings diff other.yml", takes="one settings file"
)
@click.argument(
    "other", cls=Argument, what="another settings file", type=click.Path(path_type=Path)
)
@settings_format
@at_place
def diff_settings(place: Place, other: Path, form: str) -> None:
    """What differs from another settings file in meaning, and which blocks that touches.

    Order, comments and spelling are no differences.
    """
    project = place.open()
    theirs_project = Project(other.expanduser().absolute(), project.overrides)
    ours, theirs = _blocks(project), _blocks(theirs_project)
    meaning = meaning_in({**theirs_project.catalogue, **project.catalogue})
    found = differences(project.settings, theirs_project.settings, meaning)
    found = meant(found, ours, theirs)
    names = touched(found, (project.settings, ours), (theirs_project.settings, theirs))
    _tell(_diff_document(found, names) if form == "json" else _diff_lines(found, names))


@settings.command("schema", cls=Command, example="musebuild settings schema > settings.schema.json")
def schema() -> None:
    """The JSON schema of settings files, for editors and other programs."""
    package = resources.files("musebuild")
    sys.stdout.write(package.joinpath("schemas", "settings.schema.json").read_text("utf-8"))


def _as_used(value: Value, settings: Settings) -> Value:
    """The database and the reduced tree that are used, where others made what is named."""
    if value.keys == ("db",):
        named, used = settings.db, own_path(settings.db)
    elif value.keys == ("reduced_path",):
        named, used = settings.reduced_path, own_tree(settings.reduced_path)
    else:
        return value
    if used == named:
        return value
    origin = f"{value.origin} names {named.name}, which is not musebuild's"
    return replace(value, value=str(used), origin=origin)


def _blocks(project: Project) -> list[PlannedBlock]:
    """Blocks with their recipes; none where they cannot be planned (`check` says why)."""
    try:
        return plan_blocks(project.settings, project.catalogue)[0]
    except PlanError:
        return []


def _of_recipes(project: Project) -> list[Value]:
    """Parameters that the settings leave at the defaults of musebuild's recipes."""
    return [
        Value(("recipes", planned.name, "params", name), value, "default of the recipe")
        for planned in _blocks(project)
        for name, value in planned.params.items()
        if planned.declared and name not in planned.block.params
    ]


def _diff_lines(found: list[Difference], names: Mapping[str, str]) -> list[str]:
    if not found:
        return ["No difference."]
    lines = []
    for one in found:
        ours, theirs = one.shown
        lines.append(f"{one.key}: {_text(ours)} here, {_text(theirs)} there")
    itself = [name for name, how in names.items() if how == "itself"]
    below = [name for name, how in names.items() if how == "below"]
    lines.append(f"This touches {', '.join(itself)}." if itself else "This changes no product.")
    if below:
        lines.append(f"Below that, as far as products change: {', '.join(below)}.")
    return lines


def _diff_document(found: list[Difference], names: Mapping[str, str]) -> dict[str, Any]:
    return {
        "differences": [
            {"key": one.key, "here": one.shown[0], "there": one.shown[1]} for one in found
        ],
        "touched": [name for name, how in names.items() if how == "itself"],
        "below": [name for name, how in names.items() if how == "below"],
    }


def _tell(what: Iterable[Any]) -> None:
    """Lines for people; any other document as JSON."""
    parts = what if isinstance(what, dict) else list(what)
    if isinstance(parts, list) and all(isinstance(part, str) for part in parts):
        sys.stdout.write("".join(f"{line}\n" for line in parts))
    else:
        json.dump(parts, sys.stdout, indent=1, ensure_ascii=False)
        sys.stdout.write("\n")


def _text(value: Any) -> str:
    if value is None:
        return "not set"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list):
        return ", ".join(map(_text, value)) if value else "none"
    return str(value)
