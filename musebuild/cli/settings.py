"""`musebuild settings`."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from musebuild.cache.trees import own_tree
from musebuild.check.affected_blocks import meant, touched
from musebuild.cli.base import ProjectCommand
from musebuild.engine.project import Project
from musebuild.errors import PlanError, UsageError
from musebuild.index.database import own_path
from musebuild.plan.blocks import PlannedBlock, meaning_in, plan_blocks
from musebuild.settings.diff import Difference, differences
from musebuild.settings.model import Settings
from musebuild.settings.resolved import Value, explained


class SettingsCommand(ProjectCommand):
    """Show the settings as they are understood."""

    name = "settings"
    doc_purpose = "the settings after substitution, and where each value comes from"
    doc_usage = ""
    doc_description = None
    cmd_options = (
        {
            "name": "diff",
            "long": "diff",
            "type": str,
            "default": "",
            "metavar": "OTHER",
            "help": "what differs from another settings file in meaning, and which blocks that "
            "touches",
        },
        {
            "name": "format",
            "long": "format",
            "type": str,
            "default": "text",
            "metavar": "text|json",
            "help": "for people, or for machines",
        },
    )

    def run(self, params: Any, args: list[str]) -> int:
        """Print the settings, or a difference."""
        self.no_arguments(args)
        if params["format"] not in ("text", "json"):
            raise UsageError(
                f"--format {params['format']} is not known", remedy="--format text or json"
            )
        machine = params["format"] == "json"
        project = self.project(params)
        if params["diff"]:
            other = Project(Path(params["diff"]).expanduser().absolute(), project.overrides)
            ours, theirs = _blocks(project), _blocks(other)
            meaning = meaning_in({**other.catalogue, **project.catalogue})
            found = differences(project.settings, other.settings, meaning)
            found = meant(found, ours, theirs)
            names = touched(found, (project.settings, ours), (other.settings, theirs))
            _tell(_diff_document(found, names) if machine else _diff_lines(found, names))
            return 0
        values = [_as_used(v, project.settings) for v in explained(project.settings)]
        values += _of_recipes(project)
        if machine:
            _tell([{"key": v.key, "value": v.value, "source": v.origin} for v in values])
        else:
            width = max(len(value.key) for value in values)
            _tell(f"{v.key:<{width}} = {_text(v.value)}   ({v.origin})" for v in values)
        return 0


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
        return ["They mean the same."]
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
