"""Values that go before the settings file: of the environment, and of `--set KEY=VALUE`."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from musebuild.settings.nodes import Entry, Mark, Node, SourceText, overlay
from musebuild.settings.problems import Problem, SettingsProblems
from musebuild.settings.reading import read_text
from musebuild.settings.schema import described, part_at

PREFIX = "MUSEBUILD__"
"""`MUSEBUILD__recipes__muse_scipost__params__skymethod=none`: one value, keys joined by `__`."""
LIST = "MUSEBUILD_SET"
"""A variable of lines `KEY=VALUE`, each as after `--set`."""

_SMALL = {"recipes", "params", "init", "archive_filter"}
"""What stands below these is in small letters, nearly always."""
_PART = re.compile(r""""([^"]*)"|'([^']*)'|([^."']+)""")


@dataclass(frozen=True, slots=True)
class Override:
    """A value that goes before what the file says."""

    keys: tuple[str, ...]
    text: str
    """YAML."""
    origin: str
    """What messages call it: `--set ifus`."""


def split_key(text: str, origin: str) -> tuple[str, ...]:
    """Keys of a dotted key; quotes hold names with dots: `static_calib."a.fits".start_date`.

    Raises
    ------
    SettingsProblems
        It is no dotted key.
    """
    keys: list[str] = []
    at = 0
    while True:
        match = _PART.match(text, at)
        if match is None:
            break
        keys.append(next(group for group in match.groups() if group is not None).strip())
        at = match.end()
        if at == len(text):
            break
        if text[at] != ".":
            match = None
            break
        at += 1
    if match is None or not all(keys):
        raise _refuse(origin, f"{text} is no key", "write it like recipes.muse_scipost.params.save")
    return tuple(keys)


def given_overrides(given: Mapping[str, str]) -> Iterator[Override]:
    """Overrides of the command line: dotted key → YAML text."""
    for key, text in given.items():
        origin = f"--set {key}"
        yield Override(split_key(key, origin), text, origin)


def environment_overrides(environment: Mapping[str, str], root: Node) -> Iterator[Override]:
    """Overrides of environment variables; MUSEBUILD_SET goes before single variables.

    Parameters
    ----------
    environment : mapping
        Variables.
    root : Node
        The settings so far: keys are found there, and in the schema, whatever their case.

    Raises
    ------
    SettingsProblems
        A variable is none that can be understood.
    """
    for name in sorted(environment):
        if not name.startswith(PREFIX):
            continue
        parts = name.removeprefix(PREFIX).split("__")
        if not all(parts):
            raise _refuse(
                name, f"{name} names no key", f"write it like {PREFIX}recipes__zap__enabled=false"
            )
        yield Override(_known(parts, root), environment[name], name)
    for line in environment.get(LIST, "").splitlines():
        if not line.strip():
            continue
        key, equals, text = line.partition("=")
        if not equals or not key.strip():
            raise _refuse(
                LIST,
                f"{line.strip()} is not KEY=VALUE",
                "write a line for each value, like recipes.muse_scipost.params.save=cube",
            )
        origin = f"{LIST} {key.strip()}"
        yield Override(split_key(key.strip(), origin), text, origin)


def apply(root: Node, override: Override) -> Node:
    """The settings with a value put over what they say.

    Raises
    ------
    SettingsProblems
        The value is no YAML, or stands below something that is no mapping.
    """
    if override.keys[0] == "include":
        raise _refuse(
            override.origin,
            "include cannot be given here",
            "name the files in the settings file itself",
        )
    value = read_text(override.text, override.origin, any_value=True)
    source = SourceText(override.origin, tuple(override.text.splitlines()) or ("",))
    mark = Mark(source, 1, 1, max(1, len(source.lines[0])))
    value.mark = Mark(source, value.mark.line, value.mark.column, value.mark.length)
    for depth in range(1, len(override.keys)):
        above = root.get(*override.keys[:depth])
        if above is not None and above.value is not None and not above.is_map:
            name = ".".join(override.keys[:depth])
            raise SettingsProblems(
                [
                    Problem(
                        f"{name} holds a {'list' if above.is_list else 'value'} "
                        f"({above.mark.position}), so that nothing can be put below it",
                        mark.position,
                        remedy=f"give {name} itself",
                        keys=override.keys,
                    )
                ]
            )
    for part in reversed(override.keys):
        value = Node(mark, {part: Entry(mark, value)})
    return overlay(root, value)


def _known(parts: list[str], root: Node) -> tuple[str, ...]:
    """Keys as the settings or the schema spell them; what neither knows stays as it is."""
    keys: list[str] = []
    here = described()
    for part in parts:
        node = root.get(*keys) if keys else root
        names = [name for name, _ in node.entries()] if node is not None else []
        names += here.get("properties", {})
        same = [name for name in names if name.casefold() == part.casefold()]
        if part in names or (not same and not part.isupper()):
            key = part
        elif same:
            key = same[0]
        else:
            key = part.lower() if keys and keys[-1] in _SMALL else part
        keys.append(key)
        here = part_at(here, key)
    return tuple(keys)


def _refuse(origin: str, message: str, remedy: str) -> SettingsProblems:
    mark = Mark(SourceText(origin, ()), 1, 1)
    return SettingsProblems([mark.problem(message, remedy=remedy)])
