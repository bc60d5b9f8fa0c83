"""What the store remembers of an invocation."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

MANIFEST_VERSION = 1


@dataclass(frozen=True, slots=True)
class Product:
    """A frame that an invocation made."""

    category: str
    name: str
    """File name as the recipe wrote it (`MASTER_BIAS-01.fits`)."""
    object: str
    """Hash of its bytes: its name in the store."""
    digest: str
    """Content digest: what identifies it downstream."""
    size: int
    filter: str = ""
    """DRS MUSE FILTER NAME, for images."""


@dataclass(frozen=True, slots=True)
class Manifest:
    """One for each key: how it came about, and what it made."""

    key: str
    preimage: Mapping[str, Any]
    products: tuple[Product, ...]
    log: str
    """Object of the recipe's log."""
    task: str
    """Name of the task that first made it (information only)."""
    made: str
    """UTC, ISO 8601."""
    seconds: float
    cpu_seconds: float
    peak_memory: int
    """Bytes."""
    input_bytes: int
    warnings: tuple[str, ...] = ()
    host: str = ""
    version: int = MANIFEST_VERSION

    @property
    def recipe(self) -> str:
        """The CPL plugin or the Python function that ran."""
        return str(self.preimage.get("recipe", ""))

    @property
    def drs(self) -> str:
        """Version of the DRS; empty for Python recipes."""
        return str(self.preimage.get("version", ""))

    @property
    def params(self) -> Mapping[str, Any]:
        """Parameters that it was given."""
        given: Mapping[str, Any] = self.preimage.get("params", {})
        return given

    @property
    def packages(self) -> Mapping[str, str]:
        """Versions of the Python packages that computed."""
        versions: Mapping[str, str] = self.preimage.get("packages", {})
        return versions


@dataclass(frozen=True, slots=True)
class UsedInput:
    """An input of an invocation, as a person knows it."""

    tag: str
    digest: str
    """Empty: not known yet."""
    kind: str
    """`raw`, `file` or `product`."""
    source: str
    """Path, or the invocation that made it."""
    category: str = ""
    """Of a product, where it was made."""
    night: str = ""
    """Of what made it."""


@dataclass(frozen=True, slots=True)
class ChosenInput:
    """A frame that was chosen for an invocation, and how well it fits."""

    tag: str
    kind: str
    """`raw`, `file` or `product`."""
    source: str
    """Path, or the invocation that made it."""
    category: str
    grade: str
    """`same night`, `other night`, `other than asked`, `as set` or `static`."""
    nights: int
    """Nights away; positive: later."""
    hours: float | None
    """Time from the frame that needs it [h]; positive: later."""
    kelvin: float | None
    """Difference in INS TEMP7 VAL [°C]; positive: warmer."""
    note: str


@dataclass(frozen=True, slots=True)
class Record:
    """How a task was last made: its preimage with the names that the key leaves out."""

    task: str
    key: str
    date: str
    call: Mapping[str, Any]
    """The preimage less its inputs: recipe, version, params, environment, packages."""
    inputs: tuple[UsedInput, ...]
    chosen: tuple[ChosenInput, ...] = ()
    """Frames of which there was a choice; the ledger has them in a table of their own."""
