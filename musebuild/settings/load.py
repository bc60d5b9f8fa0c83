"""`settings.yml` → `Settings`."""

from __future__ import annotations

import copy
import difflib
import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from musebuild.settings.make import make_settings
from musebuild.settings.model import Settings
from musebuild.settings.nearest import nearest
from musebuild.settings.nodes import Keys, Node, overlay, plain
from musebuild.settings.overrides import apply, environment_overrides, given_overrides
from musebuild.settings.problems import Problem, SettingsProblems
from musebuild.settings.reading import read_file
from musebuild.settings.schema import check, coerce, schema
from musebuild.settings.substitute import Substitution

SIMILAR = 0.8
"""An unused key of one's own that is so like a known key is a slip of the pen."""


def load_settings(
    path: Path,
    *,
    overrides: Mapping[str, str] | None = None,
    environment: Mapping[str, str] | None = None,
) -> Settings:
    """Read, substitute and validate a settings file.

    Parameters
    ----------
    path : Path
        The file.
    overrides : mapping, optional
        Dotted key → YAML text that goes before all else (`--set KEY=VALUE`).
    environment : mapping, optional
        Variables: MUSEBUILD__KEY__KEY and MUSEBUILD_SET go before the file. Default: those of
        this process.

    Returns
    -------
    Settings
        Immutable; all paths absolute.

    Raises
    ------
    SettingsProblems
        Every mistake that was found, each with its place.
    """
    path = path.absolute()
    root = _with_includes(path, ())
    environment = os.environ if environment is None else environment
    for override in (
        *environment_overrides(environment, root, schema()),
        *given_overrides(overrides or {}),
    ):
        root = apply(root, override)
    substitution = Substitution(root)
    root = coerce(substitution.run())
    data = plain(root)
    problems = [
        *substitution.problems,
        *check(root, data),
        *_slips(root, substitution.used),
    ]
    if problems:
        more, sound = _the_rest(path, root, data, problems, environment)
        raise SettingsProblems([*problems, *more], sound)
    return make_settings(path, root, data, environment)


def _with_includes(path: Path, open_: tuple[Path, ...]) -> Node:
    """A file over those that it includes."""
    root = read_file(path)
    included = root.get("include")
    if included is None or included.value is None:
        return root
    below: Node | None = None
    for node in included.value if isinstance(included.value, list) else [included]:
        if not isinstance(node.value, str):
            continue  # the schema says what is wrong with it
        other = (path.parent / Path(node.value).expanduser()).resolve()
        if other in (path.resolve(), *open_):
            raise SettingsProblems([node.mark.problem(f"{node.value} includes itself")])
        if not other.is_file():
            raise SettingsProblems(
                [
                    node.mark.problem(
                        f"include: there is no settings file {other}",
                        remedy="paths here are relative to this file",
                    )
                ]
            )
        more = _with_includes(other, (*open_, path.resolve()))
        below = more if below is None else overlay(below, more)
    return root if below is None else overlay(below, root)


def _the_rest(
    path: Path,
    root: Node,
    data: Mapping[str, Any],
    problems: Iterable[Problem],
    environment: Mapping[str, str],
) -> tuple[Sequence[Problem], Settings | None]:
    """What more can be said, and the settings, without the values that have a mistake."""
    left = copy.deepcopy(dict(data))
    for problem in problems:
        _take_out(left, problem.keys)
    if check(root, left):
        return (), None
    try:
        return (), make_settings(path, root, left, environment)
    except SettingsProblems as error:
        return error.problems, error.sound


def _take_out(tree: Any, keys: Keys) -> None:
    """Take the value at a path out of plain data; of a list, all of it."""
    if not keys:
        return
    above = tree
    for key in keys[:-1]:
        if not isinstance(above, dict):
            break
        above = above.get(key)
    if isinstance(above, dict):
        above.pop(keys[-1], None)
    else:
        _take_out(tree, keys[:-1])


def _slips(root: Node, used: set[str]) -> list[Problem]:
    """Keys of one's own that nobody uses and that look like a known key."""
    known = list(schema()["properties"])
    problems = []
    for name, entry in root.entries():
        if name in known or name in used or not entry.node.is_scalar:
            continue
        close = difflib.get_close_matches(name, known, n=1, cutoff=SIMILAR)
        if close:
            problems.append(
                entry.key.problem(
                    f"{name}: unknown key",
                    nearest=tuple(nearest(name, known, 1)),
                    remedy="a key of one's own must be used somewhere as {" + name + "}",
                    keys=(name,),
                )
            )
    return problems
