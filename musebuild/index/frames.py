"""Raw frames of the index as plain data, with what the settings say of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from sqlite_utils import Database

from musebuild.index.columns import dataset_of, run_of
from musebuild.index.flags import flags_by_exposure
from musebuild.index.model import RawFrame
from musebuild.settings.model import Settings


def matches(row: Mapping[str, Any], condition: Any) -> bool:
    """Whether a frame is meant by one entry of `frames.exclude`.

    Parameters
    ----------
    row : mapping
        Row of the table of raw frames.
    condition : str or mapping
        Name of an exposure or sequence (TPL START), or column → value or list of values.
    """
    if isinstance(condition, Mapping):
        return all(_holds(row, column, wanted) for column, wanted in condition.items())
    name = str(condition)
    return name in (row["name"], row["TPL_START"], row["filename"])


def _holds(row: Mapping[str, Any], column: str, wanted: Any) -> bool:
    value = row.get(column)
    choices = wanted if isinstance(wanted, list | tuple) else [wanted]
    return any(value == choice or str(value) == str(choice) for choice in choices)


def exclusion(row: Mapping[str, Any], rules: Mapping[str, tuple[Any, ...]]) -> str:
    """Why a frame is not used; empty where it is."""
    for name, conditions in rules.items():
        if name != "raw" and name not in (row["DPR_TYPE"], row["category"]):
            continue
        for condition in conditions:
            if matches(row, condition):
                return f"excluded by frames.exclude.{name} in the settings"
    return ""


def _same_exposure(rows: Iterable[Mapping[str, Any]]) -> dict[str, str]:
    """Path → path of the file that is used in its place, where one exposure has several."""
    first: dict[tuple[str, str], str] = {}
    instead: dict[str, str] = {}
    for row in sorted(rows, key=lambda r: (len(r["filename"]), r["path"])):
        key = (row["category"], row["name"])
        if key in first:
            instead[row["path"]] = first[key]
        else:
            first[key] = row["path"]
    return instead


def frame_of(
    row: Mapping[str, Any], settings: Settings, excluded: str = "", flags: tuple[str, ...] = ()
) -> RawFrame:
    """A row as plain data for the plan."""
    night = row["night"] or ""
    return RawFrame(
        path=row["path"],
        filename=row["filename"],
        name=row["name"],
        category=row["category"] or "",
        is_raw=bool(row["is_raw"]),
        night=night,
        date_obs=row["DATE_OBS"] or "",
        mjd_obs=row["MJD_OBS"] or 0.0,
        dpr_type=row["DPR_TYPE"] or "",
        object_orig=row["OBJECT_ORIG"] or "",
        dataset=dataset_of(row["OBJECT_ORIG"] or "", settings),
        run=run_of(night, settings),
        tpl_start=row["TPL_START"] or "",
        tpl_id=row["TPL_ID"] or "",
        ins_mode=row["INS_MODE"] or "",
        exptime=row["EXPTIME"] or 0.0,
        binx=row["DET_BINX"] or 1,
        biny=row["DET_BINY"] or 1,
        read_mode=str(row["DET_READ_CURNAME"] or row["DET_READ_CURID"] or ""),
        temp7=row["INS_TEMP7_VAL"],
        lamps=tuple(filter(None, (row["lamps"] or "").split(","))),
        channels=tuple(int(n) for n in (row["channels"] or "").split(",") if n),
        excluded=excluded,
        flags=flags,
    )


def raw_frames(db: Database, settings: Settings) -> list[RawFrame]:
    """All frames below `raw_path`, by date; the excluded ones are marked, not left out.

    Parameters
    ----------
    db : Database
        After a scan.
    settings : Settings
        Datasets, runs and exclusions.
    """
    cursor = db.execute("SELECT * FROM raw ORDER BY MJD_OBS, path")
    names = [column[0] for column in cursor.description]
    rows = [dict(zip(names, row, strict=True)) for row in cursor]
    instead = _same_exposure(row for row in rows if row["is_raw"])
    flags = flags_by_exposure(db)
    frames = []
    for row in rows:
        excluded = exclusion(row, settings.frames_exclude)
        if not excluded and row["path"] in instead:
            excluded = f"the same exposure as {instead[row['path']]}"
        if not excluded and not row["category"]:
            excluded = f"DPR TYPE {row['DPR_TYPE'] or '(none)'} is not known"
        frames.append(frame_of(row, settings, excluded, flags.get(row["name"], ())))
    return frames
