"""Settings as keys and values: what they mean, whatever way they were written."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from musebuild.settings.model import ALWAYS, DateRange, Settings
from musebuild.settings.schema import Part, described, part_at
from musebuild.settings.secrets import without_secrets
from musebuild.settings.sizes import format_bytes

Keys = tuple[str, ...]
ELSEWHERE = ("db_env", "include")
"""Top-level keys whose meaning stands at others."""


@dataclass(frozen=True, slots=True)
class Value:
    """One value of the settings, after substitution, includes and overrides."""

    keys: Keys
    value: Any
    """A text, number, truth value, or list of them; paths are absolute."""
    origin: str
    """`settings.yml:12`, `--set version`, the name of a variable, or `default`."""

    @property
    def key(self) -> str:
        """Dotted; a part with a dot stands in quotes, as `--set` takes it."""
        return ".".join(f'"{part}"' if "." in part else part for part in self.keys)


def flatten(tree: Mapping[str, Any], at: Keys = ()) -> Iterator[tuple[Keys, Any]]:
    """A tree as keys and values; lists are values, and what has no value is left out."""
    for name, value in tree.items():
        if isinstance(value, Mapping) and value:
            yield from flatten(value, (*at, str(name)))
        elif value is not None:
            yield (*at, str(name)), value


def resolved(settings: Settings, *, unused: bool = False) -> dict[Keys, Any]:
    """What settings mean, by keys; what is not said stands at its default, or is left out.

    Parameters
    ----------
    settings : Settings
        The settings.
    unused : bool
        With what is accepted and has no effect.
    """
    shown = _shown(settings.values, described(), (), unused)
    return {keys: value for keys, value in shown if value is not None and value not in ([], {})}


def _shown(value: Any, part: Part, keys: Keys, unused: bool) -> Iterator[tuple[Keys, Any]]:
    """Values at and below some keys, as they can be written down."""
    if "x-unused" in part and not unused:
        return
    if value is None:
        yield keys, part.get("x-none")
    elif isinstance(value, Mapping) and part.get("x-means") != "value":
        for name, item in value.items():
            if keys or not (name in ELSEWHERE or name.startswith("x-")):
                below_it = keys if name == part.get("x-short") else (*keys, str(name))
                yield from _shown(item, part_at(part, name), below_it, unused)
    else:
        shown = _plain(value, part.get("x-means", ""))
        # An empty list in place of one that is not differs from what is not said.
        yield keys, "none" if shown == [] and part.get("default") else shown


def _plain(value: Any, means: str) -> Any:
    """A typed value as a text, number, truth value, or list of them."""
    match means:
        case "path":
            return str(value)
        case "paths":
            return [str(path) for path in value]
        case "size":
            return format_bytes(value)
        case "nights":
            return _span(value)
        case "files":
            return [name if span == ALWAYS else f"{name} ({_span(span)})" for name, span in value]
        case "set" | "names":
            return sorted(value)
        case "cone":
            return f"RA {value.ra:g} Dec {value.dec:g}, {value.radius * 3600:g} arcsec"
        case "list" | "ifus":
            return list(value)
    return value


def _span(dates: DateRange) -> str:
    return "always" if dates == ALWAYS else f"{dates.start or '…'} to {dates.end or '…'}"


def origin(settings: Settings, keys: Keys) -> str:
    """Where a value comes from, for people."""
    if keys == ("db",) and settings.tree.get("db_env") and ("db",) not in settings.positions:
        keys = ("db_env",)
    position = settings.positions.get(keys)
    if position is None and keys[-1] in ("output_dir",) and keys[0] == "recipes":
        position = settings.positions.get(("recipes", "common", keys[-1]))
    if position is None:
        return "default"
    if not position.in_file:
        return position.file
    return f"{position.file.rpartition('/')[2]}:{position.line}"


def with_origins(settings: Settings) -> list[Value]:
    """Every value with where it comes from; passwords are not shown.

    Parameters
    ----------
    settings : Settings
        The settings.
    """
    meant = resolved(settings)
    found = []
    for keys, value in resolved(settings, unused=True).items():
        source = origin(settings, keys)
        if source == "default" and (keys[0] == "recipes" or keys not in meant):
            continue
        source += "" if keys in meant else ", without effect"
        found.append(Value(keys, without_secrets(keys[-1], value), source))
    return found
