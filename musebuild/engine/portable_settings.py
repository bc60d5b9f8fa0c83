"""Settings as they can be kept and compared: wherever the project's folder lies."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from musebuild.cache.keys import plain
from musebuild.settings.model import Settings
from musebuild.settings.resolved import Keys, resolved
from musebuild.settings.secrets import without_secrets

COMPUTES = (
    "recipes",
    "frames",
    "association",
    "static_calib",
    "datasets",
    "runs",
    "ifus",
    "flags",
    "targets",
)
"""Parts of the settings that a product follows from; the others say where and how fast."""


def portable(value: Any, folder: Path) -> Any:
    """Settings with the paths below the project's folder made relative to it."""
    if isinstance(value, Mapping):
        return {str(name): portable(item, folder) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [portable(item, folder) for item in value]
    if isinstance(value, str) and value.startswith(f"{folder}/"):
        return value[len(str(folder)) + 1 :]
    if value == str(folder):
        return "."
    return plain(value)


def portable_settings(settings: Settings) -> dict[Keys, Any]:
    """What settings mean, by keys: defaults filled in, paths portable, passwords left out."""
    return {
        keys: portable(without_secrets(keys[-1], value), settings.folder)
        for keys, value in resolved(settings).items()
    }


def settings_document(settings: Settings) -> str:
    """The same as text, to be kept in the ledger."""
    return json.dumps([[list(k), v] for k, v in portable_settings(settings).items()])


def settings_from(document: str) -> dict[Keys, Any]:
    """What `settings_document` kept."""
    return {tuple(keys): value for keys, value in json.loads(document)}
