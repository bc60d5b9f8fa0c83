"""The catalogue's entries, and what a runner is given and gives back, as plain data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Protocol


@dataclass(frozen=True, slots=True)
class Need:
    """A kind of frame that a recipe takes besides what it groups by."""

    category: str
    """The tag given to the recipe."""
    source: Literal["product", "static", "raw", "named"]
    """product of another block · static calibration · raw frame (ILLUM) · only if the
    settings name it (OUTPUT_WCS, OFFSET_LIST, SKY_MASK, …)."""
    required: bool = False
    expected: bool = False
    """Optional to the recipe, but its absence is an error unless excluded
    (STD_RESPONSE, STD_TELLURIC, TWILIGHT_CUBE, LSF_PROFILE)."""
    default: bool = True
    """False: only where the block includes it (MASTER_DARK, NONLINEARITY_GAIN)."""
    recipe: str = ""
    """product: the recipe whose block of the same name makes it."""
    match: tuple[str, ...] = ()
    """What must agree: `ins_mode`, `field` (INS OPTI2), `filter` (INS OPTI1), `read_mode`
    (DET READ CURID), `binning`."""
    offset: int = 1
    """How many nights away it may be."""
    close: Mapping[str, float] = field(default_factory=dict)
    """How near level 0 is: at most so many `hours` and `nights` away, and so many `kelvin`
    warmer or colder."""
    before: float | None = None
    """Only for frames that were taken before this MJD (VIGNETTING_MASK)."""
    when: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Only with these parameters (SKY_LINES: skymethod=model)."""
    beside: str = ""
    """Only where the recipe takes this category, too (LSF_PROFILE beside RAMAN_LINES)."""
    of: str = ""
    """Made by the task whose product of this category is taken (SKY_CONTINUUM of SKY_LINES)."""
    modes: tuple[str, ...] = ()
    """Only in instrument modes that hold one of these parts (RAMAN_LINES: `-AO-`)."""


@dataclass(frozen=True, slots=True)
class Argument:
    """An input of a Python recipe: an argument of its function."""

    name: str
    category: str
    many: bool = False
    """It takes a list of files."""
    required: bool = True


@dataclass(frozen=True, slots=True)
class Parameter:
    """A parameter of a Python recipe."""

    name: str
    kinds: tuple[str, ...] = ()
    """Types that it may have: bool, int, float, str, list, dict, none."""
    choices: tuple[Any, ...] = ()
    items: tuple[str, ...] = ()
    """Types of the items of a list or mapping; empty: any."""
    default: Any = None
    required: bool = False


@dataclass(frozen=True, slots=True)
class ProductRule:
    """A category that a recipe makes, and under which parameters."""

    category: str
    when: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Parameter → values, one of which it must hold (for lists such as `save`: contain);
    `raw` stands for the raw category of the invocation."""
    unless: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    optional: bool = False
    """May be missing without being a failure (SOURCE_LIST)."""
    min_rows: int = 0
    """A table with fewer rows is a failure (STD_RESPONSE of a failed fit has none)."""
    complete: bool = False
    """A row of the table that holds NaN is a warning (a slice that was not traced)."""


@dataclass(frozen=True, slots=True)
class Recipe:
    """One entry of the catalogue."""

    name: str
    kind: Literal["drs", "python"]
    plugin: str
    """drs: name of the CPL recipe; python: `module:function`."""
    description: str
    group_by: Literal["sequence", "exposure", "dataset", "run"] = "exposure"
    """What makes one invocation: a calibration sequence (TPL START, INS MODE, detector
    set-up), an exposure, a dataset or name, a run."""
    raw: tuple[str, ...] = ()
    """Raw categories that it takes (BIAS; OBJECT, STD); empty: products of `from_recipe`."""
    takes: Mapping[str, str] = field(default_factory=dict)
    """Of `from_recipe`: tag → category of the product (PIXTABLE_OBJECT → PIXTABLE_OBJECT)."""
    from_recipe: str = ""
    """Default of `from_recipe`."""
    least: int = 1
    recommended: int = 0
    lamps: tuple[str, ...] = ()
    """Arc lamps of which it needs an exposure each."""
    needs_ifu: int | None = None
    """An IFU that must be among its inputs."""
    suffix: str = ""
    """Default name of the result of a dataset: `{dataset}_{suffix}`."""
    unavailable: str = ""
    """Why musebuild cannot run it; empty: it can."""
    split_by_ifu: bool = False
    needs: tuple[Need, ...] = ()
    products: tuple[ProductRule, ...] = ()
    params: Mapping[str, Any] = field(default_factory=dict)
    """Defaults that differ from the DRS's own, and those that products depend on."""
    folder: str = ""
    """`MASTER_BIAS/{label}.{ins_mode}`, `{output_dir}/{label}`, …"""
    output_dir: str = ""
    """Default of `{output_dir}`."""
    memory_base: int = 0
    memory_per_input_byte: float = 0.0
    """Declared peak memory: base + factor × bytes of inputs; then learned."""
    time_limit: float = 86400.0
    threads: bool = True
    """OpenMP threads help."""
    group: Literal["calib", "science"] = "science"
    default: bool = True
    """False: only where a block of the settings asks for it (muse_dark)."""
    follows: tuple[str, ...] = ()
    """Parameters that are those of the block whose products it takes, unless its own gives
    them."""
    by_hand: bool = False
    """What it makes stands in the settings (`offsets`), and it takes no frames."""
    packages: tuple[str, ...] = ()
    """Python packages whose versions belong to the key."""
    asked: str = ""
    """How the settings call a recipe that they brought along; empty: of the catalogue."""
    location: str = ""
    """python: the file that holds the function; empty: it is imported by its module's name."""
    code: str = ""
    """python: hash of the source code, part of the key."""
    arguments: tuple[Argument, ...] = ()
    """python: its inputs."""
    parameters: Mapping[str, Parameter] = field(default_factory=dict)
    """python: name → parameter."""


@dataclass(frozen=True, slots=True)
class RecipeCall:
    """What a runner is given, in the worker process; plain and small."""

    recipe: str
    plugin: str
    params: Mapping[str, Any]
    inputs: tuple[tuple[str, str], ...]
    """(tag, path), in the order in which the recipe gets them."""
    folder: Path
    """Existing empty folder for the products."""
    log: Path
    threads: int = 1
    recipe_path: str = ""
    drs_version: str = ""
    """Version wanted; empty: the newest."""
    expected: tuple[ProductRule, ...] = ()
    options: Mapping[str, Any] = field(default_factory=dict)
    """Of the runner: log levels and formats, behaviour file of the mock."""


@dataclass(frozen=True, slots=True)
class RecipeOutcome:
    """What a runner gives back."""

    products: tuple[tuple[str, str], ...]
    """(category, path)."""
    return_code: int = 0
    failure: str = ""
    """Empty: it succeeded. Else one sentence for people."""
    errors: tuple[str, ...] = ()
    """Last error messages of the recipe, oldest first."""
    warnings: tuple[str, ...] = ()
    kind: str = ""
    """Kind of failure: input, recipe, crash, killed, memory, hang, empty, missing, cpl-errors,
    path."""


class Runner(Protocol):
    """Runs one recipe in this process's scratch folder."""

    def run(self, call: RecipeCall) -> RecipeOutcome:
        """Run the recipe; a failure is an outcome, not an exception."""
        ...
