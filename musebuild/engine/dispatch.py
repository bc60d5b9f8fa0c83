"""doit's dispatcher, given more tasks while it hands them out."""

from __future__ import annotations

from collections.abc import Iterable

from doit.control import TaskDispatcher
from doit.task import Task


class GrowingDispatcher(TaskDispatcher):  # type: ignore[misc]
    """Hands out tasks when those that they depend on have ended.

    While more may come it never ends: as long as nothing can be handed out it says "hold on".
    """

    def __init__(self) -> None:
        super().__init__({}, {}, [])
        # doit holds on while anything waits.
        self._more = object()
        self.waiting.add(self._more)

    def add(self, tasks: Iterable[Task]) -> None:
        """Take tasks in; those that they depend on are known already, or among them."""
        for task in tasks:
            self.tasks[task.name] = task
            self.ready.append(self._gen_node(None, task.name))

    def complete(self) -> None:
        """No more tasks come."""
        self.waiting.discard(self._more)
