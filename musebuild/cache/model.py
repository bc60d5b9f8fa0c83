"""An input frame, what was made of it and how: the records that all rooms pass on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

MANIFEST_VERSION = 1
PRODUCT = "product"
"""Kind of an input that an invocation makes: its source is no path."""
Kind = Literal["raw", "file", "product", ""]
"""Kinds of inputs; empty: not known any more."""


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
    dropped: tuple[str, ...] = ()
    """Objects of products that went on purpose: no miss until something needs their bytes."""
    version: int = MANIFEST_VERSION

    @property
    def kept(self) -> tuple[Product, ...]:
        """Products whose bytes the store holds."""
        if not self.dropped:
            return self.products
        return tuple(one for one in self.products if one.object not in self.dropped)

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


# Never changed, though not frozen: a plan has half a million of them, and freezing doubles the
# time to make one.
@dataclass(slots=True, unsafe_hash=True)
class Quality:
    """How well an associated frame fits."""

    grade: Literal["same night", "other night", "other than asked", "as set", "static"]
    """`other than asked`: taken though something differs, which the note names; `as set`: the
    settings name it; `static`: valid for that night."""
    nights: int = 0
    """Nights away; positive: later."""
    hours: float | None = None
    """Time from the frame that needs it to the middle of this one [h]; positive: later."""
    kelvin: float | None = None
    """Difference in INS TEMP7 VAL [°C]; positive: warmer."""
    note: str = ""
    """What differs, and that it was chosen among several."""
    level: int | None = None
    """0: same set-up and close, to 3: only because the settings name it; None: it has none."""


# Never changed, though not frozen: a plan has half a million of them, and freezing doubles the
# time to make one.
@dataclass(slots=True, unsafe_hash=True)
class Input:
    """One input frame of an invocation (of a product, perhaps several files)."""

    tag: str
    """The category under which the recipe takes it (OBJECT, MASTER_BIAS, …)."""
    kind: Kind
    path: str = ""
    """raw, file: absolute path."""
    invocation: str = ""
    """product: the invocation that makes it."""
    category: str = ""
    """product: its category there (STD_RESPONSE, IMAGE_FOV, …)."""
    filter: str = ""
    """product: only the image in that filter; empty: all products of the category."""
    ifu: int | None = None
    """raw, file: only the primary header and this IFU's extension count."""
    order: str = ""
    """Sorts inputs of one tag (DATE-OBS of the frame); ties go by digest, never by name."""
    quality: Quality | None = None

    @property
    def source(self) -> str:
        """Path, or the invocation that makes it."""
        return self.invocation or self.path


@dataclass(slots=True, unsafe_hash=True)
class UsedInput(Input):
    """An input frame that is resolved: one file, with what it holds."""

    digest: str = ""
    """Content digest; empty: not known yet."""
    product: Product | None = None
    """Of a product that is made: the file in the store."""
    night: str = ""
    """Of what made it."""

    @classmethod
    def of(cls, wanted: Input, digest: str, product: Product | None = None) -> UsedInput:
        """An input of the plan, resolved."""
        return cls(
            wanted.tag,
            wanted.kind,
            wanted.path,
            wanted.invocation,
            wanted.category,
            wanted.filter,
            wanted.ifu,
            wanted.order,
            wanted.quality,
            digest,
            product,
        )

    @classmethod
    def named(
        cls, tag: str, digest: str, kind: Kind, source: str, category: str = "", night: str = ""
    ) -> UsedInput:
        """An input as it is remembered; an empty kind: where it came from is not."""
        place = ("", source) if kind == PRODUCT else (source, "")
        return cls(tag, kind, *place, category, digest=digest, night=night)


@dataclass(frozen=True, slots=True)
class Record:
    """How a task was last made: its preimage with the names that the key leaves out."""

    task: str
    key: str
    date: str
    call: Mapping[str, Any]
    """The preimage less its inputs: recipe, version, params, environment, packages."""
    inputs: tuple[UsedInput, ...]
    chosen: tuple[Input, ...] = ()
    """Frames of which there was a choice, with their quality; the ledger has them in a table of
    their own."""
