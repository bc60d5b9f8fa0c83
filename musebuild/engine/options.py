"""What the command line says about a build."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class BuildOptions:
    """What the command line says about a build."""

    workers: int = 0
    """Recipes side by side; 0: as many as there are cores."""
    always: bool = False
    single: bool = False
    keep_going: bool = False
    keep_failed: bool = False
    command: str = ""
