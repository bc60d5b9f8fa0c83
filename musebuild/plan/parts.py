"""Which exposures of a dataset may lie in one cube. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from musebuild.index.model import RawFrame
from musebuild.plan.fields import field_names, fields
from musebuild.plan.model import LeftOut
from musebuild.settings.model import SPLIT, Dataset

UNKNOWN = "unknown"
"""Part of the exposures whose headers do not say to which of several they belong."""
SHOWN = 8
"""Parts that one message names."""


@dataclass(frozen=True, slots=True)
class Parts:
    """The parts of datasets: what is aligned and combined with each other, and with no other."""

    of: Mapping[str, str] = field(default_factory=dict)
    """Exposure → its part; only of datasets that have several."""
    counts: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    """Dataset with several → part → number of its exposures."""

    def name(self, exposure: str) -> str:
        """The part of an exposure; empty where its dataset is whole."""
        return self.of.get(exposure, "")

    def told(self) -> list[LeftOut]:
        """What a person should know before anything is combined."""
        return [_told(dataset, counts) for dataset, counts in self.counts.items()]


def label_of(dataset: str, part: str, result: str = "") -> str:
    """Name of what is made of a part of a dataset: `FIELD_drs`, `FIELD.NFM_drs`."""
    return dataset + (f".{part}" if part else "") + (f"_{result}" if result else "")


def result_of(label: str, dataset: str) -> str:
    """Name of the result in a label that `label_of` made."""
    rest = label.removeprefix(dataset)
    return rest.partition("_")[2] if rest[:1] in (".", "_") else label


def _field_mode(frame: RawFrame) -> str:
    return frame.field


def _filter(frame: RawFrame) -> str:
    return frame.filter


def _adaptive(frame: RawFrame) -> str:
    return "" if frame.ao is None else "AO" if frame.ao else "NOAO"


def parts_of(exposures: Iterable[RawFrame], datasets: Mapping[str, Dataset]) -> Parts:
    """Part the exposures of each dataset by what no cube may mix.

    Field mode and filter (nominal, extended) always part them; fields of the sky without overlap,
    and AO from NOAO, as the dataset's `split_by` says. A part is named by what differs, and
    only by that. What a header lacks parts nothing where all others agree.

    Parameters
    ----------
    exposures : iterable of RawFrame
        Those that are used.
    datasets : mapping
        Of the settings; one that they do not declare is split by position.
    """
    by_dataset: dict[str, list[RawFrame]] = {}
    for frame in sorted(exposures, key=lambda frame: (frame.mjd_obs, frame.name)):
        by_dataset.setdefault(frame.dataset, []).append(frame)
    of: dict[str, str] = {}
    counts: dict[str, Mapping[str, int]] = {}
    for dataset, frames in sorted(by_dataset.items()):
        split = datasets[dataset].split_by if dataset in datasets else SPLIT
        steps: list[Callable[[Sequence[RawFrame]], dict[str, list[RawFrame]]]]
        steps = [_by(_field_mode), _by(_filter)]
        steps += [_by(_adaptive)] if "ao" in split else []
        steps += [_by_position] if "position" in split else []
        parts = {"": frames}
        for step in steps:
            parts = {
                f"{above}.{name}".strip("."): members
                for above, together in parts.items()
                for name, members in step(together).items()
            }
        if len(parts) > 1:
            counts[dataset] = {name: len(members) for name, members in sorted(parts.items())}
            of.update((f.name, name) for name, members in parts.items() for f in members)
    return Parts(of, counts)


def _by(
    value: Callable[[RawFrame], str],
) -> Callable[[Sequence[RawFrame]], dict[str, list[RawFrame]]]:
    """A step that parts exposures by a value."""

    def step(frames: Sequence[RawFrame]) -> dict[str, list[RawFrame]]:
        known = {value(frame) for frame in frames} - {""}
        if len(known) < 2:
            return {"": list(frames)}
        found: dict[str, list[RawFrame]] = {}
        for frame in frames:
            found.setdefault(value(frame) or UNKNOWN, []).append(frame)
        return found

    return step


def _by_position(frames: Sequence[RawFrame]) -> dict[str, list[RawFrame]]:
    groups = fields(frames)
    if len(groups) < 2:
        return {"": list(frames)}
    found = dict(zip(field_names(groups), groups, strict=True))
    placed = {frame.name for group in groups for frame in group}
    rest = [frame for frame in frames if frame.name not in placed]
    return found | ({UNKNOWN: rest} if rest else {})


def _told(dataset: str, counts: Mapping[str, int]) -> LeftOut:
    listed = [f"{label_of(dataset, part)} ({n})" for part, n in counts.items()]
    more = len(listed) - SHOWN
    shown = ", ".join(listed[:SHOWN]) + (f" and {more} more" if more > 0 else "")
    return LeftOut.of(
        dataset,
        f"its {sum(counts.values())} exposures are combined in {len(counts)} parts: {shown}",
        "docs/combining.md says what parts them, and how fields are put into one cube",
        note=True,
    )
