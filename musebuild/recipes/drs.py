"""Where the recipes of the DRS are."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from musebuild.errors import UsageError

PLACES = (
    "/usr/lib/*/cpl/plugins",
    "/usr/lib/*/esopipes-plugins",
    "/usr/lib*/esopipes-plugins",
    "/usr/lib*/cpl/plugins",
    "/usr/local/lib*/esopipes-plugins",
    "/opt/local/lib/esopipes-plugins",
)
"""Where Debian, ESO's packages and MacPorts put recipes."""
OLDEST = (2, 4)
"""The oldest DRS whose recipes take the frames and parameters of the catalogue."""
_FOLDER = re.compile(r"muse-(\d+(?:\.\d+)+)")


@dataclass(frozen=True, slots=True)
class Drs:
    """An installed DRS."""

    version: str
    path: str
    """Folder of its recipes."""


def numbers(version: str) -> tuple[int, ...]:
    """`2.8.7` as numbers, to compare."""
    return tuple(int(part) for part in re.findall(r"\d+", version))


def installed(folder: Path) -> list[Drs]:
    """Versions of the MUSE pipeline below a folder, newest first."""
    found = []
    for plugin in [*folder.glob("muse_bias.so"), *folder.glob("*/muse_bias.so")]:
        match = _FOLDER.search(plugin.parent.name) or _FOLDER.search(str(plugin.parent))
        found.append(Drs(match[1] if match else "", str(plugin.parent)))
    return sorted(found, key=lambda drs: numbers(drs.version), reverse=True)


def usual_places(environment: Mapping[str, str]) -> list[Path]:
    """Folders to look into where the settings name none."""
    named = environment.get("ESOREX_PLUGIN_DIR", "")
    found = [Path(part) for part in named.split(os.pathsep) if part]
    for pattern in PLACES:
        found.extend(sorted(Path("/").glob(pattern.lstrip("/"))))
    return found


def _list(drs: Iterable[Drs]) -> str:
    return ", ".join(f"{one.version or 'unknown version'} in {one.path}" for one in drs)


def find_drs(
    recipe_path: Path | None, version: str | None, environment: Mapping[str, str] | None = None
) -> Drs:
    """Find the DRS.

    Parameters
    ----------
    recipe_path : Path or None
        `cpl.recipe_path`; None: where packages put it.
    version : str or None
        `cpl.drs_version`; None: the newest.
    environment : mapping, optional
        Default: that of this process.

    Raises
    ------
    UsageError
        There is none, or not that version, or it is too old.
    """
    usual = usual_places(os.environ if environment is None else environment)
    elsewhere = [drs for folder in usual for drs in installed(folder)]
    if recipe_path is not None:
        found = installed(recipe_path) if recipe_path.is_dir() else []
        if not found:
            there = "holds no MUSE recipes" if recipe_path.is_dir() else "does not exist"
            raise UsageError(
                f"cpl.recipe_path: {recipe_path} {there}",
                why=f"the MUSE pipeline is installed: {_list(elsewhere)}" if elsewhere else None,
                remedy="take cpl.recipe_path out of the settings, so that it is found"
                if elsewhere
                else "install the MUSE pipeline (Debian: apt-get install cpl-plugin-muse), "
                "or name the folder that holds muse_bias.so",
            )
    else:
        found = elsewhere
    if not found:
        raise UsageError(
            "The MUSE pipeline (DRS) is not installed",
            why=f"no recipes in {', '.join(map(str, usual)) or 'the usual folders'}",
            remedy="install it (Debian: apt-get install cpl-plugin-muse), "
            "or name its folder with cpl.recipe_path in the settings",
        )
    if version is not None:
        fitting = [drs for drs in found if drs.version == version]
        if not fitting:
            raise UsageError(
                f"cpl.drs_version: version {version} of the DRS is not installed",
                why=f"there is {_list(found)}",
                remedy="install that version, or change cpl.drs_version in the settings",
            )
        found = fitting
    best = found[0]
    if best.version and numbers(best.version) < OLDEST:
        oldest = ".".join(map(str, OLDEST))
        raise UsageError(
            f"Version {best.version} of the DRS is not supported",
            where=best.path,
            why=f"musebuild knows the recipes of version {oldest} and newer",
            remedy=f"install version {oldest} or newer",
        )
    return best
