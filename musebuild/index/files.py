"""Static calibrations, and files that the settings name."""

from __future__ import annotations

import glob
from pathlib import Path

from musebuild.errors import FrameError
from musebuild.fits.headers import read_headers
from musebuild.fits.offsets import OFFSET_LIST, listed_exposures
from musebuild.index.model import FileFrame, FileIndex
from musebuild.index.walk import is_text, unnamed
from musebuild.settings.model import Settings
from musebuild.settings.path_names import ENDINGS, is_path


def read_file(path: Path, category: str = "") -> FileFrame:
    """A calibration file as plain data.

    Parameters
    ----------
    path : Path
        The file.
    category : str
        What the settings say that it is; else PRO CATG, else its name tells.

    Raises
    ------
    FrameError
        It cannot be read.
    """
    headers = read_headers(path)
    primary = headers.primary
    written = str(primary.get("ESO PRO CATG") or "").strip()
    mjd = primary.get("MJD-OBS")
    return FileFrame(
        path=str(path),
        category=category or written or _stem(path).upper(),
        ins_mode=str(primary.get("ESO INS MODE") or ""),
        channels=headers.channels,
        mjd_obs=float(mjd) if isinstance(mjd, int | float) else None,
        exposures=listed_exposures(path) if category == OFFSET_LIST else None,
    )


def _stem(path: Path) -> str:
    name = path.name
    for ending in ENDINGS:
        if name.lower().endswith(ending):
            return name[: -len(ending)]
    return name


def _fits_in(folder: Path, pattern: str = "*") -> list[Path]:
    return sorted(path for path in folder.glob(pattern) if path.name.lower().endswith(ENDINGS))


def named_paths(text: str, category: str, folder: Path) -> list[Path]:
    """Files that a text of `frames:` names: a file, the `CATEGORY*.fits` of a folder, a glob."""
    place = folder / Path(text).expanduser()
    if any(c in text for c in "*?["):
        return [Path(p) for p in sorted(glob.glob(str(place))) if p.lower().endswith(ENDINGS)]
    if place.is_dir():
        return _fits_in(place, f"{category}*")
    return [place] if place.is_file() else []


def paths_of(settings: Settings) -> list[str]:
    """Paths of all files that `collect_files` would read, sorted; reads none."""
    found: set[Path] = set()
    for block in settings.blocks.values():
        for category, sources in block.frames.sources.items():
            for text, _ in sources:
                if is_path(text):
                    found.update(named_paths(text, category, settings.folder))
    if settings.muse_calib_path is not None:
        found.update(_fits_in(settings.muse_calib_path))
    return sorted(str(path) for path in found)


def collect_files(settings: Settings) -> FileIndex:
    """Read the headers of all calibration files that the plan may choose from.

    Parameters
    ----------
    settings : Settings
        `muse_calib_path`, and `frames` of each block.
    """
    problems: list[str] = []
    named: dict[tuple[str, str], tuple[FileFrame, ...]] = {}

    def read_all(paths: list[Path], category: str = "") -> tuple[FileFrame, ...]:
        frames = []
        for path in paths:
            if not is_text(str(path)):
                problems.append(str(unnamed(str(path), "file")))
                continue
            try:
                frames.append(read_file(path, category))
            except FrameError as error:
                problems.append(str(error))
        return tuple(frames)

    for block in settings.blocks.values():
        for category, sources in block.frames.sources.items():
            for text, _ in sources:
                if is_path(text) and (category, text) not in named:
                    paths = named_paths(text, category, settings.folder)
                    named[category, text] = read_all(paths, category)
    folder = settings.muse_calib_path
    exists = folder is not None and folder.is_dir()
    static = read_all(_fits_in(folder)) if folder is not None and exists else ()
    return FileIndex(
        static=static,
        named=named,
        problems=tuple(dict.fromkeys(problems)),
        folder=str(folder or ""),
        folder_exists=exists,
    )
