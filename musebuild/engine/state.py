"""doit's own memory, kept in memory only: the ledger is what remembers."""

from __future__ import annotations

from typing import Any

from doit.dependency import Dependency


class MemoryBackend:
    """A backend of doit that forgets everything at the end."""

    def __init__(self, name: str, codec: Any, *, module_name: str | None = None) -> None:
        self.name = name
        self._rows: dict[str, dict[str, Any]] = {}

    def get(self, task_id: str, dependency: str) -> Any:
        """Value of a task's entry; None where there is none."""
        return self._rows.get(task_id, {}).get(dependency)

    def set(self, task_id: str, dependency: str, value: Any) -> None:
        """Set an entry of a task."""
        self._rows.setdefault(task_id, {})[dependency] = value

    def in_(self, task_id: str) -> bool:
        """Whether anything is known of a task."""
        return task_id in self._rows

    def remove(self, task_id: str) -> None:
        """Forget a task."""
        self._rows.pop(task_id, None)

    def remove_all(self) -> None:
        """Forget all tasks."""
        self._rows.clear()

    def dump(self) -> None:
        """Nothing to write."""


def memory_dependency() -> Dependency:
    """A dependency manager for doit that touches no file."""
    return Dependency(MemoryBackend, ":memory:")
