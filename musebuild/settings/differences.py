"""What two settings differ in, in meaning and not in text."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from musebuild.settings.model import Settings
from musebuild.settings.resolved import Keys, Value, resolved
from musebuild.settings.schema import default_at
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


def differences(
    ours: Settings, theirs: Settings, meaning: Callable[[Mapping[Keys, Any], Keys], Any]
) -> list[Difference]:
    """Keys in which two settings differ, in the order of the settings.

    Parameters
    ----------
    ours, theirs : Settings
        Both resolved: what one says and the other has by default is no difference.
    meaning : callable
        What a key of resolved settings means: `musebuild.plan.blocks.meaning_in`, which
        knows what recipes make of their parameters.
    """
    return between(resolved(ours), resolved(theirs), meaning)


def between(
    first: Mapping[Keys, Any],
    second: Mapping[Keys, Any],
    meaning: Callable[[Mapping[Keys, Any], Keys], Any],
) -> list[Difference]:
    """The same, of resolved settings (`resolved`); those of an older musebuild hold fewer keys."""
    here, there = _blocks(first), _blocks(second)
    found = []
    order = dict.fromkeys([*first, *second])
    usual = {keys: default_at(keys) for keys in first.keys() ^ second.keys()}
    first, second = {**usual, **first}, {**usual, **second}
    for keys in order:
        name = _block_of(keys)
        if name and (name in here) != (name in there):
            continue
        if meaning(first, keys) != meaning(second, keys):
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
