"""The tree of the settings with typed values and every default, by a walk along the schema."""

from __future__ import annotations

import contextlib
import datetime as dt
import math
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from musebuild.settings.conditions import ConditionError, make_condition
from musebuild.settings.model import ALWAYS, Cone, DateRange
from musebuild.settings.nodes import Keys, Node, mark_at
from musebuild.settings.path_names import NAME, shown, why_no_part, why_not
from musebuild.settings.problems import Problem
from musebuild.settings.schema import Part, described, part_at, text_defaults
from musebuild.settings.sizes import parse_bytes, parse_seconds
from musebuild.settings.sky import declination, radius, right_ascension

IFUS = range(1, 25)
OFFSET_PAIRS = (("east", "north"), ("RA_OFFSET", "DEC_OFFSET"))
"""Keys of an offset that is given by hand: arcsec on the sky, or degrees of the coordinates."""
ANGLES = {
    "ra": (right_ascension, "degrees, or hours such as 14:22:26.2"),
    "dec": (declination, "degrees, or sixtieths such as -44:09:02"),
    "radius": (radius, "arcsec, or with a unit: 90, 1.5 arcmin, 0.025 deg"),
}
"""Keys of a circle on the sky: how each is read, and what it may be."""
_BRACES = re.compile(r"\{(\w+)\}")


