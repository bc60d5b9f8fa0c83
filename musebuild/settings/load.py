"""`settings.yml` → `Settings`."""

from __future__ import annotations

import copy
import difflib
import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from musebuild.settings.homes import home
from musebuild.settings.included import with_includes
from musebuild.settings.make import make_settings
from musebuild.settings.model import Settings
from musebuild.settings.nearest import nearest
from musebuild.settings.nodes import Keys, Node, mistaken_paths, plain_data
from musebuild.settings.overrides import apply, environment_overrides, given_overrides
from musebuild.settings.problems import Problem, SettingsProblems
from musebuild.settings.schema import SIMILAR, coerce, described, schema_problems
from musebuild.settings.substitute import Substitution


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
        Every mistake that was found, each with its place: of form and of meaning, in the file and
        those that it includes. Of a file that is no YAML it is the first of syntax.
    """
    path = path.absolute()
    environment = os.environ if environment is None else environment
    root, told, complete = with_includes(path, environment)
    root = _with_overrides(root, overrides or {}, environment, told)
    substitution = Substitution(root, complete=complete)
    root = coerce(substitution.run())
    data = plain_data(root)
    spoilt = mistaken_paths(root)
    problems = [
        *told,
        *substitution.problems,
        *(problem for problem in schema_problems(root, data) if not _below(problem.keys, spoilt)),
        # What is not read may be what uses a key of one's own.
        *(_slips(root, substitution.used) if complete else ()),
    ]
    if problems:
        more, sound = _the_rest(path, root, data, problems, spoilt, environment)
        # Names that a file gives which is not read would seem unknown elsewhere.
        raise SettingsProblems([*problems, *more], sound if complete else None)
    return make_settings(path, root, data, environment)


def _with_overrides(
    root: Node, given: Mapping[str, str], environment: Mapping[str, str], told: list[Problem]
) -> Node:
    """The settings under the values that go before them; adds to what is wrong."""
    for overrides in (
        environment_overrides(environment, root),
        given_overrides(given),
    ):
        try:
            for override in overrides:
                try:
                    root = apply(root, override)
                except SettingsProblems as error:
                    told += error.problems
        except SettingsProblems as error:
            told += error.problems
    return root


def _below(keys: Keys, paths: Iterable[Keys]) -> bool:
    """Whether a path of keys is one of some, or lies below one."""
    return any(keys[: len(path)] == path for path in paths)


def _the_rest(
    path: Path,
    root: Node,
    data: Mapping[str, Any],
    problems: Iterable[Problem],
    spoilt: Iterable[Keys],
    environment: Mapping[str, str],
) -> tuple[Sequence[Problem], Settings | None]:
    """What more can be said, and the settings, without the values that have a mistake."""
    left = copy.deepcopy(dict(data))
    for keys in (*(problem.keys for problem in problems), *spoilt):
        # Half a range of nights means something else.
        _take_out(left, keys[:-1] if keys[-1:] in (("start_date",), ("end_date",)) else keys)
    if schema_problems(root, left):
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
    known = list(described()["properties"])
    problems = []
    for name, entry in root.entries():
        if name in known or name in used or not entry.node.is_scalar:
            continue
        close = difflib.get_close_matches(name, known, n=1, cutoff=SIMILAR)
        belongs = "" if close else home((name,), described())
        if close or belongs:
            problems.append(
                entry.key.problem(
                    f"{name}: unknown key",
                    nearest=tuple(nearest(name, known, 1)),
                    remedy=belongs or "a key of one's own must be used somewhere as {" + name + "}",
                    keys=(name,),
                )
            )
    return problems
