"""The rooms: imports go down the list of docs/architecture.md only, and the plan is pure."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "musebuild"
ROOMS = (
    "cli",
    "report",
    "check",
    "explain",
    "engine",
    "workers",
    "archive",
    "simulation",
    "plan",
    "recipes",
    "cache",
    "index",
    "fits",
    "settings",
    "errors",
)
EFFECTS = {"os", "subprocess", "sqlite3", "sqlite_utils", "shutil", "socket", "astropy", "io"}
"""Modules through which a pure room could touch files, processes or a database."""


def imports_of(path: Path) -> set[str]:
    """Modules that a source file imports, as absolute dotted names."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found.add(node.module)
    return found


def room_of(module: str) -> str | None:
    """The room that a dotted module name lies in."""
    parts = module.split(".")
    return parts[1] if parts[0] == "musebuild" and len(parts) > 1 else None


SOURCES = sorted(PACKAGE.rglob("*.py"))


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_go_down_only(path: Path) -> None:
    own = path.relative_to(PACKAGE).parts[0].removesuffix(".py")
    if own not in ROOMS:
        assert own == "__init__", f"{path} lies in no room"
        return
    level = ROOMS.index(own)
    upward = {
        module
        for module in imports_of(path)
        if (room := room_of(module)) is not None and ROOMS.index(room) < level
    }
    assert not upward, f"{path} imports from rooms above its own: {sorted(upward)}"


@pytest.mark.parametrize("path", sorted((PACKAGE / "plan").glob("*.py")), ids=lambda p: p.name)
def test_the_plan_touches_nothing(path: Path) -> None:
    touched = {module for module in imports_of(path) if module.split(".")[0] in EFFECTS}
    assert not touched, f"{path} can touch the world through {sorted(touched)}"
