"""Building anew what a lock file says, in a clean place, and comparing what comes out."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from musebuild.cache.ledger import now
from musebuild.cache.model import Product
from musebuild.cache.store import Store
from musebuild.engine.hashing import digest_unchanged
from musebuild.engine.project import Project
from musebuild.errors import FrameError, PlanError, UsageError
from musebuild.explain.lock import (
    Departure,
    Lock,
    LockedProduct,
    resolve_hashed,
    software_departures,
)
from musebuild.fits.compare import HduDifference, compare_frames
from musebuild.fits.digest import digest_frame

SAME_BYTES = "same bytes"
SAME_CONTENT = "same content"
DIFFERENT = "different"
MISSING = "missing"


@dataclass(frozen=True, slots=True)
class Comparison:
    """A locked product against the one that came out."""

    task: str
    category: str
    name: str
    verdict: str
    hdus: tuple[str, ...] = ()
    """HDUs that differ."""
    differences: tuple[HduDifference, ...] = ()
    """In detail, where the locked product is still at hand."""
    seconds: float = 0.0
    note: str = ""

    @property
    def agrees(self) -> bool:
        """Whether the content is the same."""
        return self.verdict in (SAME_BYTES, SAME_CONTENT)


@dataclass(frozen=True, slots=True)
class Reproduction:
    """What came of it."""

    lock: str
    began: str
    ended: str
    products: tuple[Comparison, ...]
    failures: Mapping[str, str]
    """Task → why it was not made."""

    @property
    def agrees(self) -> bool:
        """Whether all products came out with the same content."""
        return not self.failures and all(product.agrees for product in self.products)

    def count(self, verdict: str) -> int:
        """How many products have a verdict."""
        return sum(product.verdict == verdict for product in self.products)


def frame_places(
    lock: Lock, folder: Path, raw: Path | None = None, calib: Path | None = None
) -> dict[str, Path]:
    """Where the frames of a lock are looked for.

    Parameters
    ----------
    lock : Lock
    folder : Path
        Of the lock file: relative paths of the settings start there.
    raw, calib : Path, optional
        In place of `raw_path` and `muse_calib_path` of the settings.
    """
    base = folder / str(lock.settings.get("workdir") or ".")
    given = lock.settings.get("muse_calib_path")
    return {
        "raw": raw or base / str(lock.settings.get("raw_path") or "raw"),
        "calib": calib or (base / str(given) if given else base / "calib"),
        "other": folder,
    }


def locate_frames(lock: Lock, places: Mapping[str, Path]) -> dict[tuple[str, str], Path]:
    """(place, path) of each locked frame → where it lies.

    A raw frame that is not where it was is looked for by its name anywhere below the folder,
    compressed or not.

    Raises
    ------
    PlanError
        Frames are missing, or have other data than the locked ones: all of them are told.
    """
    found: dict[tuple[str, str], Path] = {}
    wrong: list[str] = []
    lost: list[str] = []
    by_name: dict[str, Path] = {}
    root = places["raw"]
    for folder, _, names in os.walk(root):
        for name in names:
            by_name.setdefault(_stem(name), Path(folder) / name)
    for frame in lock.frames:
        below = Path(frame.path)
        # A link is made there in the clean folder, and must not lie outside.
        if ".." in below.parts or (below.is_absolute() and frame.place != "other"):
            wrong.append(f"{frame.place}: {frame.path} does not lie below its folder")
            continue
        path = places[frame.place] / frame.path
        if not path.is_file() and frame.place == "raw":
            stem = frame.archive or _stem(Path(frame.path).name)
            path = by_name.get(stem, by_name.get(_stem(Path(frame.path).name), path))
        if not path.is_file():
            wrong.append(f"{frame.place}: {frame.path} is missing")
            lost += [frame.archive] if frame.archive else []
            continue
        try:
            digest = digest_unchanged(path).digest.content
        except FrameError as error:
            wrong.append(f"{frame.place}: {error.what}")
            continue
        if digest != frame.digest:
            wrong.append(f"{frame.place}: {frame.path} has other data than the locked frame")
        found[frame.place, frame.path] = path
    if wrong:
        bring = (
            "fetch the missing raw frames with `musebuild retrieve --locked`, or " if lost else ""
        )
        raise PlanError(
            f"{len(wrong)} of {len(lock.frames)} input frames are not those of the lock",
            where=str(places["raw"]),
            why="\n".join(wrong),
            remedy=f"{bring}say where they are with --raw DIR and --calib DIR",
        )
    return found


def _stem(name: str) -> str:
    head, dot, _ = name.partition(".fits")
    return head if dot else name


def make_clean_project(
    lock: Lock, frames: Mapping[tuple[str, str], Path], folder: Path, origin: Path
) -> Path:
    """A project of its own in an empty folder: the lock's settings, links to its frames.

    Parameters
    ----------
    lock : Lock
    frames : mapping
        Of `locate_frames`.
    folder : Path
        Empty, or not there yet.
    origin : Path
        Folder of the lock file.

    Returns
    -------
    Path
        The settings file.

    Raises
    ------
    UsageError
        The folder is not empty, or cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if any(folder.iterdir()):
            raise UsageError(
                f"the folder {folder} is not empty",
                why="a reproduction starts from nothing, without a cache",
                remedy="name an empty or new folder with --into DIR",
            )
        for (place, below), path in frames.items():
            at = folder / ("" if place == "other" else place) / below
            if place == "other" and Path(below).is_absolute():
                continue
            at.parent.mkdir(parents=True, exist_ok=True)
            at.symlink_to(path.absolute())
        (folder / "raw").mkdir(exist_ok=True)
        (folder / "calib").mkdir(exist_ok=True)
        settings = folder / "settings.yml"
        text = yaml.safe_dump(_clean_settings(lock, origin), sort_keys=False)
        settings.write_text(text, encoding="utf-8")
    except OSError as error:
        raise UsageError(
            f"the folder {folder} cannot be used",
            why=error.strerror,
            remedy="name a folder that you can write with --into DIR",
        ) from None
    return settings


