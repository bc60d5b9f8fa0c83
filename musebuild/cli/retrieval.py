"""What `musebuild retrieve` does: ask, record, fetch, and bring the index up to date."""

from __future__ import annotations

import contextlib
import datetime as dt
import getpass
import os
import signal
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import FrameType

from sqlite_utils import Database

from musebuild.archive.client import Client, connect
from musebuild.archive.disk import DiskGuard
from musebuild.archive.downloads import Downloader, Ended, sizes
from musebuild.archive.eso import addresses_of
from musebuild.archive.filters import nights
from musebuild.archive.login import log_in
from musebuild.archive.migrations import ARCHIVE_MIGRATIONS
from musebuild.archive.model import ArchiveFrame, Window
from musebuild.archive.present import present
from musebuild.archive.queries import LOCKED, MISSING, ArchiveQueries, wanted_texts
from musebuild.archive.wanted import LOG, WantedFrames
from musebuild.cache.locks import KeyLock
from musebuild.engine.project import Project, make_folder
from musebuild.errors import EXIT_FAILED, EXIT_USAGE, MusebuildError, UsageError
from musebuild.explain.lock import LOCK_NAME, Lock, read_lock
from musebuild.explain.reproduce import frame_places, locate_frames
from musebuild.plan.build import make_plan
from musebuild.plan.model import Wanted
from musebuild.report.download_progress import BarWatch, LineWatch, frames_table, sums
from musebuild.report.spans import count, span
from musebuild.settings.flow import dataset_of_object
from musebuild.settings.model import Dataset
from musebuild.settings.nearest import did_you_mean
from musebuild.settings.own_files import make_below
from musebuild.settings.sizes import format_bytes

MOST_ROUNDS = 6
"""`--missing`: what came may need further calibrations, and these further ones."""
MOST_TOLD = 20


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def print_query_help() -> int:
    """Print what can be asked."""
    _say(connect(addresses_of(os.environ)).help().strip("\n"))
    return 0


def _ask(prompt: str) -> str | None:
    if not sys.stdin.isatty():
        return None
    return getpass.getpass(prompt)


@dataclass(frozen=True)
class Wish:
    """What is to come."""

    names: Sequence[str]
    """Datasets; with `locked` a lock file, or nothing."""
    dry_run: bool
    start: dt.date | None
    end: dt.date | None
    calib: Sequence[dt.date]
    ins_mode: str
    missing: bool
    locked: bool
    force: bool
    username: str


