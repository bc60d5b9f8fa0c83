"""A project folder opened for work: settings, database, index, plan, store, each when asked for.

What scans and plans is imported where it is used: an empty build that is remembered does neither.
"""

from __future__ import annotations

import contextlib
import os
import shlex
import sqlite3
from collections.abc import Callable, Iterable, Mapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from musebuild.cache.layout import FOLDERS, mark_layout
from musebuild.cache.ledger import Ledger
from musebuild.cache.reduced import ReducedTree
from musebuild.cache.store import Store
from musebuild.cache.trees import mark, own_tree
from musebuild.cache.verified import Verified
from musebuild.engine.migrations import MIGRATIONS
from musebuild.errors import UsageError
from musebuild.index.database import Connection, open_database, own_path, settle_folder
from musebuild.index.digests import DigestMemory
from musebuild.index.flags import recover_flags
from musebuild.index.model import FileIndex, RawFrame
from musebuild.recipes.catalogue import load_catalogue
from musebuild.recipes.declare import complete
from musebuild.recipes.drs import Drs, find_drs
from musebuild.recipes.model import Recipe
from musebuild.settings.load import load_settings
from musebuild.settings.model import Settings
from musebuild.settings.nearest import nearest
from musebuild.settings.own_files import everybody_writes

if TYPE_CHECKING:
    from sqlite_utils import Database

    from musebuild.index.scan import ScanReport
    from musebuild.index.vanished import Gone
    from musebuild.plan.model import Plan

SETTINGS_NAME = "settings.yml"
SUFFIXES = (".yml", ".yaml")
SETTINGS_VARIABLE = "MUSEBUILD_SETTINGS"
PROBLEMS_TOLD = 5
"""Files that cannot be used, and are named where there is no other."""


def project_folder(start: Path) -> Path:
    """The nearest folder with a settings file, from here upwards; `start` where there is none.

    A folder of another user above is passed over: who writes there must not say what is built.
    """
    mine = {os.getuid(), start.stat().st_uid}
    for folder in (start, *start.parents):
        path = folder / SETTINGS_NAME
        if path.is_file() and (folder == start or path.stat().st_uid in mine):
            return folder
    return start


def find_settings(given: str | None, folder: Path, environment: Mapping[str, str]) -> Path:
    """Find the settings file of a build.

    Parameters
    ----------
    given : str or None
        Value of `--settings`; wins over the environment variable MUSEBUILD_SETTINGS, which
        wins over `settings.yml` in `folder`.
    folder : Path
        The project folder.
    environment : mapping
        Environment variables.

    Raises
    ------
    UsageError
        No such file.
    """
    named = given or environment.get(SETTINGS_VARIABLE)
    if named:
        path = (folder / Path(named).expanduser()).absolute()
        origin = "--settings" if given else f"the environment variable {SETTINGS_VARIABLE}"
        if not path.is_file():
            raise UsageError(
                f"there is no settings file {path}",
                why=f"{origin} names it",
                remedy="correct the path, or make a project with `musebuild init`",
            )
        return path
    path = folder.absolute() / SETTINGS_NAME
    if not path.is_file():
        with contextlib.suppress(OSError):
            others = [p.name for p in folder.iterdir() if p.is_file()]
            meant = [n for n in nearest(SETTINGS_NAME, others) if n.lower().endswith(SUFFIXES)]
            if meant:
                raise UsageError(
                    f"there is no {SETTINGS_NAME} in {folder.absolute()}",
                    why=f"there is {meant[0]}",
                    remedy=f"rename it to {SETTINGS_NAME}, or name it with --settings {meant[0]}",
                )
        raise UsageError(
            f"there is no {SETTINGS_NAME} in {folder.absolute()}",
            remedy="make a project with `musebuild init`, change to your project's folder, "
            "or name another file with --settings FILE",
        )
    return path


def make_folder(folder: Path, purpose: str) -> Path:
    """Make a folder that a build writes to, or say why that cannot be."""
    remedy = "choose another folder in the settings, or mend its owner and permissions"
    if purpose == "store" and folder.is_dir():
        remedy += f"; a store that is only read stands second: cache: [mine, {folder}]"
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(
            f"the {purpose} {folder} cannot be made", why=error.strerror, remedy=remedy
        ) from None
    if not os.access(folder, os.W_OK | os.X_OK):
        raise UsageError(f"the {purpose} {folder} cannot be written", remedy=remedy)
    return folder


