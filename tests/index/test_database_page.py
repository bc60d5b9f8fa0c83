"""docs/database.md tells every table and column, and no other."""

from __future__ import annotations

import re
from pathlib import Path

from musebuild.engine.project import Project
from musebuild.index import qc
from tests.support.projects import MockProject

PAGE = Path(__file__).parent.parent.parent / "docs" / "database.md"


def documented() -> dict[str, list[str]]:
    """Table → columns, as the page has them."""
    found: dict[str, list[str]] = {}
    for section in re.split(r"^## ", PAGE.read_text(encoding="utf-8"), flags=re.MULTILINE)[1:]:
        name = section.split("`")[1]
        found[name] = re.findall(r"^\| `(\w+)` \| \S", section, flags=re.MULTILINE)
    return found


def test_the_page_of_the_database_is_true(project: MockProject) -> None:
    own = Project(project.folder / "settings.yml")
    execute = own.db.conn.execute
    names = [
        name
        for (name,) in execute("SELECT name FROM sqlite_master WHERE type IN ('table', 'view')")
        if not name.startswith("sqlite_")
    ]
    real = {
        name: sorted(row[1] for row in execute(f'PRAGMA table_info("{name}")')) for name in names
    }
    real["qc_CATEGORY"] = sorted(qc.FIXED)
    own.close()
    page = {name: sorted(columns) for name, columns in documented().items()}
    assert page == real, f"document in {PAGE.name} what differs"
