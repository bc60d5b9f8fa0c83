"""The validated tree → immutable `Settings`, and what only the whole can tell is wrong."""

from __future__ import annotations

import contextlib
import datetime as dt
import math
import os
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from musebuild.settings.conditions import ConditionError, make_condition
from musebuild.settings.model import (
    ALWAYS,
    Block,
    BlockFrames,
    CplSettings,
    Dataset,
    DateRange,
    Resources,
    RetrieveSettings,
    Settings,
)
from musebuild.settings.nodes import Keys, Node, mark_at, places
from musebuild.settings.problems import Problem, SettingsProblems
from musebuild.settings.sizes import parse_bytes, parse_seconds

IFUS = range(1, 25)
_OWN = {
    "recipe",
    "init",
    "enabled",
    "from_recipe",
    "params",
    "frames",
    "filt",
    "name",
    "time_limit",
    "memory",
}
_SPECIAL = {"exclude", "include", "offsets"}
OFFSET_PAIRS = (("east", "north"), ("RA_OFFSET", "DEC_OFFSET"))
"""Keys of an offset that is given by hand: arcsec on the sky, or degrees of the coordinates."""


class _Maker:
    """Turns plain data into the models; gathers what is wrong."""

    def __init__(self, path: Path, root: Node) -> None:
        self.folder = path.parent
        self.root = root
        self.problems: list[Problem] = []

    def problem(self, keys: Keys, message: str, **details: Any) -> None:
        """Note a mistake at some keys."""
        dotted = ".".join(map(str, keys))
        self.problems.append(
            mark_at(self.root, keys).problem(f"{dotted}: {message}", keys=keys, **details)
        )

    def path(self, text: str) -> Path:
        """An absolute path; relative ones start from the settings' folder."""
        place = Path(text)
        with contextlib.suppress(RuntimeError):  # a user that is not there, of a variable
            place = place.expanduser()
        return Path(os.path.normpath(self.folder / place))

    def optional_path(self, text: str | None) -> Path | None:
        """A path, or None."""
        return self.path(text) if text else None

    def size(self, value: Any, keys: Keys) -> int | None:
        """Bytes."""
        if value is None:
            return None
        try:
            return parse_bytes(value)
        except ValueError as error:
            self.problem(keys, str(error))
            return None

    def span(self, value: Any, keys: Keys) -> float | None:
        """Seconds."""
        if value is None:
            return None
        try:
            return parse_seconds(value)
        except ValueError as error:
            self.problem(keys, str(error))
            return None

    def dates(self, value: Mapping[str, Any] | None, keys: Keys) -> DateRange:
        """A range of nights."""
        if not value:
            return ALWAYS
        ends = []
        for name in ("start_date", "end_date"):
            text = value.get(name)
            ends.append(dt.date.fromisoformat(str(text)) if text else None)
        start, end = ends
        if start and end and end < start:
            self.problem(keys, f"the range of nights ends ({end}) before it begins ({start})")
        return DateRange(start, end)

    def files(self, value: Any, keys: Keys) -> tuple[tuple[str, DateRange], ...]:
        """Files with their nights, from a text or a mapping."""
        if isinstance(value, str):
            return ((value, ALWAYS),)
        if isinstance(value, list):
            return tuple((name, ALWAYS) for name in value)
        return tuple((name, self.dates(span, (*keys, name))) for name, span in value.items())

    def ifus(self, value: Any) -> tuple[int, ...] | None:
        """IFUs from a number, a list, or ranges such as `1-8, 12`."""
        if value is None:
            return None
        parts = value if isinstance(value, list) else [value]
        found: set[int] = set()
        for part in ",".join(map(str, parts)).split(","):
            first, _, last = part.strip().partition("-")
            start, end = int(first), int(last or first)
            if end < start or start not in IFUS or end not in IFUS:
                self.problem(("ifus",), f"{part.strip()} is no range of IFUs", allowed="1 to 24")
                continue
            found.update(range(start, end + 1))
        return tuple(sorted(found)) or None

    def selections(self, data: Mapping[str, Any], at: Keys) -> None:
        """Note conditions that could do more than select rows of one table."""
        chosen: list[tuple[Keys, Mapping[str, Any] | None]] = [
            ((*at, "select"), data.get("select")),
            *(
                ((*at, "names_with_selection", name), tables)
                for name, tables in (data.get("names_with_selection") or {}).items()
            ),
        ]
        for keys, tables in chosen:
            for table, condition in (tables or {}).items():
                try:
                    make_condition(condition, table)
                except ConditionError as error:
                    self.problem(
                        (*keys, table), error.message, allowed=error.allowed, nearest=error.near
                    )

    def finite(self, value: Any, at: Keys = ()) -> None:
        """Note numbers that are not finite: nothing takes them, and no key could hold them."""
        if isinstance(value, float) and not math.isfinite(value):
            self.problem(at, f"{value} is not a finite number")
        items = value.items() if isinstance(value, Mapping) else ()
        for name, item in enumerate(value) if isinstance(value, list) else items:
            self.finite(item, (*at, name))

    def offsets(self, data: Mapping[str, Any], at: Keys) -> None:
        """Note offsets by hand that say too little or too much."""
        for name, given in (data.get("offsets") or {}).items():
            keys: Keys = (*at, "offsets", name)
            there = {key for key, value in given.items() if value is not None}
            pairs = [pair for pair in OFFSET_PAIRS if there & set(pair)]
            if len(pairs) != 1 or not there.issuperset(pairs[0]):
                self.problem(
                    keys,
                    "an offset has two parts",
                    allowed="either east and north [arcsec], or RA_OFFSET and DEC_OFFSET [degrees]",
                )

    def block(self, name: str, data: Mapping[str, Any], common: Mapping[str, Any]) -> Block:
        """One block."""
        at: Keys = ("recipes", name)
        init = {**common, **_filled(data.get("init"))}
        frames = data.get("frames") or {}
        self.selections(data, at)
        self.offsets(data, at)
        output = init.get("output_dir")
        if output and ".." in output.split("/"):
            own = "output_dir" in _filled(data.get("init"))
            self.problem(
                (*at, "init", "output_dir") if own else ("recipes", "common", "output_dir"),
                f"{output} leaves the reduced tree",
                allowed="a folder below reduced_path",
            )
        return Block(
            name=name,
            recipe=data.get("recipe"),
            from_recipe=data.get("from_recipe"),
            params=_filled(data.get("params")),
            frames=BlockFrames(
                exclude=frozenset(_listed(frames.get("exclude"))),
                include=frozenset(_listed(frames.get("include"))),
                offsets=_filled(frames.get("offsets")),
                sources={
                    category: self.files(value, (*at, "frames", category))
                    for category, value in frames.items()
                    if category not in _SPECIAL and value is not None
                },
            ),
            output_dir=init.get("output_dir"),
            filt=data.get("filt") or "white",
            label=data.get("name"),
            enabled=data.get("enabled", True),
            time_limit=self.span(data.get("time_limit"), (*at, "time_limit")),
            memory=self.size(data.get("memory"), (*at, "memory")),
            extra={key: value for key, value in data.items() if key not in _OWN},
        )


