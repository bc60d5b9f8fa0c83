"""What became of a build, as plain data."""

from __future__ import annotations

from dataclasses import dataclass, field

from musebuild.engine.cubes import Cube
from musebuild.plan.model import LeftOut


@dataclass(frozen=True, slots=True)
class Failure:
    """A failed invocation, as people need to know it."""

    task: str
    recipe: str
    message: str
    errors: tuple[str, ...] = ()
    return_code: int | None = None
    log: str = ""
    scratch: str = ""
    """Where the scratch folder was kept, with --keep-failed."""


@dataclass(slots=True)
class BuildSummary:
    """Counts and reasons of one build; grows while it runs."""

    ran: list[str] = field(default_factory=list)
    restored: list[str] = field(default_factory=list)
    up_to_date: int = 0
    failed: list[Failure] = field(default_factory=list)
    halted: list[str] = field(default_factory=list)
    """Invocations that were stopped by a second Ctrl-C."""
    not_run: dict[str, str] = field(default_factory=dict)
    """Invocation → the failed one that it needs, or why else it was not run."""
    left_out: list[LeftOut] = field(default_factory=list)
    held: tuple[str, ...] = ()
    """Datasets and parts of which nothing was begun, since something of them cannot be done."""
    refused: int = 0
    """Invocations that were not begun, since something that was asked for cannot be done."""
    problems: list[str] = field(default_factory=list)
    """Messages on input files that cannot be used."""
    edited: list[str] = field(default_factory=list)
    """Products that people had edited, and where they were moved to."""
    warnings: dict[str, int] = field(default_factory=dict)
    """Recipe → number of warnings."""
    seconds: float = 0.0
    recipe_seconds: float = 0.0
    new_bytes: int = 0
    """Products that were made."""
    free_bytes: int = 0
    """On the store's disk, at the end; 0: not known."""
    saved_seconds: float = 0.0
    """What the restored and up-to-date invocations had cost when they were made."""
    cubes: list[Cube] = field(default_factory=list)
    """Those that the build ended with."""
    results: str = ""
    beside: str = ""
    """The reduced tree of the settings, where it is another tool's and ours lies beside it."""
    stopped: str = ""
    """Name of the signal that stopped the build."""

    @property
    def exit_status(self) -> int:
        """0: all that was asked for is there."""
        impossible = any(left.error for left in self.left_out)
        return int(bool(self.failed or self.not_run or self.refused or self.problems or impossible))
