"""What two settings differ in, in meaning and not in text."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from musebuild.settings.model import Settings


@dataclass(frozen=True, slots=True)
class Difference:
    """One key that differs; None: one of the two does not have it."""

    key: str
    ours: Any
    theirs: Any

    @property
    def block(self) -> str:
        """The block that it touches; `every block`, or empty where it changes no product."""
        parts = self.key.split(".")
        if parts[0] == "recipes" and len(parts) > 1:
            return "every block" if parts[1] == "common" else parts[1]
        if parts[0] in ("static_calib", "frames", "cpl", "ifus", "datasets"):
            return "every block"
        return ""


def flatten(tree: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """A tree as dotted keys and values; lists are values."""
    found: dict[str, Any] = {}
    for name, value in tree.items():
        key = f"{prefix}{name}"
        if isinstance(value, Mapping) and value:
            found |= flatten(value, f"{key}.")
        elif value is not None:
            found[key] = value
    return found


def resolved(settings: Settings) -> dict[str, Any]:
    """Settings as dotted keys, after substitution, with what is not said at its default."""
    found = flatten(settings.tree)
    found |= {
        "workdir": str(settings.workdir),
        "raw_path": str(settings.raw_path),
        "reduced_path": str(settings.reduced_path),
        "db": str(settings.db),
        "version": settings.version,
        "cache": ", ".join(map(str, settings.cache)),
        "cpl.runner": settings.cpl.runner,
    }
    if settings.muse_calib_path is not None:
        found["muse_calib_path"] = str(settings.muse_calib_path)
    if settings.ifus is not None:
        found["ifus"] = ", ".join(map(str, settings.ifus))
    return found


def differences(ours: Settings, theirs: Settings) -> list[Difference]:
    """Keys in which two settings differ, sorted.

    Parameters
    ----------
    ours, theirs : Settings
        Both resolved: what one says and the other has by default is no difference.
    """
    first, second = resolved(ours), resolved(theirs)
    return [
        Difference(key, first.get(key), second.get(key))
        for key in sorted(first.keys() | second.keys())
        if first.get(key) != second.get(key)
    ]
