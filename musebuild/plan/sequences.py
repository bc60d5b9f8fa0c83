"""Raw frames → calibration sequences and exposures."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from musebuild.index.model import RawFrame
from musebuild.plan.planned_task import CRITERIA, Setup, setup_of
from musebuild.recipes.model import Recipe
from musebuild.settings.path_names import mark, plain_part


@dataclass(frozen=True, slots=True)
class Group:
    """Raw frames that one task takes."""

    label: str
    frames: tuple[RawFrame, ...]
    setup: Setup
    """Of the frame in the middle."""

    @property
    def first(self) -> RawFrame:
        """The first frame."""
        return self.frames[0]

    @property
    def channels(self) -> tuple[int, ...]:
        """IFUs that some frame holds."""
        return tuple(sorted({channel for frame in self.frames for channel in frame.channels}))

    def with_channel(self, ifu: int) -> tuple[RawFrame, ...]:
        """Frames that hold an IFU."""
        return tuple(frame for frame in self.frames if ifu in frame.channels)


def _group(label: str, frames: Sequence[RawFrame]) -> Group:
    ordered = tuple(frames)
    if len(ordered) > 1:
        ordered = tuple(sorted(frames, key=lambda f: (f.mjd_obs, f.name, f.path)))
    return Group(label, ordered, setup_of(ordered[len(ordered) // 2]))


def matter_of(recipe: Recipe, recipes: Iterable[Recipe]) -> tuple[str, ...]:
    """In what the frames of a sequence must agree: all that its calibrations and its users ask for.

    Parameters
    ----------
    recipe : Recipe
        That takes the sequence.
    recipes : iterable of Recipe
        All recipes, which may take what it makes.

    Examples
    --------
    >>> from musebuild.recipes.catalogue import load_catalogue
    >>> catalogue = load_catalogue()
    >>> matter_of(catalogue["muse_bias"], catalogue.values())
    ('read_mode', 'binning')
    """
    made = {rule.category for rule in recipe.products}
    asked = {name for need in recipe.needs for name in need.match}
    asked |= {
        name
        for other in recipes
        for need in other.needs
        if need.recipe == recipe.name and need.category in made
        for name in need.match
    }
    return tuple(name for name in CRITERIA if name in asked) or CRITERIA


def sequences(frames: Iterable[RawFrame], matter: tuple[str, ...] = CRITERIA) -> list[Group]:
    """Calibration sequences: frames of one TPL START that agree in what matters.

    Frames without TPL START are taken together by night. Where one TPL START has several set-ups,
    the label names what tells them apart. A frame that lacks a keyword belongs to the sequence
    that it does not contradict, where there is only one.

    Parameters
    ----------
    frames : iterable of RawFrame
        Of one category.
    matter : tuple of str
        Criteria in which the frames of one sequence agree.
    """
    starts: dict[str, list[tuple[RawFrame, Setup]]] = defaultdict(list)
    for frame in frames:
        starts[frame.tpl_start or frame.night].append((frame, setup_of(frame)))
    found, taken = [], set[str]()
    for label, held in starts.items():
        kinds: dict[tuple[str, ...], list[RawFrame]] = {}
        words: dict[str, str] = {}
        numbers = {
            setup.read_mode: setup.read_id for _, setup in held if setup.read_mode and setup.read_id
        }
        for frame, setup in held:
            kind = tuple(_kind(setup, name, numbers, words) for name in matter)
            kinds.setdefault(kind, []).append(frame)
        groups = _joined(kinds) if len(kinds) > 1 else kinds
        for kind, of_kind in groups.items():
            told = [words.get(kind[n], kind[n]) for n in _telling(matter, groups)]
            own = ".".join([label, *(plain_part(text) or "none" for text in told)])
            # Two texts may be alike in plain letters.
            own += f"-{mark(''.join(told))}" if own in taken else ""
            taken.add(own)
            found.append(_group(own, of_kind))
    return sorted(found, key=lambda g: (g.setup.mjd, g.label))


def _kind(setup: Setup, criterion: str, numbers: Mapping[str, str], words: dict[str, str]) -> str:
    """What tells a sequence apart: of a read-out mode its number, for which `words` has a name."""
    if criterion != "read_mode":
        return setup.value(criterion)
    number = setup.read_id or numbers.get(setup.read_mode, setup.read_mode)
    if setup.read_mode and words.setdefault(number, setup.read_mode) != setup.read_mode:
        words[number] = number
    return number


def _telling(matter: Sequence[str], kinds: Collection[tuple[str, ...]]) -> list[int]:
    """Places of the criteria that tell kinds apart, of which INS MODE says what it stands for."""
    differing = [n for n in range(len(matter)) if len({kind[n] for kind in kinds}) > 1]
    modes = {kind[n] for n in differing for kind in kinds if matter[n] == "ins_mode"}
    if len(modes) == len(kinds):
        return [n for n in differing if matter[n] not in ("field", "filter")]
    return differing


def _joined(
    kinds: Mapping[tuple[str, ...], list[RawFrame]],
) -> dict[tuple[str, ...], list[RawFrame]]:
    """Kinds of frames, of which those that lack a keyword are joined to the one that fits."""
    whole = {kind: list(frames) for kind, frames in kinds.items()}
    for kind in sorted(kinds, key=lambda kind: (sum(map(bool, kind)), kind)):
        if all(kind):
            continue
        others = [
            other
            for other in whole
            if other != kind
            and all(
                not mine or not its or mine == its for mine, its in zip(kind, other, strict=True)
            )
        ]
        if len(others) == 1:
            whole[others[0]] += whole.pop(kind)
    return whole


def exposures(frames: Iterable[RawFrame]) -> list[Group]:
    """One group for each exposure."""
    return [_group(f.name, [f]) for f in sorted(frames, key=lambda f: (f.mjd_obs, f.name))]


def too_small(group: Group, frames: Sequence[RawFrame], recipe: Recipe, ifu: int | None) -> str:
    """Why frames are not enough for a recipe; empty where they are.

    Parameters
    ----------
    group : Group
        The whole sequence.
    frames : sequence of RawFrame
        Those that the invocation would take.
    recipe : Recipe
        With its least number and its lamps.
    ifu : int or None
        Named in the reason.
    """
    of_ifu = f" with IFU {ifu}" if ifu is not None and len(frames) < len(group.frames) else ""
    if len(frames) < recipe.least:
        count = len(frames)
        return (
            f"{count} {group.first.category} frame{'s' if count != 1 else ''}{of_ifu}, "
            f"and at least {recipe.least} are needed"
        )
    lit = {lamp for frame in frames for lamp in frame.lamps}
    dark = [lamp for lamp in recipe.lamps if lamp not in lit]
    if dark:
        return f"no exposure of the lamp{'s' if len(dark) > 1 else ''} {', '.join(dark)}{of_ifu}"
    return ""
