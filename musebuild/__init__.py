"""musebuild: make for VLT/MUSE data reduction."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from musebuild.report.api import ProjectTables as Project

__all__ = ["Project", "__version__"]

__version__ = "0.1.0"


def __getattr__(name: str) -> Any:
    """The Python API, loaded when it is used: commands start the faster without it."""
    if name == "Project":
        from musebuild.report.api import ProjectTables

        return ProjectTables
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