class Values:
    """Types the values of a tree; gathers what is wrong with them.

    Parameters
    ----------
    path : Path
        The settings file, absolute.
    root : Node
        The tree, substituted and coerced.
    data : mapping
        The same as plain data, which agrees with the schema.
    """

    def __init__(self, path: Path, root: Node, data: Mapping[str, Any]) -> None:
        self.folder = path.parent
        self.root = root
        self.problems: list[Problem] = []
        self.data = data

    def tree(self) -> dict[str, Any]:
        """Every key of the schema, and whatever else the settings hold."""
        self.finite(self.data)
        found: dict[str, Any] = self.value(self.data, described(), ())
        return found

    def problem(self, keys: Keys, message: str, **details: Any) -> None:
        """Note a mistake at some keys."""
        dotted = ".".join(str(key) if len(str(key)) <= NAME else "…" for key in keys)
        of_key = details.pop("of_key", False)
        mark = mark_at(self.root, keys, of_key=of_key)
        self.problems.append(mark.problem(f"{dotted}: {message}", keys=keys, **details))

    def value(self, value: Any, part: Part, keys: Keys) -> Any:
        """What a value at some keys means; the default in place of none, or of an empty text."""
        if value is None or (value == "" and "default" in part):
            value = self._default(part)
        if value is None:
            return None
        if "x-short" in part and not isinstance(value, Mapping):
            # The place of the value is that of the whole.
            short = part["x-short"]
            typed = self.value(value, part_at(part, short), keys)
            return self._mapping({}, part, keys) | {short: typed}
        means = part.get("x-means")
        if means is not None:
            return getattr(self, f"_{means}")(value, part, keys)
        return self._mapping(value, part, keys) if isinstance(value, Mapping) else value

    def finite(self, value: Any, at: Keys = ()) -> None:
        """Note numbers that are not finite: nothing takes them, and no key could hold them."""
        if isinstance(value, float) and not math.isfinite(value):
            self.problem(at, f"{value} is not a finite number")
        items = value.items() if isinstance(value, Mapping) else ()
        for name, item in enumerate(value) if isinstance(value, list) else items:
            self.finite(item, (*at, name))

    def _mapping(self, given: Mapping[str, Any], part: Part, keys: Keys) -> dict[str, Any]:
        named = part.get("properties", {})
        found = {name: self.value(given.get(name), of, (*keys, name)) for name, of in named.items()}
        for name, item in given.items():
            here = (*keys, name)
            if name not in named and self._can_be_file(name, here, of_key=True):
                found[name] = self.value(item, part_at(part, name), here)
        return found

    def _default(self, part: Part) -> Any:
        """The default of a part, with the values of other keys in its braces."""
        value = part.get("default")
        return self._filled(value) if isinstance(value, str) else value

    def _filled(self, text: str) -> str:
        def one(match: re.Match[str]) -> str:
            given = self.data.get(match[1])
            if given in (None, "") or why_not(str(given))[0]:
                return self._filled(text_defaults()[match[1]])
            return str(given)

        return _BRACES.sub(one, text)

    # what `x-means` of a part can be

    def _value(self, value: Any, *_: Any) -> Any:
        """As it stands."""
        return value

    def _word(self, value: Any, *_: Any) -> str:
        """A choice, in small letters."""
        return str(value).lower()

    def _part(self, text: Any, part: Part, keys: Keys) -> Any:
        """A part of the names of files."""
        return text if self._can_be_file(str(text), keys) else self.value(None, part, keys)

    def _path(self, text: str, part: Part, keys: Keys) -> Path | None:
        """A path."""
        if not self._can_be_file(text, keys):
            text = self._default(part)
        return None if text is None else self.path(text)

    def _paths(self, value: Any, part: Part, keys: Keys) -> tuple[Path, ...]:
        """A path, or a list of them."""
        several = isinstance(value, list)
        paths = [
            self._path(text, {}, (*keys, at) if several else keys)
            for at, text in enumerate(self._list(value))
        ]
        found = tuple(path for path in paths if path is not None)
        return found if found or not value else self.value(None, part, keys)

    def _below(self, given: Any, part: Part, keys: Keys) -> Any:
        """A folder below another, or a part of its name."""
        text = str(given)
        if not self._can_be_file(text, keys):
            return self._default(part)
        names = text.strip("/").split("/")
        reason = next(filter(None, map(why_no_part, names)), "")
        if not reason:
            return given
        what = f"is no folder below the reduced tree: {reason}"
        what = "leaves the reduced tree" if ".." in names else what
        told = text if text.isprintable() else shown(text)
        self.problem(keys, f"{told} {what}", allowed="a folder below reduced_path")
        return self._default(part)

    def _list(self, value: Any, *_: Any) -> tuple[Any, ...]:
        """One or several."""
        return tuple(value) if isinstance(value, list) else (value,)

    def _names(self, value: Any, *_: Any) -> tuple[str, ...]:
        """One or several, of which the order says nothing."""
        return self._list(value)

    def _set(self, value: Any, *_: Any) -> frozenset[str]:
        """One or several, each once."""
        return frozenset(self._list(value))

    def _size(self, value: Any, part: Part, keys: Keys) -> int | None:
        """Bytes."""
        try:
            return parse_bytes(value)
        except ValueError as error:
            self.problem(keys, str(error))
            default: int | None = self.value(None, part, keys)
            return default

    def _time(self, value: Any, part: Part, keys: Keys) -> float | None:
        """Seconds."""
        try:
            return parse_seconds(value)
        except ValueError as error:
            self.problem(keys, str(error))
            return None

    def _nights(self, value: Mapping[str, Any] | None, part: Part, keys: Keys) -> DateRange:
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

    def _files(self, value: Any, part: Part, keys: Keys) -> tuple[tuple[str, DateRange], ...]:
        """Files with their nights, from a text, a list or a mapping."""
        if isinstance(value, Mapping):
            return tuple(
                (name, self._nights(span, part, (*keys, name)))
                for name, span in value.items()
                if self._can_be_file(name, (*keys, name), of_key=True)
            )
        several = isinstance(value, list)
        return tuple(
            (name, ALWAYS)
            for at, name in enumerate(value if several else [value])
            if self._can_be_file(name, (*keys, at) if several else keys)
        )

    def _ifus(self, value: Any, part: Part, keys: Keys) -> tuple[int, ...] | None:
        """IFUs from a number, a list, or ranges such as `1-8, 12`."""
        found: set[int] = set()
        for text in ",".join(map(str, self._list(value))).split(","):
            first, _, last = text.strip().partition("-")
            start, end = int(first), int(last or first)
            if end < start or start not in IFUS or end not in IFUS:
                self.problem(keys, f"{text.strip()} is no range of IFUs", allowed="1 to 24")
                continue
            found.update(range(start, end + 1))
        return tuple(sorted(found)) or None

    def _condition(self, value: Any, part: Part, keys: Keys) -> Any:
        """A condition on the table that its key names, which can do nothing else."""
        try:
            make_condition(value, str(keys[-1]))
        except ConditionError as error:
            self.problem(keys, error.message, allowed=error.allowed, nearest=error.near)
        return value

    def _offset(self, value: Mapping[str, Any], part: Part, keys: Keys) -> Mapping[str, Any]:
        """An offset by hand, which says neither too little nor too much."""
        there = {key for key, number in value.items() if number is not None}
        pairs = [pair for pair in OFFSET_PAIRS if there & set(pair)]
        if len(pairs) != 1 or not there.issuperset(pairs[0]):
            self.problem(
                keys,
                "an offset has two parts",
                allowed="either east and north [arcsec], or RA_OFFSET and DEC_OFFSET [degrees]",
            )
        return value

    def _cone(self, value: Mapping[str, Any], part: Part, keys: Keys) -> Cone | None:
        """A circle on the sky."""
        found: dict[str, float] = {}
        for name, (read, allowed) in ANGLES.items():
            if value.get(name) is None:
                self.problem(keys, f"it has no {name}", allowed="ra, dec and radius")
                continue
            try:
                found[name] = read(value[name])
            except ValueError as error:
                self.problem((*keys, name), f"{value[name]}: {error}", allowed=allowed)
        return Cone(**found) if len(found) == len(ANGLES) else None

    # paths

    def path(self, text: str) -> Path:
        """An absolute path; relative ones start from the settings' folder."""
        place = Path(text)
        with contextlib.suppress(RuntimeError):  # a user that is not there, of a variable
            place = place.expanduser()
        return Path(os.path.normpath(self.folder / place))

    def _can_be_file(self, text: str, keys: Keys, *, of_key: bool = False) -> bool:
        """Whether a file can be named so; what names none is told, unless it is a default."""
        what, allowed = why_not(text)
        if not what or (of_key and len(keys) == 1 and text.startswith("~")):
            return True
        if of_key or self.root.get(*keys) is not None:
            self.problem(keys, what, allowed=allowed, of_key=of_key)
        return False
