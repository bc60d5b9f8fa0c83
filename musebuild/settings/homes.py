"""Where a key belongs that stands at the wrong level of the settings. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from musebuild.settings.nodes import Keys

_CATEGORY = re.compile(r"[A-Z][A-Z0-9_]+")
_PARAMETER = re.compile(r"[a-z][a-z0-9_]*(\.[a-z0-9_]+)*")
_OF_FRAMES = frozenset({"exclude", "include", "offsets"})
_SINGULAR = frozenset({"cpl", "resources", "retrieve_data"})
BLOCK = "BLOCK"
"""Stands for a name that people choose."""


def home(keys: Keys, parts: Mapping[str, Any]) -> str:
    """Where a key belongs, as a hint; empty where nobody knows.

    Parameters
    ----------
    keys : tuple
        Where it stands, itself the last.
    parts : mapping
        The schema of the settings, its references put in.

    Examples
    --------
    >>> home(("recipes", "muse_scipost", "OFFSET_LIST"), {})
    'move it under recipes.muse_scipost.frames, where calibrations are named by category'
    """
    *above, name = keys
    if not isinstance(name, str):
        return ""
    inside = len(above) == 2 and above[0] == "recipes"
    block = ".".join(map(str, above))
    if inside and above[1] in ("params", "frames", "init"):
        return f"{above[1]} belongs to a block: recipes.{BLOCK}.{above[1]}"
    if inside and name in _OF_FRAMES:
        return f"move it under {block}.frames"
    if inside and _CATEGORY.fullmatch(name):
        return f"move it under {block}.frames, where calibrations are named by category"
    if not above and name.startswith("muse_"):
        return f"a block stands under recipes: recipes.{name}"
    places = [place for place in _homes(parts).get(name, ()) if place[:-1] != tuple(above)]
    if not above:
        # At the top a key may be one's own, unless its name can mean one thing only.
        places = [place for place in places if place[0] in _SINGULAR]
    if places:
        written = " or ".join(".".join(place) for place in places[:2])
        return f"it belongs elsewhere: {written}"
    if inside and _PARAMETER.fullmatch(name):
        return f"a parameter of the recipe stands under {block}.params"
    return ""


def _homes(parts: Mapping[str, Any]) -> Mapping[str, list[tuple[str, ...]]]:
    found: dict[str, list[tuple[str, ...]]] = {}
    for place in _properties(parts, ()):
        found.setdefault(place[-1], []).append(place)
    return found


def _properties(part: Mapping[str, Any], above: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    for name, inner in part.get("properties", {}).items():
        yield (*above, name)
        if above[:1] != ("recipes",) or name in ("params", "frames", "init"):
            yield from _properties(inner, (*above, name))
    other = part.get("additionalProperties")
    if isinstance(other, Mapping):
        yield from _properties(other, (*above, BLOCK if above[:1] == ("recipes",) else "NAME"))
