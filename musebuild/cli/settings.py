"""`musebuild settings`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from musebuild.cli.base import ProjectCommand
from musebuild.settings.diff import differences, resolved
from musebuild.settings.load import load_settings


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
    )

    def run(self, params: Any, args: list[str]) -> int:
        """Print the settings, or a difference."""
        self.no_arguments(args)
        settings = self.project(params).settings
        if not params["diff"]:
            values = resolved(settings)
            width = max(map(len, values))
            for key, value in values.items():
                keys = tuple(key.split("."))
                place = settings.positions.get(keys)
                origin = f"{Path(place.file).name}:{place.line}" if place else "default"
                sys.stdout.write(f"{key:<{width}} = {value}   ({origin})\n")
            return 0
        other = load_settings(Path(params["diff"]).expanduser())
        found = differences(settings, other)
        for one in found:
            sys.stdout.write(f"{one.key}: {_text(one.ours)} here, {_text(one.theirs)} there\n")
        touched = sorted({one.block for one in found} - {""})
        if not found:
            sys.stdout.write("They mean the same.\n")
        elif touched:
            sys.stdout.write(f"This touches {', '.join(touched)}.\n")
        else:
            sys.stdout.write("This changes no product.\n")
        return 0


def _text(value: Any) -> str:
    return "not set" if value is None else str(value)
