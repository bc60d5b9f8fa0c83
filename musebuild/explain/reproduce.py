"""Building anew what a lock file says, in a clean place, and comparing what comes out."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import yaml

from musebuild.cache.ledger import now
from musebuild.cache.model import Product
from musebuild.engine.hashing import digest_unchanged
from musebuild.engine.project import Project
from musebuild.errors import FrameError, PlanError, UsageError
from musebuild.explain.compare import (
    DIFFERENT,
    FIRST_ONLY,
    SAME_BYTES,
    SAME_CONTENT,
    SECOND_ONLY,
    ProductPair,
    Side,
    SideTask,
    compare_products,
)
from musebuild.explain.lock import (
    Lock,
    LockedProduct,
    lock_side,
    software_changes,
    software_text,
)
from musebuild.explain.sides import settings_side
from musebuild.fits.compare import HduDifference, compare_frames
from musebuild.fits.digest import digest_frame
from musebuild.settings.own_files import write_new
from musebuild.settings.path_names import shown, why_no_part

MISSING = "missing"
"""Verdict on a locked product that did not come out."""


@dataclass(frozen=True, slots=True)
class Reproduced:
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
    products: tuple[Reproduced, ...]
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
        # A link is made there in the clean folder, and must not lie outside.
        absolute = frame.place == "other" and frame.path.startswith("/")
        names = frame.path[absolute:].split("/")
        if reason := next(filter(None, map(why_no_part, names)), ""):
            told = f"{frame.place}: {shown(frame.path)}"
            wrong.append(f"{told} does not lie below its folder: {reason}")
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
        settings = folder / "settings.yml"
        text = yaml.safe_dump(_clean_settings(lock, origin), sort_keys=False)
        # First, so that no frame of this name takes its place.
        write_new(settings, text.encode())
        for (place, below), path in frames.items():
            at = folder / ("" if place == "other" else place) / below
            if place == "other" and Path(below).is_absolute():
                continue
            at.parent.mkdir(parents=True, exist_ok=True)
            at.symlink_to(path.absolute())
        (folder / "raw").mkdir(exist_ok=True)
        (folder / "calib").mkdir(exist_ok=True)
    except OSError as error:
        raise UsageError(
            f"the folder {folder} cannot be used",
            why=error.strerror,
            remedy="name a folder that you can write with --into DIR",
        ) from None
    return settings


def _clean_settings(lock: Lock, origin: Path) -> dict[str, Any]:
    settings = dict(lock.settings)
    for name in ("include", "workdir", "resources", "db_env"):
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
    found = software_changes(lock, project)
    if found:
        raise PlanError(
            "the software here is not that of the lock",
            why="\n".join(map(software_text, found)),
            remedy="install what was locked, or compare all the same with --any-software",
        )


def reproduction_of(
    lock: Lock, path: Path, began: str, project: Project, failures: Mapping[str, str]
) -> Reproduction:
    """The whole finding, after the build.

    Parameters
    ----------
    lock : Lock
    path : Path
        Its file; the locked products are looked for from there, to say how large a difference is.
    began : str
        When the build began.
    project : Project
        Built from the lock.
    failures : mapping
        Task → why it was not made.
    """
    locked = lock_side(path.name, lock, path)
    here = settings_side("here", project, (), hashed=True)
    found = tuple(
        _reproduced(pair, task, locked, here)
        for name in locked.tasks
        for task in (here.tasks.get(name) or SideTask(name, "", None, ()),)
        for pair in compare_products(locked.tasks[name], task)
    )
    return Reproduction(str(path), began, now(), found, dict(failures))


def _reproduced(pair: ProductPair, task: SideTask, locked: Side, here: Side) -> Reproduced:
    verdict = {FIRST_ONLY: MISSING, SECOND_ONLY: DIFFERENT}.get(pair.verdict, pair.verdict)
    found = Reproduced(pair.task, pair.category, pair.name, verdict, seconds=task.seconds)
    if pair.verdict == SECOND_ONLY:
        return replace(found, note="the lock does not have it")
    if pair.verdict != DIFFERENT or pair.first is None or pair.second is None:
        return found
    new = here.path(pair.second)
    if new is None:
        return replace(found, note="the new product is not at hand any more")
    old = locked.path(pair.first)
    if old is None:
        note = "the locked product is not at hand, so that only its HDUs' digests could be compared"
        return replace(found, hdus=_hdus(pair.first, new), note=note)
    return replace(found, hdus=_hdus(pair.first, new), differences=tuple(compare_frames(old, new)))


def _hdus(locked: Product, path: Path) -> tuple[str, ...]:
    """HDUs of a locked product of which a file has other content."""
    then = locked.hdus if isinstance(locked, LockedProduct) else {}
    digest = digest_frame(path)
    here = {"PRIMARY": digest.primary} | dict(digest.extensions)
    return tuple(n for n in dict.fromkeys([*then, *here]) if then.get(n) != here.get(n))
