"""The plan: every invocation that the settings need, as plain data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from musebuild.cache.model import Input
from musebuild.index.model import Condition

CATEGORY, OF = "{category}", "{of}"
"""What stands for the category, and for what a cause is about, in its texts."""
ADDED = frozenset({"nifu", "offsets", "scale_bands"})
"""Parameters that the plan itself gives to some invocations, beside those of their block."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """An exposure that a combination takes if what is measured on it fits."""

    exposure: str
    label: str
    """How its task calls it."""
    invocations: tuple[str, ...]
    """Those whose products the combination would take."""
    measured: tuple[tuple[str, str], ...]
    """Invocation and category of the products on which it is measured."""


@dataclass(frozen=True, slots=True)
class Clause:
    """One selection of a combination; all of them must hold."""

    told: str
    """What it is, for people: `the selection best`."""
    exposures: frozenset[str]
    """Selected already, by tables that the index fills."""
    conditions: tuple[Condition, ...]
    """Any of these selects others when they are made."""


@dataclass(frozen=True, slots=True)
class Choosing:
    """How a combination chooses among its candidates, when all of them are made."""

    candidates: tuple[Candidate, ...]
    """By date."""
    clauses: tuple[Clause, ...]
    told: str
    """What chooses, for people."""
    least: int
    most: int | None


@dataclass(frozen=True, slots=True)
class Invocation:
    """One block applied to one set of input frames: what runs and what is cached."""

    name: str
    """The task: `muse_bias:2017-06-16T10:40:27.ifu07`."""
    block: str
    recipe: str
    label: str
    """NAME without the IFU: TPL START, exposure, dataset or chosen name."""
    inputs: tuple[Input, ...]
    params: Mapping[str, Any]
    """Block parameters over the defaults of the catalogue; `nifu` where split."""
    products: tuple[str, ...]
    """Categories that it makes with these parameters."""
    folder: str
    """Where its products go, below `reduced_path`."""
    ifu: int | None = None
    night: str = ""
    run: str = ""
    dataset: str = ""
    ins_mode: str = ""
    notes: tuple[str, ...] = ()
    """What a person should know: optional frames that are missing, choices among several."""
    choosing: Choosing | None = None
    """Inputs are candidates, of which some are taken; None: all are taken."""

    @property
    def needs(self) -> tuple[str, ...]:
        """Invocations that must be made before it, each once, in the order of its inputs."""
        found = dict.fromkeys(w.invocation for w in self.inputs if w.kind == "product")
        if self.choosing is not None:
            for candidate in self.choosing.candidates:
                found.update(dict.fromkeys(name for name, _ in candidate.measured))
        return tuple(found)

    @property
    def task(self) -> str:
        """The name with its IFUs folded: `muse_bias:2017-06-16T10:40:27`."""
        return f"{self.block}:{self.label}"


@dataclass(frozen=True, slots=True)
class Refused:
    """A candidate that was not taken."""

    task: str
    """Task, file or frame."""
    reason: str
    setting: str = ""
    """The setting that would accept it; empty where none would."""
    contradicts: bool = False
    """Whether its set-up is another: to accept it is the last resort."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """Raw frames that would mend what is left out: what `musebuild retrieve --missing` seeks."""

    categories: tuple[str, ...]
    """Raw categories (BIAS, STD, …), any of them."""
    night: str
    nights: int = 0
    """How many nights away they may be."""
    ins_mode: str = ""
    """Empty: of any mode."""


@dataclass(frozen=True, slots=True)
class Cause:
    """Something that is missing or wrong: why tasks are left out. Alike ones are equal."""

    what: str
    """The fact, the same text for all of a kind: `no {category} within 5 nights of {of}`."""
    hint: str = ""
    """What mends it; `{category}` stands for the category here, too."""
    kind: str = "setting"
    """`category`, `folder`, `file`, `setting` or `frames`."""
    of: str = ""
    """The night, task or exposure that it is about."""
    category: str = ""
    """The category that is missing."""
    block: str = ""
    """The block that takes the category."""
    where: tuple[str | int, ...] = ()
    """Keys of the settings that it comes from."""
    optional: bool = False
    """Whether `frames.exclude` of the block does without the category."""
    refused: tuple[Refused, ...] = field(default=(), compare=False)
    """The nearest candidates."""
    wanted: Wanted | None = field(default=None, compare=False)
    """Raw frames that would mend it."""

    @property
    def told(self) -> str:
        """The fact, as a sentence."""
        return self.what.replace(CATEGORY, self.category).replace(OF, self.of)


@dataclass(frozen=True, slots=True)
class LeftOut:
    """Something that the settings ask for and the plan does not hold, with its causes."""

    name: str
    """Task or block."""
    causes: tuple[Cause, ...]
    """All that keep it from being made, found in one go; shared with others that they stop."""
    error: bool = False
    """True: asked for and impossible (a required frame is missing); False: by rule."""
    dataset: str = ""
    night: str = ""
    """Empty: of no one night."""
    run: str = ""
    part: str = ""
    """The part of its dataset; empty where that is whole."""
    exposure: str = ""
    """Of which it is made; empty: of several, or of calibration frames."""
    raw: str = ""
    """Raw category of the exposure."""
    note: bool = False
    """Nothing is left out: it is told, since people should know it before anything runs."""
    vanished: bool = False
    """Frames that it used cannot be read any more: that stops what needs it, and nothing else."""
    on_demand: bool = False
    """Nobody misses it: who takes its products says so."""

    @classmethod
    def of(
        cls,
        name: str,
        what: str,
        hint: str = "",
        *,
        kind: str = "setting",
        of: str = "",
        where: tuple[str | int, ...] = (),
        **more: Any,
    ) -> LeftOut:
        """Something that is left out for a reason of its own."""
        return cls(name, (Cause(what, hint, kind, of, where=where),), **more)

    @property
    def blocks_others(self) -> bool:
        """Whether nothing of its dataset may begin."""
        return self.error and not self.vanished

    @property
    def reason(self) -> str:
        """The facts of its causes, each once."""
        return "; ".join(dict.fromkeys(cause.told for cause in self.causes))

    @property
    def wanted(self) -> tuple[Wanted, ...]:
        """Raw frames that would mend it."""
        found = (cause.wanted for cause in self.causes if cause.wanted is not None)
        return () if self.on_demand else tuple(dict.fromkeys(found))


@dataclass(frozen=True, slots=True)
class Plan:
    """The graph of invocations, in an order in which each follows what it needs."""

    invocations: Mapping[str, Invocation]
    default: tuple[str, ...]
    """Invocations that a plain `doit` builds, calibrations that they use included."""
    groups: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """`calib`, `science`, each block, dataset and part of one, night, folded task → invocations."""
    left_out: tuple[LeftOut, ...] = ()
    units: tuple[str, ...] = ()
    """Groups of which each can be made without the others: datasets, or the parts of one."""