class Retrieval:
    """One call of `musebuild retrieve`."""

    def __init__(self, project: Project, wish: Wish) -> None:
        self.project, self.wish, self.settings = project, wish, project.settings
        self.dry = wish.dry_run
        self.lock = self._lock() if wish.locked else None
        self.datasets = [] if self.lock else [self._dataset(name) for name in wish.names]
        self.window = self._window()
        if wish.ins_mode and not wish.calib:
            raise UsageError(
                "--ins-mode belongs to --calib",
                remedy="give both, such as --calib 2017-06-15 --ins-mode WFM-NOAO-N; a "
                "dataset's mode is said with ins_mode in its archive_filter",
            )
        if not (wish.names or wish.calib or wish.missing or self.lock):
            have = ", ".join(self.settings.datasets) or "none in the settings yet"
            raise UsageError(
                "say what to retrieve",
                why=f"datasets are: {have}",
                remedy="musebuild retrieve DATASET, --calib NIGHT, --missing, or --locked",
            )

    def _dataset(self, name: str) -> Dataset:
        known = self.settings.datasets
        if name not in known:
            raise UsageError(
                f"there is no dataset {name}",
                where=str(self.settings.where("datasets")),
                why=f"there are {', '.join(known)}" if known else "the settings name none",
                remedy=did_you_mean(name, known)
                or f"add it: {dataset_of_object(name, archive_filter={'obs_targ_name': name})}",
            )
        return known[name]

    def _lock(self) -> Lock:
        names = self.wish.names
        if len(names) > 1:
            raise UsageError(
                "--locked takes one lock file",
                remedy=f"leave out {' '.join(names[1:])}",
            )
        name = names[0] if names else LOCK_NAME
        return read_lock(self.settings.folder / Path(name).expanduser())

    def _window(self) -> Window:
        first, last = self.wish.start, self.wish.end
        if first and last and last < first:
            raise UsageError(
                f"--end {last} lies before --start {first}",
                remedy=f"exchange them: --start {last} --end {first}",
            )
        return nights(first, last)

    # the whole

    def run(self) -> int:
        """Everything in order; the exit status."""
        client = connect(addresses_of(os.environ))
        folder = self.settings.raw_path
        if not self.dry:
            make_folder(folder, "folder of raw frames")
        if folder.is_dir():
            _ = self.project.scan_report
        records = WantedFrames(_in_memory() if self.dry else self.project.db)
        with self._alone(), _terminated_is_interrupted() as signals:
            try:
                queries = ArchiveQueries(client, records, self.settings, _say)
                purposes = []
                for dataset in self.datasets:
                    queries.dataset(dataset, self.window, force=self.wish.force)
                    purposes.append(dataset.name)
                purposes += [
                    queries.calibrations(night, self.wish.ins_mode) for night in self.wish.calib
                ]
                if self.lock is not None:
                    queries.locked(_archived(self.lock))
                    purposes.append(LOCKED)
                status = self._fetch(client, records, purposes) if purposes else 0
                if self.lock is not None and not self.dry:
                    self._compare(self.lock)
                if self.wish.missing:
                    status = max(status, self._missing(client, records, queries))
                elif status == 0 and not self.dry:
                    self._tell_missing()
                return status
            except KeyboardInterrupt:
                _say("stopped; what is fetched stays, and the same command goes on from here")
                return 128 + (signals[-1] if signals else signal.SIGINT)

    @contextlib.contextmanager
    def _alone(self) -> Iterator[None]:
        """Nobody else fetches into this folder meanwhile."""
        if self.dry:
            yield
            return
        place = self.settings.raw_path
        try:
            place.mkdir(parents=True, exist_ok=True)
            make_below(place, ".retrieve/locks")
        except OSError as error:
            raise MusebuildError(
                f"nothing can be fetched into {place}",
                where=str(error.filename or place),
                why=error.strerror,
                remedy="mend its permissions, take away what is in the way, or correct raw_path",
            ) from None
        lock = KeyLock(place / ".retrieve", "retrieve")
        if not lock.try_acquire():
            raise MusebuildError(
                f"another `musebuild retrieve` fetches into {self.settings.raw_path}",
                remedy="wait for it, or end it",
            )
        try:
            yield
        finally:
            lock.release()

    def _here(self) -> dict[str, str]:
        folder = self.settings.raw_path
        return present(folder, self.project.connection) if folder.is_dir() else {}

    def _compare(self, lock: Lock) -> None:
        """Hold what is here against a lock file.

        Raises
        ------
        PlanError
            A frame is missing, or has other data than the locked one.
        """
        settings = self.settings
        places = frame_places(lock, settings.folder, settings.raw_path, settings.muse_calib_path)
        others = [
            str(places[frame.place] / frame.path)
            for frame in lock.frames
            if not frame.archive and not (places[frame.place] / frame.path).is_file()
        ]
        if others:
            _say(
                f"WARNING: {count(len(others), 'file')} of the lock file did not come from the "
                f"archive, and must be copied: {', '.join(others[:5])}{' …' * (len(others) > 5)}"
            )
        archived = replace(lock, frames=tuple(f for f in lock.frames if f.archive))
        locate_frames(archived, places)
        _say(f"All {count(len(archived.frames), 'frame')} have the data of the lock file.")

    # fetching

    def _fetch(self, client: Client, records: WantedFrames, purposes: Sequence[str]) -> int:
        here = self._here()
        frames = records.wanted(purposes)
        records.found({f.dp_id: here[f.dp_id] for f in frames if f.dp_id in here})
        todo = [frame for frame in frames if frame.dp_id not in here]
        if self.dry:
            return self._show(client, todo, len(frames) - len(todo))
        damaged = self._damaged({here[f.dp_id] for f in frames if f.dp_id in here})
        if not todo:
            _say(f"All {count(len(frames), 'file')} are here already.")
            return damaged
        self._log_in(client)
        started = time.monotonic()
        watch = self._watch(todo)
        ended = self._download(client, records, todo, watch)
        fetched = [end for end in ended if end.how == "here"]
        _say(
            f"{count(len(fetched), 'file')} fetched ({format_bytes(watch.bytes)} in "
            f"{span(time.monotonic() - started)}), {len(frames) - len(todo)} were here already."
        )
        report = self.project.rescan()
        _say(f"Index: {count(report.new, 'new frame')}.")
        return max(damaged, self._failed(ended, todo))

    def _damaged(self, paths: set[str]) -> int:
        """Tell of frames that are here and cannot be read; the exit status."""
        for path in sorted(paths):
            if path.endswith(".Z"):
                _say(f"WARNING: {path} is packed in a way that musebuild cannot read: gunzip it")
        bad = [problem for problem in self.project.scan_report.problems if problem.path in paths]
        for problem in bad:
            sys.stderr.write(
                f"ERROR: {problem.path} is here, and cannot be used: {problem.message}\n"
                "  hint: remove it, and retrieve again\n"
            )
        return EXIT_FAILED if bad else 0

    def _show(self, client: Client, todo: Sequence[ArchiveFrame], have: int) -> int:
        unknown = [frame.dp_id for frame in todo if frame.size is None]
        lengths = sizes(client, unknown, self.settings.retrieve.parallel)
        shown = [
            frame if frame.size is not None else replace(frame, size=lengths.get(frame.dp_id))
            for frame in todo
        ]
        for line in frames_table(shown, dt.date.today()) if shown else ():
            _say(line)
        kinds: dict[str, list[ArchiveFrame]] = {}
        for frame in shown:
            kinds.setdefault(frame.category, []).append(frame)
        width = max(map(len, kinds), default=0)
        for category, members in kinds.items():
            _say(f"  {category:<{width}}  {sums(members)}")
        _say(f"To come: {sums(shown)}; {have} are here already.")
        return 0

    def _log_in(self, client: Client) -> None:
        user = self.wish.username or self.settings.retrieve.username
        if not user or client.user:
            return
        store = self.settings.retrieve.store_password
        if log_in(client, user, store=store, ask=_ask, say=_say):
            _say(f"Logged in as {user}.")
        else:
            _say("Going on without a login: only public frames will come.")

    def _watch(self, todo: Sequence[ArchiveFrame]) -> LineWatch:
        if sys.stdout.isatty():
            return BarWatch(sys.stdout, todo)
        return LineWatch(sys.stdout, len(todo))

    def _download(
        self, client: Client, records: WantedFrames, todo: Sequence[ArchiveFrame], watch: LineWatch
    ) -> list[Ended]:
        retrieve = self.settings.retrieve
        guard = DiskGuard(self.settings.raw_path, retrieve.keep_free)
        downloader = Downloader(
            client, self.settings.raw_path, guard, watch, parallel=retrieve.parallel
        )
        ended = []
        with watch:
            try:
                for end in downloader.run([frame.dp_id for frame in todo]):
                    ended.append(end)
                    if end.how in ("here", "refused", "gone", "failed"):
                        records.ended(end.file_id, end.how, file=end.path, problem=end.problem)
            finally:
                downloader.stop.set()
        return ended

    def _failed(self, ended: Sequence[Ended], todo: Sequence[ArchiveFrame]) -> int:
        """Tell what did not come, or came in doubt; the exit status."""
        for end in ended:
            if end.how == "here" and end.problem:
                _say(f"WARNING: {end.file_id}: {end.problem}")
        frames = {frame.dp_id: frame for frame in todo}
        # An exposure without a night log is nothing to worry about.
        lost = [
            end
            for end in ended
            if end.how not in ("here", "stopped")
            and not (end.how == "gone" and frames[end.file_id].kind == LOG)
        ]
        if not lost:
            return 0
        untried = sum(end.how == "stopped" for end in ended)
        if untried:
            sys.stderr.write(
                f"ERROR: {count(untried, 'file')} not tried any more, after what is told below\n"
            )
        for how, remedy in (
            (
                "refused",
                "log in as somebody who has the right to them (--username NAME, or "
                "retrieve_data.username), or wait until they are public",
            ),
            ("gone", "ask ESO (https://support.eso.org), or go without them"),
            ("failed", "the same command tries them again"),
            (
                "disk full",
                "free space, or let raw_path name another disk; the same command goes on "
                "from here (retrieve_data.keep_free says how much stays free)",
            ),
        ):
            some = [end for end in lost if end.how == how]
            if not some:
                continue
            lines = [f"ERROR: {count(len(some), 'file')} did not come: {how}"]
            for end in some[:MOST_TOLD]:
                release = frames[end.file_id].release[:10]
                until = f" (public from {release} on)" if how == "refused" and release else ""
                lines.append(f"  {end.file_id}: {end.problem}{until}")
            if len(some) > MOST_TOLD:
                lines.append(f"  … and {len(some) - MOST_TOLD} more")
            lines.append(f"  hint: {remedy}")
            sys.stderr.write("\n".join(lines) + "\n")
        return EXIT_USAGE if all(end.how == "disk full" for end in lost) else EXIT_FAILED

    # what the plan misses

    def _wanted(self) -> list[Wanted]:
        """Raw frames that the plan misses for what is asked for."""
        try:
            frames = self.project.raw
        except UsageError:
            return []
        plan = make_plan(self.settings, frames, self.project.files, self.project.catalogue)
        return list(dict.fromkeys(item for left in plan.left_out for item in left.wanted))

    def _missing(self, client: Client, records: WantedFrames, queries: ArchiveQueries) -> int:
        status, tried = 0, set[str]()
        for _ in range(MOST_ROUNDS):
            wanted = self._wanted()
            if not wanted:
                _say("The plan misses no raw frames.")
                return status
            new = queries.missing(wanted, {*self._here(), *tried})
            if not new:
                break
            tried |= set(new)
            status = max(status, self._fetch(client, records, [MISSING]))
            if self.dry or status:
                return status
        _say("Still missing: " + "; ".join(wanted_texts(self._wanted())[:MOST_TOLD]))
        return max(status, EXIT_FAILED)

    def _tell_missing(self) -> None:
        wanted = self._wanted()
        if wanted:
            shown = wanted_texts(wanted)
            more = f"; and {len(shown) - 5} more" if len(shown) > 5 else ""
            _say(f"The plan still misses: {'; '.join(shown[:5])}{more}")
            _say("`musebuild retrieve --missing` looks for them.")


def _archived(lock: Lock) -> list[ArchiveFrame]:
    """The frames of a lock file that the archive has."""
    found = {}
    for frame in lock.frames:
        if frame.archive:
            kind = "SCIENCE" if "OBJECT" in frame.tags else "CALIB"
            found[frame.archive] = ArchiveFrame(frame.archive, kind, frame.tags[0])
    return list(found.values())


def _in_memory() -> Database:
    database = Database(memory=True)
    for migration in ARCHIVE_MIGRATIONS:
        migration.apply(database)
    return database


@contextlib.contextmanager
def _terminated_is_interrupted() -> Iterator[list[int]]:
    """SIGTERM ends downloads as Ctrl-C does; gives the signals that came."""
    seen: list[int] = []

    def handle(number: int, _: FrameType | None) -> None:
        seen.append(number)
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, handle)
    try:
        yield seen
    finally:
        signal.signal(signal.SIGTERM, before)
