"""What the plan makes, as the associations see it: one record for each task."""

from __future__ import annotations

from dataclasses import dataclass, field

from musebuild.index.model import RawFrame


@dataclass(frozen=True, slots=True)
class Setup:
    """When and how frames were taken."""

    night: str
    mjd: float
    ins_mode: str = ""
    read_mode: str = ""
    binning: str = ""

    def agrees(self, other: Setup, criteria: tuple[str, ...]) -> str:
        """The first criterion in which two set-ups differ; empty where they agree."""
        for name in criteria:
            if getattr(self, name) != getattr(other, name):
                return name
        return ""


@dataclass(slots=True)
class Made:
    """A task of the plan: the invocations of one block for one sequence, exposure or dataset."""

    block: str
    label: str
    setup: Setup
    categories: tuple[str, ...]
    by_ifu: dict[int | None, str] = field(default_factory=dict)
    """IFU (None: not split) → name of the invocation."""
    raw: str = ""
    """Raw category, for tasks that take raw frames."""
    dataset: str = ""
    run: str = ""
    exposure: str = ""
    date: str = ""
    """DATE-OBS of its first frame."""
    result: str = ""
    """Name of a result that others use by name: `drs` of `OFFSET_LIST_drs`."""

    @property
    def task(self) -> str:
        """Name of the task."""
        return f"{self.block}:{self.label}"


def setup_of(frame: RawFrame) -> Setup:
    """Set-up of a raw frame."""
    return Setup(
        frame.night,
        frame.mjd_obs,
        frame.ins_mode,
        frame.read_mode,
        f"{frame.binx}x{frame.biny}",
    )