def _refuse_open(settings: Settings) -> None:
    """Refuse a project or store that everybody may write.

    Raises
    ------
    UsageError
        Names the folders.
    """
    places = [settings.folder, settings.workdir, settings.db.parent, settings.reduced_path]
    places += [root / name for root in settings.cache for name in ("", *FOLDERS)]
    found = [str(place) for place in dict.fromkeys(places) if everybody_writes(place)]
    if found:
        raise UsageError(
            f"everybody may write into {found[0]}",
            where="\n".join(found),
            why="whoever may can change what is made for you, and what runs as you",
            remedy=f"chmod o-w {shlex.quote(found[0])}{', and so the others' * (len(found) > 1)}\n"
            "where you trust all users of this machine: shared: true in the settings",
        )


class Project:
    """Everything that a command needs of a project; nothing is opened before it is used.

    Parameters
    ----------
    settings_path : Path
        The settings file.
    overrides : mapping, optional
        Values of `--set KEY=VALUE`.
    progress : callable, optional
        Told the number of frames read while the raw folder is scanned.
    environment : mapping, optional
        Variables of which recipes see those named `MUSE_*`; default: those of this process.
    """

    def __init__(
        self,
        settings_path: Path,
        overrides: Mapping[str, str] | None = None,
        progress: Callable[..., None] | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self.settings_path = settings_path
        self.overrides = dict(overrides or {})
        self.progress = progress
        self.environment = os.environ if environment is None else environment
        self.is_pinned = False
        """Whether the plan was given: nothing of it is remembered."""

    @cached_property
    def settings(self) -> Settings:
        """The settings, read and checked."""
        settings = load_settings(self.settings_path, overrides=self.overrides)
        if not settings.shared:
            _refuse_open(settings)
        return settings

    def with_settings(self, settings: Settings) -> Project:
        """The same project by other settings; it is closed by itself."""
        other = Project(self.settings_path, self.overrides, self.progress, self.environment)
        other.settings = settings
        return other

    @property
    def database_path(self) -> Path:
        """Where the database lies; beside that of the settings, where another tool made it."""
        return own_path(self.settings.db)

    @cached_property
    def connection(self) -> Connection:
        """The project's database, with its tables up to date: all that an empty build needs."""
        path = self.database_path
        make_folder(path.parent, "folder of the database")
        connection = open_database(path, MIGRATIONS)
        settle_folder(connection, path, self.settings_path.parent)
        recover_flags(connection)
        return connection

    @property
    def db(self) -> Database:
        """The same with all that sqlite-utils offers."""
        return self.connection.db

    @cached_property
    def catalogue(self) -> dict[str, Recipe]:
        """All recipes that are known, those of the settings among them."""
        return complete(load_catalogue(), self.settings)

    @cached_property
    def scan_report(self) -> ScanReport:
        """What a scan of the raw folder found; scans it the first time."""
        return self.ingest()

    def ingest(self, *, force: bool = False) -> ScanReport:
        """Scan the raw folder; with `force` read all headers again."""
        from musebuild.index.scan import scan

        folder = self.settings.raw_path
        if not folder.is_dir():
            link = folder.is_symlink()
            raise UsageError(
                f"the folder of raw frames {folder} does not exist",
                where=str(self.settings.where("raw_path")),
                why=f"it is a link to {folder.readlink()} (disk not mounted?)" if link else None,
                remedy="put the raw frames there, fetch them with `musebuild retrieve DATASET`, "
                "or correct raw_path",
            )
        report = scan(self.connection, self.settings, force=force, progress=self.progress)
        vars(self)["scan_report"] = report
        return report

    def rescan(self) -> ScanReport:
        """Scan the raw folder again: frames have come since."""
        for name in ("scan_report", "raw", "gone", "plan"):
            vars(self).pop(name, None)
        return self.scan_report

    @cached_property
    def raw(self) -> list[RawFrame]:
        """The raw frames, after a scan."""
        from musebuild.index.frames import raw_frames
        from musebuild.index.row_checks import require_sound

        report = self.scan_report
        # A plan and keys follow from them.
        require_sound(self.connection)
        frames = raw_frames(self.connection, self.settings)
        # Where the disk is not mounted the plan tells what vanished.
        if not frames and not self._vanished_of(frames):
            told = [str(problem) for problem in report.problems[:PROBLEMS_TOLD]]
            if len(report.problems) > PROBLEMS_TOLD:
                told.append(f"and {len(report.problems) - PROBLEMS_TOLD} more")
            raise UsageError(
                f"there is no raw frame below {self.settings.raw_path}",
                where=str(self.settings.where("raw_path")),
                why="\n".join(["what lies there cannot be used:", *told]) if told else None,
                remedy="put MUSE raw frames there, correct raw_path, "
                "or simulate a night with `musebuild simulate DIR`",
            )
        return frames

    def _vanished_of(self, frames: Iterable[RawFrame]) -> list[RawFrame]:
        from musebuild.index.vanished import vanished_frames

        return vanished_frames(self.connection, self.settings, frames)

    @cached_property
    def gone(self) -> Gone:
        """Frames and files that builds used and that cannot be read any more, after a scan."""
        from musebuild.index.vanished import find_gone

        return find_gone(self.connection, self.settings, self.raw, self.files)

    def forget_vanished(self) -> Gone:
        """Do without all that vanished, from now on; what that was."""
        from musebuild.index.vanished import forget_vanished

        gone = self.gone
        forget_vanished(self.connection, self.settings, gone.files)
        for name in ("scan_report", "raw", "gone", "plan"):
            vars(self).pop(name, None)
        return gone

    @property
    def is_scanned(self) -> bool:
        """Whether the raw folder was scanned already."""
        return "scan_report" in vars(self)

    def forget_frames(self) -> None:
        """Let go of the raw frames, which fill the memory: who has a plan needs them no more."""
        vars(self).pop("raw", None)

    @cached_property
    def files(self) -> FileIndex:
        """Static calibrations, and files that the settings name."""
        from musebuild.index.files import collect_files

        return collect_files(self.settings)

    @cached_property
    def plan(self) -> Plan:
        """Every invocation that the settings need."""
        from musebuild.index.selection import select_exposures
        from musebuild.plan.build import make_plan

        gone = self.gone
        selections = select_exposures(self.connection, self.settings)
        return make_plan(
            self.settings,
            gone.with_frames(self.raw),
            gone.with_files(self.files),
            self.catalogue,
            selections,
            gone.losses,
        )

    def pin(self, plan: Plan) -> None:
        """Take a plan as it stands, whatever settings, index and catalogue would make of it."""
        self.plan = plan
        self.is_pinned = True

    @cached_property
    def digests(self) -> DigestMemory:
        """Content digests of raw frames and files, remembered."""
        return DigestMemory(self.connection)

    @cached_property
    def store(self) -> Store:
        """The content-addressed store; who only looks may do so where it is read-only."""
        if not self.settings.cache[0].is_dir():
            make_folder(self.settings.cache[0], "store")
        return Store(self.settings.cache, Verified(lambda: self.connection))

    @cached_property
    def ledger(self) -> Ledger:
        """The ledger of what was made."""
        return Ledger(self.connection)

    @cached_property
    def reduced(self) -> Path:
        """Folder of the reduced tree; beside that of the settings, where another tool made it."""
        return own_tree(self.settings.reduced_path)

    @property
    def beside(self) -> str:
        """The reduced tree of the settings, where another tool made it; else empty."""
        named = self.settings.reduced_path
        return "" if self.reduced == named else str(named)

    @cached_property
    def tree(self) -> ReducedTree:
        """The reduced tree."""
        return ReducedTree(self.reduced, self.store, self.ledger)

    @cached_property
    def drs(self) -> Drs:
        """The DRS that runs the recipes; the mock runner needs none."""
        cpl = self.settings.cpl
        if cpl.runner == "mock" and cpl.recipe_path is None:
            return Drs(version=cpl.drs_version or "mock", path="")
        return find_drs(cpl.recipe_path, cpl.drs_version)

    @cached_property
    def recipe_environment(self) -> dict[str, str]:
        """The variables of the environment that recipes see: `MUSE_*`."""
        named = sorted(self.environment.items())
        return {name: value for name, value in named if name.startswith("MUSE_")}

    def require_writable(self) -> None:
        """Make the folders that a build writes to; raise UsageError where one cannot be."""
        make_folder(self.settings.workdir, "work folder")
        mark_layout(make_folder(self.settings.cache[0], "store"))
        purpose = "folder of the reduced data"
        make_folder(self.reduced, purpose)
        try:
            mark(self.reduced)
        except OSError as error:
            raise UsageError(
                f"the {purpose} {self.reduced} cannot be written",
                why=error.strerror,
                remedy="free space there, or choose another reduced_path in the settings",
            ) from None

    def close(self) -> None:
        """Close the database, if it was opened; what was read of the store is remembered."""
        store: Store | None = vars(self).get("store")
        if store is not None:
            # It saves time, no more.
            with contextlib.suppress(sqlite3.Error):
                store.verified.write()
        connection: Connection | None = vars(self).pop("connection", None)
        if connection is not None:
            connection.close()
