"""The settings as plain, immutable data."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

OVERRIDES = ("--set ", "MUSEBUILD_")
"""Beginnings of names of values that do not come from a file."""


@dataclass(frozen=True, slots=True)
class Position:
    """Where a value stands in a settings file (lines and columns count from 1)."""

    file: str
    """A settings file; or what goes before it: `--set KEY`, an environment variable."""
    line: int
    column: int
    length: int = field(default=1, compare=False)
    """Characters that it takes."""

    @property
    def in_file(self) -> bool:
        """Whether it is a place of a file."""
        return not self.file.startswith(OVERRIDES)

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}" if self.in_file else self.file


@dataclass(frozen=True, slots=True)
class DateRange:
    """A range of nights; either end may be open. Both ends belong to it."""

    start: dt.date | None = None
    end: dt.date | None = None

    def __contains__(self, night: dt.date) -> bool:
        return (self.start is None or self.start <= night) and (
            self.end is None or night <= self.end
        )


ALWAYS = DateRange()


@dataclass(frozen=True, slots=True)
class Cone:
    """A circle on the sky; all in degrees."""

    ra: float
    dec: float
    radius: float


SPLIT = frozenset({"position"})
"""What parts the exposures of a dataset that says nothing of it."""


@dataclass(frozen=True, slots=True)
class Dataset:
    """Exposures that are reduced and combined together, gathered by OBJECT or by position."""

    name: str
    objects: tuple[str, ...]
    """Names in OBJECT; empty: all, at its position."""
    archive_filter: Mapping[str, Any] = field(default_factory=dict)
    position: Cone | None = None
    """Where its exposures point; None: anywhere."""
    split_by: frozenset[str] = SPLIT
    """What parts its exposures, besides field mode and filter: `position`, `ao`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CplSettings:
    """How DRS recipes are found and run (`cpl:` in the settings)."""

    runner: str
    """`python-cpl`, `esorex`, or `mock` (tiny products in milliseconds, for tests)."""
    recipe_path: Path | None
    """Folder of the recipes; None: where Debian, ESO and the environment put them."""
    drs_version: str | None
    """Version to use; None: the newest found."""
    mock: Path | None
    """Behaviour file of the mock runner."""
    log_dir: Path | None
    msg: str | None
    """Least severity of the recipes' messages that are shown live; None: none are."""
    msg_format: str | None
    esorex_msg: str
    esorex_msg_format: str | None


@dataclass(frozen=True, slots=True)
class BlockFrames:
    """`frames:` of a block: which frames its recipe takes, and from where."""

    exclude: frozenset[str] = frozenset()
    include: frozenset[str] = frozenset()
    offsets: Mapping[str, int] = field(default_factory=dict)
    """Category → how many nights away a calibration may be."""
    sources: Mapping[str, tuple[tuple[str, DateRange], ...]] = field(default_factory=dict)
    """Category → texts as substituted: a block's name, the name of a product
    (`OFFSET_LIST_drs`), a path, folder or glob; each with its range of nights."""


@dataclass(frozen=True, slots=True)
class Block:
    """A named set of settings under `recipes:`."""

    name: str
    recipe: str | None = None
    """As given by `recipe:`; None: the plan finds it from the block's name."""
    from_recipe: str | None = None
    """Name of the block whose products this one takes."""
    params: Mapping[str, Any] = field(default_factory=dict)
    frames: BlockFrames = BlockFrames()
    output_dir: str | None = None
    """Folder below the reduced tree (`init: {output_dir: …}`)."""
    filt: str = "white"
    """Filter of the images that an alignment takes."""
    label: str | None = None
    """`name:` in the settings: the name of the result (`OFFSET_LIST_{label}`)."""
    enabled: bool = True
    time_limit: float | None = None
    """Seconds after which a run counts as hung; None: the default of the recipe."""
    memory: int | None = None
    """Bytes that one run may take; None: no limit."""
    extra: Mapping[str, Any] = field(default_factory=dict)
    """Other keys, for the recipes that know them (`exclude_flags`, `select`, …)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AssociationSettings:
    """How calibrations are chosen (`association:`); `default` stands for what is not named."""

    worst: Mapping[str, int]
    """Category → the worst level that is taken."""
    prefer: Mapping[str, str]
    """Category → `raw`, or `master` for those that the archive delivers."""

    def prefers_masters(self, category: str) -> bool:
        """Whether the archive's masters of a category go before raw frames."""
        return self.prefer.get(category, self.prefer["default"]) == "master"


@dataclass(frozen=True, slots=True, kw_only=True)
class Resources:
    """What a build may use of the machine; None: all of it."""

    cores: int | None
    memory: int | None
    """Bytes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RetrieveSettings:
    """How frames come from the ESO archive (`retrieve_data:`)."""

    username: str | None
    """At the ESO portal; None: without a login."""
    store_password: bool
    """Whether the keyring shall keep the password."""
    parallel: int
    """Downloads at once."""
    keep_free: int
    """Bytes of the disk that downloads leave free."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """A settings file, read, substituted, validated. Paths are absolute.

    What the file does not say has the default of `schemas/settings.schema.json`.
    """

    path: Path
    workdir: Path
    raw_path: Path
    reduced_path: Path
    muse_calib_path: Path | None
    db: Path
    """Our database (`musebuild.db` unless the settings name another of ours)."""
    cache: tuple[Path, ...]
    """Stores: the first is written, all are read."""
    cache_limit: int | None
    """Bytes that garbage collection brings the store down to; None: no limit."""
    shared: bool
    """Whether all users of the machine may write into the project and the store."""
    version: str
    revision: str
    loglevel: str
    additional_keywords: tuple[str, ...]
    datasets: Mapping[str, Dataset]
    cpl: CplSettings
    ifus: tuple[int, ...] | None
    """IFUs to reduce; None: all that the raw frames hold."""
    runs: Mapping[str, DateRange]
    association: AssociationSettings
    static_calib: Mapping[str, tuple[tuple[str, DateRange], ...]]
    """Category → files (below `muse_calib_path`) and their nights; the first that fits wins."""
    frames_exclude: Mapping[str, tuple[Any, ...]]
    """Global `frames.exclude`: `raw`, a DPR type or a category → names or column conditions."""
    blocks: Mapping[str, Block]
    """`recipes:` less `common`, in the order of the file."""
    resources: Resources
    retrieve: RetrieveSettings
    targets: tuple[str, ...] | None
    """What a plain `doit` builds; None: the default of the plan."""
    flags: Mapping[str, str]
    observers_logs: tuple[Path, ...]
    """SQLite files of `GTO_logs`."""
    tree: Mapping[str, Any]
    """The whole file as parsed and substituted."""
    values: Mapping[str, Any]
    """Every key of the schema and what else the file holds, typed, with the defaults."""
    positions: Mapping[tuple[str | int, ...], Position]
    """Path of keys → where that value stands."""
    key_positions: Mapping[tuple[str | int, ...], Position]
    """Path of keys → where its last key stands."""
    lines: Mapping[str, tuple[str, ...]]
    """File → its lines, for messages."""

    @property
    def folder(self) -> Path:
        """The folder that relative paths start from."""
        return self.path.parent

    def where(self, *keys: str | int, of_key: bool = False) -> Position:
        """Position of the value (or of the key) at `keys`, or of its nearest parent in the file."""
        if of_key and keys in self.key_positions:
            return self.key_positions[keys]
        while keys and keys not in self.positions:
            keys = keys[:-1]
        start = Position(str(self.path), 1, 1)
        # The whole has the place of what was laid over it last, a value of the call perhaps.
        return self.positions[keys] if keys else start
