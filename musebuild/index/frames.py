"""Raw frames of the index as plain data, with what the settings say of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from typing import Any

from musebuild.index.columns import by_position, dataset_of, optics_of, run_of
from musebuild.index.copies import differences, name_apart, suspects, used_instead
from musebuild.index.database import Connection, columns_of
from musebuild.index.digests import read_digests
from musebuild.index.flags import flag_values
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


_COLUMNS = (
    "path",
    "filename",
    "name",
    "category",
    "is_raw",
    "night",
    "DATE_OBS",
    "MJD_OBS",
    "DPR_TYPE",
    "OBJECT_ORIG",
    "TPL_START",
    "TPL_ID",
    "INS_MODE",
    "EXPTIME",
    "DET_BINX",
    "DET_BINY",
    "DET_READ_CURNAME",
    "DET_READ_CURID",
    "INS_TEMP7_VAL",
    "lamps",
    "channels",
    "RA",
    "DEC",
    "INS_OPTI1_NAME",
    "INS_OPTI2_NAME",
    "ARCFILE",
    "DPR_CATG",
    "DPR_TECH",
    "reason",
    "INS_DROT_POSANG",
)


def _conditions(rules: Mapping[str, tuple[Any, ...]]) -> set[str]:
    """Columns that entries of `frames.exclude` speak of."""
    return {
        column
        for conditions in rules.values()
        for condition in conditions
        if isinstance(condition, Mapping)
        for column in condition
    }


def _number(value: Any) -> Any:
    return None if isinstance(value, str) else value


def raw_frames(
    connection: Connection, settings: Settings, *, source: str = "raw"
) -> list[RawFrame]:
    """All frames below `raw_path`, by date; the excluded ones are marked, not left out.

    Parameters
    ----------
    connection : Connection
        After a scan.
    settings : Settings
        Datasets, runs and exclusions.
    source : str
        Table or question that has their rows.
    """
    rules = settings.frames_exclude
    have = set(columns_of(connection, "raw"))
    columns = (*_COLUMNS, *sorted((_conditions(rules) & have) - set(_COLUMNS)))
    listed = ", ".join(f'"{column}"' for column in columns)
    flags = flag_values(connection)
    dataset = cache(lambda name, *place: dataset_of(name, settings, *place))
    placed = by_position(settings)
    run = cache(lambda night: run_of(night, settings))
    numbers = cache(lambda text: tuple(int(n) for n in text.split(",") if n))
    words = cache(lambda text: tuple(filter(None, text.split(","))))
    optics = cache(lambda *names: optics_of(*(str(name or "") for name in names)))
    # Hundreds of thousands of frames share a few values: one object for each is enough.
    known: dict[str, str] = {}

    def one(text: Any) -> str:
        return known.setdefault(str(text), str(text)) if text else ""

    absolute = connection.paths.absolute
    frames = []
    for row in connection.execute(f"SELECT {listed} FROM {source} ORDER BY MJD_OBS, path"):
        excluded = exclusion(dict(zip(columns, row, strict=True)), rules) if rules else ""
        path, filename, name, category, is_raw, night, date_obs, mjd_obs, dpr_type = row[:9]
        object_orig, tpl_start, tpl_id, ins_mode, exptime, binx, biny = row[9:16]
        read_name, read_id, temp7, lamps, channels, ra, dec = row[16:23]
        filtered, scale, arcfile, dpr_catg, dpr_tech, reason, posang = row[23:30]
        measured = (exptime, binx, biny, temp7, ra, dec, posang)
        if str in map(type, measured):
            # A malformed card: its text stands in the table, for people.
            exptime, binx, biny, temp7, ra, dec, posang = map(_number, measured)
        field, wavelengths, adaptive = optics(ins_mode, filtered, scale)
        if not excluded and not category:
            excluded = one(reason)
        frames.append(
            RawFrame(
                path=absolute(path),
                filename=filename,
                name=name,
                category=one(category),
                is_raw=bool(is_raw),
                night=one(night),
                # The archive names frames by it: one object serves for both.
                date_obs=name if date_obs == name else date_obs or "",
                mjd_obs=mjd_obs or 0.0,
                dpr_type=one(dpr_type),
                object_orig=one(object_orig),
                dataset=dataset(one(object_orig), *((category, ra, dec) if placed else ())),
                run=run(one(night)),
                tpl_start=one(tpl_start),
                tpl_id=one(tpl_id),
                ins_mode=one(ins_mode),
                exptime=exptime if isinstance(exptime, float) else 0.0,
                binx=binx or 1,
                biny=biny or 1,
                read_mode=one(read_name or read_id),
                read_id=one(read_id),
                field=field,
                filter=wavelengths,
                ao=adaptive,
                # It is the file's name for most.
                arcfile=filename if arcfile == filename else arcfile or "",
                dpr_catg=one(dpr_catg),
                dpr_tech=one(dpr_tech),
                temp7=temp7,
                lamps=words(lamps or ""),
                channels=numbers(channels or ""),
                ra=ra,
                dec=dec,
                posang=posang,
                excluded=excluded,
                flags=tuple(flags[name]) if name in flags else (),
                flag_values=tuple(flags[name].values()) if name in flags else (),
            )
        )
    frames = _each_once(connection, frames, source)
    apart = name_apart(frame for frame in frames if not frame.excluded)
    return [apart.get(frame.path, frame) for frame in frames] if apart else frames


def _each_once(connection: Connection, frames: list[RawFrame], source: str) -> list[RawFrame]:
    """The same frames, of which each exposure is used once, under a name of its own."""
    doubtful = suspects(frames)
    if not doubtful:
        return frames
    absolute = connection.paths.absolute
    paths = {frame.path for frame in doubtful}
    digests = {
        path: digest
        for stored, digest in connection.execute(f"SELECT path, cards FROM {source}")
        if digest and (path := absolute(stored)) in paths
    }
    damaged = {
        absolute(stored)
        for (stored,) in connection.execute(
            "SELECT path FROM integrity JOIN raw USING (path, size, mtime_ns, inode, ctime_ns) "
            "WHERE status = 'damaged'"
        )
    }
    instead = used_instead(doubtful, digests, damaged)
    if not instead:
        return frames
    contents = read_digests(connection, {*instead, *instead.values()})
    differ = differences(doubtful, instead, digests, contents, damaged)
    changed = {
        frame.path: replace(
            frame,
            excluded=f"the same exposure as {instead[frame.path]}",
            differs=differ.get(frame.path, ""),
        )
        for frame in doubtful
        if frame.path in instead and not frame.excluded
    }
    return [changed.get(frame.path, frame) for frame in frames]