def _filled(value: Mapping[str, Any] | None) -> dict[str, Any]:
    """A mapping without the keys that have no value."""
    return {name: item for name, item in (value or {}).items() if item is not None}


def _listed(value: Any) -> list[str]:
    if value is None:
        return []
    return list(value) if isinstance(value, list) else [value]


def _database(
    maker: _Maker, data: Mapping[str, Any], workdir: Path, environment: Mapping[str, str]
) -> Path:
    variable = data.get("db_env")
    given = environment.get(variable) if variable else None
    if not given:
        return maker.path(data["db"]) if data.get("db") else workdir / "musebuild.db"
    if given.startswith("sqlite:///"):
        return maker.path(given.removeprefix("sqlite:///"))
    if "://" in given:
        maker.problem(
            ("db_env",),
            f"the variable {variable} names a database server, and musebuild keeps SQLite files",
            allowed="an SQLite file, or sqlite:///FILE",
            remedy=f"unset {variable}, or let it name a file",
        )
        return workdir / "musebuild.db"
    return maker.path(given)


def _datasets(data: Mapping[str, Any] | None) -> dict[str, Dataset]:
    found = {}
    for name, value in (data or {}).items():
        value = value or {}
        objects = tuple(_listed(value.get("OBJECT"))) or (name,)
        found[name] = Dataset(name, objects, _filled(value.get("archive_filter")))
    return found


def _excluded(data: Mapping[str, Any] | None) -> dict[str, tuple[Any, ...]]:
    return {name: tuple(_listed(value)) for name, value in (data or {}).items() if value}


def _stores(maker: _Maker, value: Any, workdir: Path) -> tuple[Path, ...]:
    if isinstance(value, Mapping):
        value = value.get("place")
    stores = tuple(maker.path(text) for text in _listed(value))
    return stores or (workdir / ".musebuild" / "store",)


def _limit(maker: _Maker, cache: Any) -> int | None:
    limit = cache.get("limit") if isinstance(cache, Mapping) else None
    return maker.size(limit, ("cache", "limit"))


