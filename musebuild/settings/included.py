"""Settings files that others include: which may be, and what of them is shown.

A settings file may come from anywhere, so that it reaches no further than its own folder, unless
the person's own configuration says so. What is no settings file is never quoted.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Mapping
from pathlib import Path

from musebuild.settings.nodes import Node, overlay
from musebuild.settings.problems import Problem, SettingsProblems
from musebuild.settings.reading import read_settings
from musebuild.settings.schema import described

CONFIGURATION = "musebuild/config.yml"
"""The person's own configuration, below XDG_CONFIG_HOME (`~/.config`)."""
TRUSTED = "trusted"
"""Its key: folders whose files and programs the settings of projects may name."""
GENERAL = {"cache", "db", "include", "loglevel", "resources", "revision", "targets", "version"}
"""Keys of ours that files of other programs have as well."""
ENDINGS = (".yml", ".yaml")


def own_configuration(environment: Mapping[str, str]) -> Path:
    """The file of the person's own configuration, which need not be there."""
    base = environment.get("XDG_CONFIG_HOME") or "~/.config"
    path = Path(base, CONFIGURATION)
    with contextlib.suppress(RuntimeError):  # nobody's home
        path = path.expanduser()
    return path


def trusted_folders(environment: Mapping[str, str]) -> list[Path]:
    """Folders that the person's own configuration trusts.

    Raises
    ------
    SettingsProblems
        It cannot be read, or says something else.
    """
    path = own_configuration(environment)
    if not path.is_file():
        return []
    root, told = read_settings(path, is_settings=lambda _: False)
    problems = [
        *told,
        *(
            entry.key.problem(
                f"{name}: unknown key in the person's own configuration",
                remedy=f"it has one key, {TRUSTED}: a folder, or a list of folders",
            )
            for name, entry in root.entries()
            if name != TRUSTED
        ),
    ]
    node = root.get(TRUSTED)
    found = [] if node is None else node.value if isinstance(node.value, list) else [node]
    folders = []
    for one in found:
        place = Path(one.value).expanduser() if isinstance(one.value, str) else Path()
        if place.is_absolute():
            folders.append(place.resolve())
        else:
            problems.append(
                one.mark.problem(f"{TRUSTED}: a folder is named from / or ~", remedy="~/muse")
            )
    if problems:
        raise SettingsProblems(problems)
    return folders


def is_settings_text(text: str, path: Path, *, included: bool) -> bool:
    """Whether a text is a settings file of ours, in spite of what is wrong with it.

    Parameters
    ----------
    text : str
        Of the file.
    path : Path
        The file; one that the person names is taken for what its name says.
    included : bool
        Whether another settings file names it.
    """
    if not included and path.resolve().suffix.lower() in ENDINGS:
        return True
    keys = [key for key in described()["properties"] if key not in GENERAL]
    return re.search(rf"^['\"]?({'|'.join(keys)})['\"]?:(\s|$)", text, re.MULTILINE) is not None


def _is_strange(root: Node, path: Path, text: str) -> bool:
    """Whether a mapping is another program's: it has none of our keys, and more than values."""
    if is_settings_text(text, path, included=True):
        return False
    known = described()["properties"]
    return any(name not in known and not entry.node.is_scalar for name, entry in root.entries())


def with_includes(path: Path, environment: Mapping[str, str]) -> tuple[Node, list[Problem], bool]:
    """A settings file over those that it includes.

    Returns
    -------
    tuple
        The mapping at its top, what is wrong with them, and whether all could be read.

    Raises
    ------
    SettingsProblems
        The file itself cannot be read.
    """
    root, told = read_settings(
        path, is_settings=lambda text: is_settings_text(text, path, included=False)
    )
    return _Includes(path, environment).below(path, root, told, ())


class _Includes:
    """What the settings file of a project includes, and what is included there."""

    def __init__(self, path: Path, environment: Mapping[str, str]) -> None:
        self.folder = path.parent.resolve()
        self.environment = environment
        self._trusted: list[Path] | None = None

    def below(
        self, path: Path, root: Node, told: list[Problem], open_: tuple[Path, ...]
    ) -> tuple[Node, list[Problem], bool]:
        """A file over those that it names."""
        complete = True
        included = root.get("include")
        if included is None or included.value is None:
            return root, told, complete
        lowest: Node | None = None
        for node in included.value if isinstance(included.value, list) else [included]:
            if not isinstance(node.value, str):
                continue  # the schema says what is wrong with it
            other = path.parent / node.value
            # A user that is not there; a name that no file system takes.
            with contextlib.suppress(OSError, ValueError, RuntimeError):
                other = (path.parent / Path(node.value).expanduser()).resolve()
            if other in (path.resolve(), *open_):
                told.append(node.mark.problem(f"{node.value} includes itself"))
                continue
            try:
                if refused := self._refused(node, other):
                    raise SettingsProblems([refused])
                more, wrong, whole = self._read(node, other, (*open_, path.resolve()))
            except SettingsProblems as error:
                told += error.problems
                complete = False
                continue
            told += wrong
            complete = complete and whole
            lowest = more if lowest is None else overlay(lowest, more)
        return (root if lowest is None else overlay(lowest, root)), told, complete

    def _read(
        self, node: Node, path: Path, open_: tuple[Path, ...]
    ) -> tuple[Node, list[Problem], bool]:
        texts: list[str] = []

        def is_ours(text: str) -> bool:
            texts.append(text)
            return is_settings_text(text, path, included=True)

        root, wrong = read_settings(path, is_settings=is_ours)
        if _is_strange(root, path, texts[0]):
            raise SettingsProblems(
                [
                    node.mark.problem(
                        f"include: {path} is no settings file: it has none of their keys",
                        remedy="name a settings file",
                    )
                ]
            )
        return self.below(path, root, wrong, open_)

    def _refused(self, node: Node, path: Path) -> Problem | None:
        """Why a file is not included."""
        if not self._may_be_read(path):
            return node.mark.problem(
                f"include: {path} lies outside of the project's folder {self.folder}",
                remedy=f"copy it there; or trust its folder, in your own configuration "
                f"{own_configuration(self.environment)}, with a line such as: "
                f"{TRUSTED}: [{path.parent}]",
            )
        there = False
        with contextlib.suppress(OSError, ValueError):
            there = path.is_file()
        if there:
            return None
        return node.mark.problem(
            f"include: there is no settings file {path}",
            remedy="paths here are relative to this file",
        )

    def _may_be_read(self, path: Path) -> bool:
        if path.is_relative_to(self.folder):
            return True
        if self._trusted is None:
            self._trusted = trusted_folders(self.environment)
        return any(path.is_relative_to(folder) for folder in self._trusted)
