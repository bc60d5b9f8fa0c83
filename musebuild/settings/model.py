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
class Dataset:
    """Exposures that are reduced and combined together, gathered by OBJECT."""

    name: str
    objects: tuple[str, ...]
    archive_filter: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class CplSettings:
    """How DRS recipes are found and run (`cpl:` in the settings)."""

    runner: str = "python-cpl"
    """`python-cpl`, `esorex`, or `mock` (tiny products in milliseconds, for tests)."""
    recipe_path: Path | None = None
    """Folder of the recipes; None: where Debian, ESO and the environment put them."""
    drs_version: str | None = None
    """Version to use; None: the newest found."""
    mock: Path | None = None
    """Behaviour file of the mock runner."""
    log_dir: Path | None = None
    msg: str | None = None
    """Least severity of the recipes' messages that are shown live; None: none are."""
    msg_format: str | None = None
    esorex_msg: str = "info"
    esorex_msg_format: str | None = None


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


@dataclass(frozen=True, slots=True)
class Resources:
    """What a build may use of the machine; None: all of it."""

    cores: int | None = None
    memory: int | None = None
    """Bytes."""


@dataclass(frozen=True, slots=True)
class RetrieveSettings:
    """How frames come from the ESO archive (`retrieve_data:`)."""

    username: str = ""
    """At the ESO portal; empty: without a login."""
    store_password: bool = False
    """Whether the keyring shall keep the password."""
    parallel: int = 4
    """Downloads at once."""
    keep_free: int = 1_000_000_000
    """Bytes of the disk that downloads leave free."""


@dataclass(frozen=True, slots=True)
class Settings:
    """A settings file, read, substituted, validated. Paths are absolute."""

    path: Path
    workdir: Path
    raw_path: Path
    reduced_path: Path
    muse_calib_path: Path | None
    db: Path
    """Our database (`musebuild.db` unless the settings name another of ours)."""
    cache: tuple[Path, ...]
    """Stores: the first is written, all are read."""
    version: str = "0.1"
    revision: str = "1"
    loglevel: str = "info"
    additional_keywords: tuple[str, ...] = ()
    datasets: Mapping[str, Dataset] = field(default_factory=dict)
    cpl: CplSettings = CplSettings()
    ifus: tuple[int, ...] | None = None
    """IFUs to reduce; None: all that the raw frames hold."""
    runs: Mapping[str, DateRange] = field(default_factory=dict)
    static_calib: Mapping[str, tuple[tuple[str, DateRange], ...]] = field(default_factory=dict)
    """Category → files (below `muse_calib_path`) and their nights; the first that fits wins."""
    frames_exclude: Mapping[str, tuple[Any, ...]] = field(default_factory=dict)
    """Global `frames.exclude`: `raw`, a DPR type or a category → names or column conditions."""
    blocks: Mapping[str, Block] = field(default_factory=dict)
    """`recipes:` less `common`, in the order of the file."""
    common: Mapping[str, Any] = field(default_factory=dict)
    resources: Resources = Resources()
    retrieve: RetrieveSettings = RetrieveSettings()
    targets: tuple[str, ...] | None = None
    """What a plain `doit` builds; None: the default of the plan."""
    flags: Mapping[str, str] = field(default_factory=dict)
    tree: Mapping[str, Any] = field(default_factory=dict)
    """The whole file as parsed and substituted."""
    positions: Mapping[tuple[str | int, ...], Position] = field(default_factory=dict)
    """Path of keys → where that value stands."""
    key_positions: Mapping[tuple[str | int, ...], Position] = field(default_factory=dict)
    """Path of keys → where its last key stands."""
    lines: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """File → its lines, for messages."""
    cache_limit: int | None = None
    """Bytes that garbage collection brings the store down to; None: no limit."""
    observers_logs: tuple[Path, ...] = ()
    """SQLite files of `GTO_logs`."""

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