def _cpl(maker: _Maker, data: Mapping[str, Any]) -> CplSettings:
    return CplSettings(
        runner=data.get("runner") or "python-cpl",
        recipe_path=maker.optional_path(data.get("recipe_path")),
        drs_version=data.get("drs_version"),
        mock=maker.optional_path(data.get("mock")),
        log_dir=maker.optional_path(data.get("log_dir")),
        msg=str(data["msg"]).lower() if data.get("msg") else None,
        msg_format=data.get("msg_format"),
        esorex_msg=str(data.get("esorex_msg") or "info").lower(),
        esorex_msg_format=data.get("esorex_msg_format"),
    )


def _shared_objects(maker: _Maker, datasets: Iterable[Dataset]) -> None:
    owner: dict[str, str] = {}
    for dataset in datasets:
        for name in dataset.objects:
            if owner.setdefault(name, dataset.name) != dataset.name:
                maker.problem(
                    ("datasets", dataset.name),
                    f"OBJECT {name} belongs to the dataset {owner[name]} already",
                    remedy="an exposure belongs to one dataset: take the name out of one of them",
                )


def _retrieve(maker: _Maker, data: Mapping[str, Any]) -> RetrieveSettings:
    if data.get("password") is not None:
        maker.problem(
            ("retrieve_data", "password"),
            "a password in the settings can be read by everybody who reads the settings",
            remedy="take it out (and change it at ESO): musebuild asks for it, and the keyring "
            "keeps it with retrieve_data.store_password: true",
        )
        # Its line would tell the password once more.
        maker.problems[-1] = replace(maker.problems[-1], line="")
    usual = RetrieveSettings()
    return RetrieveSettings(
        username=data.get("username") or "",
        store_password=bool(data.get("store_password")),
        parallel=data.get("parallel") or usual.parallel,
        keep_free=maker.size(data.get("keep_free"), ("retrieve_data", "keep_free"))
        or usual.keep_free,
    )


def make_settings(
    path: Path, root: Node, data: Mapping[str, Any], environment: Mapping[str, str] | None = None
) -> Settings:
    """Settings from a tree that the schema has passed.

    Parameters
    ----------
    path : Path
        The settings file, absolute.
    root : Node
        The tree, substituted and coerced.
    data : mapping
        The same as plain data.
    environment : mapping
        Environment variables, for `db_env`. Default: none.

    Raises
    ------
    SettingsProblems
        Mistakes that the schema cannot see.
    """
    maker = _Maker(path, root)
    maker.finite(data)
    workdir = maker.path(data.get("workdir") or ".")
    version = data.get("version") or "0.1"
    common = _filled((data.get("recipes") or {}).get("common"))
    nifu = common.pop("nifu", -1)
    ifus = maker.ifus(data.get("ifus"))
    resources = data.get("resources") or {}
    datasets = _datasets(data.get("datasets"))
    _shared_objects(maker, datasets.values())
    targets = _listed(data.get("targets"))
    raw_path, reduced = data.get("raw_path"), data.get("reduced_path")
    where = places(root)
    settings = Settings(
        path=path,
        workdir=workdir,
        raw_path=maker.path(raw_path) if raw_path else workdir / "raw",
        reduced_path=maker.path(reduced) if reduced else workdir / "reduced" / version,
        muse_calib_path=maker.optional_path(data.get("muse_calib_path")),
        db=_database(maker, data, workdir, environment or {}),
        cache=_stores(maker, data.get("cache"), workdir),
        version=version,
        revision=data.get("revision") or "1",
        loglevel=str(data.get("loglevel") or "info").lower(),
        additional_keywords=tuple(_listed(data.get("additional_keywords"))),
        datasets=datasets,
        cpl=_cpl(maker, data.get("cpl") or {}),
        ifus=ifus if ifus is not None or nifu < 1 else (nifu,),
        runs={
            name: maker.dates(span, ("runs", name))
            for name, span in (data.get("runs") or {}).items()
        },
        static_calib={
            category: maker.files(value, ("static_calib", category))
            for category, value in (data.get("static_calib") or {}).items()
        },
        frames_exclude=_excluded((data.get("frames") or {}).get("exclude")),
        blocks={
            name: maker.block(name, value or {}, common)
            for name, value in (data.get("recipes") or {}).items()
            if name != "common"
        },
        common=common,
        resources=Resources(
            resources.get("cores"), maker.size(resources.get("memory"), ("resources", "memory"))
        ),
        retrieve=_retrieve(maker, data.get("retrieve_data") or {}),
        targets=tuple(targets) or None,
        flags={name: meaning or "" for name, meaning in (data.get("flags") or {}).items()},
        tree=data,
        positions=where.values,
        key_positions=where.keys,
        lines=where.lines,
        cache_limit=_limit(maker, data.get("cache")),
        observers_logs=tuple(map(maker.path, _listed((data.get("GTO_logs") or {}).get("db")))),
    )
    if maker.problems:
        raise SettingsProblems(maker.problems, settings)
    return settings
