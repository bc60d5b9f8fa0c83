"""What two settings differ in, in meaning and not in text."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from musebuild.settings.model import Settings
from musebuild.settings.resolved import Keys, Value, resolved
from musebuild.settings.secrets import without_secrets


@dataclass(frozen=True, slots=True)
class Difference:
    """One key that differs; None: one of the two does not have it."""

    keys: Keys
    ours: Any
    theirs: Any

    @property
    def key(self) -> str:
        """Dotted."""
        return Value(self.keys, None, "").key

    @property
    def shown(self) -> tuple[Any, Any]:
        """Both values as they may be shown."""
        name = self.keys[-1]
        return without_secrets(name, self.ours), without_secrets(name, self.theirs)


def _meaning(keys: Keys, value: Any) -> Any:
    """What a value says, whatever way it was written: `[a, b]` and `a,b` are one parameter."""
    if keys[0] != "recipes" or len(keys) < 4 or keys[2] != "params":
        return value
    if isinstance(value, list):
        return ",".join(_text(item) for item in value)
    return _text(value)


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return str(value)


def differences(ours: Settings, theirs: Settings) -> list[Difference]:
    """Keys in which two settings differ, in the order of the settings.

    Parameters
    ----------
    ours, theirs : Settings
        Both resolved: what one says and the other has by default is no difference.
    """
    return between(resolved(ours), resolved(theirs))


def between(first: Mapping[Keys, Any], second: Mapping[Keys, Any]) -> list[Difference]:
    """The same, of what two settings mean (`resolved`)."""
    here, there = _blocks(first), _blocks(second)
    found = []
    for keys in dict.fromkeys([*first, *second]):
        name = _block_of(keys)
        if name and (name in here) != (name in there):
            continue
        if _meaning(keys, first.get(keys)) != _meaning(keys, second.get(keys)):
            found.append(Difference(keys, first.get(keys), second.get(keys)))
    found += [
        Difference(
            ("recipes", name),
            "a block" if name in here else None,
            "a block" if name in there else None,
        )
        for name in dict.fromkeys([*here, *there])
        if (name in here) != (name in there)
    ]
    return found


def _block_of(keys: Keys) -> str:
    """The block that a key belongs to; empty for others."""
    return keys[1] if keys[0] == "recipes" and len(keys) > 1 and keys[1] != "common" else ""


def _blocks(values: Mapping[Keys, Any]) -> dict[str, None]:
    return {name: None for name in map(_block_of, values) if name}