def _clean_settings(lock: Lock, origin: Path) -> dict[str, Any]:
    settings = dict(lock.settings)
    for name in ("include", "workdir", "resources"):
        settings.pop(name, None)
    settings |= {
        "raw_path": "raw",
        "muse_calib_path": "calib",
        "reduced_path": "reduced",
        "db": "musebuild.db",
        "cache": "store",
    }
    cpl = {k: v for k, v in dict(settings.get("cpl") or {}).items() if k != "log_dir"}
    if cpl.get("mock"):
        cpl["mock"] = str(origin / str(cpl["mock"]))
    if lock.software.runner != "mock":
        cpl["drs_version"] = lock.software.drs
    settings["cpl"] = cpl
    return settings


def require_same_software(lock: Lock, project: Project) -> None:
    """Refuse where other software would compute.

    Raises
    ------
    PlanError
        With the full list.
    """
    found: list[Departure] = software_departures(lock, project)
    if found:
        raise PlanError(
            "the software here is not that of the lock",
            why="\n".join(departure.text for departure in found),
            remedy="install what was locked, or compare all the same with --any-software",
        )


def _verdict(
    locked: LockedProduct, made: Product, stores: list[Store], path: Path
) -> tuple[str, tuple[str, ...], tuple[HduDifference, ...], str]:
    if made.object == locked.object:
        return SAME_BYTES, (), (), ""
    if made.digest == locked.digest:
        return SAME_CONTENT, (), (), ""
    digest = digest_frame(path)
    here = {"PRIMARY": digest.primary} | dict(digest.extensions)
    hdus = tuple(
        name
        for name in dict.fromkeys([*locked.hdus, *here])
        if locked.hdus.get(name) != here.get(name)
    )
    for store in stores:
        if store.holds(locked.object, locked.size):
            return DIFFERENT, hdus, tuple(compare_frames(store.path(locked.object), path)), ""
    note = "the locked product is not at hand, so that only its HDUs' digests could be compared"
    return DIFFERENT, hdus, (), note


def compare_products(lock: Lock, project: Project, stores: list[Store]) -> list[Comparison]:
    """Each locked product against what the project made.

    Parameters
    ----------
    lock : Lock
    project : Project
        Built from the lock.
    stores : list of Store
        Where the locked products may still lie, to say how large a difference is.
    """
    _, resolutions = resolve_hashed(project, lock.targets)
    found = []
    for task in lock.tasks:
        resolution = resolutions.get(task.name)
        manifest = resolution.manifest if resolution is not None else None
        made = {product.name: product for product in manifest.products} if manifest else {}
        seconds = manifest.seconds if manifest else 0.0
        for locked in task.products:
            product = made.pop(locked.name, None)
            if product is None:
                found.append(Comparison(task.name, locked.category, locked.name, MISSING))
                continue
            path = project.store.path(product.object)
            verdict, hdus, differences, note = _verdict(locked, product, stores, path)
            found.append(
                Comparison(
                    task.name,
                    locked.category,
                    locked.name,
                    verdict,
                    hdus,
                    differences,
                    seconds,
                    note,
                )
            )
        found += [
            Comparison(task.name, p.category, p.name, DIFFERENT, note="the lock does not have it")
            for p in made.values()
        ]
    return found


def reproduction_of(
    lock: Lock,
    path: Path,
    began: str,
    project: Project,
    failures: Mapping[str, str],
    stores: list[Store],
) -> Reproduction:
    """The whole finding, after the build."""
    return Reproduction(
        str(path), began, now(), tuple(compare_products(lock, project, stores)), dict(failures)
    )
