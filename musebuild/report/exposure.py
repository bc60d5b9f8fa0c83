"""The reduction log of one exposure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from musebuild.engine.resolve import Resolution
from musebuild.index.flags import all_flags
from musebuild.plan.model import Plan
from musebuild.report.info import quality_text
from musebuild.report.listing import planned_lines
from musebuild.report.spans import span
from musebuild.report.tables import Rows, cell, text_of

if TYPE_CHECKING:
    from musebuild.index.database import Connection

HEADER = {
    "OBJECT_ORIG": "target",
    "INS_MODE": "mode",
    "EXPTIME": "exposure time [s]",
    "TEL_AIRM_START": "airmass",
    "OCS_SGS_FWHM_MED": "FWHM of the slow guiding [arcsec]",
    "OCS_SGS_AG_FWHMX_MED": "FWHM of the guide star [arcsec]",
    "INS_DROT_POSANG": "position angle [deg]",
    "OBS_NAME": "observation block",
    "run": "run",
    "night": "night",
    "path": "frame",
}
"""Columns of the table of raw frames that the log begins with."""


@dataclass(frozen=True, slots=True)
class Step:
    """One task on an exposure, its IFUs together."""

    task: str
    state: str
    made: str
    seconds: float | None
    warnings: int
    products: tuple[str, ...]
    """Categories."""
    calibrations: tuple[str, ...]
    """What it takes: `MASTER_BIAS muse_bias:…`."""
    parameters: tuple[str, ...]
    told: tuple[str, ...]
    """Warnings of the recipe."""


def tasks_of(plan: Plan, exposure: str) -> list[str]:
    """Invocations on an exposure, and those that take their products, in the plan's order."""
    own = {name for name, made in plan.invocations.items() if made.label == exposure}
    return [
        name
        for name, made in plan.invocations.items()
        if name in own
        or (not made.night and any(wanted.invocation in own for wanted in made.inputs))
    ]


def steps(plan: Plan, names: Sequence[str], resolutions: Mapping[str, Resolution]) -> list[Step]:
    """Tasks of an exposure, in the plan's order."""
    grouped: dict[str, list[str]] = {}
    for name in names:
        grouped.setdefault(plan.invocations[name].task, []).append(name)
    found = []
    for task, members in grouped.items():
        (line,) = planned_lines(plan, members, resolutions)
        manifests = [m for name in members if (m := resolutions[name].manifest) is not None]
        first = plan.invocations[members[0]]
        own = {first.name, *members}
        takes = {
            f"{w.tag} {plan.invocations[w.invocation].task}{quality_text(w)}": None
            for name in members
            for w in plan.invocations[name].inputs
            if w.kind == "product" and w.invocation not in own | resolutions[name].dropped
        }
        files = {
            f"{w.tag} {w.path.rpartition('/')[2]}{quality_text(w)}": None
            for name in members
            for w in plan.invocations[name].inputs
            if w.kind != "product"
        }
        found.append(
            Step(
                task=task,
                state=str(line.state),
                made=max((m.made for m in manifests), default=""),
                seconds=sum(m.seconds for m in manifests) if manifests else None,
                warnings=sum(len(m.warnings) for m in manifests),
                products=tuple(dict.fromkeys(p.category for m in manifests for p in m.products)),
                calibrations=(*files, *takes),
                parameters=tuple(f"{k}={v}" for k, v in first.params.items() if k != "nifu"),
                told=tuple(dict.fromkeys(text for m in manifests for text in m.warnings)),
            )
        )
    return found


def short_table(exposure: str, found: Sequence[Step]) -> Rows:
    """One line for each task."""
    return Rows(
        ("exposure", "task", "state", "made", "seconds", "warnings", "products"),
        tuple(
            (exposure, s.task, s.state, s.made or None, s.seconds, s.warnings, s.products or None)
            for s in found
        ),
        {"seconds": "s"},
    )


def facts(connection: Connection, exposure: str) -> dict[str, Any]:
    """What the index knows of an exposure: header, flags, comments, weather."""
    db = connection.db
    listed = ", ".join(f'"{name}"' for name in HEADER)
    frames = db["raw"].rows_where("name = ? AND is_raw = 1", [exposure], select=listed)
    header = next(frames, {})
    if header:
        header["path"] = connection.paths.absolute(header["path"])
    weather = db["weather_conditions"].rows_where(
        "night = ? AND date <= ?",
        [header.get("night"), exposure],
        order_by="date DESC",
        select="date, conditions, comment",
    )
    said = db["observing_log"].rows_where(
        "exposure = ?", [exposure], order_by="date, rank", select="rank, comment, author, date"
    )
    return {
        "exposure": exposure,
        "header": {name: value for name, value in header.items() if value is not None},
        "flags": [
            {
                "flag": f.flag,
                "value": f.value,
                "author": f.author,
                "date": f.date,
                "reason": f.reason,
            }
            for f in all_flags(db)
            if f.exposure == exposure
        ],
        "observers": list(said),
        "weather": next(weather, None),
    }


def log_text(known: Mapping[str, Any], found: Sequence[Step]) -> str:
    """The log, for people."""
    lines = [str(known["exposure"])]
    lines += [f"  {HEADER[name]}: {cell(value)}" for name, value in known["header"].items()]
    for flag in known["flags"]:
        reason = f": {flag['reason']}" if flag["reason"] else ""
        degree = f" = {flag['value']}" if flag["value"] != 1 else ""
        lines.append(f"  flag {flag['flag']}{degree} ({flag['author']}, {flag['date']}){reason}")
    for said in known["observers"]:
        what = f"rank {said['rank']}" if said["rank"] else said["comment"]
        who = f" ({said['author']})" if said["author"] else ""
        lines.append(f"  observers: {what}{who}")
    if known["weather"]:
        seen = known["weather"]
        lines.append(
            f"  weather at {seen['date']}: {seen['conditions']} {seen['comment']}".rstrip()
        )
    for step in found:
        made = f", made {step.made} in {span(step.seconds)}" if step.seconds is not None else ""
        lines.append(f"{step.task}: {step.state}{made}")
        if step.parameters:
            lines.append(f"  parameters: {' '.join(step.parameters)}")
        lines += [f"  takes {text}" for text in step.calibrations]
        if step.products:
            lines.append(f"  products: {', '.join(step.products)}")
        lines += [f"  warning: {text}" for text in step.told]
    return "\n".join(lines) + "\n"


def short_text(exposure: str, found: Sequence[Step]) -> str:
    """One line for each task, for people."""
    table = short_table(exposure, found)
    return f"{exposure}\n" + "".join(
        f"  {line}\n"
        for line in text_of(
            Rows(table.columns[1:], tuple(row[1:] for row in table.rows))
        ).splitlines()
    )
