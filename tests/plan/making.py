"""Plain data for tests of the plan: frames without files."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from musebuild.index.columns import MJD_ZERO, night_of, optics_of
from musebuild.index.model import FileFrame, FileIndex, RawFrame, Selected
from musebuild.plan.build import make_plan
from musebuild.plan.causes import Folded
from musebuild.plan.model import Plan
from musebuild.recipes.catalogue import load_catalogue
from musebuild.settings.make import make_settings
from musebuild.settings.model import Settings
from musebuild.settings.nodes import Node, plain_data
from musebuild.settings.reading import read_text
from musebuild.settings.schema import coerce, schema_problems
from musebuild.settings.substitute import Substitution

STATICS = [
    "ASTROMETRY_WCS",
    "BADPIX_TABLE",
    "EXTINCT_TABLE",
    "FILTER_LIST",
    "GEOMETRY_TABLE",
    "LINE_CATALOG",
    "SKY_LINES",
    "STD_FLUX_TABLE",
    "VIGNETTING_MASK",
    "RAMAN_LINES",
]


def frame(category: str, date: str, **more: Any) -> RawFrame:
    """A raw frame."""
    moment = dt.datetime.fromisoformat(date)
    fields: dict[str, Any] = {
        "path": f"/raw/MUSE.{date}.fits",
        "filename": f"MUSE.{date}.fits",
        "name": date,
        "category": category,
        "is_raw": True,
        "night": night_of(moment).isoformat(),
        "date_obs": date,
        "mjd_obs": (moment - MJD_ZERO) / dt.timedelta(days=1),
        "object_orig": "FIELD" if category == "OBJECT" else category,
        "dataset": "FIELD" if category == "OBJECT" else category,
        "tpl_start": date[:13] + ":00:00",
        "ins_mode": "WFM-NOAO-N",
        "read_mode": "SCI1.0",
        "temp7": 12.0,
        "channels": (1, 2),
    }
    fields |= more
    optics = optics_of(fields["ins_mode"])
    return RawFrame(**(dict(zip(("field", "filter", "ao"), optics, strict=True)) | fields))


def night(date: str = "2017-06-15", exposures: int = 2, **more: Any) -> list[RawFrame]:
    """All raw frames of a night that begins on a date."""
    after = (dt.date.fromisoformat(date) + dt.timedelta(days=1)).isoformat()
    frames = [frame("SKYFLAT", f"{date}T22:0{n}:00", **more) for n in range(3)]
    frames.append(frame("ILLUM", f"{after}T01:20:00", **more))
    frames += [frame("OBJECT", f"{after}T01:3{n}:00", **more) for n in range(exposures)]
    frames.append(frame("STD", f"{after}T09:30:00", **more))
    frames += [frame("BIAS", f"{after}T10:0{n}:00", **more) for n in range(3)]
    frames += [frame("FLAT", f"{after}T11:0{n}:00", **more) for n in range(3)]
    for n, lamp in enumerate(("Ne", "Xe", "HgCd")):
        frames.append(frame("ARC", f"{after}T12:0{n}:00", lamps=(lamp,), **more))
    return frames


def files(*without: str, named: dict[Any, Any] | None = None) -> FileIndex:
    """Static calibrations of every category but some."""
    return FileIndex(
        static=tuple(
            FileFrame(f"/calib/{category.lower()}.fits", category)
            for category in STATICS
            if category not in without
        ),
        named=named or {},
        folder="/calib",
    )


def typed(text: str) -> Node:
    """Settings as people type them, with the keys in braces put in."""
    substitution = Substitution(read_text(text, "settings.yml"))
    root = substitution.run()
    assert not substitution.problems
    return root


def settings(text: str) -> Settings:
    """Settings from YAML text."""
    root = coerce(typed(text))
    data = plain_data(root)
    assert not schema_problems(root, data)
    return make_settings(Path("/project/settings.yml"), root, data)


TWO_PASSES = """
datasets: {FIELD: {}}
recipes:
  muse_scipost_rec:
    init: {output_dir: rec}
    params: {skymethod: none, save: cube, filter: white}
  muse_exp_align: {from_recipe: muse_scipost_rec}
  muse_scipost:
    frames: {OFFSET_LIST: OFFSET_LIST_drs}
    params: {save: 'cube,individual'}
  muse_exp_combine: {frames: {OFFSET_LIST: OFFSET_LIST_drs}}
"""


def plan(
    text: str = TWO_PASSES,
    raw: list[RawFrame] | None = None,
    index: FileIndex | None = None,
    selections: Mapping[str, Mapping[str, Selected]] | None = None,
) -> Plan:
    """The plan of settings over frames."""
    return make_plan(
        settings(text),
        night() if raw is None else raw,
        files() if index is None else index,
        load_catalogue(),
        selections or {},
    )


def reasons(made: Plan) -> str:
    """All reasons and remedies of what is left out, as one text."""
    return "\n".join(
        f"{left.name}: {cause.told} "
        f"({'; '.join(f'{one.task} {one.reason}' for one in cause.refused)}) "
        f"-> {', or '.join(Folded((cause,), (left,)).hints)}"
        for left in made.left_out
        for cause in left.causes
    )


def source_of(made: Plan, name: str, tag: str) -> list[str]:
    """Where the inputs of a tag come from."""
    return [w.invocation or w.path for w in made.invocations[name].inputs if w.tag == tag]


def dependents(plan: Plan, names: Iterable[str]) -> tuple[str, ...]:
    """Invocations and everything that needs them, in the order of the plan."""
    found = set(names)
    for name, invocation in plan.invocations.items():
        if not found.isdisjoint(invocation.needs):
            found.add(name)
    return tuple(name for name in plan.invocations if name in found)
