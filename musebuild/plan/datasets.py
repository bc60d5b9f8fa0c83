"""Datasets without exposures, and exposures of no dataset or of several. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence

from musebuild.index.columns import by_position, datasets_of
from musebuild.index.model import RawFrame
from musebuild.plan.fields import is_placed, told
from musebuild.plan.model import LeftOut
from musebuild.settings.flow import UNNAMED, dataset_of_object, flow, name_for
from musebuild.settings.model import Cone, Dataset, Settings
from musebuild.settings.path_names import ROOM, shown, why_no_part, why_pattern
from musebuild.settings.sky import separation

SHOWN = 5
"""Names that one message lists."""


def check_datasets(
    settings: Settings, datasets: Collection[str], exposures: Sequence[RawFrame]
) -> list[LeftOut]:
    """What is to be said of datasets, and of exposures that belong to none.

    Parameters
    ----------
    settings : Settings
        The declared datasets.
    datasets : collection of str
        Those that are reduced.
    exposures : sequence of RawFrame
        Science exposures that are used.
    """
    counts = Counter(frame.dataset for frame in exposures)
    shared = _shared(settings, exposures)
    taken = {left.name for left in shared}
    found = [
        _empty(dataset, settings, exposures)
        for dataset in settings.datasets.values()
        if not counts.get(dataset.name) and dataset.name not in taken
    ]
    outside = Counter(frame.object_orig for frame in exposures if frame.dataset not in datasets)
    for name, number in sorted(outside.items()):
        known = name in settings.datasets
        found.append(
            LeftOut.of(
                name or "exposures without OBJECT",
                f"{number} exposure{'s' * (number != 1)} of this OBJECT belong to no dataset",
                f"datasets.{name} does not take them: widen it"
                if known
                else _remedy(name, settings, exposures),
            )
        )
    return [*found, *_renamed(settings, exposures), *shared]


def _renamed(settings: Settings, exposures: Iterable[RawFrame]) -> Iterator[LeftOut]:
    """What is said of datasets whose OBJECT cannot be the name of a folder."""
    names = {f.object_orig: f.dataset for f in exposures if f.dataset not in settings.datasets}
    for text, dataset in sorted(names.items()):
        if dataset and dataset != text:
            why = why_no_part(text, ROOM) or why_pattern(text)
            yield LeftOut.of(
                dataset,
                f"OBJECT {shown(text)} is no name ({why}); "
                f"give it one: {dataset_of_object(text, settings.datasets)}",
                note=True,
            )


def _remedy(name: str, settings: Settings, exposures: Iterable[RawFrame]) -> str:
    """The setting that reduces exposures of an OBJECT; by where they point, if it has no text."""
    if name.strip():
        return f"to reduce them: {dataset_of_object(name, settings.datasets)}"
    for frame in exposures:
        if not frame.object_orig.strip() and is_placed(frame):
            place = {"ra": frame.ra, "dec": frame.dec, "radius": "1 arcmin"}
            return "to reduce them: datasets: " + flow(
                {name_for(UNNAMED, settings.datasets): {"position": place}}
            )
    return "name their target in OBJECT of their headers"


def _empty(dataset: Dataset, settings: Settings, exposures: Sequence[RawFrame]) -> LeftOut:
    """What is said of a dataset without exposures."""
    seen = sorted({frame.dataset or frame.object_orig for frame in exposures})
    there = f"; there is {', '.join(seen[:SHOWN])}" if seen else ""
    key = f"datasets.{dataset.name}.OBJECT"
    reason = f"no exposure has OBJECT {' or '.join(dataset.objects)}{there}"
    if dataset.position is not None:
        key = f"datasets.{dataset.name}.position"
        named = f" and has OBJECT {' or '.join(dataset.objects)}" if dataset.objects else ""
        near = _nearest(dataset.position, exposures)
        reason = (
            f"no exposure points within {told(dataset.position.radius * 3600)} of its "
            f"position{named}{near or there}"
        )
    return LeftOut.of(
        dataset.name,
        f"{{of}}: {reason}",
        f"add its raw frames to raw_path, or correct {key}",
        of=dataset.name,
        where=("datasets", dataset.name),
        error=True,
        dataset=dataset.name,
    )


def _nearest(cone: Cone, exposures: Iterable[RawFrame]) -> str:
    """The exposure that points nearest to a place, for people; empty where none is placed."""
    placed = [frame for frame in exposures if is_placed(frame)]
    if not placed:
        return ""

    def away(frame: RawFrame) -> float:
        return separation(cone.ra, cone.dec, frame.ra or 0.0, frame.dec or 0.0)

    near = min(placed, key=away)
    return f"; the nearest is {near.object_orig} {near.name}, {told(away(near) * 3600)} away"


def _shared(settings: Settings, exposures: Iterable[RawFrame]) -> list[LeftOut]:
    """What is said of datasets that take exposures of another one."""
    if not by_position(settings):
        return []
    counts: Counter[tuple[str, str]] = Counter()
    for frame in exposures:
        found = datasets_of(frame.object_orig, settings, "OBJECT", frame.ra, frame.dec)
        counts.update((found[0], other) for other in found[1:])
    return [
        LeftOut.of(
            other,
            f"{{of}}: {number} of its exposures belong{'s' * (number == 1)} "
            f"to the dataset {first} already",
            f"an exposure belongs to one dataset: narrow datasets.{first} or datasets.{other}",
            of=other,
            where=("datasets", other),
            error=True,
            dataset=other,
        )
        for (first, other), number in sorted(counts.items())
    ]
