"""Where recipes run: an interface, behind which are processes, a cluster, or anything else."""

from __future__ import annotations

from typing import Protocol

from musebuild.workers.orders import WorkOrder, WorkResult


class Executor(Protocol):
    """Carries out work orders."""

    def submit(self, order: WorkOrder) -> None:
        """Start an order; returns at once."""
        ...

    def wait(self, timeout: float) -> list[WorkResult]:
        """Results of orders that ended since the last call; waits for one up to `timeout` s."""
        ...

    def stop(self, *, kill: bool) -> None:
        """Accept that no more work comes; with `kill`, end what runs."""
        ...

    def close(self) -> None:
        """End everything."""
        ...
