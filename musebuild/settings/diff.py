"""What two settings differ in, in meaning and not in text."""

from __future__ import annotations

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
    first, second = resolved(ours), resolved(theirs)
    found = []
    for keys in dict.fromkeys([*first, *second]):
        name = keys[1] if keys[0] == "recipes" and keys[1] != "common" else ""
        if name and (name in ours.blocks) != (name in theirs.blocks):
            continue
        if _meaning(keys, first.get(keys)) != _meaning(keys, second.get(keys)):
            found.append(Difference(keys, first.get(keys), second.get(keys)))
    for name in dict.fromkeys([*ours.blocks, *theirs.blocks]):
        here, there = name in ours.blocks, name in theirs.blocks
        if here != there:
            found.append(
                Difference(
                    ("recipes", name), "a block" if here else None, "a block" if there else None
                )
            )
    return found
