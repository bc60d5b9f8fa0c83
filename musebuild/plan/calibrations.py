"""Which calibration for which exposure: pure choices, each with its quality and its reason."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from musebuild.cache.model import Quality
from musebuild.index.model import RawFrame
from musebuild.plan.levels import WORST_TAKEN, Rule, accepting, level_of, quality_of, worse
from musebuild.plan.model import Refused
from musebuild.plan.planned_task import Candidates, PlannedTask, Setup, day_of, setup_of

ILLUM_HOURS = 2.0
"""Illumination flats within this time are chosen by temperature, others by time."""
ILLUM_KELVIN = 1.0
"""An illumination flat at a temperature that differs by more is worse than none."""


REFUSED_SHOWN = 3
"""Nearest candidates that a report names."""
WORDS = {
    "ins_mode": "INS MODE",
    "field": "field mode (INS OPTI2)",
    "filter": "filter (INS OPTI1)",
    "read_mode": "read-out mode",
    "binning": "binning",
}


@dataclass(frozen=True, slots=True)
class Nearest:
    """A chosen candidate; None: there is none."""

    made: PlannedTask | None = None
    quality: Quality | None = None


def _fits(
    made: PlannedTask, setup: Setup, match: tuple[str, ...], ifus: Sequence[int | None]
) -> bool:
    if made.setup.agrees(setup, match):
        return False
    held = made.by_ifu
    return None in held or all(ifu in held for ifu in ifus)


def fitting(
    candidates: Candidates, setup: Setup, rule: Rule, ifus: Sequence[int | None] = (None,)
) -> tuple[int, tuple[PlannedTask, ...]]:
    """Candidates among which only time decides.

    They are of the nearest night that has some of the same INS MODE; else of the nearest night
    that has some whose other INS MODE the rule allows.

    Parameters
    ----------
    candidates : Candidates
        Tasks that make the category.
    setup : Setup
        Of the frame that needs it.
    rule : Rule
        By which it is chosen; levels are not looked at.
    ifus : sequence
        IFUs that it must hold, where its task is split.

    Returns
    -------
    nights : int
        From the frame's night; positive: later.
    made : tuple of PlannedTask
        Empty where there is none.
    """
    others: tuple[int, tuple[PlannedTask, ...]] = (0, ())
    for nights, tasks in candidates.nights(day_of(setup.night), rule.offset):
        found = [made for made in tasks if _fits(made, setup, rule.match, ifus)]
        same = tuple(made for made in found if rule.same_mode(made.setup, setup))
        if same:
            return nights, same
        if found and not others[1]:
            others = nights, tuple(found)
    return others


def nearest_in_time(nights: int, found: Sequence[PlannedTask], setup: Setup, rule: Rule) -> Nearest:
    """Of the candidates of one night the nearest in time; ties go by name.

    Parameters
    ----------
    nights : int
        From the frame's night to theirs; positive: later.
    found : sequence of PlannedTask
        At least one.
    setup : Setup
        Of the frame that needs it.
    rule : Rule
        By which it is chosen.
    """
    mjd = setup.mjd
    best = found[0]
    if len(found) > 1:
        best = min(found, key=lambda made: (abs(made.setup.mjd - mjd), made.label))
    note = f"nearest of {len(found)} of that night" if len(found) > 1 else ""
    return Nearest(best, quality_of(nights, best.setup, setup, rule, note))


def choose_made(
    candidates: Candidates, setup: Setup, rule: Rule, ifus: Sequence[int | None] = (None,)
) -> Nearest:
    """The product that fits best: of the same INS MODE first, then of the nearest night.

    At equal distance a later night goes before an earlier one; in one night the nearest in time,
    then the name. What is of a worse level than the rule takes is passed over. Parameters are
    those of `fitting`.

    Returns
    -------
    Nearest
        Without a candidate where there is none: `refused_for` says why.
    """
    nights, found = fitting(candidates, setup, rule, ifus)
    best = nearest_in_time(nights, found, setup, rule) if found else Nearest()
    if best.quality is None or not worse(best.quality, rule.worst):
        return best
    every = [
        (nights, made)
        for nights, tasks in candidates.nights(day_of(setup.night), rule.offset)
        for made in tasks
        if _fits(made, setup, rule.match, ifus)
    ]
    taken = [
        (rule.same_mode(made.setup, setup), nights, made, quality)
        for nights, made in every
        if not worse(quality := quality_of(nights, made.setup, setup, rule), rule.worst)
    ]
    if not taken:
        return Nearest()
    _, _, made, quality = min(
        taken,
        key=lambda one: (
            not one[0],
            abs(one[1]),
            one[1] < 0,
            abs(one[2].setup.mjd - setup.mjd),
            one[2].label,
        ),
    )
    return Nearest(made, quality)


def refused_for(
    candidates: Candidates,
    setup: Setup,
    rule: Rule,
    ifus: Sequence[int | None] = (None,),
    *,
    block: str = "",
    category: str = "",
    most: int = REFUSED_SHOWN,
) -> list[tuple[int, float, Refused]]:
    """Why the nearest candidates were refused, and the setting that would accept each.

    Parameters
    ----------
    block, category : str
        What needs it, for the settings.
    most : int
        Candidates to name. Other parameters are those of `fitting`.

    Returns
    -------
    list of (int, float, Refused)
        Nights and days away, by which they can be sorted among others.
    """
    told: list[tuple[int, float, Refused]] = []
    frames = f"recipes.{block}.frames"
    for nights, tasks in candidates.all_nights(day_of(setup.night)):
        away = abs(nights)
        for made in sorted(tasks, key=lambda m: (abs(m.setup.mjd - setup.mjd), m.label)):
            reasons = []
            setting = ""
            if away > rule.offset:
                side = "later" if nights > 0 else "earlier"
                reasons.append(f"is {away} night{'s' * (away != 1)} {side}")
                setting = f"{frames}.offsets: {{{category}: {away}}}"
            if differs := made.setup.agrees(setup, rule.match):
                theirs, ours = made.setup.value(differs), setup.value(differs)
                if theirs == ours:
                    theirs, ours = made.setup.read_id, setup.read_id
                reasons.append(f"has {WORDS[differs]} {theirs or '(none)'}, not {ours or '(none)'}")
                # A path that is a product of the plan is taken whatever its set-up.
                place = f"{{reduced_path}}/{made.folder}"
                setting = f"{frames}: {{{category}: '{place}'}}" if made.folder else ""
            elif None not in made.by_ifu and not all(ifu in made.by_ifu for ifu in ifus):
                lacking = [str(ifu) for ifu in ifus if ifu not in made.by_ifu]
                reasons.append(f"lacks IFU {', '.join(lacking)}")
                held = ", ".join(str(ifu) for ifu in sorted(i for i in made.by_ifu if i))
                setting = f"ifus: [{held}]"
            quality = quality_of(nights, made.setup, setup, rule)
            if not reasons and worse(quality, rule.worst):
                assert quality.level is not None, "what is worse has a level"
                reasons.append(f"is of level {quality.level}, and {rule.worst} {WORST_TAKEN}")
                setting = accepting(category, quality.level, rule.levels)
            refused = Refused(made.task, " and ".join(reasons), setting, bool(differs))
            told.append((away, abs(made.setup.mjd - setup.mjd), refused))
            if len(told) == most:
                return told
    return told


def choose_illum(
    candidates: Iterable[tuple[RawFrame, Setup]], frame: RawFrame, rule: Rule
) -> tuple[RawFrame | None, Quality | None, str]:
    """The illumination flat of an exposure.

    Of the same night and a set-up that agrees: of those within 2 hours, of which the same INS MODE
    goes first, the nearest in temperature (INS TEMP7 VAL); else the nearest in time. None where
    the temperature differs by more than 1 °C.

    Parameters
    ----------
    candidates : iterable of (RawFrame, Setup)
        Illumination flats.
    frame : RawFrame
        The exposure.
    rule : Rule
        What must agree, what is close, and the worst level that is taken.

    Returns
    -------
    illum : RawFrame or None
    quality : Quality or None
    note : str
        Why there is none.
    """
    ours = setup_of(frame)
    same = [
        (c, rule.same_mode(setup, ours))
        for c, setup in candidates
        if c.night == frame.night and not setup.agrees(ours, rule.match)
    ]
    if not same:
        return None, None, f"no illumination flat of that set-up in the night {frame.night}"

    def hours(c: RawFrame) -> float:
        return (c.mjd_obs - frame.mjd_obs) * 24

    def kelvin(c: RawFrame) -> float | None:
        if c.temp7 is None or frame.temp7 is None:
            return None
        # Decimals of headers: 16.1 - 15.1 is more than 1 for a computer.
        return round(c.temp7 - frame.temp7, 3)

    def degrees(c: RawFrame) -> float:
        # A flat without a temperature is not taken before one whose temperature is known.
        difference = kelvin(c)
        return math.inf if difference is None else abs(difference)

    levels = [
        (c, mode, level_of(rule, hours=hours(c), kelvin=kelvin(c), same_mode=mode))
        for c, mode in same
    ]
    taken = [(c, mode) for c, mode, level in levels if level <= rule.worst]
    if not taken:
        best_level = min(level for _, _, level in levels)
        return (
            None,
            None,
            f"the best illumination flat of the night {frame.night} is of level {best_level}, "
            f"and {rule.worst} {WORST_TAKEN} ({accepting('ILLUM', best_level, rule.levels)})",
        )
    near = [(c, mode) for c, mode in taken if abs(hours(c)) <= ILLUM_HOURS]
    some = near or taken
    of_mode = [c for c, mode in some if mode] or [c for c, _ in some]
    if near:
        best = min(of_mode, key=lambda c: (degrees(c), abs(hours(c)), c.name))
    else:
        best = min(of_mode, key=lambda c: (abs(hours(c)), c.name))
    difference = kelvin(best)
    if difference is not None and abs(difference) > ILLUM_KELVIN:
        return (
            None,
            None,
            f"the illumination flat {best.name} differs by {abs(difference):g} °C, "
            f"more than {ILLUM_KELVIN:.0f} °C",
        )
    notes = []
    if not any(best is c and mode for c, mode in some):
        notes.append(f"INS MODE {best.ins_mode}, not {frame.ins_mode}")
    if len(same) > 1:
        why = "in temperature" if near and difference is not None else "in time"
        notes.append(f"nearest {why} of {len(of_mode)}")
    if not near:
        notes.append(f"none within {ILLUM_HOURS:.0f} hours")
    if difference is None:
        notes.append("temperatures unknown")
    kept = None if difference is None else round(difference, 3)
    level = next(level for c, _, level in levels if c is best)
    quality = Quality("same night", 0, round(hours(best), 3), kept, ", ".join(notes), level)
    return best, quality, ""
