"""How good an association is: a number, as EDPS has it. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from musebuild.cache.model import Quality
from musebuild.plan.model import Invocation
from musebuild.plan.planned_task import Setup

WORST = 3
"""The highest level: taken only because the settings name it."""
WORST_TAKEN = "is the worst taken"
"""Words of the reason why what is of a worse level is refused."""
LIGHT = frozenset({"ins_mode", "field", "filter"})
"""Criteria of what light passes through: where none of them counts, INS MODE does not either."""


@dataclass(frozen=True, slots=True)
class Rule:
    """By what a calibration is chosen."""

    match: tuple[str, ...] = ()
    """What must agree."""
    offset: int = 1
    """How many nights away it may be."""
    usual: int = 1
    """The same without the settings."""
    close: Mapping[str, float] = field(default_factory=dict)
    """What level 0 asks for: `hours`, `nights`, `kelvin`."""
    category: str = ""
    levels: Mapping[str, int] = field(default_factory=lambda: {"default": WORST})
    """Category, or `default` → the highest level that is taken (`association.worst`)."""
    least: int = 0
    """The lowest level that there can be: a master of the archive is never of level 0."""

    @property
    def worst(self) -> int:
        """The highest level that is taken."""
        return self.levels.get(self.category, self.levels["default"])

    @property
    def of_light(self) -> bool:
        """Whether INS MODE counts."""
        return not LIGHT.isdisjoint(self.match)

    def same_mode(self, one: Setup, other: Setup) -> bool:
        """Whether INS MODE counts for nothing, or is the same as far as it is known."""
        return one.kind == other.kind or not self.of_light or not one.agrees(other, ("ins_mode",))


def level_of(
    rule: Rule,
    *,
    nights: int = 0,
    hours: float | None = None,
    kelvin: float | None = None,
    same_mode: bool = True,
) -> int:
    """How good an association is that the rules allow.

    Parameters
    ----------
    rule : Rule
        What is close, and how far away is usual.
    nights, hours, kelvin : number
        From the frame to its calibration; None: not known, which is not close.
    same_mode : bool
        Whether INS MODE is the same.

    Returns
    -------
    int
        0: same set-up, and close. 1: same set-up, within the usual offset. 2: another INS MODE
        that muse.oca allows, or farther away, because the settings allow it.

    Examples
    --------
    >>> bias = Rule(close={"hours": 24})
    >>> [level_of(bias, hours=h) for h in (2, -30)]
    [0, 1]
    >>> level_of(bias, nights=3, hours=72)
    2
    """
    if not same_mode or abs(nights) > rule.usual:
        return 2
    if rule.least:
        return rule.least
    away = {"nights": nights, "hours": hours, "kelvin": kelvin}
    for name, most in (rule.close or {"nights": 0}).items():
        value = away[name]
        if value is None or abs(value) > most:
            return 1
    return 0


def worse(quality: Quality | None, worst: int) -> bool:
    """Whether an association is of a worse level than is taken; what has no level is taken."""
    return quality is not None and quality.level is not None and quality.level > worst


def accepting(category: str, level: int, worst: Mapping[str, int]) -> str:
    """The setting that takes a level of a category, and of others what is taken of them now.

    Examples
    --------
    >>> accepting("STD_RESPONSE", 2, {"default": 1})
    'association.worst: {default: 1, STD_RESPONSE: 2}'
    """
    kept = {name: most for name, most in worst.items() if (name, most) != ("default", WORST)}
    given = ", ".join(f"{name}: {most}" for name, most in {**kept, category: level}.items())
    return f"association.worst: {{{given}}}"


def quality_of(nights: int, there: Setup, setup: Setup, rule: Rule, note: str = "") -> Quality:
    """How well what was taken `nights` later (negative: earlier) fits a frame."""
    hours = round((there.mjd - setup.mjd) * 24, 3)
    kelvin = None
    if there.temp is not None and setup.temp is not None:
        kelvin = round(there.temp - setup.temp, 3)
    same = rule.same_mode(there, setup)
    if not same:
        mode = f"INS MODE {there.ins_mode or '(none)'}, not {setup.ins_mode or '(none)'}"
        note = f"{mode}, {note}" if note else mode
    level = level_of(rule, nights=nights, hours=hours, kelvin=kelvin, same_mode=same)
    return Quality("other night" if nights else "same night", nights, hours, kelvin, note, level)


def levels_of(invocation: Invocation) -> list[int]:
    """The level of each kind of frame that was chosen for an invocation, the worst of its kind."""
    found: dict[str, int] = {}
    for given in invocation.inputs:
        if given.quality is not None and given.quality.level is not None:
            found[given.tag] = max(given.quality.level, found.get(given.tag, 0))
    return list(found.values())
