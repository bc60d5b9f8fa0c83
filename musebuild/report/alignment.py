"""Lists of offsets of a project: what each exposure is shifted by, and the images that show it."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from math import cos, radians
from pathlib import Path

from musebuild.engine.project import Project
from musebuild.engine.resolve import Resolution
from musebuild.engine.view import resolved
from musebuild.errors import UsageError
from musebuild.fits.offsets import OFFSET_LIST, Offset, read_offsets
from musebuild.index.model import RawFrame
from musebuild.plan.model import Invocation, Plan
from musebuild.plan.parts import result_of
from musebuild.report.tables import Rows
from musebuild.settings.nearest import nearest

IMAGE = "IMAGE_FOV"
COLUMNS = ("list", "dataset", "exposure", "east", "north", "RA_OFFSET", "DEC_OFFSET", "scale")
UNITS = {"east": "arcsec", "north": "arcsec", "RA_OFFSET": "deg", "DEC_OFFSET": "deg"}


@dataclass(frozen=True, slots=True)
class Shift:
    """What one exposure is shifted by."""

    exposure: str
    """Its name; DATE-OBS where the index has no such exposure."""
    offset: Offset
    dec: float
    """Declination of the telescope [deg]."""
    known: bool = True
    """Whether the index has the exposure."""

    @property
    def east(self) -> float:
        """How far east of their true places the sources appear, in arcsec on the sky."""
        return self.offset.ra * 3600 * cos(radians(self.dec))

    @property
    def north(self) -> float:
        """How far north of their true places the sources appear, in arcsec."""
        return self.offset.dec * 3600


@dataclass(frozen=True, slots=True)
class Alignment:
    """One list of offsets of one dataset."""

    name: str
    """The task that makes it, or the name of the file."""
    dataset: str
    shifts: tuple[Shift, ...] = ()
    """By time."""
    state: str = ""
    """Why there are none, for people; empty: there are."""
    images: Mapping[str, Path] = field(default_factory=dict)
    """Exposure → its image, as far as it was made."""
    shifted: bool = False
    """Whether the images were made with this list, so that they lie in place already."""
    images_from: str = ""
    """The block that makes the images."""


def _lists(plan: Plan) -> tuple[list[Invocation], dict[tuple[str, str], None]]:
    """Tasks that make a list; and (path, dataset) of the files that the settings name."""
    makers = [made for made in plan.invocations.values() if OFFSET_LIST in made.products]
    files = {
        (wanted.path, made.dataset): None
        for made in plan.invocations.values()
        for wanted in made.inputs
        if wanted.tag == OFFSET_LIST and wanted.kind == "file"
    }
    return makers, files


def _chosen(names: Sequence[str], own: Collection[str]) -> bool:
    return not names or bool(set(names) & set(own))


def _image_makers(plan: Plan, dataset: str, source: str) -> tuple[list[Invocation], bool]:
    """Tasks whose images show a list; and whether it shifted them.

    Images that no list shifted are the best, those that the alignment itself looked at first.
    """
    unshifted: dict[str, list[Invocation]] = {}
    shifted: dict[str, list[Invocation]] = {}
    looked_at = {
        plan.invocations[wanted.invocation].block
        for wanted in (plan.invocations[source].inputs if source in plan.invocations else ())
        if wanted.category == IMAGE
    }
    for made in plan.invocations.values():
        if IMAGE not in made.products or made.dataset != dataset or not made.night:
            continue
        lists = [w.invocation or w.path for w in made.inputs if w.tag == OFFSET_LIST]
        if not lists:
            unshifted.setdefault(made.block, []).append(made)
        elif source in lists:
            shifted.setdefault(made.block, []).append(made)
    for block in sorted(unshifted, key=lambda block: block not in looked_at):
        return unshifted[block], False
    return (next(iter(shifted.values())), True) if shifted else ([], False)


def _images(
    makers: Iterable[Invocation], resolutions: Mapping[str, Resolution], project: Project
) -> dict[str, Path]:
    """Exposure → its image, the white one where there are several."""
    found = {}
    for made in makers:
        manifest = resolutions[made.name].manifest
        images = [p for p in manifest.products if p.category == IMAGE] if manifest else []
        images.sort(key=lambda p: (p.filter != "white", p.name))
        if images:
            found[made.label] = project.store.path(images[0].object)
    return found


def _shifts(rows: Iterable[Offset], frames: Mapping[str, RawFrame]) -> tuple[Shift, ...]:
    shifts = []
    for row in rows:
        frame = frames.get(row.date_obs)
        dec = frame.dec if frame is not None and frame.dec is not None else 0.0
        name = frame.name if frame is not None else row.date_obs
        shifts.append(Shift(name, row, dec, frame is not None))
    return tuple(sorted(shifts, key=lambda shift: shift.offset.date_obs))


def alignments(project: Project, names: Sequence[str]) -> list[Alignment]:
    """Lists of offsets of a project.

    Parameters
    ----------
    project : Project
        Only looked at.
    names : sequence of str
        Datasets, tasks (`muse_exp_align:FIELD_drs`), blocks, names of lists
        (`OFFSET_LIST_drs`) or files; none: all.

    Raises
    ------
    UsageError
        There is no such list, or none at all.
    """
    plan = project.plan
    frames = {frame.date_obs: frame for frame in project.raw if frame.category == "OBJECT"}
    makers, files = _lists(plan)
    known: dict[str, None] = {}
    wanted: list[tuple[Invocation | None, str, str]] = []
    for made in makers:
        result = result_of(made.label, made.dataset)
        own: tuple[str, ...] = (made.name, made.block, made.dataset, f"{OFFSET_LIST}_{result}")
        known.update(dict.fromkeys(own))
        if _chosen(names, own):
            wanted.append((made, made.name, made.dataset))
    for path, dataset in files:
        own = (Path(path).name, path, dataset)
        known.update(dict.fromkeys(own))
        if _chosen(names, own):
            wanted.append((None, path, dataset))
    if not wanted:
        raise _nothing(names, known)
    shown = {name: _image_makers(plan, dataset, name) for _, name, dataset in wanted}
    looked = [made.name for made, _, _ in wanted if made is not None]
    looked += [made.name for group, _ in shown.values() for made in group]
    resolutions = resolved(project, looked)
    found = []
    for maker, name, dataset in wanted:
        rows, state = _rows(maker, name, resolutions, project)
        image_makers, shifted = shown[name]
        found.append(
            Alignment(
                name=name if maker is not None else Path(name).name,
                dataset=dataset,
                shifts=_of_dataset(_shifts(rows, frames), frames, dataset),
                state=state,
                images=_images(image_makers, resolutions, project),
                shifted=shifted,
                images_from=image_makers[0].block if image_makers else "",
            )
        )
    return found


def _of_dataset(
    shifts: Iterable[Shift], frames: Mapping[str, RawFrame], dataset: str
) -> tuple[Shift, ...]:
    """Those of one dataset: a file may hold several; what the index lacks stays."""
    return tuple(
        shift
        for shift in shifts
        if shift.offset.date_obs not in frames or frames[shift.offset.date_obs].dataset == dataset
    )


def _rows(
    maker: Invocation | None,
    name: str,
    resolutions: Mapping[str, Resolution],
    project: Project,
) -> tuple[tuple[Offset, ...], str]:
    """Rows of a list, and why there are none."""
    if maker is None:
        path = Path(name)
    else:
        manifest = resolutions[maker.name].manifest
        product = next(
            (p for p in manifest.products if p.category == OFFSET_LIST) if manifest else iter(()),
            None,
        )
        if product is None:
            return (), f"is not made yet: `doit {maker.name}`"
        path = project.store.path(product.object)
    rows = read_offsets(path)
    return rows or (), "" if rows is not None else "is no list of offsets"


def _nothing(names: Sequence[str], known: Collection[str]) -> UsageError:
    if not known:
        return UsageError(
            "the settings ask for no list of offsets",
            remedy="add a block muse_exp_align or exp_align_by_hand (docs/alignment.md)",
        )
    near = nearest(names[0], known)
    return UsageError(
        f"there is no list of offsets {' or '.join(names)}",
        why=f"did you mean {' or '.join(near)}?" if near else None,
        remedy=f"there is {', '.join(known)}",
    )


def offsets_table(found: Iterable[Alignment]) -> Rows:
    """One row for each exposure of each list."""
    return Rows(
        COLUMNS,
        tuple(
            (
                one.name,
                one.dataset,
                shift.exposure,
                round(shift.east, 4) + 0.0,
                round(shift.north, 4) + 0.0,
                shift.offset.ra,
                shift.offset.dec,
                shift.offset.scale,
            )
            for one in found
            for shift in one.shifts
        ),
        UNITS,
    )


def settings_text(found: Iterable[Alignment]) -> str:
    """The lists as a block of the settings, to be changed by hand.

    Of an exposure that is in several lists the first counts; one that there is not is left out.
    """
    lines = ["recipes:", "  exp_align_by_hand:", "    offsets:"]
    seen: set[str] = set()
    for one in found:
        for shift in one.shifts:
            if shift.exposure in seen or not shift.known:
                continue
            seen.add(shift.exposure)
            scale = shift.offset.scale
            more = "" if scale is None else f", scale: {scale:.6g}"
            east, north = (round(value, 4) + 0.0 for value in (shift.east, shift.north))
            lines.append(f"      {shift.exposure}: {{east: {east}, north: {north}{more}}}")
    return "\n".join(lines) + "\n" if seen else ""
